/**
 * @file Rows by index: gather and scatter-add.
 *
 * Indices out of range are clamped to the axis, here as on every engine; docs/indexing.md has the rule.
 */

import { apply } from "../core/builder.ts";
import { isFloat } from "../core/dtype.ts";
import { DTypeError, ShapeError } from "../core/errors.ts";
import { at, mapElements, put, zeros } from "../core/ndarray.ts";
import { defineOp, type One, type Op, type Two } from "../core/op.ts";
import {
  booleans,
  integers,
  random,
  rejects,
  type SampleInput,
  sample,
  values,
  words,
} from "../core/samples.ts";
import { type Aval, aval, dimOf, sameDims, showAval, sizeOf } from "../core/shape.ts";
import { factorNames, rule } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { checkDType, SIGNED } from "./dtypes.ts";
import { repeat } from "./families.ts";
import { gatherOnnx, scatterAddOnnx } from "./indexing.onnx.ts";
import { gatherStablehlo, scatterAddStablehlo } from "./indexing.stablehlo.ts";
import { reshape } from "./layout.ts";

/** Below, at and above the ends of a short axis, as far as int32 goes. */
export const OUT_OF_RANGE: SampleInput = values(
  aval("int32", [5]),
  -1,
  -(2 ** 31),
  1,
  3,
  2 ** 31 - 1,
);

export interface GatherParams {
  /** Leading axes that operand and indices share. */
  readonly batchDims: number;
  readonly distinct: Distinct;
}

/**
 * What is known of repeated indices: within each of this many equal, consecutive pieces of the list of
 * all indices no place is named twice; 0 when nothing is known. Places whose sums nobody reads may
 * repeat. Adding rows to distinct places needs no care for order; an engine may do it in parallel.
 */
export type Distinct = number;

/** What is known of `size` lists as the batches of one: a place in one batch is none in another. */
export function distinctInBatch(distinct: Distinct, size: number): Distinct {
  return distinct === 1 ? 1 : distinct * size;
}

/** What stays known of a part of the indices. */
export function distinctInPart(distinct: Distinct): Distinct {
  return distinct === 1 ? 1 : 0;
}

/** @throws unless indices are int32 and share the batch axes of the operand */
export function checkIndices(
  name: string,
  indices: Aval,
  batch: readonly number[],
  other: Aval,
): void {
  if (indices.dtype !== "int32")
    throw new DTypeError("DTYPE-01", `${name}: indices must be int32, not ${showAval(indices)}`);
  if (!sameDims(indices.dims.slice(0, batch.length), batch)) {
    throw new ShapeError(
      "SHAPE-01",
      `${name}: indices and operand differ in their ${batch.length} leading axes.`,
      [
        ["operand", showAval(other)],
        ["indices", showAval(indices)],
      ],
    );
  }
}

/**
 * `y[b…, i…, r…] = x[b…, at[b…, i…], r…]`: rows of x along the first axis after the batch axes.
 */
