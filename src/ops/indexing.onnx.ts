/**
 * @file gather, scatter-add, and what other scatters share, as ONNX nodes. The obvious node for adding is
 * wrong, so there are four ways, by what is known.
 */

import { dtypeFacts, isFloat } from "../core/dtype.ts";
import type { OnnxEmitter, OnnxValue } from "../core/lowering.ts";
import type { Each, One, Two } from "../core/op.ts";
import { type Aval, aval, dimOf, sizeOf } from "../core/shape.ts";
import { inSingle } from "./half.onnx.ts";
import type { ScatterAddParams } from "./indexing.ts";
import { sumInBlocks } from "./scatter-blocks.onnx.ts";

/** Clamped indices, a row per batch. */
export function clampedIndices(
  g: OnnxEmitter,
  indices: OnnxValue,
  form: Aval,
  batchDims: number,
  rows: number,
): OnnxValue {
  const shape = aval("int32", [
    sizeOf(form.dims.slice(0, batchDims)),
    sizeOf(form.dims.slice(batchDims)),
  ]);
  const grid = g.reshape(g.exact(indices, form.dims), shape.dims);
  const raised = g.node("Max", [grid, g.constant("int32", [], [0])], shape);
  return g.node("Min", [raised, g.constant("int32", [], [Math.max(0, rows - 1)])], shape);
}

/** Clamped indices into the table of all batches' rows, as a list. */
export function flatIndices(
  g: OnnxEmitter,
  indices: OnnxValue,
  form: Aval,
  batchDims: number,
  rows: number,
): { readonly flat: OnnxValue; readonly batches: number; readonly rows: number } {
  const clamped = clampedIndices(g, indices, form, batchDims, rows);
  const shape = aval("int32", clamped.dims);
  const [batches, perBatch] = [dimOf(shape, 0), dimOf(shape, 1)];
  const shifted =
    batches <= 1
      ? clamped
      : g.node(
          "Add",
          [
            clamped,
            g.constant(
              "int32",
              [batches, 1],
              Array.from({ length: batches }, (_, i) => i * rows),
            ),
          ],
          shape,
        );
  return { flat: g.reshape(shifted, [batches * perBatch]), batches, rows };
}

/** Rows by Gather; single numbers by GatherElements, which took a seventh of the time for 512 × 1024 of them. */
export function gatherOnnx(
  g: OnnxEmitter,
  [x, indices]: Each<Two, OnnxValue>,
  batchDims: number,
  {
    inputs: [xForm, iForm],
    outputs: [y],
  }: { readonly inputs: Each<Two, Aval>; readonly outputs: Each<One, Aval> },
): Each<One, OnnxValue> {
  const rows = dimOf(xForm, batchDims);
  const row = xForm.dims.slice(batchDims + 1);
  const whole = g.exact(x, xForm.dims);
  if (sizeOf(row) === 1) {
    const places = clampedIndices(g, indices, iForm, batchDims, rows);
    const table = g.reshape(whole, [dimOf(places, 0), rows]);
    const form = aval(y.dtype, places.dims);
    const chosen = g.node("GatherElements", [table, places], form, { axis: { int: 1 } });
    return [g.reshape(chosen, y.dims)];
  }
  const { flat, batches } = flatIndices(g, indices, iForm, batchDims, rows);
  const table = g.reshape(whole, [batches * rows, ...row]);
  const form = aval(y.dtype, [...flat.dims, ...row]);
  return [g.reshape(g.node("Gather", [table, flat], form, { axis: { int: 0 } }), y.dims)];
}

/** More pieces than this would be more nodes than they save. */
const MOST_PIECES = 64;
/** A product with one-hot rows costs a multiply-add per place; blocks of sorted rows cost 64 and the sorting. */
const MOST_PLACES = 256;
/** Below this, or with single numbers for rows, the sorting costs more than it saves. */
const LEAST_ROWS = 64;
const LEAST_WIDTH = 8;

/**
 * ScatterND adds rows on several threads without a lock, so rows for one place are lost now and then
 * (onnxruntime issues 18048 and 23396). Therefore:
 *
 * - indices known to be distinct within pieces: one ScatterND per piece, one after another;
 * - few places: a product with one-hot rows;
 * - many rows of some width: products in sorted blocks;
 * - else ScatterElements, which is sequential and right, and twenty times as slow as ScatterND.
 */
