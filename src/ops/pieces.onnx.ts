/** @file slice and pad as ONNX nodes. */

import type { OnnxEmitter, OnnxValue } from "../core/lowering.ts";
import type { Each, One } from "../core/op.ts";
import { type Aval, aval, dimOf, sizeOf } from "../core/shape.ts";
import type { PadParams, SliceParams } from "./pieces.ts";

interface Forms {
  readonly inputs: Each<One, Aval>;
  readonly outputs: Each<One, Aval>;
}

/** Only axes that lose elements are named. */
export function sliceOnnx(
  g: OnnxEmitter,
  [x]: Each<One, OnnxValue>,
  { start, limit, stride }: SliceParams,
  { inputs: [from] }: Forms,
): Each<One, OnnxValue> {
  return [cut(g, g.exact(x, from.dims), start, limit, stride)];
}

function cut(
  g: OnnxEmitter,
  x: OnnxValue,
  start: readonly number[],
  limit: readonly number[],
  stride: readonly number[],
): OnnxValue {
  const axes = start
    .map((_, i) => i)
    .filter((i) => start[i] !== 0 || limit[i] !== x.dims[i] || stride[i] !== 1);
  if (axes.length === 0) return x;
  const dims = start.map((at, i) => Math.ceil(((limit[i] ?? 0) - at) / (stride[i] ?? 1)));
  const pick = (list: readonly number[]) => {
    const chosen = axes.map((i) => list[i] ?? 0);
    return g.constant("int64", [chosen.length], chosen);
  };
  const steps = axes.every((i) => stride[i] === 1) ? [] : [pick(stride)];
  const box = [pick(start), pick(limit), g.constant("int64", [axes.length], axes), ...steps];
  return g.node("Slice", [x, ...box], aval(x.dtype, dims));
}

/** Elements between come first, then cuts, then elements around: `Pad` itself does only the last. */
export function padOnnx(
  g: OnnxEmitter,
  [x]: Each<One, OnnxValue>,
  { low, interior, value }: PadParams,
  { inputs: [from], outputs: [y] }: Forms,
): Each<One, OnnxValue> {
  const fill = g.constant(y.dtype, [], [value]);
  const whole = interior.reduce((z, n, axis) => spread(g, z, axis, n, fill), g.exact(x, from.dims));
  // Element j of the result is element j − low of the spread operand, where there is one.
  const start = whole.dims.map((dim, i) => Math.min(dim, Math.max(0, -(low[i] ?? 0))));
  const limit = whole.dims.map((dim, i) =>
    Math.max(start[i] ?? 0, Math.min(dim, dimOf(y, i) - (low[i] ?? 0))),
  );
  const kept = cut(
    g,
    whole,
    start,
    limit,
    start.map(() => 1),
  );
  if (sizeOf(kept.dims) === 0)
    return [g.node("Expand", [fill, g.constant("int64", [y.dims.length], y.dims)], y)];
  const before = kept.dims.map((_, i) => (start[i] ?? 0) + (low[i] ?? 0));
  const after = kept.dims.map((dim, i) => dimOf(y, i) - dim - (before[i] ?? 0));
  if ([...before, ...after].every((n) => n === 0)) return [kept];
  return [g.node("Pad", [kept, int64(g, [...before, ...after]), fill], y)];
}

/** `n` new elements between neighbours: each element becomes a row of itself and n more. */
function spread(g: OnnxEmitter, x: OnnxValue, axis: number, n: number, fill: OnnxValue): OnnxValue {
  const size = dimOf(x, axis);
  if (n === 0 || size <= 1 || sizeOf(x.dims) === 0) {
    return x;
  }
  const [before, after] = [x.dims.slice(0, axis), x.dims.slice(axis + 1)];
  const rows = aval(x.dtype, [sizeOf(before) * size, 1, sizeOf(after)]);
  const wide = aval(x.dtype, [sizeOf(before) * size, n + 1, sizeOf(after)]);
  const padded = g.node("Pad", [g.reshape(x, rows.dims), int64(g, [0, 0, 0, 0, n, 0]), fill], wide);
  const flat = g.reshape(padded, [...before, size * (n + 1), ...after]);
  const limit = flat.dims.map((dim, i) => (i === axis ? dim - n : dim));
  const [zeros, ones] = [limit.map(() => 0), limit.map(() => 1)];
  return cut(g, flat, zeros, limit, ones);
}

function int64(g: OnnxEmitter, list: readonly number[]): OnnxValue {
  return g.constant("int64", [list.length], list);
}
