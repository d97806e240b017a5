/**
 * @file An annotation as an op: the value itself, with word of the mesh axes that should split it. The mesh comes
 * later, when a program is partitioned; until then the words are only kept, through every derivative.
 */

import { apply } from "../core/builder.ts";
import { ShardingError } from "../core/errors.ts";
import { defineOp, linear, type One, type Op } from "../core/op.ts";
import { random, rejects, sample } from "../core/samples.ts";
import { aval, showAval } from "../core/shape.ts";
import { pointwise } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";

/** What is asked of one dimension. */
export interface DimAnnotation {
  /** Mesh axes by name, the first one major. */
  readonly axes: readonly string[];
  /** Whether more axes may follow. */
  readonly open: boolean;
  /** 0 first; larger numbers give way. */
  readonly priority: number;
  /** Instead of mesh axes: an axis word, whose rule names them when the program is partitioned; free without a rule. */
  readonly word?: string;
}

export interface ShardParams {
  readonly dims: readonly DimAnnotation[];
  /** Mesh axes that must not split the value. */
  readonly whole: readonly string[];
}

/** `[data, -, model?]`. */
export function showAnnotation({ dims, whole }: ShardParams): string {
  const entries = dims.map(({ axes, open, priority, word }) => {
    if (word !== undefined) return word;
    const name = axes.length > 0 ? axes.join("+") : open ? "" : "-";
    return `${name}${open ? "?" : ""}${priority > 0 ? `@${priority}` : ""}`;
  });
  return `[${entries.join(", ")}]${whole.length > 0 ? ` whole ${whole.join("+")}` : ""}`;
}

export const shardOp: Op<ShardParams, One, One> = defineOp<ShardParams, One, One>({
  name: "shard",
  infer([x], p) {
    const wrong = (why: string, fix: string) =>
      new ShardingError("SHARD-01", `shard ${showAnnotation(p)}: ${why}.`, [
        ["tensor", showAval(x)],
        ["fix", fix],
      ]);
    if (p.dims.length !== x.dims.length)
      throw wrong(
        `${p.dims.length} entries for ${x.dims.length} dimensions`,
        "give one entry per dimension, or name dimensions by their axis words",
      );
    const axes = p.dims.flatMap((dim) => dim.axes);
    const twice = axes.find((axis, i) => axes.indexOf(axis) !== i);
    if (twice !== undefined)
      throw wrong(`axis "${twice}" stands twice`, "each axis splits one dimension at most");
    const both = axes.find((axis) => p.whole.includes(axis));
    if (both !== undefined)
      throw wrong(`axis "${both}" splits it and must not`, "name it on one side only");
    return [x];
  },
  jvp: linear,
  // The cotangent lies as the value does.
  transpose: { kind: "rule", apply: ([ct], _x, p) => [ct === null ? null : shard(ct, p)] },
  batch: ([x], _mapped, p) => [
    shard(x, { ...p, dims: [{ axes: [], open: true, priority: 0 }, ...p.dims] }),
  ],
  shard: ([x], _y, p) => pointwise(x.dims.length, 1, p),
  evaluate: ([x]) => [x],
  simplify: () => null,
  lower: { onnx: (_g, [x]) => [x], stablehlo: (_h, [x]) => [x] },
  samples: () => [
    sample("rows", [random(4, 3)], { dims: [on("data"), on()], whole: [] }),
    sample("by words", [random(4, 3)], {
      dims: [
        { axes: [], open: true, priority: 0, word: "batch" },
        { axes: [], open: true, priority: 0, word: "width" },
      ],
      whole: [],
    }),
    sample("rows over two axes, columns free", [random(4, 3)], {
      dims: [on("data", "model"), { axes: [], open: true, priority: 1 }],
      whole: ["expert"],
    }),
  ],
  rejects: () => [
    rejects(
      "too few entries",
      [aval("float32", [4, 3])],
      { dims: [on("data")], whole: [] },
      "shard [data]: 1 entries for 2 dimensions.",
    ),
    rejects(
      "an axis twice",
      [aval("float32", [4, 3])],
      { dims: [on("data"), on("data")], whole: [] },
      'shard [data, data]: axis "data" stands twice.',
    ),
    rejects(
      "an axis that splits and must not",
      [aval("float32", [4])],
      { dims: [on("data")], whole: ["data"] },
      'shard [data] whole data: axis "data" splits it and must not.',
    ),
  ],
});

function on(...axes: readonly string[]): DimAnnotation {
  return { axes, open: false, priority: 0 };
}

export function shard(x: Tensor, params: ShardParams): Tensor {
  return apply(shardOp, [x], params)[0];
}
