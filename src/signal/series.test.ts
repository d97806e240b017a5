import { expect, test } from "vitest";
import { makeSeries, parseTimeUnit, type Series, spanOf, timesOf, withValues } from "./series.ts";

const series: Series = {
  ...{ name: "ΔLOD", unit: "ms", timeUnit: "years", start: 1962, step: 1 / 12 },
  re: new Float64Array(25),
};

test("times run from the start by steps", () => {
  const times = timesOf(series);
  expect(times[0]).toBe(1962);
  expect(times[12]).toBeCloseTo(1963, 12);
  expect(spanOf(series)).toBeCloseTo(2, 12);
});

test("values that are not finite are named by place and time", () => {
  const re = new Float64Array(25).with(12, Number.NaN);
  expect(() => makeSeries({ ...series, re })).toThrow(
    "series ΔLOD: sample 12 at 1963 years is NaN.\n  fix    mark samples that are missing in `observed`, with the value 0    [SIGNAL-01]",
  );
});

test("lists of different lengths and steps that are none are refused", () => {
  expect(() => makeSeries({ ...series, im: new Float64Array(3) })).toThrow("25 and 3 samples");
  expect(() => makeSeries({ ...series, observed: new Uint8Array(3) })).toThrow("25 and 3 samples");
  expect(() => makeSeries({ ...series, step: 0 })).toThrow("step 0");
});

test("other values leave the imaginary part behind unless they bring one", () => {
  const complex = makeSeries({ ...series, im: new Float64Array(25).fill(1) });
  expect(withValues(complex, complex.re).im).toBeUndefined();
  expect(withValues(series, series.re, new Float64Array(25).fill(2)).im?.[3]).toBe(2);
});

test("a time unit with a slip is told the nearest", () => {
  expect(parseTimeUnit("days")).toBe("days");
  expect(() => parseTimeUnit("day")).toThrow('did you mean "days"?');
});
