/** @file Convolution layers. */

import type { Tensor } from "../core/tensor.ts";
import {
  type ConvOptions,
  type ConvTransposeOptions,
  conv,
  convTranspose,
  type Padding,
} from "../numpy/index.ts";
import { fanInUniform, type ParamSpec, param, zeros } from "./param.ts";

/** A kernel, and one number per filter where there is a bias. */
export interface Convolution<T> {
  readonly kernel: T;
  readonly bias?: T;
}

/** What a convolution maps to what. */
export interface ConvolutionSizes {
  /** Channels of the input. */
  readonly channels: number;
  /** Channels of the result. */
  readonly filters: number;
  /** Window sizes, one to three. */
  readonly window: readonly number[];
  /** Groups of channels that do not see each other; 1 when absent. */
  readonly groups?: number;
  /** True when absent. */
  readonly bias?: boolean;
}

/** Axis words of the window, which are not those of the space: a kernel is not divided with an image. */
const WINDOW_WORDS = ["window0", "window1", "window2"];

function windowSizes(window: readonly number[]): Record<string, number> {
  return Object.fromEntries(window.map((size, i) => [WINDOW_WORDS[i] ?? `window${i}`, size]));
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((a, b) => a * b, 1);
}

/** `kernel [filter, channel / groups, window…]` of variance 1 / (inputs of one filter), `bias [filter]` of zeros. */
export function convolutionParams(sizes: ConvolutionSizes): Convolution<ParamSpec> {
  const { channels, filters, window, groups = 1, bias = true } = sizes;
  const channel = channels / groups;
  return {
    kernel: param(
      { filter: filters, channel, ...windowSizes(window) },
      fanInUniform(channel * product(window)),
    ),
    ...(bias ? { bias: param({ filter: filters }, zeros) } : {}),
  };
}

export interface ConvolutionOptions extends Omit<ConvOptions, "bias" | "padding"> {
  /** As for `conv`; `"causal"` pads before the first element only, so that no result sees a later one. */
  readonly padding?: Padding | "causal";
}

/**
 * `x ∗ kernel + bias` on `[batch, channel, space…]`, or any other order of named axes with a `channel`
 * axis; the result keeps x's order and its name `channel`.
 *
 * @param options - stride, padding, dilation, groups: see `conv`
 */
export function convolution(
  { kernel, bias }: Convolution<Tensor>,
  x: Tensor,
  options: ConvolutionOptions = {},
): Tensor {
  const { padding, ...rest } = options;
  return conv(x, kernel, {
    as: "channel",
    ...rest,
    ...(padding === undefined ? {} : { padding: paddingBefore(padding, kernel, options) }),
    ...(bias === undefined ? {} : { bias }),
  });
}

/** Causal padding in numbers: the reach of a window, all of it before the first element. */
function paddingBefore(
  padding: Padding | "causal",
  kernel: Tensor,
  { dilation = 1 }: ConvolutionOptions,
): Padding {
  if (padding !== "causal") return padding;
  return kernel.dims.slice(2).map((taps, i): readonly [number, number] => {
    const apart = typeof dilation === "number" ? dilation : (dilation[i] ?? 1);
    return [(taps - 1) * apart, 0];
  });
}

/** `kernel [channel, filter / groups, window…]`, `bias [filter]`: the layer that goes from small to large. */
export function convolutionTransposeParams(sizes: ConvolutionSizes): Convolution<ParamSpec> {
  const { channels, filters, window, groups = 1, bias = true } = sizes;
  return {
    kernel: param(
      { channel: channels, filter: filters / groups, ...windowSizes(window) },
      fanInUniform((channels / groups) * product(window)),
    ),
    ...(bias ? { bias: param({ filter: filters }, zeros) } : {}),
  };
}

/**
 * The transpose of a convolution, plus bias; axes as for `convolution`.
 *
 * @param options - stride, padding, dilation, groups, outputPadding: see `convTranspose`
 */
export function convolutionTranspose(
  { kernel, bias }: Convolution<Tensor>,
  x: Tensor,
  options: Omit<ConvTransposeOptions, "bias"> = {},
): Tensor {
  return convTranspose(x, kernel, {
    as: "channel",
    ...options,
    ...(bias === undefined ? {} : { bias }),
  });
}
