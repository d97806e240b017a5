/** @file Pooling: sums, maxima, minima and means over sliding windows. */

import { isFloat } from "../core/dtype.ts";
import { aval, dimOf, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import * as e from "../ops/arithmetic.ts";
import { broadcast, full, fullLike } from "../ops/creation.ts";
import { inverse, transpose } from "../ops/layout.ts";
import { maximum } from "../ops/magnitude.ts";
import { windowMax, windowSum } from "../ops/pool.ts";
import {
  type Padding,
  paddingOf,
  perAxis,
  type SpaceAxes,
  type Steps,
  spaceOf,
} from "./window-options.ts";

/** Where a pooling window slides. */
export interface WindowOptions extends Steps {
  /**
   * Sizes of the window: by axis name, `{ height: 2, width: 2 }`, or a list for `space`, which are the
   * last axes of x when absent.
   */
  readonly window: readonly number[] | Readonly<Record<string, number>>;
  readonly space?: SpaceAxes;
  /** `"valid"` when absent. Padding is what changes nothing: 0 of a sum, and it never is a maximum. */
  readonly padding?: Padding;
}

/** What a window does to the elements under it. */
export type Reduction = "max" | "min" | "sum";

/** A window along positions of x, all options in numbers. */
interface Resolved {
  readonly axes: readonly number[];
  readonly taps: readonly number[];
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly padding: readonly (readonly [number, number])[];
}

function resolve(
  operation: string,
  x: Tensor,
  options: WindowOptions,
  strideOf: (taps: readonly number[]) => readonly number[],
): Resolved {
  const { window } = options;
  const isList = (w: WindowOptions["window"]): w is readonly number[] => Array.isArray(w);
  const taps = isList(window) ? window : Object.values(window);
  const given = isList(window) ? options.space : Object.keys(window);
  const axes = spaceOf(operation, x, given, taps.length);
  const ones = taps.map(() => 1);
  const stride = perAxis(operation, "stride", options.stride, taps.length, strideOf(taps));
  const dilation = perAxis(operation, "dilation", options.dilation, taps.length, ones);
  const lengths = axes.map((axis) => dimOf(x.aval, axis));
  const padding = paddingOf(operation, options.padding ?? "valid", {
    lengths,
    taps,
    stride,
    dilation,
  });
  return { axes, taps, stride, dilation, padding };
}

/** As many axes as one op takes at a time. */
const AT_ONCE = 3;

/** Windows along any axes: inner ones first, which leaves the first of equals the first. */
function reduce(x: Tensor, how: Reduction, w: Resolved): Tensor {
  const byPlace = w.axes.map((_, i) => i).sort((a, b) => (w.axes[a] ?? 0) - (w.axes[b] ?? 0));
  let y = x;
  for (let end = byPlace.length; end > 0; end -= AT_ONCE) {
    const some = byPlace.slice(Math.max(0, end - AT_ONCE), end);
    const pick = <T>(list: readonly T[]) => some.map((i) => list[i] as T);
    const axes = pick(w.axes);
    const order = [...y.dims.map((_, i) => i).filter((i) => !axes.includes(i)), ...axes];
    const params = {
      taps: pick(w.taps),
      stride: pick(w.stride),
      dilation: pick(w.dilation),
      padding: pick(w.padding),
    };
    const last = transpose(y, order);
    const inputDilation = axes.map(() => 1);
    const reduced =
      how === "sum" ? windowSum(last, { ...params, inputDilation }) : windowMax(last, params);
    y = transpose(reduced, inverse(order));
  }
  return y;
}

/** x in falling order: −x, or −1 − x of integers, whose least number has no negative. */
function reversed(x: Tensor): Tensor {
  return isFloat(x.dtype) ? e.neg(x) : e.sub(fullLike(x, -1), x);
}

/**
 * Largest, least or summed element of every window, along any number of axes; stride 1 when absent.
 *
 * NaN in a window makes its result NaN. The gradient of a maximum or minimum goes to one element, the
 * first such in row-major order.
 *
 * @throws ShapeError when a window of a maximum or minimum holds nothing but padding
 */
export function reduceWindow(x: Tensor, how: Reduction, options: WindowOptions): Tensor {
  const window = resolve("reduceWindow", x, options, (taps) => taps.map(() => 1));
  if (how !== "min") return reduce(x, how, window);
  return reversed(reduce(reversed(x), "max", window));
}

/** Largest element of every window; the stride is the window's size when absent. See `reduceWindow`. */
export function maxPool(x: Tensor, options: WindowOptions): Tensor {
  return reduce(
    x,
    "max",
    resolve("maxPool", x, options, (taps) => taps),
  );
}

/** Sum of every window; the stride is the window's size when absent. */
export function sumPool(x: Tensor, options: WindowOptions): Tensor {
  return reduce(
    x,
    "sum",
    resolve("sumPool", x, options, (taps) => taps),
  );
}

/**
 * Mean of every window; the stride is the window's size when absent.
 *
 * @param options.includePad - whether padding counts as zeros (true, when absent) or not at all; a window
 *   of nothing but padding has mean 0
 */
export function avgPool(
  x: Tensor,
  options: WindowOptions & { readonly includePad?: boolean },
): Tensor {
  const window = resolve("avgPool", x, options, (taps) => taps);
  const total = reduce(x, "sum", window);
  if (options.includePad !== false) return e.scale(total, 1 / sizeOf(window.taps));
  const rising = [...window.axes].sort((a, b) => a - b);
  const ones = full(
    1,
    aval(
      x.dtype,
      rising.map((axis) => dimOf(x.aval, axis)),
    ),
  );
  const places = { ...window, axes: window.axes.map((axis) => rising.indexOf(axis)) };
  const counts = reduce(ones, "sum", places);
  const divisor = maximum(counts, fullLike(counts, 1));
  return e.div(total, broadcast(divisor, { dims: total.dims, axes: rising, names: total.names }));
}
