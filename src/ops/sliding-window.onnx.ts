/** @file Building blocks of windows as ONNX nodes: boxes with steps, zeros around and between. */

import type { OnnxEmitter, OnnxValue } from "../core/lowering.ts";
import { aval, dimOf } from "../core/shape.ts";
import { extent } from "./sliding-window.ts";

/** What to take along one axis: `from`, `from + step`, … as long as it is below `to`. */
export interface Cut {
  readonly axis: number;
  readonly from: number;
  readonly to: number;
  readonly step?: number;
}

const list = (g: OnnxEmitter, values: readonly number[]) =>
  g.constant("int64", [values.length], values);

/** x cut along some axes. */
export function cut(g: OnnxEmitter, x: OnnxValue, cuts: readonly Cut[]): OnnxValue {
  const real = cuts.filter(
    ({ axis, from, to, step = 1 }) => from !== 0 || to !== x.dims[axis] || step !== 1,
  );
  if (real.length === 0) return x;
  const dims = [...x.dims];
  for (const { axis, from, to, step = 1 } of real) dims[axis] = Math.ceil((to - from) / step);
  const steps = real.some(({ step = 1 }) => step !== 1)
    ? [
        list(
          g,
          real.map(({ step = 1 }) => step),
        ),
      ]
    : [];
  const of = (key: "from" | "to" | "axis") =>
    list(
      g,
      real.map((one) => one[key]),
    );
  return g.node("Slice", [x, of("from"), of("to"), of("axis"), ...steps], aval(x.dtype, dims));
}

/** Below any index: where a Slice that walks backwards ends. */
const BEFORE_ALL = -(2 ** 31) + 1;

/** x with the given axes turned round. */
export function turned(g: OnnxEmitter, x: OnnxValue, axes: readonly number[]): OnnxValue {
  const real = axes.filter((axis) => dimOf(x, axis) > 1);
  if (real.length === 0) return x;
  const all = (value: number) => list(g, Array<number>(real.length).fill(value));
  return g.node("Slice", [x, all(-1), all(BEFORE_ALL), list(g, real), all(-1)], x);
}

/**
 * x with a constant around its last axes, one `[low, high]` each; negative counts cut off.
 *
 * @param value - zero when absent
 */
export function padded(
  g: OnnxEmitter,
  x: OnnxValue,
  padding: readonly (readonly [number, number])[],
  value = 0,
): OnnxValue {
  const first = x.dims.length - padding.length;
  const inside = cut(
    g,
    x,
    padding.map(([low, high], i) => ({
      axis: first + i,
      from: Math.max(0, -low),
      to: dimOf(x, first + i) + Math.min(0, high),
    })),
  );
  const grow = padding.map(([low, high]) => [Math.max(0, low), Math.max(0, high)] as const);
  if (grow.every(([low, high]) => low === 0 && high === 0)) return inside;
  const zeros = Array<number>(first).fill(0);
  const counts = [...zeros, ...grow.map(([low]) => low), ...zeros, ...grow.map(([, high]) => high)];
  const fill = value === 0 ? [] : [g.constant(x.dtype, [], [value])];
  const dims = inside.dims.map((dim, i) => {
    const [low, high] = grow[i - first] ?? [0, 0];
    return dim + low + high;
  });
  return g.node("Pad", [inside, list(g, counts), ...fill], aval(x.dtype, dims));
}

/** x with zeros between the elements of its last axes, so that they stand `apart`. */
export function spreadOut(g: OnnxEmitter, x: OnnxValue, apart: readonly number[]): OnnxValue {
  if (apart.every((step) => step === 1)) return x;
  const first = x.dims.length - apart.length;
  const lead = x.dims.slice(0, first);
  const split = g.reshape(x, [...lead, ...apart.flatMap((_, i) => [dimOf(x, first + i), 1])]);
  const filled = padded(
    g,
    split,
    apart.flatMap((step) => [[0, 0] as const, [0, step - 1] as const]),
  );
  const joined = g.reshape(filled, [
    ...lead,
    ...apart.map((step, i) => step * dimOf(x, first + i)),
  ]);
  return cut(
    g,
    joined,
    apart.map((step, i) => ({ axis: first + i, from: 0, to: extent(dimOf(x, first + i), step) })),
  );
}
