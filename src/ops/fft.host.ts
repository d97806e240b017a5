/** @file The discrete Fourier transform on the host, in double precision: what the records evaluate. */

/** Complex numbers as two lists of equal length. */
export interface ComplexList {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/** Of the exponent. */
export type Sign = 1 | -1;

/** e^{±2πi t/n} for a whole number t: the angle is reduced before it is rounded. */
export function rootOfUnity(t: number, n: number, sign: Sign): readonly [re: number, im: number] {
  const angle = (2 * Math.PI * (t % n)) / n;
  return [Math.cos(angle), sign * Math.sin(angle)];
}

/** The smallest prime factor of n ≥ 2. */
export function smallestFactor(n: number): number {
  for (let p = 2; p * p <= n; p++) if (n % p === 0) return p;
  return n;
}

/**
 * `X[k] = Σ x[j] e^{±2πi jk/n}`, not scaled.
 *
 * Cooley and Tukey's recursion by the smallest prime factor p, `j = p·a + b`: p transforms of n/p, then
 * `X[k] = Σ_b e^{±2πi bk/n} X_b[k mod n/p]`. A prime length is the sum itself.
 */
export function hostFft(x: ComplexList, sign: Sign): ComplexList {
  const n = x.re.length;
  if (n <= 1) return x;
  const p = smallestFactor(n);
  const m = n / p;
  const parts = Array.from({ length: p }, (_, b) => {
    const every = (list: Float64Array) =>
      Float64Array.from({ length: m }, (_, a) => list[p * a + b] ?? 0);
    return hostFft({ re: every(x.re), im: every(x.im) }, sign);
  });
  const roots = Array.from({ length: n }, (_, t) => rootOfUnity(t, n, sign));
  const out = { re: new Float64Array(n), im: new Float64Array(n) };
  for (let k = 0; k < n; k++) {
    parts.forEach(({ re, im }, b) => {
      const [c = 0, s = 0] = roots[(b * k) % n] ?? [];
      const [u, v] = [re[k % m] ?? 0, im[k % m] ?? 0];
      out.re[k] = (out.re[k] ?? 0) + u * c - v * s;
      out.im[k] = (out.im[k] ?? 0) + u * s + v * c;
    });
  }
  return out;
}
