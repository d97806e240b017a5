/**
 * @file Convolution as ONNX nodes. The measurements behind each choice are in docs/log.md.
 *
 * - `Conv` for a window over the bare input; a transposed kernel is first turned round, which costs
 *   little beside the convolution and is faster than `ConvTranspose`.
 * - `ConvTranspose` for a dilated input, the gradient of a strided convolution.
 * - The kernel's gradient as matrix products, or as a convolution by the result; see `convolveKernelOnnx`.
 */

import type { OnnxEmitter, OnnxValue } from "../core/lowering.ts";
import type { Each, One, Two } from "../core/op.ts";
import { type Aval, aval, dimOf, sizeOf } from "../core/shape.ts";
import { kernelByProducts, WIDE } from "./convolution.products.onnx.ts";
import type { ConvolveKernelParams, ConvolveParams } from "./convolution.ts";
import { inSingle } from "./half.onnx.ts";
import { cut, padded, spreadOut, turned } from "./sliding-window.onnx.ts";
import { axesOf, elementTable, extent, type WindowAxis } from "./sliding-window.ts";

interface Forms {
  readonly inputs: Each<Two, Aval>;
  readonly outputs: Each<One, Aval>;
}

const ints = (list: readonly number[]) => ({ ints: list });

/** Nothing is ever added up: an operand is empty, or no tap ever meets an element. */
function isZero(axes: readonly WindowAxis[], forms: readonly Aval[]): boolean {
  return (
    forms.some(({ dims }) => sizeOf(dims) === 0) ||
    axes.some((axis) => elementTable([axis]).every((i) => i < 0))
  );
}

export function convolveOnnx(
  g: OnnxEmitter,
  [x, w]: Each<Two, OnnxValue>,
  p: ConvolveParams,
  { inputs: [xForm, wForm], outputs: [y] }: Forms,
): Each<One, OnnxValue> {
  const axes = axesOf(p, xForm.dims.slice(2), wForm.dims.slice(2));
  if (isZero(axes, [xForm, wForm, y])) return [g.constant(y.dtype, [], [0])];
  const input = g.exact(x, xForm.dims);
  const kernel = g.exact(w, wForm.dims);
  const turn = () => transposedKernel(g, kernel, p.groups);
  if (axes.every(({ inputDilation }) => inputDilation === 1))
    return [conv(g, input, p.transposed ? turn() : kernel, axes, p.groups, y)];
  return [convTranspose(g, input, p.transposed ? kernel : turn(), axes, p.groups, y)];
}

/** `[(groups · a), b, window…]` as `[(groups · b), a, window…]` with the window turned round. */
function transposedKernel(g: OnnxEmitter, w: OnnxValue, groups: number): OnnxValue {
  const [rows, columns, window] = [dimOf(w, 0) / groups, dimOf(w, 1), w.dims.slice(2)];
  const swapped = g.transpose(g.reshape(w, [groups, rows, columns, ...window]), [
    0,
    2,
    1,
    ...window.map((_, i) => 3 + i),
  ]);
  const kernel = g.reshape(swapped, [groups * columns, rows, ...window]);
  return turned(
    g,
    kernel,
    window.map((_, i) => 2 + i),
  );
}

/** `Conv`, which takes no negative padding. */
function conv(
  g: OnnxEmitter,
  x: OnnxValue,
  w: OnnxValue,
  axes: readonly WindowAxis[],
  groups: number,
  y: Aval,
): OnnxValue {
  const inside = padded(
    g,
    x,
    axes.map(({ low, high }) => [Math.min(0, low), Math.min(0, high)]),
  );
  return g.node("Conv", [inside, w], y, {
    kernel_shape: ints(axes.map(({ taps }) => taps)),
    strides: ints(axes.map(({ stride }) => stride)),
    dilations: ints(axes.map(({ dilation }) => dilation)),
    pads: ints([
      ...axes.map(({ low }) => Math.max(0, low)),
      ...axes.map(({ high }) => Math.max(0, high)),
    ]),
    group: { int: groups },
  });
}

/**
 * `ConvTranspose` writes tap k of element i to the place `i·inputDilation + k·dilation − begin`. Places
 * that it would not make are zeros around; a stride takes every so many of them.
 */
