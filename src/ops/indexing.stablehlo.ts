/** @file gather and scatters as StableHLO text. */

import type { HloEmitter, HloValue } from "../core/lowering.ts";
import type { Each, One, Two } from "../core/op.ts";
import { type Aval, aval, sizeOf } from "../core/shape.ts";

const list = (items: readonly (number | string)[]) => `[${items.join(", ")}]`;
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

/** XLA clamps gather indices by itself. */
export function gatherStablehlo(
  h: HloEmitter,
  [x, indices]: Each<Two, HloValue>,
  batchDims: number,
  [y]: Each<One, Aval>,
): Each<One, HloValue> {
  if (sizeOf(y.dims) === 0) return [h.splat(0, y)]; // a slice of one row does not fit into none
  const batch = range(0, batchDims);
  const offset = range(indices.dims.length, y.dims.length);
  const sizes = x.dims.map((dim, i) => (i <= batchDims ? 1 : dim));
  const batching =
    batchDims === 0
      ? ""
      : `operand_batching_dims = ${list(batch)}, start_indices_batching_dims = ${list(batch)}, `;
  const numbers = `#stablehlo.gather<offset_dims = ${list(offset)}, collapsed_slice_dims = [${batchDims}], ${batching}start_index_map = [${batchDims}], index_vector_dim = ${indices.dims.length}>`;
  return [
    h.line(
      `"stablehlo.gather"(${x.name}, ${indices.name}) <{dimension_numbers = ${numbers}, slice_sizes = array<i64: ${sizes.join(", ")}>}> : (${h.type(x)}, ${h.type(indices)}) -> ${h.type(y)}`,
      y,
    ),
  ];
}

/** XLA drops scatter indices out of range, so they are clamped here. */
export function clampedStablehlo(h: HloEmitter, indices: HloValue, size: number): HloValue {
  const form = aval("int32", indices.dims);
  const raised = h.elementwise("stablehlo.maximum", [indices, h.splat(0, indices)], form);
  const high = h.splat(Math.max(0, size - 1), indices);
  return h.elementwise("stablehlo.minimum", [raised, high], form);
}

/**
 * Rows of `updates` into `table` at clamped indices. `combine` is an op of the two scalars, or null for
 * the update alone, where no place is named twice.
 */
export function scatterStablehlo(
  h: HloEmitter,
  table: HloValue,
  indices: HloValue,
  updates: HloValue,
  batchDims: number,
  combine: string | null,
): HloValue {
  const batch = range(0, batchDims);
  const windows = range(indices.dims.length, updates.dims.length);
  const batching =
    batchDims === 0
      ? ""
      : `input_batching_dims = ${list(batch)}, scatter_indices_batching_dims = ${list(batch)}, `;
  const numbers = `#stablehlo.scatter<update_window_dims = ${list(windows)}, inserted_window_dims = [${batchDims}], ${batching}scatter_dims_to_operand_dims = [${batchDims}], index_vector_dim = ${indices.dims.length}>`;
  const scalar = h.type(aval(table.dtype, []));
  const body =
    combine === null
      ? `stablehlo.return %q : ${scalar}`
      : `%s = ${combine} %p, %q : ${scalar}\n      stablehlo.return %s : ${scalar}`;
  const unique = combine === null ? ", unique_indices = true" : "";
  return h.line(
    `"stablehlo.scatter"(${table.name}, ${indices.name}, ${updates.name}) <{scatter_dimension_numbers = ${numbers}${unique}}> ({\n` +
      `    ^bb0(%p: ${scalar}, %q: ${scalar}):\n      ${body}\n    }) : (${h.type(table)}, ${h.type(indices)}, ${h.type(updates)}) -> ${h.type(table)}`,
    table,
  );
}

export function scatterAddStablehlo(
  h: HloEmitter,
  [updates, indices]: Each<Two, HloValue>,
  { batchDims, size }: { readonly batchDims: number; readonly size: number },
  [y]: Each<One, Aval>,
): Each<One, HloValue> {
  if (sizeOf(updates.dims) === 0) return [h.splat(0, y)];
  const clamped = clampedStablehlo(h, indices, size);
  return [scatterStablehlo(h, h.splat(0, y), clamped, updates, batchDims, "stablehlo.add")];
}
