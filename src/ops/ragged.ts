/** @file Grouped matrix products: rows sorted by group, each times the matrix of its group. */

import { mergeName } from "../core/axes.ts";
import { apply } from "../core/builder.ts";
import { DTypeError, ShapeError } from "../core/errors.ts";
import { at, type NdArray, put, zeros } from "../core/ndarray.ts";
import { defineOp, isLinear, type MaybeZero, type One, type Op, type Three } from "../core/op.ts";
import { random, rejects, sample, values } from "../core/samples.ts";
import { type Aval, aval, dimOf, showAval } from "../core/shape.ts";
import { rule } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, sub } from "./arithmetic.ts";
import { broadcast, fullLike, iota } from "./creation.ts";
import { cumsum } from "./cumulative.ts";
import { checkDType, FLOATS } from "./dtypes.ts";
import { type NoParams, noParams, repeat } from "./families.ts";
import { reshape } from "./layout.ts";
import { less, select } from "./logic.ts";
import { maximum, minimum } from "./magnitude.ts";
import { concatenate, pad, slice } from "./pieces.ts";
import {
  raggedDotOnnx,
  raggedDotStablehlo,
  raggedOuterOnnx,
  raggedOuterStablehlo,
} from "./ragged.lowering.ts";

export interface RaggedDotParams {
  /** Whether rows meet the last axis of the matrices, `[group, out, in]`, and not the middle one. */
  readonly transposed: boolean;
  /**
   * Whether a row's result must not depend, to the last bit, on how many rows its group has. Products of one
   * row are else computed by other code, with other rounding.
   */
  readonly steady: boolean;
}

function checkSizes(name: string, x: Aval, sizes: Aval): void {
  checkDType(name, x, FLOATS);
  if (sizes.dtype !== "int32")
    throw new DTypeError("DTYPE-01", `${name}: group sizes must be int32, not ${showAval(sizes)}`);
  if (sizes.dims.length !== 1 || sizes.dims[0] === 0)
    throw new ShapeError(
      "SHAPE-01",
      `${name}: group sizes must be one list of at least one size, not ${showAval(sizes)}`,
    );
}

/** The group of every row; −1 past the last group. Sizes below 0 count as 0. */
function groupsOf(sizes: NdArray, rows: number): number[] {
  const groups = Array.from({ length: sizes.data.length }, (_, group) => group);
  return groups
    .flatMap((group) => Array<number>(Math.min(Math.max(at(sizes, group), 0), rows)).fill(group))
    .concat(Array<number>(rows).fill(-1))
    .slice(0, rows);
}

/**
 * `y[r] = x[r] · w[group of r]`: rows `[row, in]`, matrices `[group, in, out]`, int32 sizes `[group]`.
 *
 * The first `sizes[0]` rows belong to group 0, the next `sizes[1]` to group 1, and so on. Rows past the
 * last group give zeros; sizes past the last row are cut, those below 0 count as 0.
 */
