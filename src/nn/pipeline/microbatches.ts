/** @file A batch as what enters a pipeline tick by tick, and back. */

import { showAval } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { concatenate, slice, where } from "../../numpy/index.ts";
import { repeat } from "../../ops/families.ts";
import { reshape, transpose } from "../../ops/layout.ts";
import { convert } from "../../ops/logic.ts";
import { pad } from "../../ops/pieces.ts";
import { microbatchSize, type Schedule } from "./schedule.ts";

/**
 * Examples m, M + m, 2M + m … as microbatch m: where the batch is split over devices, each has a part of every microbatch,
 * and nothing moves.
 *
 * @param x - `[batch, …]`
 * @returns `[microbatch, batch / M, …]`
 * @throws ShardingError unless the microbatches are of one size
 */
export function cutBatch(x: Tensor, microbatches: number, path: string): Tensor {
  const what = `${path === "" ? "" : `${path}: `}${showAval(x.aval)}`;
  const size = microbatchSize(x.dims[0] ?? 0, microbatches, what);
  const [batch = null, ...names] = x.names;
  const rest = x.dims.slice(1);
  const cut = reshape(x, [size, microbatches, ...rest], [batch, null, ...names]);
  return transpose(cut, [1, 0, ...rest.map((_, i) => i + 2)]);
}

/** The batch that `cutBatch` has cut. */
export function joinBatch(x: Tensor): Tensor {
  const [microbatches = 0, size = 0, ...rest] = x.dims;
  const [, ...names] = x.names;
  const order = [1, 0, ...rest.map((_, i) => i + 2)];
  return reshape(transpose(x, order), [microbatches * size, ...rest], names);
}

/**
 * What enters stage 0 at each tick. Where nothing enters in a first round, stands what nobody reads; at the end, when
 * nothing is left to enter, the last microbatch again, so that idle stages compute on values that are possible.
 *
 * @param x - `[microbatch, …]`
 * @returns `[tick, …]`
 */
export function entering(x: Tensor, { rounds, group, microbatches, stages }: Schedule): Tensor {
  const [names, dims] = [x.names.slice(1), x.dims.slice(1)];
  const visits =
    rounds === 1
      ? x
      : reshape(
          padAfter(reshape(x, [microbatches / group, group, ...dims]), 1, (rounds - 1) * group),
          [rounds * microbatches, ...dims],
          [null, ...names],
        );
  if (stages === 1) return visits;
  const last = slice(x, 0, microbatches - 1, microbatches);
  const again = repeat(reshape(last, dims, names).stopGradient(), stages - 1);
  return concatenate([visits, reshape(again, again.dims, visits.names)], 0);
}

/** Zeros behind the elements along an axis. */
function padAfter(x: Tensor, axis: number, count: number): Tensor {
  const none = x.dims.map(() => 0);
  return pad(x, none, none.with(axis, count));
}

/**
 * What the last stage gave in the last round.
 *
 * @param y - `[tick, stage, …]`, what each stage gave at each tick
 * @param isLast - bool `[stage]`
 * @returns `[microbatch, …]`
 */
export function leaving(y: Tensor, isLast: Tensor, schedule: Schedule): Tensor {
  const { rounds, group, microbatches, stages, ticks } = schedule;
  const [, , ...names] = y.names;
  const dims = y.dims.slice(1);
  // A visit leaves L − 1 ticks after it entered.
  const visits = slice(y, 0, stages - 1, ticks);
  const grouped = reshape(visits, [microbatches / group, rounds, group, ...dims]);
  const finished = slice(grouped, 1, rounds - 1, rounds);
  const all = reshape(finished, [microbatches, ...dims]);
  const at = reshape(isLast, [stages, ...y.dims.slice(2).map(() => 1)]);
  // All others are masked and not multiplied by zero: what idle stages gave need not be finite.
  const numbers = y.dtype === "bool" ? convert(all, "int32") : all;
  const picked = convert(where(at, numbers, 0).sum(1), y.dtype);
  return reshape(picked, picked.dims, [null, ...names]);
}
