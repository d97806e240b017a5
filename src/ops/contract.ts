/** @file The one contraction: an einsum of two operands. Its equation decides every rule. */

import { type AxisName, mergeName } from "../core/axes.ts";
import { apply } from "../core/builder.ts";
import { ShapeError } from "../core/errors.ts";
import { at, build, type NdArray } from "../core/ndarray.ts";
import {
  defineOp,
  isLinear,
  type Made,
  type MaybeZero,
  type One,
  type Op,
  type Two,
} from "../core/op.ts";
import { random, rejects, sample } from "../core/samples.ts";
import { type Aval, aval, dimOf, showAval, stridesOf } from "../core/shape.ts";
import { rule } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { add } from "./arithmetic.ts";
import { contractOnnx, contractStablehlo } from "./contract.lowering.ts";
import { checkDType, FLOATS } from "./dtypes.ts";
import { type TransposeParams, transposeOp } from "./layout.ts";

/** Labels per axis. Every label stands on two of the three sides, or on all. */
export interface ContractParams {
  readonly lhs: readonly string[];
  readonly rhs: readonly string[];
  readonly out: readonly string[];
}

export function showEquation({ lhs, rhs, out }: ContractParams): string {
  return `${lhs.join(" ")}, ${rhs.join(" ")} -> ${out.join(" ")}`;
}

/** `out[…] = Σ lhs[…] · rhs[…]` over the labels that `out` lacks. */
export const contractOp: Op<ContractParams, Two, One> = defineOp<ContractParams, Two, One>({
  name: "contract",
  infer([x, y], p) {
    checkDType("contract", x, FLOATS);
    const sizes = new Map<string, { readonly size: number; readonly name: AxisName }>();
    const facts = () =>
      [
        ["equation", showEquation(p)],
        ["operand 1", showAval(x)],
        ["operand 2", showAval(y)],
      ] as const;
    if (p.lhs.length !== x.dims.length || p.rhs.length !== y.dims.length || x.dtype !== y.dtype) {
      throw new ShapeError("SHAPE-02", "einsum: the equation does not fit the operands.", facts());
    }
    const bind = (label: string, form: Aval, axis: number) => {
      const size = dimOf(form, axis);
      const name = form.names[axis] ?? null;
      const known = sizes.get(label);
      if (known !== undefined && known.size !== size) {
        throw new ShapeError("SHAPE-02", `einsum: axis "${label}" has two sizes.`, [
          ...facts(),
          ["fix", `make "${label}" ${known.size} or ${size} on both operands`],
        ]);
      }
      sizes.set(label, { size, name: mergeName("einsum", known?.name ?? null, name, facts) });
    };
    p.lhs.forEach((label, i) => {
      bind(label, x, i);
    });
    p.rhs.forEach((label, i) => {
      bind(label, y, i);
    });
    const lone = [...sizes.keys()].find(
      (label) => [p.lhs, p.rhs, p.out].filter((side) => side.includes(label)).length < 2,
    );
    const stray = p.out.find((label) => !sizes.has(label));
    if (lone !== undefined || stray !== undefined) {
      throw new ShapeError(
        "SHAPE-02",
        `einsum: axis "${lone ?? stray}" stands on one side only.`,
        facts(),
      );
    }
    const result = p.out.map((label) => sizes.get(label));
    return [
      aval(
        x.dtype,
        result.map((axis) => axis?.size ?? 0),
        result.map((axis) => axis?.name ?? null),
      ),
    ];
  },
  jvp: {
    kind: "rule",
    apply: ([dx, dy], [x, y], _z, p) => {
      const left: MaybeZero = dx === null ? null : contract(dx, y, p);
      const right: MaybeZero = dy === null ? null : contract(x, dy, p);
      return [left === null ? right : right === null ? left : add(left, right)];
    },
  },
  // The cotangent takes the place of the missing operand: the labels move, nothing else.
  transpose: {
    kind: "rule",
    apply: ([ct], [x, y], { lhs, rhs, out }) => [
      ct !== null && isLinear(x) && !isLinear(y)
        ? contract(ct, y, { lhs: out, rhs, out: lhs })
        : null,
      ct !== null && isLinear(y) && !isLinear(x)
        ? contract(x, ct, { lhs, rhs: out, out: rhs })
        : null,
    ],
  },
  batch: ([x, y], [xMapped, yMapped], { lhs, rhs, out }) => {
    const fresh = freshLabel([...lhs, ...rhs]);
    return [
      contract(x, y, {
        lhs: xMapped ? [fresh, ...lhs] : lhs,
        rhs: yMapped ? [fresh, ...rhs] : rhs,
        out: [fresh, ...out],
      }),
    ];
  },
  shard: (_inputs, _outputs, p) =>
    rule(p, [p.lhs, p.rhs], [p.out], { sum: p.lhs.filter((label) => !p.out.includes(label)) }),
  evaluate: ([x, y], { lhs, rhs, out }, [z]) => {
    const summed = lhs.filter((label) => !out.includes(label));
    const sizes = summed.map((label) => dimOf(x, lhs.indexOf(label)));
    const [ofX, ofY] = [offsetsAlong(x, lhs, out, z.dims), offsetsAlong(y, rhs, out, z.dims)];
    const [alongX, alongY] = [
      offsetsAlong(x, lhs, summed, sizes),
      offsetsAlong(y, rhs, summed, sizes),
    ];
    return [
      build(z, (_index, flat) => {
        const [fromX, fromY] = [ofX[flat] ?? 0, ofY[flat] ?? 0];
        let total = 0;
        for (let k = 0; k < alongX.length; k++)
          total += at(x, fromX + (alongX[k] ?? 0)) * at(y, fromY + (alongY[k] ?? 0));
        return total;
      }),
    ];
  },
  simplify: ([x, y], p) => {
    const left = absorbTranspose(x, p.lhs);
    const right = absorbTranspose(y, p.rhs);
    if (left === null && right === null) return null;
    return [
      contract(left?.tensor ?? x.tensor, right?.tensor ?? y.tensor, {
        lhs: left?.labels ?? p.lhs,
        rhs: right?.labels ?? p.rhs,
        out: p.out,
      }),
    ];
  },
  lower: { onnx: contractOnnx, stablehlo: contractStablehlo },
  samples: () => [
    sample("matrices", [random(3, 4), random(4, 2)], labels("i k, k j -> i j")),
    sample("transposed", [random(4, 3), random(2, 4)], labels("k i, j k -> i j")),
    sample("swapped result", [random(3, 4), random(4, 2)], labels("i k, k j -> j i")),
    sample("batched", [random(2, 3, 4), random(2, 4, 5)], labels("b i k, b k j -> b i j")),
    sample(
      "heads",
      [random(2, 3, 2, 4), random(2, 5, 2, 4)],
      labels("b p h d, b m h d -> b h p m"),
    ),
    sample(
      "mixing",
      [random(2, 2, 3, 5), random(2, 5, 2, 4)],
      labels("b h p m, b m h d -> b p h d"),
    ),
    sample("projection", [random(2, 3, 4), random(4, 2, 3)], labels("b p e, e h d -> b p h d")),
    sample("weight gradient", [random(2, 3, 4), random(2, 3, 5)], labels("b p e, b p m -> e m")),
    sample("two summed apart", [random(2, 3, 4), random(4, 2, 5)], labels("a i b, b a j -> i j")),
    sample("one by many", [random(3, 4), random(2, 4, 5)], labels("i k, b k j -> b i j")),
    sample("one by many turned", [random(4, 3), random(2, 5, 4)], labels("k i, b j k -> b i j")),
    sample("outer product", [random(3), random(4)], labels("i, j -> i j")),
    sample("inner product", [random(4), random(4)], labels("i, i ->")),
    sample("rows by rows", [random(3, 4), random(3, 4)], labels("i k, i k -> i")),
    sample("scaled rows", [random(3, 4), random(3)], labels("i k, i -> i k")),
    sample("matrix by vector", [random(3, 4), random(4)], labels("i k, k -> i")),
    sample("vector by matrix", [random(3), random(3, 4)], labels("k, k j -> j")),
    sample("sum over nothing", [random(2, 0), random(0, 3)], labels("i k, k j -> i j")),
    sample("no rows", [random(0, 2), random(2, 3)], labels("i k, k j -> i j")),
  ],
  rejects: () => [
    rejects(
      "two sizes",
      [aval("float32", [3, 4]), aval("float32", [5, 2])],
      labels("i k, k j -> i j"),
      'einsum: axis "k" has two sizes.',
    ),
    rejects(
      "a lone label",
      [aval("float32", [3, 4]), aval("float32", [3, 2])],
      labels("i k, i j -> i j"),
      'einsum: axis "k" stands on one side only.',
    ),
  ],
});

