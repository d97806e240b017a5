/**
 * @file Rows written into an operand by index: the last update, the largest or the smallest stays.
 *
 * Forms are those of gather: the operand `x[b…, n, r…]`, indices `at[b…, i…]`, updates `u[b…, i…, r…]`.
 * Indices out of range are clamped, see docs/indexing.md. scatter-add stands in indexing.ts.
 */

import { apply } from "../core/builder.ts";
import { DTypeError, ShapeError } from "../core/errors.ts";
import { at, type NdArray, put } from "../core/ndarray.ts";
import { defineOp, isLinear, notLinear, type One, type Op, type Three } from "../core/op.ts";
import {
  booleans,
  integers,
  random,
  rejects,
  type Sample,
  sample,
  values,
  words,
} from "../core/samples.ts";
import { type Aval, aval, dimOf, sameDims, showAval, sizeOf } from "../core/shape.ts";
import { factorNames, rule } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, div, mul } from "./arithmetic.ts";
import { broadcast, fullLike, iota } from "./creation.ts";
import { ALL, checkDType, SIGNED } from "./dtypes.ts";
import { spread } from "./families.ts";
import {
  checkIndices,
  clamp,
  type Distinct,
  distinctInBatch,
  distinctInPart,
  gather,
  OUT_OF_RANGE,
  scatterAdd,
} from "./indexing.ts";
import { reshape } from "./layout.ts";
import { convert, equal, select } from "./logic.ts";
import { scatterExtremeOnnx, scatterSetOnnx } from "./scatter.onnx.ts";
import { scatterExtremeStablehlo, scatterSetStablehlo } from "./scatter.stablehlo.ts";

export interface ScatterParams {
  /** Leading axes that operand, indices and updates share. */
  readonly batchDims: number;
  readonly distinct: Distinct;
}

type ScatterOp = Op<ScatterParams, Three, One>;

function inferScatter(name: string, [x, u, indices]: readonly [Aval, Aval, Aval], batch: number) {
  if (batch >= x.dims.length) {
    throw new ShapeError(
      "SHAPE-01",
      `${name}: ${showAval(x)} has no axis to write to after ${batch} batch axes`,
    );
  }
  checkIndices(name, indices, x.dims.slice(0, batch), x);
  const facts = [
    ["operand", showAval(x)],
    ["updates", showAval(u)],
    ["indices", showAval(indices)],
  ] as const;
  if (u.dtype !== x.dtype)
    throw new DTypeError("DTYPE-01", `${name}: operand and updates have unequal dtypes.`, facts);
  if (!sameDims(u.dims, [...indices.dims, ...x.dims.slice(batch + 1)]))
    throw new ShapeError("SHAPE-01", `${name}: every index needs one row of updates.`, facts);
  if (x.dims[batch] === 0 && sizeOf(indices.dims) > 0)
    throw new ShapeError("SHAPE-01", `${name}: the operand has no row to write to.`, facts);
}

/** Calls `write(element of y, element of u)` for every element of the updates, in order. */
function evaluateScatter(
  x: NdArray,
  indices: NdArray,
  batchDims: number,
  write: (y: NdArray, to: number, from: number) => void,
): NdArray {
  const y = { ...x, data: x.data.slice() };
  const rows = dimOf(x, batchDims);
  const row = sizeOf(x.dims.slice(batchDims + 1));
  const perBatch = sizeOf(indices.dims.slice(batchDims));
  for (let i = 0; i < indices.data.length; i++) {
    const to = Math.floor(i / perBatch) * rows + clamp(at(indices, i), rows);
    for (let j = 0; j < row; j++) write(y, to * row + j, i * row + j);
  }
  return y;
}

/** Rules that do not ask what is written. The chosen axis and the indices stay whole: order counts. */
function common(write: () => ScatterOp): Pick<ScatterOp, "batch" | "shard"> {
  return {
    batch: (inputs, mapped, p, size) =>
      apply(write(), spread(inputs, mapped, size), {
        batchDims: p.batchDims + 1,
        distinct: distinctInBatch(p.distinct, size),
      }),
    shard: ([x, , indices], _y, p) => {
      const factors = factorNames(x.dims.length);
      const batch = factors.slice(0, p.batchDims);
      const rest = factors.slice(p.batchDims + 1);
      const rows = indices.dims.slice(p.batchDims).map(() => null);
      const local = { ...p, distinct: distinctInPart(p.distinct) };
      const moves = factors.slice(p.batchDims, p.batchDims + 1);
      return rule(local, [factors, [...batch, ...rows, ...rest], [...batch, ...rows]], [factors], {
        moves,
      });
    },
  };
}

