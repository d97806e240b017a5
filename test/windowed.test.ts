import { expect, test } from "vitest";
import { windowedCase } from "../src/repro/partition/windowed-case.ts";

test("windowed contractions are the collectives that they take the place of", () => {
  const cases = Array.from({ length: 30 }, (_, seed) => windowedCase(seed));
  expect(cases.flatMap(({ mismatch }) => mismatch ?? [])).toEqual([]);
  const total = (key: "allGathers" | "reduceScatters" | "scans" | "masked") =>
    cases.reduce((sum, each) => sum + each[key], 0);
  // Every form was drawn.
  expect(total("allGathers")).toBeGreaterThan(7);
  expect(total("reduceScatters")).toBeGreaterThan(2);
});