export const raggedDotOp: Op<RaggedDotParams, Three, One> = defineOp<RaggedDotParams, Three, One>({
  name: "raggedDot",
  infer([x, w, sizes], { transposed }) {
    checkSizes("raggedDot", x, sizes);
    const [inner, outer] = transposed ? [2, 1] : [1, 2];
    const facts = () =>
      [
        ["rows", showAval(x)],
        ["matrices", showAval(w)],
        ["group sizes", showAval(sizes)],
      ] as const;
    const fits =
      x.dims.length === 2 &&
      w.dims.length === 3 &&
      x.dtype === w.dtype &&
      w.dims[inner] === x.dims[1] &&
      w.dims[0] === sizes.dims[0];
    if (!fits) {
      throw new ShapeError(
        "SHAPE-01",
        "raggedDot: takes rows [row, in], matrices [group, in, out] and sizes [group].",
        facts(),
      );
    }
    mergeName("raggedDot", x.names[1] ?? null, w.names[inner] ?? null, facts);
    return [
      aval(x.dtype, [dimOf(x, 0), dimOf(w, outer)], [x.names[0] ?? null, w.names[outer] ?? null]),
    ];
  },
  jvp: {
    kind: "rule",
    apply: ([dx, dw], [x, w, sizes], _y, p) => {
      const left = dx === null ? null : raggedDot(dx, w, sizes, p);
      const right = dw === null ? null : raggedDot(x, dw, sizes, p);
      return [sumOf(left, right)];
    },
  },
  transpose: {
    kind: "rule",
    apply: ([ct], [x, w, sizes], { transposed, steady }) => {
      if (ct === null || isLinear(sizes)) return [null, null, null];
      return [
        isLinear(x) && !isLinear(w)
          ? raggedDot(ct, w, sizes, { transposed: !transposed, steady })
          : null,
        isLinear(w) && !isLinear(x)
          ? transposed
            ? raggedOuter(ct, x, sizes)
            : raggedOuter(x, ct, sizes)
          : null,
        null,
      ];
    },
  },
  batch: (inputs, mapped, p, size) => {
    const [x, w, sizes] = all(inputs, mapped, size);
    const rows = dimOf(x.aval, 1);
    const { counts, total } = wholeBatches(sizes, rows);
    const matrices = pad(w, [0, 0, 0, 0], [0, 1, 0, 0]);
    const y = raggedDot(flat(x), flat(matrices), flat(counts), p);
    const unflat = reshape(y, [size, rows, dimOf(y.aval, 1)], [null, ...y.names]);
    // Past the last group even NaN becomes 0, which a product with zeros would not do.
    const { dims, names } = unflat;
    const line = broadcast(iota(aval("int32", [rows]), 0), { dims, axes: [1], names });
    const inside = less(line, broadcast(total, { dims, axes: [0], names }));
    return [select(inside, unflat, fullLike(unflat, 0))];
  },
  // A split of the rows would have to split the sizes by value.
  shard: (_inputs, _outputs, p) =>
    rule(
      p,
      [[null, "k"], p.transposed ? [null, "n", "k"] : [null, "k", "n"], [null]],
      [[null, "n"]],
      {
        sum: ["k"],
      },
    ),
  evaluate: ([x, w, sizes], { transposed }, [y]) => {
    const out = zeros(y);
    const [inner, columns] = [dimOf(x, 1), dimOf(y, 1)];
    groupsOf(sizes, dimOf(x, 0)).forEach((group, row) => {
      if (group < 0) return;
      for (let j = 0; j < columns; j++) {
        let total = 0;
        for (let i = 0; i < inner; i++) {
          const place = transposed ? j * inner + i : i * columns + j;
          total += at(x, row * inner + i) * at(w, group * inner * columns + place);
        }
        put(out, row * columns + j, total);
      }
    });
    return [out];
  },
  simplify: () => null,
  lower: { onnx: raggedDotOnnx, stablehlo: raggedDotStablehlo },
  samples: () => [
    sample("groups", [random(6, 3), random(3, 3, 2), list(2, 3, 1)], {
      transposed: false,
      steady: false,
    }),
    sample("transposed", [random(6, 3), random(3, 2, 3), list(2, 3, 1)], {
      transposed: true,
      steady: false,
    }),
    sample("steady", [random(6, 3), random(4, 3, 2), list(2, 0, 1, 2)], {
      transposed: false,
      steady: true,
    }),
    sample("steady, transposed", [random(6, 3), random(3, 2, 3), list(2, 3, 1)], {
      transposed: true,
      steady: true,
    }),
    sample("empty groups, rows left over", [random(6, 3), random(4, 3, 2), list(0, 2, 0, 3)], {
      transposed: false,
      steady: false,
    }),
    sample("one group", [random(3, 2), random(1, 2, 4), list(3)], {
      transposed: false,
      steady: false,
    }),
    sample("all empty", [random(3, 2), random(2, 2, 2), list(0, 0)], {
      transposed: false,
      steady: false,
    }),
    sample("sizes past the rows", [random(4, 2), random(3, 2, 2), list(3, 9, 9)], {
      transposed: false,
      steady: false,
    }),
    sample("a size below 0", [random(4, 2), random(3, 2, 2), list(1, -3, 2)], {
      transposed: false,
      steady: false,
    }),
    sample("no rows", [random(0, 2), random(2, 2, 3), list(0, 0)], {
      transposed: false,
      steady: false,
    }),
    sample("nothing summed", [random(2, 0), random(2, 0, 3), list(1, 1)], {
      transposed: false,
      steady: false,
    }),
    sample(
      "rows left over hold anything",
      [values(aval("float32", [3, 1]), 2, NaN, Infinity), random(2, 1, 2), list(1, 0)],
      { transposed: false, steady: false },
      false,
    ),
    sample(
      "a matrix without rows holds anything",
      [random(2, 1), values(aval("float32", [2, 1, 2]), 2, 3, NaN, Infinity), list(2, 0)],
      { transposed: false, steady: false },
      false,
    ),
  ],
  rejects: () => [
    rejects(
      "another number of groups",
      [aval("float32", [4, 2]), aval("float32", [3, 2, 5]), aval("int32", [2])],
      { transposed: false, steady: false },
      "raggedDot: takes rows [row, in], matrices [group, in, out] and sizes [group].",
    ),
    rejects(
      "sizes that are no integers",
      [aval("float32", [4, 2]), aval("float32", [3, 2, 5]), aval("float32", [3])],
      { transposed: false, steady: false },
      "raggedDot: group sizes must be int32, not float32[3]",
    ),
  ],
});

