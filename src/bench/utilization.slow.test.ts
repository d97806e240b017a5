/** @file Predicted shares of the peak: which work they count, and how near they come to all measured ones at once. */

import { expect, test } from "vitest";
import { openPreset } from "../train/families.ts";
import { UTILIZATION_ROWS } from "./utilization.rows.ts";
import { countedFlops, meanError, predictUtilization, type Utilization } from "./utilization.ts";

test("the counted work is six a parameter and token, with attention where the measured one has it", async () => {
  const model = await openPreset("gspmd-nano", { batch: 2, length: 8 });
  const { parameters } = model.facts();
  expect(countedFlops(model, "parameters")).toBe(6 * parameters * 16);
  const attention = 12 * 4 * 4 * 16 * 8 * 16;
  expect(countedFlops(model, "parameters and attention")).toBe(6 * parameters * 16 + attention);
});

test("errors are averaged over the rows that were measured", () => {
  const row = (predicted: number, measured: number | null) =>
    ({ predicted, measured }) as Utilization;
  expect(meanError([row(0.5, 0.4), row(0.3, 0.36), row(0.9, null)])).toBeCloseTo(8, 9);
});

test("one set of constants comes within 8 points of all runs, on the mean, and within 15 of each", async () => {
  const results: Utilization[] = [];
  for (const row of UTILIZATION_ROWS) results.push(await predictUtilization(row));
  expect(results.filter(({ measured }) => measured !== null).length).toBe(20);
  expect(meanError(results)).toBeLessThan(8);
  for (const { preset, predicted, measured, withOverlap } of results) {
    expect(withOverlap, preset).toBeGreaterThan(predicted);
    if (measured !== null) expect(Math.abs(predicted - measured), preset).toBeLessThan(0.15);
  }
});
