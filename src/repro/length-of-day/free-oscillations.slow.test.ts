import { expect, test } from "vitest";
import { freeOscillations } from "./free-oscillations.ts";

test("0S0 and 1S0 come back from the synthetic seismogram, 12 draws", () => {
  const [radial, overtone] = freeOscillations({ draws: 12 });
  for (const mode of [radial, overtone]) {
    if (mode === undefined) throw new Error("two modes are read");
    const { published, fit, ar } = mode;
    for (const { milliHertz } of [fit, ar])
      expect(Math.abs(milliHertz.median - published.milliHertz)).toBeLessThan(3 * milliHertz.sd);
    // Q of one draw is known to 0.7 % (0S0), 3 % (1S0); the median of 12 to 0.25 % and 1 %.
    expect(Math.abs(fit.quality.median / published.quality - 1)).toBeLessThan(0.02);
    // The AR line has twice the spread: 3 sds of a median of 12, 1.25 · sd/√12 each.
    expect(Math.abs(ar.quality.median - published.quality)).toBeLessThan(1.1 * ar.quality.sd);
  }
  expect(radial?.endError.fit).toBeLessThan(0.02);
  expect(overtone?.endError.fit).toBeLessThan(0.05);
  expect(radial?.endError.ntft).toBeGreaterThan(0.2);
});
