/** @file What the evaluations of a run say together: the best step, and whether it is time to stop. */

import type { MetricsRow } from "./metrics.ts";
import type { BestStep } from "./retention.ts";

/**
 * Evaluations so far. All of it follows from the rows of `metrics.jsonl`, so a resumed run knows what
 * the earlier sessions knew, and nothing else has to be saved.
 */
export interface Evaluations {
  /** The lowest loss of all. */
  readonly best: BestStep | undefined;
  /** Evaluations since the last one that was better by more than `minDelta`. */
  readonly stale: number;
  /** Loss at a step; undefined when it was not evaluated. */
  lossAt(step: number): number | undefined;
  /** @returns whether this is the best step so far */
  add(step: number, loss: number): boolean;
}

/** @param minDelta - nats per token */
export function evaluationsOf(rows: readonly MetricsRow[], minDelta: number): Evaluations {
  const losses = new Map<number, number>();
  let best: BestStep | undefined;
  let mark = Infinity;
  let stale = 0;

  const add = (step: number, loss: number): boolean => {
    losses.set(step, loss);
    // NaN is never better.
    if (loss < mark - minDelta) {
      mark = loss;
      stale = 0;
    } else stale++;
    if (!(loss < (best?.loss ?? Infinity))) return false;
    best = { step, loss };
    return true;
  };

  for (const { step, "eval/loss": loss } of rows) if (typeof loss === "number") add(step, loss);
  return {
    get best() {
      return best;
    },
    get stale() {
      return stale;
    },
    lossAt: (step) => losses.get(step),
    add,
  };
}