export function scatterAddOnnx(
  g: OnnxEmitter,
  [updates, indices]: Each<Two, OnnxValue>,
  { batchDims, distinct, size }: ScatterAddParams,
  {
    inputs: [uForm, iForm],
    outputs: [y],
  }: { readonly inputs: Each<Two, Aval>; readonly outputs: Each<One, Aval> },
): Each<One, OnnxValue> {
  const { flat, batches } = flatIndices(g, indices, iForm, batchDims, size);
  const count = dimOf(flat, 0);
  const width = sizeOf(uForm.dims.slice(iForm.dims.length));
  const rows = g.reshape(g.exact(updates, uForm.dims), [count, width]);
  const table = aval(y.dtype, [batches * size, width]);
  const summed = (): OnnxValue => {
    if (fewPieces(distinct, count))
      return scatterPieces(g, zeroTable(g, table), rows, flat, distinct, "add");
    if (isFloat(y.dtype) && batches === 1 && size <= MOST_PLACES)
      return productWithOneHot(g, rows, flat, table);
    if (isFloat(y.dtype) && count >= LEAST_ROWS && width >= LEAST_WIDTH)
      return inSingle(g, [rows], table, ([wide], form) =>
        sumInBlocks(g, zeroTable(g, form), wide ?? rows, flat),
      );
    return scatterElements(g, zeroTable(g, table), rows, flat, "add");
  };
  const sum = summed();
  return [g.reshape(sum, y.dims)];
}

function zeroTable(g: OnnxEmitter, table: Aval): OnnxValue {
  return g.node(
    "Expand",
    [g.constant(table.dtype, [], [0]), g.constant("int64", [2], table.dims)],
    table,
  );
}

/** How an update meets what stands at its place. */
export type Reduction = "none" | "add" | "max" | "min";

/** One ScatterND per piece of distinct places, one after another. */
export function scatterPieces(
  g: OnnxEmitter,
  table: OnnxValue,
  rows: OnnxValue,
  flat: OnnxValue,
  pieces: number,
  reduction: Reduction,
): OnnxValue {
  const count = dimOf(flat, 0);
  const long = g.node("Cast", [g.reshape(flat, [count, 1])], aval("int64", [count, 1]), {
    to: { int: 7 },
  });
  const cut = (x: OnnxValue): readonly OnnxValue[] => {
    if (pieces === 1) return [x];
    const form = aval(x.dtype, [count / pieces, dimOf(x, 1)]);
    const sizes = g.constant("int64", [pieces], Array<number>(pieces).fill(count / pieces));
    return g.nodes({
      op: "Split",
      inputs: [x, sizes],
      attributes: { axis: { int: 0 } },
      outputs: Array<Aval>(pieces).fill(form),
    });
  };
  const places = cut(long);
  return cut(rows).reduce(
    (sum, piece, i) =>
      g.node("ScatterND", [sum, places[i] ?? long, piece], table, {
        reduction: { string: reduction },
      }),
    table,
  );
}

/** Whether ScatterND may be used: see the ways above. */
export function fewPieces(distinct: number, count: number): boolean {
  return distinct > 0 && distinct <= MOST_PIECES && count % distinct === 0;
}

function productWithOneHot(
  g: OnnxEmitter,
  rows: OnnxValue,
  flat: OnnxValue,
  table: Aval,
): OnnxValue {
  const [count, size] = [dimOf(flat, 0), dimOf(table, 0)];
  const counting = g.constant(
    "int32",
    [1, size],
    Array.from({ length: size }, (_, i) => i),
  );
  const hit = g.node("Equal", [g.reshape(flat, [count, 1]), counting], aval("bool", [count, size]));
  const oneHot = g.node("Cast", [hit], aval(table.dtype, [count, size]), {
    to: { int: dtypeFacts(table.dtype).onnx },
  });
  return g.node("Gemm", [oneHot, rows], table, { transA: { int: 1 }, transB: { int: 0 } });
}

/** Updates one after another in their order. */
export function scatterElements(
  g: OnnxEmitter,
  table: OnnxValue,
  rows: OnnxValue,
  flat: OnnxValue,
  reduction: Reduction,
): OnnxValue {
  const column = g.reshape(flat, [dimOf(flat, 0), 1]);
  const places = g.exact(column, rows.dims);
  return g.node("ScatterElements", [table, places, rows], table, {
    axis: { int: 0 },
    reduction: { string: reduction },
  });
}