/** `y[g] = Σ x[r]ᵀ · z[r]` over the rows r of group g: the matrices' gradient of `raggedDot`. */
export const raggedOuterOp: Op<NoParams, Three, One> = defineOp<NoParams, Three, One>({
  name: "raggedOuter",
  infer([x, z, sizes]) {
    checkSizes("raggedOuter", x, sizes);
    const fits =
      x.dims.length === 2 && z.dims.length === 2 && x.dtype === z.dtype && x.dims[0] === z.dims[0];
    if (fits)
      return [
        aval(
          x.dtype,
          [dimOf(sizes, 0), dimOf(x, 1), dimOf(z, 1)],
          [sizes.names[0] ?? null, x.names[1] ?? null, z.names[1] ?? null],
        ),
      ];
    throw new ShapeError("SHAPE-01", "raggedOuter: takes two lists of rows of equal length.", [
      ["rows", showAval(x)],
      ["other rows", showAval(z)],
    ]);
  },
  jvp: {
    kind: "rule",
    apply: ([dx, dz], [x, z, sizes]) => {
      const left = dx === null ? null : raggedOuter(dx, z, sizes);
      const right = dz === null ? null : raggedOuter(x, dz, sizes);
      return [sumOf(left, right)];
    },
  },
  transpose: {
    kind: "rule",
    apply: ([ct], [x, z, sizes]) => {
      if (ct === null || isLinear(sizes)) return [null, null, null];
      return [
        isLinear(x) && !isLinear(z)
          ? raggedDot(z, ct, sizes, { transposed: true, steady: false })
          : null,
        isLinear(z) && !isLinear(x) ? raggedDot(x, ct, sizes) : null,
        null,
      ];
    },
  },
  batch: (inputs, mapped, _params, size) => {
    const [x, z, sizes] = all(inputs, mapped, size);
    const { counts } = wholeBatches(sizes, dimOf(x.aval, 1));
    const y = raggedOuter(flat(x), flat(z), flat(counts));
    const [groups, rows, columns] = [dimOf(sizes.aval, 1), dimOf(y.aval, 1), dimOf(y.aval, 2)];
    const whole = reshape(y, [size, groups + 1, rows, columns], [null, ...y.names]);
    return [slice(whole, [0, 0, 0, 0], [size, groups, rows, columns])];
  },
  shard: () => rule(noParams, [[null, "k"], [null, "n"], [null]], [[null, "k", "n"]]),
  evaluate: ([x, z, sizes], _params, [y]) => {
    const out = zeros(y);
    const [inner, columns] = [dimOf(x, 1), dimOf(z, 1)];
    const totals = new Float64Array(out.data.length);
    groupsOf(sizes, dimOf(x, 0)).forEach((group, row) => {
      if (group < 0) return;
      for (let i = 0; i < inner; i++) {
        for (let j = 0; j < columns; j++) {
          const product = at(x, row * inner + i) * at(z, row * columns + j);
          const place = (group * inner + i) * columns + j;
          totals[place] = (totals[place] ?? 0) + product;
        }
      }
    });
    totals.forEach((total, i) => {
      put(out, i, total);
    });
    return [out];
  },
  simplify: () => null,
  lower: { onnx: raggedOuterOnnx, stablehlo: raggedOuterStablehlo },
  samples: () => [
    sample("groups", [random(6, 3), random(6, 2), list(2, 3, 1)], noParams),
    sample(
      "empty groups, rows left over",
      [random(6, 3), random(6, 2), list(0, 2, 0, 3)],
      noParams,
    ),
    sample("sizes past the rows", [random(4, 2), random(4, 2), list(3, 9, 9)], noParams),
    sample("no rows", [random(0, 2), random(0, 3), list(0, 0)], noParams),
    sample(
      "rows of others hold anything",
      [
        values(aval("float32", [3, 1]), 2, NaN, NaN),
        values(aval("float32", [3, 1]), 1, 3, NaN),
        list(1, 1),
      ],
      noParams,
      false,
    ),
  ],
  rejects: () => [
    rejects(
      "lists of unequal length",
      [aval("float32", [4, 2]), aval("float32", [3, 2]), aval("int32", [2])],
      noParams,
      "raggedOuter: takes two lists of rows of equal length.",
    ),
  ],
});