export const gatherOp: Op<GatherParams, Two, One> = defineOp<GatherParams, Two, One>({
  name: "gather",
  infer([x, indices], { batchDims }) {
    if (batchDims >= x.dims.length)
      throw new ShapeError(
        "SHAPE-01",
        `gather: ${showAval(x)} has no axis to choose from after ${batchDims} batch axes`,
      );
    checkIndices("gather", indices, x.dims.slice(0, batchDims), x);
    if (dimOf(x, batchDims) === 0 && sizeOf(indices.dims) > 0) {
      throw new ShapeError(
        "SHAPE-01",
        `gather: ${showAval(x)} has no row to choose from along axis ${batchDims}`,
      );
    }
    const names = [
      ...indices.names.map((name, i) => (i < batchDims ? (x.names[i] ?? name) : name)),
      ...x.names.slice(batchDims + 1),
    ];
    return [aval(x.dtype, [...indices.dims, ...x.dims.slice(batchDims + 1)], uniqueNames(names))];
  },
  jvp: {
    kind: "rule",
    apply: ([dx], [, indices], _y, p) => [
      dx === null ? null : gather(dx, indices, p.batchDims, p.distinct),
    ],
  },
  transpose: {
    kind: "rule",
    apply: ([ct], [x, indices], { batchDims, distinct }) => [
      ct === null || !("origin" in indices)
        ? null
        : scatterAdd(ct, indices, {
            batchDims,
            distinct,
            size: dimOf(x.aval, batchDims),
            name: x.aval.names[batchDims] ?? null,
          }),
      null,
    ],
  },
  batch: ([x, indices], [xMapped, iMapped], { batchDims, distinct }, size) => {
    if (!xMapped && batchDims === 0) return [gather(x, indices, 0, distinct * size)];
    return [
      gather(
        xMapped ? x : repeat(x, size),
        iMapped ? indices : repeat(indices, size),
        batchDims + 1,
        distinctInBatch(distinct, size),
      ),
    ];
  },
  shard: ([x, indices], _y, p) => {
    const rows = factorNames(indices.dims.length);
    const rest = factorNames(x.dims.length - p.batchDims - 1, indices.dims.length);
    const local = { ...p, distinct: distinctInPart(p.distinct) };
    const operand = [...rows.slice(0, p.batchDims), "row", ...rest];
    return rule(local, [operand, rows], [[...rows, ...rest]], { moves: ["row"] });
  },
  evaluate: ([x, indices], { batchDims }, [y]) => {
    const out = zeros(y);
    const rows = dimOf(x, batchDims);
    const row = sizeOf(x.dims.slice(batchDims + 1));
    const perBatch = sizeOf(indices.dims.slice(batchDims));
    for (let i = 0; i < indices.data.length; i++) {
      const from = Math.floor(i / perBatch) * rows + clamp(at(indices, i), rows);
      for (let j = 0; j < row; j++) put(out, i * row + j, at(x, from * row + j));
    }
    return [out];
  },
  simplify: () => null,
  lower: {
    onnx: (g, xs, { batchDims }, avals) => gatherOnnx(g, xs, batchDims, avals),
    stablehlo: (h, xs, p, ys) => gatherStablehlo(h, xs, p.batchDims, ys),
  },
  samples: () => [
    sample("rows", [random(5, 3), integers(0, 5, 4)], { batchDims: 0, distinct: 0 }),
    sample("a table of rows", [random(5, 2), integers(0, 5, 2, 3)], { batchDims: 0, distinct: 0 }),
    sample("elements", [random(6), integers(0, 6, 3)], { batchDims: 0, distinct: 0 }),
    sample("per batch", [random(2, 4, 3), integers(0, 4, 2, 5)], { batchDims: 1, distinct: 0 }),
    sample("along the last axis", [random(2, 3, 4), integers(0, 4, 2, 3, 2)], {
      batchDims: 2,
      distinct: 0,
    }),
    sample("out of range is clamped", [random(3, 2), OUT_OF_RANGE], {
      batchDims: 0,
      distinct: 0,
    }),
    sample("nothing", [random(3, 2), integers(0, 3, 0)], { batchDims: 0, distinct: 0 }),
    sample("no elements", [random(2, 3), integers(0, 3, 2, 0)], { batchDims: 1, distinct: 0 }),
    sample("no batches", [random(0, 3), integers(0, 3, 0, 2)], { batchDims: 1, distinct: 0 }),
    sample("truth", [booleans(2, 3), integers(0, 3, 2, 4)], { batchDims: 1, distinct: 0 }, false),
    sample("words", [words(5), integers(0, 5, 3)], { batchDims: 0, distinct: 0 }, false),
  ],
  rejects: () => [
    rejects(
      "float indices",
      [aval("float32", [3]), aval("float32", [2])],
      { batchDims: 0, distinct: 0 },
      "gather: indices must be int32, not float32[2]",
    ),
    rejects(
      "another batch",
      [aval("float32", [2, 3]), aval("int32", [3, 1])],
      { batchDims: 1, distinct: 0 },
      "gather: indices and operand differ in their 1 leading axes.",
    ),
  ],
});

/** Two axes may not carry one name; the later ones lose theirs. */
function uniqueNames(names: readonly (string | null)[]): (string | null)[] {
  return names.map((name, i) => (name !== null && names.indexOf(name) < i ? null : name));
}

/** The index rule: see docs/indexing.md. */
export function clamp(index: number, length: number): number {
  return Math.min(Math.max(index, 0), Math.max(length - 1, 0));
}

export function gather(x: Tensor, indices: Tensor, batchDims = 0, distinct: Distinct = 0): Tensor {
  return apply(gatherOp, [x, indices], { batchDims, distinct })[0];
}

export interface ScatterAddParams {
  readonly batchDims: number;
  readonly distinct: Distinct;
  /** Rows of the result per batch. */
  readonly size: number;
  readonly name: string | null;
}

/**
 * `y[b…, n, r…] = Σ u[b…, i…, r…]` over the i with `at[b…, i…] = n`: the transpose of gather.
 *
 * The order of addition is open. On the onnx engine, a NaN or an infinity may reach other places of its
 * column when few rows are added without `distinct`: that sum is a product with zeros and ones.
 */
