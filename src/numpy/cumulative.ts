/** @file Running sums, products, extremes and log-sums along one axis given by name or index. */

import { axisOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import * as c from "../ops/cumulative.ts";

/** `reverse` runs from the end; `exclusive` leaves the element itself out, so that the run starts with nothing. */
export type Run = c.Run;

type Running = (x: Tensor, axis: string | number, run?: Run) => Tensor;

function along(name: string, run: (x: Tensor, axis: number, options: Run) => Tensor): Running {
  return (x, axis, options = {}) => run(x, axisOf(name, x.aval, axis), options);
}

/** Running sum; nothing is 0. */
export const cumsum: Running = along("cumsum", c.cumsum);

/** Running product; nothing is 1. Its derivative is right at zeros. */
export const cumprod: Running = along("cumprod", c.cumprod);

/** Running maximum; nothing is −∞, or the least integer. NaN stays; the gradient of a tie goes to the first met. */
export const cummax: Running = along("cummax", c.cummax);

/** Running minimum; nothing is ∞, or the greatest integer. NaN and ties as for `cummax`. */
export const cummin: Running = along("cummin", c.cummin);

/** Running `log Σ eˣ` of floats, without overflow; nothing is −∞. */
export const cumLogSumExp: Running = along("cumLogSumExp", c.cumLogSumExp);
