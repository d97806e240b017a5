/** @file Pooling windows as ONNX nodes: the pooling kernels for floats, slices one under the other for integers. */

import { isFloat } from "../core/dtype.ts";
import type { OnnxEmitter, OnnxValue } from "../core/lowering.ts";
import type { Each, One } from "../core/op.ts";
import { type Aval, aval, dimOf, sizeOf } from "../core/shape.ts";
import { inSingle } from "./half.onnx.ts";
import { LEAST } from "./magnitude.ts";
import { type WindowMaxParams, type WindowSumParams, windowAxes } from "./pool.ts";
import { cut, padded, spreadOut } from "./sliding-window.onnx.ts";
import { elementUnder, extent, type WindowAxis } from "./sliding-window.ts";

interface Forms {
  readonly inputs: Each<One, Aval>;
  readonly outputs: Each<One, Aval>;
}

const ints = (list: readonly number[]) => ({ ints: list });

/** Floats along the last axes, as `[1, everything before, space…]`: what the pooling kernels take. */
function planes(g: OnnxEmitter, x: OnnxValue, rank: number): OnnxValue {
  const lead = x.dims.length - rank;
  return g.reshape(x, [1, sizeOf(x.dims.slice(0, lead)), ...x.dims.slice(lead)]);
}

/** Attributes of a pooling kernel, without padding. */
function attributesOf(axes: readonly WindowAxis[]) {
  return {
    kernel_shape: ints(axes.map(({ taps }) => taps)),
    strides: ints(axes.map(({ stride }) => stride)),
    dilations: ints(axes.map(({ dilation }) => dilation)),
  };
}

/** The pooling kernels take padding that is not negative and less than the window has taps. */
function fits(axes: readonly WindowAxis[]): boolean {
  return axes.every(({ low, high, taps }) => low >= 0 && high >= 0 && low < taps && high < taps);
}

/** The input under its windows: padding that the kernels do not take is carried out. */
function prepared(
  g: OnnxEmitter,
  x: OnnxValue,
  axes: readonly WindowAxis[],
  value: number,
): { readonly input: OnnxValue; readonly axes: readonly WindowAxis[] } {
  if (fits(axes)) return { input: planes(g, x, axes.length), axes };
  const padding = axes.map(({ low, high }) => [low, high] as const);
  const input = padded(g, x, padding, value);
  const lead = x.dims.length - axes.length;
  return {
    input: planes(g, input, axes.length),
    axes: axes.map((axis, i) => ({ ...axis, length: dimOf(input, lead + i), low: 0, high: 0 })),
  };
}

function pads(axes: readonly WindowAxis[]) {
  return ints([...axes.map(({ low }) => low), ...axes.map(({ high }) => high)]);
}

function pooledForm(input: OnnxValue, axes: readonly WindowAxis[]): Aval {
  return aval(input.dtype, [...input.dims.slice(0, 2), ...axes.map(({ count }) => count)]);
}

/** Means of windows, padding counted as zeros. */
function averagePool(g: OnnxEmitter, input: OnnxValue, axes: readonly WindowAxis[]): OnnxValue {
  return g.node("AveragePool", [input], pooledForm(input, axes), {
    ...attributesOf(axes),
    pads: pads(axes),
    count_include_pad: { int: 1 },
  });
}

export function windowSumOnnx(
  g: OnnxEmitter,
  [x]: Each<One, OnnxValue>,
  p: WindowSumParams,
  { inputs: [xForm], outputs: [y] }: Forms,
): Each<One, OnnxValue> {
  const axes = windowAxes(xForm, p);
  if (sizeOf(xForm.dims) === 0 || sizeOf(y.dims) === 0) return [g.constant(y.dtype, [], [0])];
  const whole = g.exact(x, xForm.dims);
  if (axes.some(({ inputDilation }) => inputDilation > 1) && underOneTap(axes))
    return [repeated(g, whole, axes)];
  const plain = axes.map((axis) => ({
    ...axis,
    length: extent(axis.length, axis.inputDilation),
    inputDilation: 1,
  }));
  if (!isFloat(y.dtype))
    return [bySlices(g, spreadOut(g, whole, p.inputDilation), plain, "Add", 0)];
  return [
    inSingle(g, [whole], y, ([input = whole], form) => {
      const bare = prepared(g, spreadOut(g, input, p.inputDilation), plain, 0);
      const size = g.constant(form.dtype, [], [sizeOf(p.taps)]);
      const mean = averagePool(g, bare.input, bare.axes);
      return g.reshape(g.node("Mul", [mean, size], mean), form.dims);
    }),
  ];
}

/** Whether elements stand so far apart that no window sees two: the way back of windows that do not overlap. */
function underOneTap(axes: readonly WindowAxis[]): boolean {
  return axes.every(
    ({ taps, dilation, inputDilation }) => taps === 1 || (dilation === 1 && taps <= inputDilation),
  );
}

/** Each element as often as windows see it, zeros between; then every so many of these. */
function repeated(g: OnnxEmitter, x: OnnxValue, axes: readonly WindowAxis[]): OnnxValue {
  const lead = x.dims.slice(0, x.dims.length - axes.length);
  const split = g.reshape(x, [...lead, ...axes.flatMap(({ length }) => [length, 1])]);
  const copies = g.exact(split, [...lead, ...axes.flatMap(({ length, taps }) => [length, taps])]);
  const spaced = padded(
    g,
    copies,
    axes.flatMap(({ taps, inputDilation }) => [
      [0, 0] as const,
      [0, inputDilation - taps] as const,
    ]),
  );
  const line = g.reshape(spaced, [
    ...lead,
    ...axes.map(({ length, inputDilation }) => length * inputDilation),
  ]);
  // window p ends at p·stride − low + taps − 1 and sees the element whose copies stand there
  const placed = padded(
    g,
    line,
    axes.map(({ low, taps, count, stride, length, inputDilation }) => {
      const from = taps - 1 - low;
      return [-from, from + extent(count, stride) - length * inputDilation] as const;
    }),
  );
  return cut(
    g,
    placed,
    axes.map(({ count, stride }, i) => ({
      axis: lead.length + i,
      from: 0,
      to: extent(count, stride),
      step: stride,
    })),
  );
}