const rowsSamples = (): readonly Sample<ScatterParams>[] => [
  sample("rows", [random(5, 3), random(3, 3), values(aval("int32", [3]), 4, 0, 2)], plain(1)),
  sample("collisions", [random(3, 2), random(6, 2), integers(0, 2, 6)], plain()),
  sample("elements", [random(6), random(3), integers(0, 6, 3)], plain()),
  sample(
    "distinct within pieces",
    [random(3, 2), random(4, 2), values(aval("int32", [4]), 2, 0, 0, 1)],
    plain(2),
  ),
  sample(
    "distinct, per batch of a batch",
    [
      random(2, 2, 4, 3),
      random(2, 2, 2, 3),
      values(aval("int32", [2, 2, 2]), 3, 0, 1, 2, 2, 1, 0, 3),
    ],
    { batchDims: 2, distinct: 1 },
  ),
  sample("per batch", [random(2, 4, 3), random(2, 5, 3), integers(0, 4, 2, 5)], {
    batchDims: 1,
    distinct: 0,
  }),
  sample("a table of rows", [random(5, 2), random(2, 3, 2), integers(0, 5, 2, 3)], plain()),
  sample("along the last axis", [random(2, 3, 4), random(2, 3, 2), integers(0, 4, 2, 3, 2)], {
    batchDims: 2,
    distinct: 0,
  }),
  sample("out of range is clamped", [random(3, 2), random(5, 2), OUT_OF_RANGE], plain()),
  sample("nothing written", [random(3, 2), random(0, 2), integers(0, 3, 0)], plain()),
  sample("no batches", [random(0, 3, 2), random(0, 2, 2), integers(0, 3, 0, 2)], {
    batchDims: 1,
    distinct: 0,
  }),
  sample("rows of no width", [random(3, 0), random(2, 0), integers(0, 3, 2)], plain()),
  sample("integers", [integers(-9, 9, 4), integers(-9, 9, 5), integers(0, 4, 5)], plain(), false),
];

function plain(distinct: Distinct = 0): ScatterParams {
  return { batchDims: 0, distinct };
}

const rejections = (name: string) => [
  rejects(
    "rows of another width",
    [aval("float32", [3, 2]), aval("float32", [4, 3]), aval("int32", [4])],
    plain(),
    `${name}: every index needs one row of updates.`,
  ),
  rejects(
    "another dtype",
    [aval("float32", [3]), aval("int32", [4]), aval("int32", [4])],
    plain(),
    `${name}: operand and updates have unequal dtypes.`,
  ),
];

/**
 * `y = x`, then `y[b…, at[b…, i…], r…] = u[b…, i…, r…]`.
 *
 * Where a place is named again, the last update in row-major order of the indices stays, on every engine.
 */
export const scatterSetOp: ScatterOp = defineOp<ScatterParams, Three, One>({
  name: "scatterSet",
  infer([x, u, indices], { batchDims }) {
    checkDType("scatterSet", x, ALL);
    inferScatter("scatterSet", [x, u, indices], batchDims);
    return [x];
  },
  jvp: {
    kind: "rule",
    apply: ([dx, du], [x, u, indices], _y, p) => [
      dx === null && du === null
        ? null
        : scatterSet(dx ?? fullLike(x, 0), du ?? fullLike(u, 0), indices, p),
    ],
  },
  // Nothing comes back through what was written over: neither to the operand nor to an earlier update.
  transpose: {
    kind: "rule",
    apply: ([ct], [x, u, indices], p) => {
      if (ct === null || isLinear(indices)) return [null, null, null];
      const toOperand = isLinear(x) ? scatterSet(ct, fullLike(u.aval, 0), indices, p) : null;
      if (!isLinear(u)) return [toOperand, null, null];
      const back = gather(ct, indices, p.batchDims, p.distinct);
      return [toOperand, p.distinct === 1 ? back : whereItStays(back, indices, x.aval, p), null];
    },
  },
  ...common(() => scatterSetOp),
  evaluate: ([x, u, indices], { batchDims }) => [
    evaluateScatter(x, indices, batchDims, (y, to, from) => put(y, to, at(u, from))),
  ],
  simplify: () => null,
  lower: { onnx: scatterSetOnnx, stablehlo: scatterSetStablehlo },
  samples: () => [
    ...rowsSamples(),
    sample(
      "the last of three stays",
      [random(2), values(aval("float32", [4]), 1, 2, 3, 4), values(aval("int32", [4]), 1, 0, 1, 1)],
      plain(),
    ),
    sample("words", [words(3, 2), words(4, 2), integers(0, 3, 4)], plain(), false),
    sample("truth", [booleans(3, 2), booleans(4, 2), integers(0, 3, 4)], plain(), false),
    sample(
      "NaN and infinities",
      [
        values(aval("float32", [3, 1]), NaN, 1, -Infinity),
        values(aval("float32", [2, 1]), NaN, Infinity),
        values(aval("int32", [2]), 1, 2),
      ],
      plain(),
      false,
    ),
  ],
  rejects: () => rejections("scatterSet"),
});

