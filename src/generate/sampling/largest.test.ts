import fc from "fast-check";
import { expect, test } from "vitest";
import { hash32 } from "../../data/permutation.ts";
import { largest } from "./largest.ts";

const sorted = (scores: Float32Array): number[] => {
  const value = (i: number) => (Number.isNaN(scores[i]) ? -Infinity : (scores[i] ?? 0));
  return [...scores.keys()].sort((a, b) =>
    value(a) === value(b) ? a - b : value(b) > value(a) ? 1 : -1,
  );
};

test("the k largest are the first k of all in order, equal ones and NaN included", () => {
  const few = fc.constantFrom(-Infinity, -1, 0, 0.5, 2, Infinity, NaN);
  fc.assert(
    fc.property(fc.array(fc.oneof(few, fc.float())), fc.nat(80), (values, k) => {
      const scores = Float32Array.from(values);
      expect([...largest(scores, k)]).toEqual(sorted(scores).slice(0, k));
    }),
    { seed: 1, numRuns: 500 },
  );
});

test("also where thousands are wanted, and many are equal", () => {
  const scores = Float32Array.from({ length: 9000 }, (_, i) => hash32(1, i) % 100);
  scores[17] = NaN;
  const order = sorted(scores);
  for (const k of [2048, 2049, 5000, 8999, 9000, 9001])
    expect([...largest(scores, k)]).toEqual(order.slice(0, k));
});
