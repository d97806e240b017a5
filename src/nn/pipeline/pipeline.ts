/**
 * @file Pipelining as a sharded dimension: all stages are one tensor dimension, their work is one `vmap`, and what they
 * hand on is one `roll` along it.
 *
 * This is a program for one device. Split the stage dimension over devices, and every device has a stage, the roll is one
 * exchange with the next device, and nothing else is sent in the loop. Nothing here knows of devices.
 *
 * Idle slots compute on values that mean nothing. Their results are never picked, so their cotangents are zero; since zero
 * times infinity is no zero, what they would add to gradients of weights is masked as well.
 *
 * @see Xu et al., arXiv:2105.04663, §3.3
 */

import { isFloat } from "../../core/dtype.ts";
import { ShardingError } from "../../core/errors.ts";
import { showAval } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { leaves, mapTree, withLeaves } from "../../core/tree.ts";
import {
  and,
  arange,
  customJvp,
  div,
  equal,
  greaterEqual,
  laid,
  less,
  maximum,
  or,
  rem,
  roll,
  scan,
  slice,
  take,
  where,
} from "../../numpy/index.ts";
import { broadcast } from "../../ops/creation.ts";
import { dynamicSlice, dynamicUpdateSlice } from "../../ops/dynamic.ts";
import { repeat } from "../../ops/families.ts";
import { reshape } from "../../ops/layout.ts";
import { concatenate } from "../../ops/pieces.ts";
import { vmap } from "../../transforms/vmap.ts";
import { cutBatch, entering, joinBatch, leaving } from "./microbatches.ts";
import { type PipelineSizes, type Schedule, scheduleOf } from "./schedule.ts";

export interface PipelineOptions<X> extends PipelineSizes {
  /**
   * How the state of all stages lies, `[stage, batch / M, …]` each tensor; only the stage dimension is laid, by the word
   * `stage`, when absent.
   */
  readonly mark?: (state: X) => X;
}

/**
 * x through all stages, the batch cut into microbatches that are in different stages at the same time: what
 * `stage(w[L − 1], … stage(w[0], x))` gives of the whole batch, if a stage treats examples alike and by themselves.
 *
 * @param stage - one stage's weights and one microbatch; gives a tree of the same forms
 * @param weights - a tree of tensors `[stage, …]`; with several rounds `[round, stage, …]`, where all stages of a round come
 *   before the next round
 * @param x - a tree of tensors `[batch, …]`
 * @throws ShardingError unless the microbatches divide the batch and weights have the stages; see `scheduleOf`
 */
export function pipeline<P, X>(
  stage: (p: P, x: X) => X,
  weights: P,
  x: X,
  { mark = layStages, ...sizes }: PipelineOptions<X>,
): X {
  const schedule = scheduleOf(sizes);
  const { stages, microbatches, ticks, wait } = schedule;
  const own = layWeights(weights, schedule);
  const isFirst = equal(arange(stages), 0);
  const batch = vmap(mark)(
    mapTree(x, (leaf, path) => onAllStages(cutBatch(leaf, microbatches, path), 1, stages)),
  );
  // Idle slots begin with the first microbatch, whose values are possible ones.
  const start = mark(mapTree(batch, (leaf) => rowOf(leaf).stopGradient()));
  const delay = wait === 0 ? [] : [mapTree(start, (leaf) => repeat(leaf, wait))];
  const everywhere = vmap(onOneStage(stage, schedule), [schedule.rounds > 1 ? 1 : 0, 0, 0, 0]);

  const step = ({ state, delay: [queue] }: Flow<X>, { tick, entering: next }: Tick<X>) => {
    const moved = mapTree(state, (leaf) => roll(leaf, 0, 1));
    const waited = queue === undefined ? undefined : waitOn(queue, moved, rem(tick, wait));
    const { round, busy, enters } = visitsAt(tick, schedule);
    const atFirst = and(isFirst, enters);
    const back = waited === undefined ? moved : choose(isFirst, waited.came, moved);
    const input = mark(choose(atFirst, next, back));
    const output = mark(everywhere(own, input, round, busy));
    const flow: Flow<X> = { state: output, delay: waited === undefined ? [] : [waited.queue] };
    return [flow, output] as const;
  };
  const elements: Tick<X> = {
    tick: arange(ticks),
    entering: mapTree(batch, (leaf) => entering(leaf, schedule)),
  };
  const [, outputs] = scan(step, { state: start, delay }, elements);
  const isLast = equal(arange(stages), stages - 1);
  return mapTree(outputs, (leaf) => joinBatch(leaving(leaf, isLast, schedule)));
}

/** What goes from tick to tick. */
interface Flow<X> {
  /** What each stage gave at the tick before, `[stage, batch / M, …]`. */
  readonly state: X;
  /** What has left the last stage and waits for its next round, `[wait, stage, batch / M, …]`; empty where nobody waits. */
  readonly delay: readonly X[];
}

