/** @file Where a run's time goes, span by span, for a look in Perfetto. */

import { writeAtomically } from "../files/atomic.ts";
import { type Slice, traceEvents } from "../files/trace-events.ts";

export interface Timeline {
  /** Does the work, and notes how long it took; on the track of its kind, inside what is going on there. */
  span<T>(track: string, name: string, work: () => Promise<T>): Promise<T>;
  /** Writes all spans so far. @throws DiskError when the disk refuses */
  write(path: string): Promise<void>;
}

/** A run of days would fill memory; its first spans show what the later ones are like. */
const MOST_SPANS = 200_000;

/** @param now - milliseconds on a clock that never goes back */
export function createTimeline(process: string, now: () => number): Timeline {
  const origin = now();
  const tracks = new Map<string, Slice[]>();
  let left = MOST_SPANS;
  return {
    async span(track, name, work) {
      const started = now();
      try {
        return await work();
      } finally {
        if (left-- > 0) {
          const slices = tracks.get(track) ?? [];
          const start = (started - origin) * 1000;
          slices.push({ name, start, duration: (now() - started) * 1000 });
          tracks.set(track, slices);
        }
      }
    },
    write: (path) =>
      writeAtomically(
        path,
        traceEvents(
          process,
          [...tracks].map(([name, slices]) => ({ name, slices })),
        ),
      ),
  };
}

/** Notes nothing; for runs that nobody profiles. */
export const noTimeline: Timeline = {
  span: (_track, _name, work) => work(),
  write: async () => {},
};