/** One axis after the other: the slices under each tap, put together by an element-wise op. */
function bySlices(
  g: OnnxEmitter,
  x: OnnxValue,
  axes: readonly WindowAxis[],
  op: "Add" | "Max",
  start: number,
): OnnxValue {
  const lead = x.dims.length - axes.length;
  const input = padded(
    g,
    x,
    axes.map(({ low, high }) => [low, high]),
    start,
  );
  return axes.reduce((value, { taps, count, stride, dilation }, i) => {
    const slices = Array.from({ length: taps }, (_, k) =>
      cut(g, value, [
        {
          axis: lead + i,
          from: k * dilation,
          to: k * dilation + extent(count, stride),
          step: stride,
        },
      ]),
    );
    return slices.reduce((sum, slice) => g.node(op, [sum, slice], sum));
  }, input);
}

/** The largest negative float32: what MaxPool starts from, where −∞ is right. */
const LOWEST = -3.4028234663852886e38;

/**
 * MaxPool loses NaN now and then, and turns a window of −∞ into the lowest finite number. So a mean of
 * zeros that are NaN where x is goes on top, and the lowest number is taken for −∞. Still several times
 * as fast as maxima of slices (docs/log.md).
 */
export function windowMaxOnnx(
  g: OnnxEmitter,
  [x]: Each<One, OnnxValue>,
  p: WindowMaxParams,
  { inputs: [xForm], outputs: [y] }: Forms,
): Each<One, OnnxValue> {
  if (sizeOf(y.dims) === 0) return [g.constant(y.dtype, [], [0])];
  const whole = g.exact(x, xForm.dims);
  const axes = windowAxes(xForm, p);
  if (y.dtype !== "float32") return [bySlices(g, whole, axes, "Max", LEAST[y.dtype])];
  const bare = prepared(g, whole, axes, LOWEST);
  const number = (value: number) => g.constant(y.dtype, [], [value]);
  const clipped = g.node("Clip", [bare.input, number(-1), number(1)], bare.input);
  const zeros = g.node("Mul", [clipped, number(0)], bare.input);
  const form = pooledForm(bare.input, bare.axes);
  const best = g.node("MaxPool", [bare.input], form, {
    ...attributesOf(bare.axes),
    pads: pads(bare.axes),
  });
  const none = g.node("Equal", [best, number(LOWEST)], aval("bool", form.dims));
  const real = g.node("Where", [none, number(-Infinity), best], form);
  const marked = g.node("Add", [real, averagePool(g, zeros, bare.axes)], form);
  return [g.reshape(marked, y.dims)];
}

/** MaxPool tells places in the whole tensor; those of one plane are counted from its own start. */
export function windowArgMaxOnnx(
  g: OnnxEmitter,
  [x]: Each<One, OnnxValue>,
  p: WindowMaxParams,
  { inputs: [xForm], outputs: [y] }: Forms,
): Each<One, OnnxValue> {
  if (sizeOf(y.dims) === 0) return [g.constant(y.dtype, [], [0])];
  const axes = windowAxes(xForm, p);
  const bare = prepared(g, g.exact(x, xForm.dims), axes, LOWEST);
  const form = pooledForm(bare.input, bare.axes);
  const [, places] = g.nodes({
    op: "MaxPool",
    inputs: [bare.input],
    outputs: [form, { dtype: "int64", dims: form.dims }],
    attributes: { ...attributesOf(bare.axes), pads: pads(bare.axes) },
  });
  if (places === undefined) throw new Error("MaxPool has two outputs");
  const small = g.node("Cast", [places], { dtype: "int32", dims: form.dims }, { to: { int: 6 } });
  const count = dimOf(bare.input, 1);
  const plane = sizeOf(bare.input.dims.slice(2));
  const starts = g.constant(
    "int32",
    [1, count, ...axes.map(() => 1)],
    Array.from({ length: count }, (_, i) => i * plane),
  );
  const own = count === 1 ? small : g.node("Sub", [small, starts], small);
  const known = fits(axes) ? own : unpadded(g, own, axes);
  // a window of −∞ or NaN has no winner: then its first element is
  const first = g.constant(
    "int32",
    axes.map((axis) => axis.count),
    firstElements(axes),
  );
  return [g.reshape(g.node("Max", [known, first], known), y.dims)];
}

/** Places of the padded (or cut) input as places of the input itself; those of padding as the nearest. */
function unpadded(g: OnnxEmitter, places: OnnxValue, axes: readonly WindowAxis[]): OnnxValue {
  const table = axes.reduce<readonly number[]>(
    (outer, { length, low, high }) =>
      outer.flatMap((place) =>
        Array.from(
          { length: length + low + high },
          (_, i) => place * length + Math.min(Math.max(i - low, 0), length - 1),
        ),
      ),
    [0],
  );
  return g.node("Gather", [g.constant("int32", [table.length], table), places], places);
}

function firstElements(axes: readonly WindowAxis[]): number[] {
  return axes.reduce<number[]>(
    (outer, axis) =>
      outer.flatMap((place) =>
        Array.from({ length: axis.count }, (_, w) => {
          let k = 0;
          while (k < axis.taps && elementUnder(axis, w, k) === undefined) k++;
          return place * axis.length + (elementUnder(axis, w, k) ?? 0);
        }),
      ),
    [0],
  );
}
