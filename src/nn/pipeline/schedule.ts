/**
 * @file When which stage has which microbatch: L stages, M microbatches, v rounds.
 *
 * A microbatch is at one stage for one tick. Visits are numbered as they enter stage 0: visit e is there at tick e and at
 * stage s at tick e + s, so v·M visits take v·M + L − 1 ticks. With several rounds a microbatch comes back to stage 0;
 * visits go in groups of G microbatches, each group through all its rounds before the next one enters. A microbatch
 * leaves the last stage L ticks after it entered and enters again after G: with G = L it goes around without waiting, and
 * where L does not divide M all microbatches are one group and wait G − L ticks.
 *
 * @see Xu et al., arXiv:2105.04663, §3.3; Narayanan et al., arXiv:2104.04473, §2.2
 */

import { type Fact, ShardingError } from "../../core/errors.ts";

export interface PipelineSizes {
  /** L: parts of the model that work at the same time on different microbatches. */
  readonly stages: number;
  /** M: pieces of the batch. */
  readonly microbatches: number;
  /** v: how often a microbatch goes through all stages, with other weights each time; 1 when absent. */
  readonly rounds?: number;
}

export interface Schedule extends Required<PipelineSizes> {
  readonly ticks: number;
  /** G: microbatches that go through all their rounds together. */
  readonly group: number;
  /** Ticks that a microbatch waits between two rounds. */
  readonly wait: number;
}

/**
 * @throws ShardingError for sizes below 1; for several rounds of fewer microbatches than stages, since a microbatch would
 * have to enter again before it has left
 */
export function scheduleOf({ stages, microbatches, rounds = 1 }: PipelineSizes): Schedule {
  for (const [name, value] of Object.entries({ stages, microbatches, rounds }))
    if (!Number.isInteger(value) || value < 1)
      throw wrong(`${name} must be a whole number ≥ 1, not ${value}`, []);
  if (rounds > 1 && microbatches < stages)
    throw wrong(`${rounds} rounds need as many microbatches as stages`, [
      ["stages", String(stages)],
      ["microbatches", String(microbatches)],
      ["fix", `cut the batch into ${stages} microbatches at least, or go around once`],
    ]);
  const group = rounds > 1 && microbatches % stages === 0 ? stages : microbatches;
  return {
    ...{ stages, microbatches, rounds, group },
    ticks: rounds * microbatches + stages - 1,
    wait: rounds > 1 ? group - stages : 0,
  };
}

/** What visit e is: of which microbatch, in which round. */
export function visitOf(
  { group, rounds }: Schedule,
  visit: number,
): { readonly microbatch: number; readonly round: number } {
  const before = Math.floor(visit / (rounds * group));
  const within = visit % (rounds * group);
  return { microbatch: before * group + (within % group), round: Math.floor(within / group) };
}

/**
 * The share of a stage's ticks in which it has nothing to do, (L − 1) / (v·M + L − 1).
 *
 * @throws ShardingError as `scheduleOf`
 */
export function bubble(sizes: PipelineSizes): number {
  const { stages, ticks } = scheduleOf(sizes);
  return (stages - 1) / ticks;
}

/**
 * Layers of one stage in one round.
 *
 * @throws ShardingError unless stages and rounds divide the layers
 */
export function layersPerStage(
  layers: number,
  { stages, rounds = 1 }: Pick<PipelineSizes, "stages" | "rounds">,
): number {
  const each = layers / (stages * rounds);
  if (Number.isInteger(each) && each >= 1) return each;
  const parts = rounds > 1 ? `${stages} stages in ${rounds} rounds` : `${stages} stages`;
  throw wrong(`${layers} layers are not ${parts} of equally many layers`, [
    ["layers", String(layers)],
    ["stages", String(stages)],
    ...(rounds > 1 ? [["rounds", String(rounds)] as const] : []),
    ["fix", `choose a multiple of ${stages * rounds} layers`],
  ]);
}

/** @throws ShardingError unless the microbatches are of one size */
export function microbatchSize(batch: number, microbatches: number, what: string): number {
  const size = batch / microbatches;
  if (Number.isInteger(size) && size >= 1) return size;
  throw wrong(`a batch of ${batch} is not ${microbatches} microbatches of one size`, [
    ["tensor", what],
    ["microbatches", String(microbatches)],
    ["fix", "choose a number of microbatches that divides the batch"],
  ]);
}

function wrong(why: string, facts: readonly Fact[]): ShardingError {
  return new ShardingError("SHARD-01", `pipeline: ${why}.`, facts);
}