function convTranspose(
  g: OnnxEmitter,
  x: OnnxValue,
  w: OnnxValue,
  axes: readonly WindowAxis[],
  groups: number,
  y: Aval,
): OnnxValue {
  const ends = axes.map((axis) => {
    const reach = (axis.taps - 1) * axis.dilation;
    const full = extent(axis.length, axis.inputDilation) + reach;
    const length = extent(axis.count, axis.stride);
    const begin = reach - axis.low;
    return { full, length, begin, end: full - begin - length };
  });
  const made = ends.map(({ full, begin, end }) => full - Math.max(0, begin) - Math.max(0, end));
  const product = g.node("ConvTranspose", [x, w], aval(y.dtype, [...y.dims.slice(0, 2), ...made]), {
    kernel_shape: ints(axes.map(({ taps }) => taps)),
    strides: ints(axes.map(({ inputDilation }) => inputDilation)),
    dilations: ints(axes.map(({ dilation }) => dilation)),
    pads: ints([
      ...ends.map(({ begin }) => Math.max(0, begin)),
      ...ends.map(({ end }) => Math.max(0, end)),
    ]),
    group: { int: groups },
  });
  const whole = padded(
    g,
    product,
    ends.map(({ begin, end }) => [Math.max(0, -begin), Math.max(0, -end)]),
  );
  return cut(
    g,
    whole,
    axes.map(({ stride }, i) => ({
      axis: 2 + i,
      from: 0,
      to: ends[i]?.length ?? 0,
      step: stride,
    })),
  );
}

/**
 * The kernel's gradient: as matrix products where groups are wide or the window is small, else as a
 * convolution whose kernel is the result, with batch and channel in each other's place.
 */
export function convolveKernelOnnx(
  g: OnnxEmitter,
  [x, y]: Each<Two, OnnxValue>,
  p: ConvolveKernelParams,
  { inputs: [xForm, yForm], outputs: [w] }: Forms,
): Each<One, OnnxValue> {
  const axes = axesOf(p, xForm.dims.slice(2), p.taps);
  if (isZero(axes, [xForm, yForm, w])) return [g.constant(w.dtype, [], [0])];
  const plain = axes.map((axis) => ({
    ...axis,
    length: extent(axis.length, axis.inputDilation),
    inputDilation: 1,
  }));
  const byProducts = p.groups === 1 || dimOf(w, 1) >= WIDE || isSmall(plain);
  const kernel = byProducts ? kernelByProducts : kernelByConv;
  const operands = [g.exact(x, xForm.dims), g.exact(y, yForm.dims)];
  return [
    inSingle(g, operands, w, ([input = x, result = y], form) =>
      kernel(g, spreadOut(g, input, p.inputDilation), result, plain, p.groups, form),
    ),
  ];
}

/** A few slices with products of single channels are still faster than a window as large as the image. */
function isSmall(axes: readonly WindowAxis[]): boolean {
  return sizeOf(axes.map(({ taps }) => taps)) <= 9 && axes.every(({ stride }) => stride === 1);
}

function kernelByConv(
  g: OnnxEmitter,
  x: OnnxValue,
  y: OnnxValue,
  axes: readonly WindowAxis[],
  groups: number,
  w: Aval,
): OnnxValue {
  const [batch, channels, space] = [dimOf(x, 0), dimOf(x, 1), x.dims.slice(2)];
  const perGroup = channels / groups;
  const rest = space.map((_, i) => i);
  // channels of one group become examples, and the examples of every group its channels
  const apart = g.reshape(x, [batch, groups, perGroup, ...space]);
  const turnedX = g.transpose(apart, [2, 1, 0, ...rest.map((i) => 3 + i)]);
  const input = g.reshape(turnedX, [perGroup, groups * batch, ...space]);
  const kernel = g.transpose(y, [1, 0, ...rest.map((i) => 2 + i)]);
  const [outs = 0, , ...taps] = w.dims;
  const swapped = axes.map((axis) => ({
    ...axis,
    taps: axis.count,
    count: axis.taps,
    stride: axis.dilation,
    dilation: axis.stride,
    high:
      (axis.taps - 1) * axis.dilation + extent(axis.count, axis.stride) - axis.length - axis.low,
  }));
  const form = aval(w.dtype, [perGroup, outs, ...taps]);
  const product = conv(g, input, kernel, swapped, groups, form);
  return g.transpose(product, [1, 0, ...rest.map((i) => 2 + i)]);
}
