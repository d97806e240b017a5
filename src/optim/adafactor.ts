/** @file Adafactor: Shazeer and Stern, arXiv:1804.04235, in the form that GLaM's published code has. */

import { aval, without } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { broadcastTo, exp, log, maximum, minimum, rsqrt, scalar } from "../numpy/index.ts";
import { fullLike } from "../ops/creation.ts";
import type { Optimizer } from "./optimizer.ts";
import { isAny, type ParameterFilter } from "./parameters.ts";

export interface AdafactorOptions {
  /** Second moments of tensors whose two largest axes are both at least this long are kept as row and column means. */
  readonly factorFrom?: number;
  /** Largest root mean square of an update before the learning rate. */
  readonly clip?: number;
  /** Steps are as long as the weights are: times `max(rms(W), 1e−3)`. True when absent. */
  readonly parameterScale?: boolean;
  /** Steps of at most `1 / √(t + 1)`, whatever the rate: the paper's own schedule with the rate as its ceiling. */
  readonly relativeStep?: boolean;
  /** Weight of the past in a running mean of the steps; 0 for none, which saves a tensor as large as the weights. */
  readonly momentum?: number;
  /** `W ← W − rate · decay · W` */
  readonly weightDecay?: number;
  /** Parameters that decay; all when absent. */
  readonly decayed?: ParameterFilter;
}

/** Row and column means, or the whole second moment; and the mean of the steps where there is momentum. */
export interface AdafactorState {
  readonly row?: Tensor;
  readonly column?: Tensor;
  readonly full?: Tensor;
  readonly momentum?: Tensor;
}

/** The two largest axes, the longer one last among equals by position. */
function factoredAxes(
  dims: readonly number[],
  from: number,
): readonly [row: number, column: number] | undefined {
  const [second, first] = dims
    .map((dim, axis) => ({ dim, axis }))
    .sort((a, b) => a.dim - b.dim || a.axis - b.axis)
    .slice(-2);
  if (first === undefined || second === undefined || second.dim < from) return undefined;
  return [second.axis, first.axis];
}

/**
 * Per tensor, with step t = 0, 1 …:
 *
 * - `β2(t) = 1 − (t + 1)^(−0.8)`, `v = g² + 1e−30`
 * - factored: R and C are running means of v along the column and the row axis,
 *   `x = g · (R / mean R)^(−1/2) · C^(−1/2)`; else V is the running mean of v, `x = g · V^(−1/2)`
 * - `x ← x / max(1, rms(x) / clip)`
 * - `s = rate · max(rms(W), 1e−3) · x`, with momentum `s ← m ← β1 m + (1−β1) s`
 * - `W ← W − s − rate · decay · W`
 */
export function adafactor(options: AdafactorOptions = {}): Optimizer<AdafactorState> {
  const { factorFrom = 128, clip = 1, momentum = 0, weightDecay = 0, decayed = isAny } = options;
  const { parameterScale = true, relativeStep = false } = options;
  return {
    name: "adafactor",
    init(param) {
      const mean = momentum === 0 ? {} : { momentum: fullLike(param, 0) };
      const axes = factoredAxes(param.dims, factorFrom);
      if (axes === undefined) return { full: fullLike(param, 0), ...mean };
      const less = (axis: number) =>
        fullLike(aval(param.dtype, without(param.dims, axis), without(param.names, axis)), 0);
      return { row: less(axes[1]), column: less(axes[0]), ...mean };
    },
    update(param, gradient, state, { path, step, rate }) {
      const beta2 = scalar(1).sub(exp(log(step.add(1)).mul(-0.8)));
      const mixed = (old: Tensor, fresh: Tensor) =>
        old.mul(beta2).add(fresh.mul(scalar(1).sub(beta2)));
      const v = gradient.square().add(1e-30);
      const { scaled, next } = precondition(gradient, v, state, mixed, factorFrom);
      const update = scaled.div(maximum(rms(scaled).mul(1 / clip), 1));
      const pace = relativeStep ? minimum(rate, rsqrt(step.add(1))) : rate;
      const size = parameterScale ? pace.mul(maximum(rms(param), 1e-3)) : pace;
      const move = update.mul(size);
      const mean = state.momentum?.mul(momentum).add(move.mul(1 - momentum));
      const moved = param.sub(mean ?? move);
      const decays = weightDecay !== 0 && decayed(path, param);
      return {
        param: decays ? moved.sub(param.mul(rate.mul(weightDecay))) : moved,
        state: mean === undefined ? next : { ...next, momentum: mean },
      };
    },
  };
}

function precondition(
  gradient: Tensor,
  v: Tensor,
  state: AdafactorState,
  mixed: (old: Tensor, fresh: Tensor) => Tensor,
  factorFrom: number,
): { readonly scaled: Tensor; readonly next: AdafactorState } {
  const axes = factoredAxes(gradient.dims, factorFrom);
  if (axes === undefined || state.row === undefined || state.column === undefined) {
    const full = mixed(state.full ?? v, v);
    return { scaled: gradient.mul(rsqrt(full)), next: { full } };
  }
  const [rowAxis, columnAxis] = axes;
  const row = mixed(state.row, v.mean(columnAxis));
  const column = mixed(state.column, v.mean(rowAxis));
  // The mean runs along the row axis of R, which has moved left if the column axis stood before it.
  const rowInR = rowAxis - (columnAxis < rowAxis ? 1 : 0);
  const balance = row.div(keep(row.mean(rowInR), row, rowInR));
  const along = (x: Tensor, axis: number) => keep(rsqrt(x), gradient, axis);
  return {
    scaled: gradient.mul(along(balance, columnAxis)).mul(along(column, rowAxis)),
    next: { row, column },
  };
}

/** x repeated along the axis that it lacks of `like`. */
function keep(x: Tensor, like: Tensor, axis: number): Tensor {
  return broadcastTo(x.reshape([...x.dims.slice(0, axis), 1, ...x.dims.slice(axis)]), like);
}

function rms(x: Tensor): Tensor {
  return x.square().mean().sqrt();
}