export const scatterAddOp: Op<ScatterAddParams, Two, One> = defineOp<ScatterAddParams, Two, One>({
  name: "scatterAdd",
  infer([updates, indices], { batchDims, size, name }) {
    checkDType("scatterAdd", updates, SIGNED);
    checkIndices("scatterAdd", indices, updates.dims.slice(0, batchDims), updates);
    if (
      !sameDims(updates.dims.slice(0, indices.dims.length), indices.dims) ||
      (size === 0 && sizeOf(indices.dims) > 0)
    ) {
      throw new ShapeError("SHAPE-01", "scatterAdd: every index needs one row of updates.", [
        ["updates", showAval(updates)],
        ["indices", showAval(indices)],
        ["rows", `${size}`],
      ]);
    }
    const rest = indices.dims.length;
    const names = [...updates.names.slice(0, batchDims), name, ...updates.names.slice(rest)];
    return [
      aval(
        updates.dtype,
        [...updates.dims.slice(0, batchDims), size, ...updates.dims.slice(rest)],
        uniqueNames(names),
      ),
    ];
  },
  jvp: {
    kind: "rule",
    apply: ([du], [, indices], _y, p) => [du === null ? null : scatterAdd(du, indices, p)],
  },
  transpose: {
    kind: "rule",
    apply: ([ct], [updates, indices], { batchDims, distinct }) => {
      if (ct === null || !("origin" in indices)) return [null, null];
      return [named(gather(ct, indices, batchDims, distinct), updates.aval), null];
    },
  },
  batch: ([updates, indices], [uMapped, iMapped], p, size) => [
    scatterAdd(
      uMapped ? updates : repeat(updates, size),
      iMapped ? indices : repeat(indices, size),
      {
        ...p,
        batchDims: p.batchDims + 1,
        distinct: distinctInBatch(p.distinct, size),
      },
    ),
  ],
  shard: ([updates, indices], _y, p) => {
    const rows = factorNames(indices.dims.length);
    const rest = factorNames(updates.dims.length - indices.dims.length, indices.dims.length);
    const shared = rows.slice(0, p.batchDims);
    const local = { ...p, distinct: distinctInPart(p.distinct) };
    return rule(local, [[...rows, ...rest], rows], [[...shared, "row", ...rest]], {
      ...{ sum: rows.slice(p.batchDims), moves: ["row"] },
    });
  },
  evaluate: ([updates, indices], { batchDims, size }, [y]) => {
    // Floats are rounded once, whole sums; integers wrap at each addition.
    const out = zeros(isFloat(y.dtype) ? { ...y, dtype: "float64" } : y);
    const row = sizeOf(updates.dims.slice(indices.dims.length));
    const perBatch = sizeOf(indices.dims.slice(batchDims));
    for (let i = 0; i < indices.data.length; i++) {
      const to = Math.floor(i / perBatch) * size + clamp(at(indices, i), size);
      for (let j = 0; j < row; j++)
        put(out, to * row + j, at(out, to * row + j) + at(updates, i * row + j));
    }
    return [mapElements(out, y.dtype, (sum) => sum)];
  },
  simplify: () => null,
  lower: {
    onnx: scatterAddOnnx,
    stablehlo: (h, xs, p, ys) => scatterAddStablehlo(h, xs, p, ys),
  },
  samples: () => [
    sample("rows", [random(4, 3), integers(0, 5, 4)], {
      batchDims: 0,
      distinct: 0,
      size: 5,
      name: null,
    }),
    sample("collisions", [random(6, 2), integers(0, 2, 6)], {
      batchDims: 0,
      distinct: 0,
      size: 3,
      name: null,
    }),
    sample("elements", [random(3), integers(0, 6, 3)], {
      batchDims: 0,
      distinct: 0,
      size: 6,
      name: null,
    }),
    sample("counts", [integers(-3, 4, 9), integers(0, 3, 9)], {
      batchDims: 0,
      distinct: 0,
      size: 3,
      name: null,
    }),
    sample("distinct within pieces", [random(4, 3), values(aval("int32", [4]), 2, 0, 0, 1)], {
      batchDims: 0,
      distinct: 2,
      size: 3,
      name: null,
    }),
    ...[1, 3, 300].map((places) =>
      sample(
        `many rows for ${places} of many places`,
        [random(150, 8), integers(7, 7 + places, 150)],
        { batchDims: 0, distinct: 0, size: 310, name: null },
      ),
    ),
    sample("a large table", [random(3, 2), values(aval("int32", [3]), 5000, 7, 5000)], {
      batchDims: 0,
      distinct: 0,
      size: 5001,
      name: null,
    }),
    sample("per batch", [random(2, 5, 3), integers(0, 4, 2, 5)], {
      batchDims: 1,
      distinct: 0,
      size: 4,
      name: null,
    }),
    sample("a table of rows", [random(2, 3, 2), integers(0, 5, 2, 3)], {
      batchDims: 0,
      distinct: 0,
      size: 5,
      name: null,
    }),
    sample("out of range is clamped", [random(5, 2), OUT_OF_RANGE], {
      batchDims: 0,
      distinct: 0,
      size: 3,
      name: null,
    }),
  ],
  rejects: () => [
    rejects(
      "too few rows",
      [aval("float32", [3, 2]), aval("int32", [4])],
      { batchDims: 0, distinct: 0, size: 5, name: null },
      "scatterAdd: every index needs one row of updates.",
    ),
  ],
});

export function scatterAdd(updates: Tensor, indices: Tensor, params: ScatterAddParams): Tensor {
  return apply(scatterAddOp, [updates, indices], params)[0];
}

function named(x: Tensor, like: Aval): Tensor {
  return reshape(x, x.dims, like.names);
}
