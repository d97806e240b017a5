import { expect, test } from "vitest";
import { leapSeconds } from "./leap-seconds.ts";
import { zonalTide, zonalTideAt, zonalTides } from "./tides.ts";
import { ZONAL_TERMS } from "./zonal-terms.ts";

const CHECK = 0.07995893223819302; // centuries: MJD 54465 TT

test("the check value of the table is met", () => {
  const { ut1, lod, omega } = zonalTideAt(CHECK);
  expect(Math.abs(ut1 - 0.07983287678576557)).toBeLessThan(1e-13);
  // In seconds, as the table has it.
  expect(Math.abs(lod * 1e-3 - 5.035331113978199e-5)).toBeLessThan(1e-13);
  expect(omega / (-7.292115e-5 * 5.035331113978199e-5)).toBeCloseTo(1 / 86_400, 12);
});

test("62 terms, each its own tide", () => {
  expect(ZONAL_TERMS).toHaveLength(62);
  expect(new Set(ZONAL_TERMS.map((term) => term.slice(0, 5).join())).size).toBe(62);
});

test("the length of day is minus the rate of UT1", () => {
  // Per day, by a central difference of 0.1 days; its error is of third order: (0.1 days)² of the fastest tide.
  for (const day of [0, 3, 7, 30, 100, 400]) {
    const at = (days: number) => zonalTideAt(CHECK + (day + days) / 36_525);
    const slope = (at(0.1).ut1 - at(-0.1).ut1) / 0.2;
    // The table has five digits: 1e-7 s for the sum of its terms.
    expect(Math.abs(at(0).lod * 1e-3 + slope)).toBeLessThan(3e-7);
  }
});

test("is asked by UTC, for one time or many", () => {
  // MJD 54465 TT is 33 + 32.184 s earlier in UTC.
  const mjd = 54_465 - (33 + 32.184) / 86_400;
  expect(zonalTide(mjd).lod).toBeCloseTo(5.035331113978199e-2, 9);
  expect([...zonalTides(Float64Array.of(mjd, 50_000))]).toEqual([
    zonalTide(mjd).lod,
    zonalTide(50_000).lod,
  ]);
});

test("leap seconds count up one by one from 1972", () => {
  expect(leapSeconds(41_317)).toBe(10);
  expect(leapSeconds(57_753.9)).toBe(36);
  expect(leapSeconds(61_000)).toBe(37);
  // The line before meets the first step.
  expect(leapSeconds(41_316.999)).toBeCloseTo(9.892, 3);
});