/** Reads `"i k, k j -> i j"`. */
export function labels(equation: string): ContractParams {
  const [sides = "", out = ""] = equation.split("->");
  const [lhs = "", rhs = ""] = sides.split(",");
  const words = (side: string) => side.split(" ").filter((word) => word !== "");
  return { lhs: words(lhs), rhs: words(rhs), out: words(out) };
}

/** Where in an operand the places along labels lie, row-major; labels that it lacks do not move. */
function offsetsAlong(
  x: NdArray,
  own: readonly string[],
  along: readonly string[],
  sizes: readonly number[],
): readonly number[] {
  const strides = stridesOf(x.dims);
  return along.reduce<readonly number[]>(
    (starts, label, i) => {
      const stride = strides[own.indexOf(label)] ?? 0;
      return starts.flatMap((start) =>
        Array.from({ length: sizes[i] ?? 0 }, (_, k) => start + k * stride),
      );
    },
    [0],
  );
}

function freshLabel(used: readonly string[]): string {
  let i = 0;
  while (used.includes(`map${i}`)) i++;
  return `map${i}`;
}

/** A transposed operand is the operand under reordered labels. */
function absorbTranspose(
  made: Made,
  side: readonly string[],
): { tensor: Tensor; labels: string[] } | null {
  const [source] = made.inputs;
  if (made.op !== (transposeOp as unknown as Op) || source === undefined) return null;
  const { order } = made.params as TransposeParams;
  const reordered = new Array<string>(side.length);
  order.forEach((axis, i) => {
    reordered[axis] = side[i] ?? "";
  });
  return { tensor: source, labels: reordered };
}

export function contract(x: Tensor, y: Tensor, params: ContractParams): Tensor {
  return apply(contractOp, [x, y], params)[0];
}
