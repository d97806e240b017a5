/** @file Annotations by users: `shard(x, { batch: "data", mlp: "model" })`. */

import { ShardingError, suggestion } from "../core/errors.ts";
import { showAval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { shard as annotate, type DimAnnotation } from "../ops/shard.ts";

/**
 * What is asked of one dimension: a mesh axis, several (`"data+model"`, or a list; the first one major), null for none
 * at all, `"?"` for what propagation finds; a name with `?` behind it may be followed by others.
 */
export type DimSpec = string | readonly string[] | null;

export interface ShardOptions {
  /** 0 first, the default; where two annotations cannot both be met without moving data, the lower number decides. */
  readonly priority?: number;
  /** Mesh axes that must not split the tensor. */
  readonly whole?: readonly string[];
}

/**
 * The same tensor, which lies on the devices as said. The mesh is named when the program is partitioned.
 *
 * @param spec - by axis word, where words that are not named are free; or one entry per dimension
 * @throws ShardingError for a word that the tensor lacks, a wrong number of entries, an axis that stands twice
 */
export function shard(
  x: Tensor,
  spec: readonly DimSpec[] | Readonly<Record<string, DimSpec>>,
  { priority = 0, whole = [] }: ShardOptions = {},
): Tensor {
  const dims = isList(spec) ? spec : byWord(x, spec);
  return annotate(x, { dims: dims.map((dim) => annotation(dim, priority)), whole });
}

/**
 * The same tensor, laid by axis words: `laid(x, "batch pos width")`. Which mesh axes a word stands for is said by the
 * rules of whoever partitions the program; a model says only what its dimensions are, and one dimension may have another
 * word in weights than in what flows between them. `?` says nothing of a dimension.
 *
 * @throws ShardingError for another number of words than dimensions
 */
export function laid(x: Tensor, words: string): Tensor {
  const dims = words.split(" ").map((word): DimAnnotation => {
    const free = { axes: [], open: true, priority: 0 };
    return word === "?" ? free : { ...free, word };
  });
  return annotate(x, { dims, whole: [] });
}

function isList(
  spec: readonly DimSpec[] | Readonly<Record<string, DimSpec>>,
): spec is readonly DimSpec[] {
  return Array.isArray(spec);
}

function byWord(x: Tensor, spec: Readonly<Record<string, DimSpec>>): DimSpec[] {
  const words = x.names.filter((name) => name !== null);
  for (const word of Object.keys(spec)) {
    if (words.includes(word)) continue;
    throw new ShardingError("SHARD-01", `shard: "${word}" is no axis of the tensor.`, [
      ["tensor", showAval(x.aval)],
      ["fix", words.length > 0 ? suggestion(word, words) : "give one entry per dimension"],
    ]);
  }
  return x.names.map((name) => (name !== null && name in spec ? (spec[name] ?? null) : "?"));
}

function annotation(dim: DimSpec, priority: number): DimAnnotation {
  if (dim === null) return { axes: [], open: false, priority };
  const text = typeof dim === "string" ? dim : dim.join("+");
  const open = text.endsWith("?");
  const axes = text.replace(/\?$/, "").split("+");
  return { axes: axes.filter((axis) => axis !== ""), open, priority };
}