/** What a tick begins with. */
interface Tick<X> {
  /** int32 `[]` */
  readonly tick: Tensor;
  /** `[stage, batch / M, …]`: for stage 0; others have it as well, so that nothing moves. */
  readonly entering: X;
}

/** Which visits are where at a tick: `[stage]`. */
function visitsAt(
  tick: Tensor,
  { stages, rounds, group, microbatches }: Schedule,
): { readonly round: Tensor; readonly busy: Tensor; readonly enters: Tensor } {
  const visits = rounds * microbatches;
  const roundOf = (visit: Tensor) => div(rem(visit, rounds * group), group);
  const visit = tick.sub(arange(stages));
  return {
    round: roundOf(maximum(visit, 0)),
    busy: and(greaterEqual(visit, 0), less(visit, visits)),
    // Behind the last visit, what enters again and again is better than what has left already.
    enters: or(equal(roundOf(tick), 0), greaterEqual(tick, visits)),
  };
}

/** One stage with the weights of its round; where it is idle, nothing is added to their gradients. */
function onOneStage<P, X>(stage: (p: P, x: X) => X, { rounds, stages }: Schedule) {
  return (weights: P, x: X, round: Tensor, busy: Tensor): X => {
    const own = rounds === 1 ? weights : mapTree(weights, (leaf) => take(leaf, round));
    const masked = (leaf: Tensor) =>
      stages > 1 && isFloat(leaf.dtype) ? whereBusy(leaf, busy) : leaf;
    return stage(mapTree(own, masked), x);
  };
}

/** x itself, with a tangent that is zero where the stage is idle. */
const whereBusy = customJvp(
  (x: Tensor, _busy: Tensor) => x,
  ([x, busy], [dx]) => [x, where(busy, dx, 0)],
);

/** The oldest of those who wait comes, and takes its place who has just left. */
function waitOn<X>(queue: X, left: X, at: Tensor): { readonly came: X; readonly queue: X } {
  const start = (leaf: Tensor) =>
    concatenate([reshape(at, [1]), ...leaf.dims.slice(1).map(() => reshape(at.mul(0), [1]))], 0);
  const came = mapTree(queue, (leaf) => {
    const [, ...dims] = leaf.dims;
    return reshape(dynamicSlice(leaf, start(leaf), [1, ...dims]), dims, leaf.names.slice(1));
  });
  const lists = [leaves(queue), leaves(left)] as const;
  const next = lists[0].map((leaf, i) => {
    const row = lists[1][i] as Tensor;
    return dynamicUpdateSlice(leaf, reshape(row, [1, ...row.dims]), start(leaf));
  });
  return { came, queue: withLeaves(queue, next) };
}

/** Tensor by tensor, x where the stage is chosen, and y elsewhere. */
function choose<X>(chosen: Tensor, x: X, y: X): X {
  const others = leaves(y);
  return withLeaves(
    x,
    leaves(x).map((leaf, i) => {
      const other = others[i] as Tensor;
      const test = reshape(chosen, [...chosen.dims, ...other.dims.slice(1).map(() => 1)]);
      return where(test, leaf, reshape(other, other.dims, leaf.names));
    }),
  );
}

/** Copies along a new axis `stage`. */
function onAllStages(x: Tensor, place: number, stages: number): Tensor {
  return broadcast(x, {
    dims: x.dims.toSpliced(place, 0, stages),
    axes: x.dims.map((_, i) => (i < place ? i : i + 1)),
    names: x.names.toSpliced(place, 0, "stage"),
  });
}

/** The first along the first axis. */
function rowOf(x: Tensor): Tensor {
  return reshape(slice(x, 0, 0, 1), x.dims.slice(1), x.names.slice(1));
}

function layStages<X>(state: X): X {
  return mapTree(state, (leaf) => layAxis(leaf, 0));
}

/** @throws ShardingError for weights that have not all stages, or rounds */
function layWeights<P>(weights: P, { stages, rounds }: Schedule): P {
  const wanted = rounds > 1 ? [rounds, stages] : [stages];
  return mapTree(weights, (leaf, path) => {
    if (wanted.every((size, i) => leaf.dims[i] === size)) return layAxis(leaf, wanted.length - 1);
    throw new ShardingError("SHARD-01", "pipeline: weights do not have the stages in front.", [
      ["weights", `${path === "" ? "" : `${path}: `}${showAval(leaf.aval)}`],
      ["stages", String(stages)],
      ...(rounds > 1 ? [["rounds", String(rounds)] as const] : []),
      ["fix", `stack them as [${[...wanted, "…"].join(", ")}]`],
    ]);
  });
}

/** Says that an axis is the one of stages, and nothing of the others. */
function layAxis(x: Tensor, axis: number): Tensor {
  return laid(x, x.dims.map((_, i) => (i === axis ? "stage" : "?")).join(" "));
}
