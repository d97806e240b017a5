/**
 * @file Pooling windows: sum and maximum over a window that slides along the last axes.
 *
 * Axes before the windowed ones are independent. The sum is linear and its transpose is a sum again.
 * The maximum is differentiated through the place of the winner, an op of its own, so that a program
 * without derivatives does not compute it.
 */

import { apply } from "../core/builder.ts";
import type { DType } from "../core/dtype.ts";
import { ShapeError } from "../core/errors.ts";
import { at, type NdArray, put, zeros } from "../core/ndarray.ts";
import { asIs, defineOp, linear, notLinear, type One, type Op, zeroTangent } from "../core/op.ts";
import { type Aval, aval, showAval, sizeOf } from "../core/shape.ts";
import { factorNames, rule } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { checkDType, FLOATS, NUMBERS } from "./dtypes.ts";
import { reshape } from "./layout.ts";
import { windowArgMaxOnnx, windowMaxOnnx, windowSumOnnx } from "./pool.onnx.ts";
import { windowPick } from "./pool.places.ts";
import * as samples from "./pool.samples.ts";
import { windowArgMaxStablehlo, windowMaxStablehlo, windowSumStablehlo } from "./pool.stablehlo.ts";
import {
  axesOf,
  backwards,
  checkWindow,
  elementTable,
  elementUnder,
  type SlidingWindow,
  showWindow,
  type WindowAxis,
} from "./sliding-window.ts";

export interface WindowSumParams extends SlidingWindow {
  /** Sizes of the window, along the last axes. */
  readonly taps: readonly number[];
}

/** A window over the bare input. */
export type WindowMaxParams = Omit<WindowSumParams, "inputDilation">;

/** The windowed axes of x. */
export function windowAxes(
  x: { readonly dims: readonly number[] },
  p: WindowMaxParams & { readonly inputDilation?: readonly number[] },
): readonly WindowAxis[] {
  const window = { ...p, inputDilation: p.inputDilation ?? p.taps.map(() => 1) };
  return axesOf(window, spaceOf(x, p), p.taps);
}

function spaceOf(x: { readonly dims: readonly number[] }, p: { readonly taps: readonly number[] }) {
  return x.dims.slice(x.dims.length - p.taps.length);
}

function inferWindow(
  operation: string,
  x: Aval,
  p: WindowMaxParams & { readonly inputDilation?: readonly number[] },
  dtypes: readonly DType[],
): Aval {
  checkDType(operation, x, dtypes);
  const rank = p.taps.length;
  const window = { ...p, inputDilation: p.inputDilation ?? p.taps.map(() => 1) };
  const facts = () =>
    [
      ["operand", showAval(x)],
      ["window", `[${p.taps.join(", ")}], ${showWindow(window)}`],
    ] as const;
  if (rank < 1 || rank > 3 || rank > x.dims.length) {
    throw new ShapeError(
      "SHAPE-01",
      `${operation}: a window moves along the last one to three axes, not ${rank} of ${showAval(x)}.`,
      facts(),
    );
  }
  checkWindow(operation, window, p.taps, rank, facts);
  const counts = windowAxes(x, p).map(({ count }) => count);
  return aval(x.dtype, [...x.dims.slice(0, x.dims.length - rank), ...counts], x.names);
}

/** Every window must hold an element, or its maximum would be no element of x. */
function inferMax(operation: string, x: Aval, p: WindowMaxParams, dtypes: readonly DType[]): Aval {
  const y = inferWindow(operation, x, p, dtypes);
  windowAxes(x, p).forEach((axis, i) => {
    for (let w = 0; w < axis.count; w++) {
      const holds = Array.from({ length: axis.taps }, (_, k) => elementUnder(axis, w, k));
      if (holds.some((element) => element !== undefined)) continue;
      throw new ShapeError(
        "SHAPE-01",
        `${operation}: window ${w} along axis ${x.dims.length - p.taps.length + i} of ${showAval(x)} holds nothing but padding.`,
        [
          ["window", `[${p.taps.join(", ")}], ${showWindow({ ...p, inputDilation: [] })}`],
          ["fix", "pad by less than the window is wide"],
        ],
      );
    }
  });
  return y;
}

/** Leading axes are factors, windowed ones stay whole. */
function shardWindow<P extends { readonly taps: readonly number[] }>(x: Aval, p: P) {
  const lead = x.dims.length - p.taps.length;
  const factors = factorNames(x.dims.length);
  return rule(p, [factors], [factors], { moves: factors.slice(lead) });
}

/** Calls `visit(window, elements)` with flat places of every window and of the elements under it. */
function forWindows(
  x: NdArray,
  p: WindowMaxParams & { readonly inputDilation?: readonly number[] },
  visit: (window: number, elements: readonly number[], base: number) => void,
): void {
  const axes = windowAxes(x, p);
  const table = elementTable(axes);
  const [space, taps] = [sizeOf(spaceOf(x, p)), sizeOf(p.taps)];
  const count = sizeOf(axes.map((axis) => axis.count));
  const lead = sizeOf(x.dims.slice(0, x.dims.length - p.taps.length));
  for (let outer = 0; outer < lead; outer++)
    for (let q = 0; q < count; q++) {
      const under = table.subarray(q * taps, (q + 1) * taps);
      const elements = Array.from(under).filter((i) => i >= 0);
      visit(outer * count + q, elements, outer * space);
    }
}

