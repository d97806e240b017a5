/** @file Convolution as StableHLO text, which says all of it in one op. */

import type { HloEmitter, HloValue } from "../core/lowering.ts";
import type { Each, One, Two } from "../core/op.ts";
import { type Aval, aval, dimOf, sizeOf } from "../core/shape.ts";
import type { ConvolveKernelParams, ConvolveParams } from "./convolution.ts";
import { axesOf, extent, type SlidingWindow } from "./sliding-window.ts";

interface Convolution extends SlidingWindow {
  /** Roles of the axes before the space axes: b batch, f feature, i and o of the kernel. */
  readonly roles: readonly [input: string, kernel: string, output: string];
  readonly reversed: boolean;
  readonly featureGroups: number;
  readonly batchGroups: number;
}

function convolution(
  h: HloEmitter,
  x: HloValue,
  w: HloValue,
  c: Convolution,
  output: Aval,
): HloValue {
  // Nothing to add up: XLA refuses some empty operands.
  if ([x, w, output].some(({ dims }) => sizeOf(dims) === 0)) return h.splat(0, output);
  const rank = output.dims.length - 2;
  const space = output.dims.slice(2).map((_, i) => i);
  const layout = (roles: string) => `[${[...roles, ...space].join(", ")}]`;
  const [input = "", kernel = "", result = ""] = c.roles.map(layout);
  const array = (type: string, list: readonly (number | boolean)[]) =>
    `array<${type}: ${list.join(", ")}>`;
  const padding = c.padding.map(([low, high]) => `[${low}, ${high}]`).join(", ");
  const attributes = [
    `window_strides = ${array("i64", c.stride)}`,
    `padding = dense<[${padding}]> : tensor<${rank}x2xi64>`,
    `lhs_dilation = ${array("i64", c.inputDilation)}`,
    `rhs_dilation = ${array("i64", c.dilation)}`,
    `window_reversal = ${array(
      "i1",
      space.map(() => c.reversed),
    )}`,
    `dimension_numbers = #stablehlo.conv<${input}x${kernel}->${result}>`,
    `feature_group_count = ${c.featureGroups} : i64`,
    `batch_group_count = ${c.batchGroups} : i64`,
  ];
  return h.line(
    `"stablehlo.convolution"(${x.name}, ${w.name}) <{${attributes.join(", ")}}> : (${h.type(x)}, ${h.type(w)}) -> ${h.type(output)}`,
    output,
  );
}

export function convolveStablehlo(
  h: HloEmitter,
  [x, w]: Each<Two, HloValue>,
  p: ConvolveParams,
  [y]: Each<One, Aval>,
): Each<One, HloValue> {
  const { groups, transposed } = p;
  const swapped = transposed && groups > 1;
  const kernel = swapped ? swapInGroups(h, w, groups) : w;
  const roles = ["bf", transposed && !swapped ? "io" : "oi", "bf"] as const;
  return [
    convolution(
      h,
      x,
      kernel,
      { ...p, roles, reversed: transposed, featureGroups: groups, batchGroups: 1 },
      y,
    ),
  ];
}

/** `[(groups · in), out, …]` as `[(groups · out), in, …]`. */
function swapInGroups(h: HloEmitter, w: HloValue, groups: number): HloValue {
  const [rows, columns, window] = [dimOf(w, 0) / groups, dimOf(w, 1), w.dims.slice(2)];
  const reshape = (x: HloValue, dims: readonly number[]) => {
    const form = aval(w.dtype, dims);
    return h.line(`stablehlo.reshape ${x.name} : (${h.type(x)}) -> ${h.type(form)}`, form);
  };
  const apart = reshape(w, [groups, rows, columns, ...window]);
  const turned = aval(w.dtype, [groups, columns, rows, ...window]);
  const order = [0, 2, 1, ...window.map((_, i) => 3 + i)].join(", ");
  const swapped = h.line(
    `stablehlo.transpose ${apart.name}, dims = [${order}] : (${h.type(apart)}) -> ${h.type(turned)}`,
    turned,
  );
  return reshape(swapped, [groups * columns, rows, ...window]);
}

/** The input's channels as a batch, its batch as channels; the result slides over it as a kernel. */
export function convolveKernelStablehlo(
  h: HloEmitter,
  [x, y]: Each<Two, HloValue>,
  p: ConvolveKernelParams,
  [w]: Each<One, Aval>,
): Each<One, HloValue> {
  const axes = axesOf(p, x.dims.slice(2), p.taps);
  const window: SlidingWindow = {
    stride: p.dilation,
    dilation: p.stride,
    inputDilation: p.inputDilation,
    padding: axes.map(({ length, taps, count, stride, low, inputDilation, dilation }) => [
      low,
      (taps - 1) * dilation + extent(count, stride) - extent(length, inputDilation) - low,
    ]),
  };
  const roles = ["fb", "io", "fb"] as const;
  return [
    convolution(
      h,
      x,
      y,
      { ...window, roles, reversed: false, featureGroups: 1, batchGroups: p.groups },
      w,
    ),
  ];
}
