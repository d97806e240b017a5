/** @file scatter-set, -max and -min as ONNX nodes. ScatterND keeps no order, so only distinct places go to it. */

import { isFloat } from "../core/dtype.ts";
import type { OnnxEmitter, OnnxValue } from "../core/lowering.ts";
import type { Each, One, Three } from "../core/op.ts";
import { type Aval, aval, dimOf, sizeOf, stridesOf } from "../core/shape.ts";
import {
  clampedIndices,
  fewPieces,
  flatIndices,
  type Reduction,
  scatterElements,
  scatterPieces,
} from "./indexing.onnx.ts";
import type { ScatterParams } from "./scatter.ts";

interface Forms {
  readonly inputs: Each<Three, Aval>;
  readonly outputs: Each<One, Aval>;
}

/** Operand and updates as tables of rows, indices as a list of rows of the whole table. */
function tables(
  g: OnnxEmitter,
  [x, u, indices]: Each<Three, OnnxValue>,
  batchDims: number,
  { inputs: [xForm, uForm, iForm] }: Forms,
) {
  const size = dimOf(xForm, batchDims);
  const width = sizeOf(xForm.dims.slice(batchDims + 1));
  const { flat, batches } = flatIndices(g, indices, iForm, batchDims, size);
  return {
    table: g.reshape(g.exact(x, xForm.dims), [batches * size, width]),
    rows: g.reshape(g.exact(u, uForm.dims), [dimOf(flat, 0), width]),
    flat,
  };
}

/**
 * Places that may repeat: the last update of each is found on a list of places alone, which
 * ScatterElements walks in order, and then the rows are gathered, which is fast for wide rows.
 */
export function scatterSetOnnx(
  g: OnnxEmitter,
  inputs: Each<Three, OnnxValue>,
  { batchDims, distinct }: ScatterParams,
  forms: Forms,
): Each<One, OnnxValue> {
  const { outputs } = forms;
  const [y] = outputs;
  if (sizeOf(forms.inputs[1].dims) === 0) return [g.exact(inputs[0], y.dims)];
  if (distinct === 1) return [scatterInPlace(g, inputs, batchDims, forms)];
  const { table, rows, flat } = tables(g, inputs, batchDims, forms);
  const [count, size] = [dimOf(flat, 0), dimOf(table, 0)];
  const written = () => {
    if (fewPieces(distinct, count)) return scatterPieces(g, table, rows, flat, distinct, "none");
    if (dimOf(table, 1) === 1) return scatterElements(g, table, rows, flat, "none");
    const int32 = (n: number) => g.constant("int32", [], [n]);
    const nobody = g.exact(int32(-1), [size]);
    const counting = Array.from({ length: count }, (_, i) => i);
    const own = g.constant("int32", [count], counting);
    const last = g.node("ScatterElements", [nobody, flat, own], nobody, { axis: { int: 0 } });
    // From the rows of both, one below the other: Where has no kernel for some dtypes.
    const someone = g.node("GreaterOrEqual", [last, int32(0)], aval("bool", [size]));
    const below = g.node("Add", [last, int32(size)], last);
    const old = g.constant(
      "int32",
      [size],
      Array.from({ length: size }, (_, i) => i),
    );
    const both = g.node("Concat", [table, rows], aval(y.dtype, [size + count, dimOf(table, 1)]), {
      axis: { int: 0 },
    });
    const from = g.node("Where", [someone, below, old], last);
    return g.node("Gather", [both, from], table, { axis: { int: 0 } });
  };
  return [g.reshape(written(), y.dims)];
}

/**
 * One ScatterND on the operand as it stands, by the whole index of each row. Without a Reshape around it
 * the node may overwrite its operand, and touches but the rows: what a cache of keys and values needs.
 */
function scatterInPlace(
  g: OnnxEmitter,
  [x, u, indices]: Each<Three, OnnxValue>,
  batchDims: number,
  { inputs: [xForm, uForm, iForm], outputs: [y] }: Forms,
): OnnxValue {
  const batch = xForm.dims.slice(0, batchDims);
  const own = clampedIndices(g, indices, iForm, batchDims, dimOf(xForm, batchDims));
  const [batches, each] = [dimOf(own, 0), dimOf(own, 1)];
  const last = g.reshape(own, [batches, each, 1]);
  const strides = stridesOf(batch);
  const prefix = Array.from({ length: batches * each }, (_, i) =>
    batch.map((dim, axis) => Math.floor(Math.floor(i / each) / (strides[axis] ?? 1)) % dim),
  ).flat();
  const form = aval("int32", [batches, each, batchDims + 1]);
  const whole =
    batchDims === 0
      ? last
      : g.node("Concat", [g.constant("int32", [batches, each, batchDims], prefix), last], form, {
          axis: { int: 2 },
        });
  const places = g.node("Cast", [whole], { ...form, dtype: "int64" }, { to: { int: 7 } });
  const rows = g.reshape(g.exact(u, uForm.dims), [
    batches,
    each,
    ...xForm.dims.slice(batchDims + 1),
  ]);
  return g.node("ScatterND", [g.exact(x, xForm.dims), places, rows], y);
}

/** The nodes forget a NaN that is followed by a number, so it is marked apart. */
export function scatterExtremeOnnx(
  g: OnnxEmitter,
  inputs: Each<Three, OnnxValue>,
  { batchDims, distinct }: ScatterParams,
  forms: Forms,
  kind: "max" | "min",
): Each<One, OnnxValue> {
  const [y] = forms.outputs;
  if (sizeOf(forms.inputs[1].dims) === 0) return [g.exact(inputs[0], y.dims)];
  const { table, rows, flat } = tables(g, inputs, batchDims, forms);
  const scatter = (to: OnnxValue, from: OnnxValue, reduction: Reduction) =>
    fewPieces(distinct, dimOf(flat, 0)) && to.dtype !== "bool"
      ? scatterPieces(g, to, from, flat, distinct, reduction)
      : scatterElements(g, to, from, flat, reduction);
  const best = scatter(table, rows, kind);
  if (!isFloat(y.dtype)) return [g.reshape(best, y.dims)];
  const marks = (z: OnnxValue) => g.node("IsNaN", [z], aval("bool", z.dims));
  const marked = scatter(marks(table), marks(rows), "add"); // of truth values: or
  const nan = g.constant(y.dtype, [], [NaN]);
  return [g.reshape(g.node("Where", [marked, nan, best], table), y.dims)];
}
