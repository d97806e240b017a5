/** @file Convolution for people: any order of axes, padding by rule, errors in the caller's forms. */

import type { AxisName } from "../core/axes.ts";
import { ShapeError } from "../core/errors.ts";
import { axisOf, dimOf, showAval, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add } from "../ops/arithmetic.ts";
import { type ConvolveParams, convolve } from "../ops/convolution.ts";
import { broadcast } from "../ops/creation.ts";
import { inverse, reshape, transpose } from "../ops/layout.ts";
import { extent } from "../ops/sliding-window.ts";
import {
  type Padding,
  type PerAxis,
  paddingOf,
  perAxis,
  type SpaceAxes,
  type Steps,
  spaceOf,
} from "./window-options.ts";

/** How a kernel lies on a tensor. */
export interface ConvOptions extends Steps {
  /** `"valid"` when absent. */
  readonly padding?: Padding;
  /** Groups of channels that do not see each other; 1 when absent, as many as channels for a depthwise one. */
  readonly groups?: number;
  /**
   * The channel axis of x. When absent: the one that the kernel's channel axis names, else the axis
   * before the last ones along which the window slides.
   */
  readonly channel?: string | number;
  /** The axes along which the window slides, in its order; when absent, the last ones but the channel. */
  readonly space?: SpaceAxes;
  /** `[filter]`, added to every element of its filter. */
  readonly bias?: Tensor;
  /** Name of the result's channel axis; that of the kernel's filter axis when absent. */
  readonly as?: string;
}

/**
 * Convolution (the window is not turned round) along one to three axes.
 *
 * x has a channel axis, the axes along which the window slides, and any others, which are independent
 * examples: `[batch, channel, height, width]` and `[batch, height, width, channel]` are both read as
 * they stand. The result has x's axes in x's order, with filters in place of channels and
 * `⌊(length + padding − (taps − 1)·dilation − 1) / stride⌋ + 1` windows along each space axis.
 *
 * @param kernel - `[filter, channel / groups, window…]`
 * @throws ShapeError when the channels do not fit the kernel, AxisError for an axis that x lacks
 */
export function conv(x: Tensor, kernel: Tensor, options: ConvOptions = {}): Tensor {
  const layout = layoutOf("conv", x, kernel, 1, options);
  const steps = stepsOf("conv", layout, kernel, options);
  const padding = paddingOf("conv", options.padding ?? "valid", { ...layout, ...steps });
  const inputDilation = layout.taps.map(() => 1);
  const params = { stride: steps.stride, dilation: steps.dilation, padding, inputDilation };
  return run("conv", x, kernel, layout, { ...params, transposed: false }, options);
}

/** How a transposed kernel lies on a tensor. */
export interface ConvTransposeOptions extends Omit<ConvOptions, "padding"> {
  /**
   * That of the convolution which this one transposes: a number is *cut off* from the full result.
   * `"valid"`, when absent, cuts nothing; `"same"` makes `length · stride` elements.
   */
  readonly padding?: Padding;
  /** Elements more at the end, which a convolution with this stride would not tell apart. */
  readonly outputPadding?: PerAxis;
}

/**
 * The transpose of `conv` with this kernel, stride, padding and dilation: each element of x lays the
 * kernel, times itself, into the result, `stride` apart. What is called a deconvolution.
 *
 * Axes are as for `conv`. The result has `(length − 1)·stride + (taps − 1)·dilation + 1 − padding +
 * outputPadding` elements along each space axis.
 *
 * @param kernel - `[channel, filter / groups, window…]`: x's channels come first
 * @throws ShapeError when the channels do not fit the kernel, AxisError for an axis that x lacks
 */
export function convTranspose(
  x: Tensor,
  kernel: Tensor,
  options: ConvTransposeOptions = {},
): Tensor {
  const layout = layoutOf("convTranspose", x, kernel, 0, options);
  const { stride, dilation } = stepsOf("convTranspose", layout, kernel, options);
  const none = layout.taps.map(() => 0);
  const more = perAxis("convTranspose", "outputPadding", options.outputPadding, none.length, none);
  const reach = layout.taps.map((taps, i) => extent(taps, dilation[i] ?? 1) - 1);
  const removed =
    options.padding === "same"
      ? reach.map((far, i): readonly [number, number] => {
          const total = far + 1 - (stride[i] ?? 1);
          const low = Math.floor(Math.max(0, total) / 2);
          return [low, total - low];
        })
      : paddingOf("convTranspose", options.padding ?? "valid", { ...layout, stride, dilation });
  const padding = removed.map(([low, high], i): readonly [number, number] => [
    (reach[i] ?? 0) - low,
    (reach[i] ?? 0) - high + (more[i] ?? 0),
  ]);
  const ones = layout.taps.map(() => 1);
  const params = { stride: ones, dilation, padding, inputDilation: stride, transposed: true };
  return run("convTranspose", x, kernel, layout, params, options);
}

