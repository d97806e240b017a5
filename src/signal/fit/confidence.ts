/** @file Quantiles of the standard normal distribution. */

import { normalCumulative } from "../normal.ts";

/** z with Φ(z) = p, to 1e-12 for p from 1e-9 to 1 − 1e-9. */
export function normalQuantile(p: number): number {
  if (p < 0.5) return -normalQuantile(1 - p);
  // Newton from the logistic approximation, in steps that cannot overshoot into the flat tail.
  let z = Math.min(6, Math.log(p / (1 - p)) / 1.702);
  for (let round = 0; round < 60; round++) {
    const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
    const step = Math.max(-0.5, Math.min(0.5, (normalCumulative(z) - p) / density));
    z -= step;
    if (Math.abs(step) < 1e-13) break;
  }
  return z;
}
