/** @file Timelines as Trace Event JSON, which Perfetto (ui.perfetto.dev) and chrome://tracing open. */

/** Something that took time. */
export interface Slice {
  readonly name: string;
  /** Microseconds on the track's clock. */
  readonly start: number;
  readonly duration: number;
  /** Shown when the slice is clicked. */
  readonly args?: Readonly<Record<string, string | number>>;
}

/** One row of the timeline: slices that follow one another or lie wholly inside one another. */
export interface Track {
  readonly name: string;
  readonly slices: readonly Slice[];
}

/**
 * @param process - the name above the tracks
 * @throws RangeError when two slices of a track overlap without one holding the other: Perfetto would drop one
 */
export function traceEvents(process: string, tracks: readonly Track[]): string {
  const events: object[] = [named("process_name", 0, process)];
  tracks.forEach(({ name, slices }, i) => {
    const tid = i + 1;
    events.push(named("thread_name", tid, name));
    for (const { name: title, start, duration, args } of nested(name, slices))
      events.push({
        ...{ ph: "X", pid: 1, tid, ts: start, dur: duration, name: title },
        ...(args === undefined ? {} : { args }),
      });
  });
  return `${JSON.stringify({ displayTimeUnit: "ms", traceEvents: events })}\n`;
}

function named(kind: string, tid: number, name: string): object {
  return { ph: "M", pid: 1, tid, name: kind, args: { name } };
}

/** By rising start, the longer one first; checked to nest. */
function nested(track: string, slices: readonly Slice[]): readonly Slice[] {
  const sorted = slices.toSorted((a, b) => a.start - b.start || b.duration - a.duration);
  const open: Slice[] = [];
  for (const slice of sorted) {
    while (endOf(open.at(-1)) <= slice.start) open.pop();
    if (endOf(slice) > endOf(open.at(-1)))
      throw new RangeError(`track ${track}: "${slice.name}" sticks out of "${open.at(-1)?.name}"`);
    open.push(slice);
  }
  return sorted;
}

/** Where nothing is open, there is room for ever. */
function endOf(slice: Slice | undefined): number {
  return slice === undefined ? Number.POSITIVE_INFINITY : slice.start + slice.duration;
}