/** Where the axes of x are. */
interface Layout {
  readonly batch: readonly number[];
  readonly channel: number;
  readonly space: readonly number[];
  readonly lengths: readonly number[];
  readonly taps: readonly number[];
}

/** @param inAxis - the axis of the kernel that meets x's channels */
function layoutOf(
  operation: string,
  x: Tensor,
  kernel: Tensor,
  inAxis: 0 | 1,
  options: ConvOptions | ConvTransposeOptions,
): Layout {
  const rank = kernel.rank - 2;
  if (rank < 1 || rank > 3 || x.rank < rank + 1) {
    throw new ShapeError(
      "SHAPE-01",
      `${operation}: a kernel has two channel axes and one to three of its window, and x a channel axis beside those.`,
      [
        ["x", showAval(x.aval)],
        ["kernel", showAval(kernel.aval)],
      ],
    );
  }
  const inName = kernel.names[inAxis] ?? null;
  const named = inName !== null && x.names.includes(inName) ? inName : x.rank - rank - 1;
  const channel = axisOf(operation, x.aval, options.channel ?? named);
  const space = spaceOf(operation, x, options.space, rank, channel);
  return {
    batch: x.dims.map((_, i) => i).filter((i) => i !== channel && !space.includes(i)),
    channel,
    space,
    lengths: space.map((i) => dimOf(x.aval, i)),
    taps: kernel.dims.slice(2),
  };
}

function stepsOf(operation: string, layout: Layout, kernel: Tensor, options: Steps) {
  const rank = kernel.rank - 2;
  const ones = layout.taps.map(() => 1);
  return {
    stride: perAxis(operation, "stride", options.stride, rank, ones),
    dilation: perAxis(operation, "dilation", options.dilation, rank, ones),
  };
}

function run(
  operation: string,
  x: Tensor,
  kernel: Tensor,
  layout: Layout,
  window: Omit<ConvolveParams, "groups">,
  options: ConvOptions | ConvTransposeOptions,
): Tensor {
  const { groups = 1, bias, as } = options;
  const { batch, channel, space } = layout;
  checkChannels(operation, x, kernel, channel, groups, window.transposed);
  const order = [...batch, channel, ...space];
  const ordered = transpose(x, order);
  const examples = batch.map((i) => dimOf(x.aval, i));
  const inner = ordered.dims.slice(batch.length);
  const flat = reshape(
    ordered,
    [sizeOf(examples), ...inner],
    [null, ...ordered.names.slice(batch.length)],
  );
  const plain = convolve(flat, kernel, { ...window, groups });
  const y = bias === undefined ? plain : add(plain, alongChannels(operation, bias, plain));
  const names: readonly AxisName[] = [
    ...ordered.names.slice(0, batch.length),
    as ?? kernel.names[window.transposed ? 1 : 0] ?? null,
    ...ordered.names.slice(batch.length + 1),
  ];
  const apart = reshape(y, [...examples, ...y.dims.slice(1)], unique(names, batch.length));
  return transpose(apart, inverse(order));
}

/** The filter axis gives up its name where another axis has it already. */
function unique(names: readonly AxisName[], filter: number): AxisName[] {
  return names.map((name, i) =>
    i === filter && names.indexOf(name) !== names.lastIndexOf(name) ? null : name,
  );
}

function alongChannels(operation: string, bias: Tensor, y: Tensor): Tensor {
  if (bias.rank !== 1 || bias.dims[0] !== y.dims[1]) {
    throw new ShapeError(
      "SHAPE-01",
      `${operation}: the bias must have one number per filter, [${dimOf(y.aval, 1)}], not ${showAval(bias.aval)}`,
    );
  }
  return broadcast(bias, { dims: y.dims, axes: [1], names: y.names });
}

function checkChannels(
  operation: string,
  x: Tensor,
  kernel: Tensor,
  channel: number,
  groups: number,
  transposed: boolean,
): void {
  const takes = transposed ? dimOf(kernel.aval, 0) : dimOf(kernel.aval, 1) * groups;
  if (dimOf(x.aval, channel) === takes) return;
  const shape = transposed
    ? "[channel, filter / groups, window…]"
    : "[filter, channel / groups, window…]";
  throw new ShapeError(
    "SHAPE-01",
    `${operation}: axis ${x.names[channel] ?? channel} of x has ${dimOf(x.aval, channel)} channels, the kernel takes ${takes}.`,
    [
      ["x", showAval(x.aval)],
      ["kernel", `${showAval(kernel.aval)}, read as ${shape}`],
      ["groups", `${groups}`],
      ["fix", `say which axis holds the channels with { channel: … }, or give the kernel as many`],
    ],
  );
}