/** `y[…, p] = Σ x[…, i]` over the elements i under window p. */
export const windowSumOp: Op<WindowSumParams, One, One> = defineOp<WindowSumParams, One, One>({
  name: "windowSum",
  infer: ([x], p) => [inferWindow("windowSum", x, p, NUMBERS)],
  jvp: linear,
  transpose: {
    kind: "rule",
    apply: ([ct], [x], p) => {
      if (ct === null) return [null];
      const back = windowSum(ct, { ...backwards(windowAxes(x.aval, p)), taps: p.taps });
      return [reshape(back, x.aval.dims, x.aval.names)];
    },
  },
  batch: ([x], _mapped, p) => [windowSum(x, p)],
  shard: ([x], _y, p) => shardWindow(x, p),
  evaluate: ([x], p, [y]) => {
    const out = zeros(y);
    forWindows(x, p, (window, elements, base) => {
      put(
        out,
        window,
        elements.reduce((sum, i) => sum + at(x, base + i), 0),
      );
    });
    return [out];
  },
  simplify: asIs,
  lower: { onnx: windowSumOnnx, stablehlo: windowSumStablehlo },
  samples: samples.windowSumSamples,
  rejects: samples.windowSumRejects,
});

/** Sums of windows along the last axes. */
export function windowSum(x: Tensor, params: WindowSumParams): Tensor {
  const { stride, padding, inputDilation, dilation, taps } = params;
  return apply(windowSumOp, [x], { stride, padding, inputDilation, dilation, taps })[0];
}

/**
 * Largest element under each window; NaN where a window holds NaN. Padding never wins.
 *
 * The gradient goes to one element, the first largest in row-major order.
 */
export const windowMaxOp: Op<WindowMaxParams, One, One> = defineOp<WindowMaxParams, One, One>({
  name: "windowMax",
  infer: ([x], p) => [inferMax("windowMax", x, p, NUMBERS)],
  jvp: {
    kind: "rule",
    apply: ([dx], [x], _y, p) => {
      const sizes = spaceOf(x, p);
      return [dx === null ? null : windowPick(dx, windowArgMax(x, p), { ...p, sizes })];
    },
  },
  transpose: notLinear("its tangent picks elements"),
  batch: ([x], _mapped, p) => [windowMax(x, p)],
  shard: ([x], _y, p) => shardWindow(x, p),
  evaluate: ([x], p, [y]) => {
    const out = zeros(y);
    forWindows(x, p, (window, elements, base) => {
      const values = elements.map((i) => at(x, base + i));
      put(
        out,
        window,
        values.reduce((a, b) => (Number.isNaN(a) || a > b ? a : b)),
      );
    });
    return [out];
  },
  simplify: asIs,
  lower: { onnx: windowMaxOnnx, stablehlo: windowMaxStablehlo },
  samples: samples.windowMaxSamples,
  rejects: samples.windowMaxRejects,
});

/** Maxima of windows along the last axes. */
export function windowMax(x: Tensor, params: WindowMaxParams): Tensor {
  const { stride, padding, dilation, taps } = params;
  return apply(windowMaxOp, [x], { stride, padding, dilation, taps })[0];
}

/**
 * Where the largest element under each window stands: its flat place along the windowed axes of x, the
 * first in row-major order among equals.
 *
 * In a window that holds NaN it is some element of the window; which one is not defined.
 */
export const windowArgMaxOp: Op<WindowMaxParams, One, One> = defineOp<WindowMaxParams, One, One>({
  name: "windowArgMax",
  infer([x], p) {
    return [{ ...inferMax("windowArgMax", x, p, FLOATS), dtype: "int32" }];
  },
  jvp: zeroTangent("a place is no number that moves"),
  transpose: notLinear("a place is no number that moves"),
  batch: ([x], _mapped, p) => [windowArgMax(x, p)],
  shard: ([x], _y, p) => shardWindow(x, p),
  evaluate: ([x], p, [y]) => {
    const out = zeros(y);
    forWindows(x, p, (window, elements, base) => {
      const best = elements.reduce((a, b) => (at(x, base + b) > at(x, base + a) ? b : a));
      put(out, window, best);
    });
    return [out];
  },
  simplify: asIs,
  lower: { onnx: windowArgMaxOnnx, stablehlo: windowArgMaxStablehlo },
  samples: samples.windowArgMaxSamples,
  rejects: samples.windowArgMaxRejects,
});

/** Places of the maxima of windows along the last axes. */
export function windowArgMax(x: Tensor, params: WindowMaxParams): Tensor {
  const { stride, padding, dilation, taps } = params;
  return apply(windowArgMaxOp, [x], { stride, padding, dilation, taps })[0];
}
