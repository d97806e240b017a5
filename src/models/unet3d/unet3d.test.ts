/** @file The 3-D U-Net: its sizes by hand, and the sides that it takes. */

import { expect, test } from "vitest";
import { presetByName } from "./config.ts";
import { taskFamily, unetFacts } from "./index.ts";

const { model: NANO } = presetByName("unet3d-nano");

test("counts what is declared, and its work by hand", () => {
  // Levels of 4 and 8 filters: two convolutions each with two norms; up with 2³, then two again; 1³ to the classes.
  const down = 27 * (1 * 4 + 4 * 4) + 27 * (4 * 8 + 8 * 8);
  const up = 8 * 8 * 4 + 27 * (8 * 4 + 4 * 4);
  const norms = 2 * (4 + 4 + 8 + 8 + 4 + 4);
  const { parameters, flopsPerStep } = unetFacts(NANO, 3, 8);
  expect(parameters).toBe(down + up + norms + 4 + 4 * 2 + 2);
  const fine = 27 * (1 * 4 + 4 * 4) + 27 * (8 * 4 + 4 * 4) + 4 * 2;
  const coarse = 27 * (4 * 8 + 8 * 8) + 8 * 8 * 4;
  expect(flopsPerStep).toBe(3 * 2 * (fine * 512 + coarse * 64));
});

test("a side that cannot be halved is refused", () => {
  expect(() => taskFamily.open("unet3d-256", { length: 100 })).toThrow("multiple of 16");
});
