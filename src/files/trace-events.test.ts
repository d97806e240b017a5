import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Slice, traceEvents } from "./trace-events.ts";

interface Event {
  readonly ph: string;
  readonly tid: number;
  readonly ts: number;
  readonly dur: number;
  readonly name: string;
}

const eventsOf = (slices: readonly Slice[]): Event[] =>
  JSON.parse(traceEvents("run", [{ name: "loop", slices }])).traceEvents;

describe("traceEvents", () => {
  test("names its process and tracks, and keeps every slice", () => {
    const events = eventsOf([
      { name: "inner", start: 12, duration: 3 },
      { name: "outer", start: 10, duration: 10, args: { step: 4 } },
      { name: "next", start: 20, duration: 1 },
    ]);
    expect(events.filter(({ ph }) => ph === "M").map(({ name }) => name)).toEqual([
      "process_name",
      "thread_name",
    ]);
    expect(events.filter(({ ph }) => ph === "X")).toEqual([
      { ph: "X", pid: 1, tid: 1, ts: 10, dur: 10, name: "outer", args: { step: 4 } },
      { ph: "X", pid: 1, tid: 1, ts: 12, dur: 3, name: "inner" },
      { ph: "X", pid: 1, tid: 1, ts: 20, dur: 1, name: "next" },
    ]);
  });

  test("refuses slices that overlap without nesting, and takes all others", () => {
    const slices = fc.array(fc.tuple(fc.nat(30), fc.integer({ min: 1, max: 30 })), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(slices, (pairs) => {
        const list = pairs.map(([start, duration], i) => ({ name: `${i}`, start, duration }));
        const crosses = list.some((a) =>
          list.some(
            (b) =>
              a.start < b.start &&
              b.start < a.start + a.duration &&
              a.start + a.duration < b.start + b.duration,
          ),
        );
        if (crosses) expect(() => eventsOf(list)).toThrow(RangeError);
        else expect(eventsOf(list).length).toBe(list.length + 2);
      }),
      { seed: 5, numRuns: 500 },
    );
  });
});
