import { expect, test } from "vitest";
import { windowedCase } from "../../src/repro/partition/windowed-case.ts";

test("a thousand windowed contractions are the collectives that they take the place of", () => {
  const cases = Array.from({ length: 1000 }, (_, seed) => windowedCase(seed));
  expect(cases.flatMap(({ mismatch }) => mismatch ?? [])).toEqual([]);
  const total = (key: "allGathers" | "reduceScatters" | "scans" | "masked") =>
    cases.reduce((sum, each) => sum + each[key], 0);
  // Every form was drawn.
  expect(total("allGathers")).toBeGreaterThan(250);
  expect(total("reduceScatters")).toBeGreaterThan(66);
  expect(total("scans")).toBeGreaterThan(10);
  expect(total("masked")).toBeGreaterThan(10);
}, 600_000);
