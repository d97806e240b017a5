/** @file How fast a loop goes now, as opposed to since its start. */

/** A rate over the recent past. */
export interface Rate {
  /** Says how many are done at this moment. */
  add(done: number): void;
  /** Recent rate, or `undefined` before two updates are known. */
  perSecond(done: number): number | undefined;
}

interface Sample {
  readonly time: number;
  readonly done: number;
}

const WINDOW_MS = 15_000;
const SPACING_MS = 250;
/** Kept however old they are, for loops whose steps are longer than the window. */
const FEWEST = 4;

/**
 * Measures over the last 15 seconds, or the last few updates where they come more slowly.
 *
 * The time before the first one is done counts for nothing: it is spent on compiling.
 */
export function createRate(now: () => number): Rate {
  const samples: Sample[] = [];
  return {
    add(done) {
      const time = now();
      const last = samples.at(-1);
      if (done <= 0 || (last !== undefined && time - last.time < SPACING_MS)) return;
      samples.push({ time, done });
      while (samples.length > FEWEST && time - (samples[0]?.time ?? time) > WINDOW_MS) {
        samples.shift();
      }
    },
    perSecond(done) {
      const oldest = samples[0];
      if (oldest === undefined || done <= oldest.done) return undefined;
      const seconds = (now() - oldest.time) / 1000;
      return seconds > 0 ? (done - oldest.done) / seconds : undefined;
    },
  };
}