/** The rows of `back` whose update stays, zeros for the others: each index asks who was last at its place. */
function whereItStays(back: Tensor, indices: Tensor, x: Aval, p: ScatterParams): Tensor {
  const { dims } = indices;
  const own = reshape(iota(aval("int32", [sizeOf(dims)]), 0), dims);
  const nobody = fullLike(aval("int32", x.dims.slice(0, p.batchDims + 1)), -1);
  const last = gather(scatterSet(nobody, own, indices, p), indices, p.batchDims, p.distinct);
  const axes = dims.map((_, i) => i);
  const stays = broadcast(equal(reshape(last, dims), own), { ...back.aval, axes });
  return select(stays, back, fullLike(back, 0));
}

/** Each row of `u` at its place in `x`; the last stays. */
export function scatterSet(x: Tensor, u: Tensor, indices: Tensor, params: ScatterParams): Tensor {
  return apply(scatterSetOp, [x, u, indices], params)[0];
}

/**
 * `y[b…, n, r…]` is the largest (smallest) of `x[b…, n, r…]` and all updates for that place.
 *
 * NaN stays NaN. The gradient is shared equally among ties, the operand's own element among them.
 */
function scatterExtreme(name: string, kind: "max" | "min"): ScatterOp {
  const better = kind === "max" ? (a: number, b: number) => a > b : (a: number, b: number) => a < b;
  const op: ScatterOp = defineOp<ScatterParams, Three, One>({
    name,
    infer([x, u, indices], { batchDims }) {
      checkDType(name, x, SIGNED);
      inferScatter(name, [x, u, indices], batchDims);
      return [x];
    },
    jvp: {
      kind: "rule",
      apply: ([dx, du], [x, u, indices], [y], p) => {
        if (dx === null && du === null) return [null];
        const own = convert(equal(x, y), x.dtype);
        const chosen = reshape(gather(y, indices, p.batchDims, p.distinct), u.dims, u.names);
        const wins = convert(equal(u, chosen), u.dtype);
        const gathered = (rows: Tensor) => {
          const [size, axis] = [dimOf(x.aval, p.batchDims), x.names[p.batchDims] ?? null];
          const sum = scatterAdd(rows, indices, { ...p, size, name: axis });
          return reshape(sum, x.dims, x.names);
        };
        const fromX = dx === null ? null : mul(own, dx);
        const fromU = du === null ? null : gathered(mul(wins, du));
        const total = fromX === null ? fromU : fromU === null ? fromX : add(fromX, fromU);
        return [total === null ? null : div(total, add(own, gathered(wins)))];
      },
    },
    transpose: notLinear("its tangent is made of sums"),
    ...common(() => op),
    evaluate: ([x, u, indices], { batchDims }) => [
      evaluateScatter(x, indices, batchDims, (y, to, from) => {
        const [old, value] = [at(y, to), at(u, from)];
        if (Number.isNaN(value) || better(value, old)) put(y, to, value);
      }),
    ],
    simplify: () => null,
    lower: {
      onnx: (g, xs, p, forms) => scatterExtremeOnnx(g, xs, p, forms, kind),
      stablehlo: (h, xs, p) =>
        scatterExtremeStablehlo(h, xs, p, kind === "max" ? "maximum" : "minimum"),
    },
    samples: () => [
      ...rowsSamples(),
      sample(
        "ties",
        [
          values(aval("float32", [2]), 3, 1),
          values(aval("float32", [3]), 3, 3, 1),
          values(aval("int32", [3]), 0, 0, 1),
        ],
        plain(),
        false,
      ),
      sample(
        "NaN stays",
        [
          values(aval("float32", [4]), NaN, 1, 1, 2),
          values(aval("float32", [5]), 2, NaN, 7, 3, -Infinity),
          values(aval("int32", [5]), 0, 1, 1, 2, 3),
        ],
        plain(),
        false,
      ),
    ],
    rejects: () => rejections(name),
  });
  return op;
}

export const scatterMaxOp: ScatterOp = scatterExtreme("scatterMax", "max");
export const scatterMinOp: ScatterOp = scatterExtreme("scatterMin", "min");

/** The largest of each place of `x` and the rows of `u` for it. */
export function scatterMax(x: Tensor, u: Tensor, indices: Tensor, params: ScatterParams): Tensor {
  return apply(scatterMaxOp, [x, u, indices], params)[0];
}

/** The smallest of each place of `x` and the rows of `u` for it. */
export function scatterMin(x: Tensor, u: Tensor, indices: Tensor, params: ScatterParams): Tensor {
  return apply(scatterMinOp, [x, u, indices], params)[0];
}