function sumOf(left: MaybeZero, right: MaybeZero): MaybeZero {
  return left === null ? right : right === null ? left : add(left, right);
}

function list(...sizes: number[]) {
  return values(aval("int32", [sizes.length]), ...sizes);
}

// ---- batches --------------------------------------------------------------------------------------

type Operands = readonly [Tensor, Tensor, Tensor];

function all(inputs: Operands, mapped: readonly boolean[], size: number): Operands {
  const [a, b, c] = inputs.map((x, i) => (mapped[i] === true ? x : repeat(x, size)));
  return [a, b, c] as Operands;
}

/** The first two axes as one. */
function flat(x: Tensor): Tensor {
  const [batch = 0, length = 0, ...rest] = x.dims;
  return reshape(x, [batch * length, ...rest], [null, ...x.names.slice(2)]);
}

/**
 * Sizes `[batch, group]` as `[batch, group + 1]` that make up all rows of each batch: what is left over is
 * one more group, so that the groups of all batches follow one another without a gap.
 */
function wholeBatches(
  sizes: Tensor,
  rows: number,
): { readonly counts: Tensor; readonly total: Tensor } {
  const [batch, groups] = [dimOf(sizes.aval, 0), dimOf(sizes.aval, 1)];
  const positive = maximum(sizes, fullLike(sizes, 0));
  const sums = cumsum(positive, 1);
  const cutOff = (x: Tensor) => minimum(x, fullLike(x, rows));
  const ends = cutOff(sums);
  const counts = sub(ends, cutOff(sub(sums, positive)));
  const last = slice(ends, [0, groups - 1], [batch, groups]);
  return {
    counts: concatenate([counts, sub(fullLike(last, rows), last)], 1),
    total: reshape(last, [batch]),
  };
}

/** Rows `[row, in]` times the matrices `[group, in, out]` of their groups; see `raggedDotOp`. */
export function raggedDot(
  x: Tensor,
  w: Tensor,
  sizes: Tensor,
  { transposed, steady }: RaggedDotParams = { transposed: false, steady: false },
): Tensor {
  return apply(raggedDotOp, [x, w, sizes], { transposed, steady })[0];
}

/** `[group, in, out]` from rows `[row, in]` and `[row, out]`; see `raggedOuterOp`. */
export function raggedOuter(x: Tensor, z: Tensor, sizes: Tensor): Tensor {
  return apply(raggedOuterOp, [x, z, sizes], noParams)[0];
}
