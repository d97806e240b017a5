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
  const roots = { re: new Float64Array(n), im: new Float64Array(n) };
  for (let t = 0; t < n; t++) [roots.re[t], roots.im[t]] = rootOfUnity(t, n, sign);
  return transformed(x, roots, 0, 1);
}

/** The transform of every `step`-th element from `start`. */
function transformed(x: ComplexList, roots: ComplexList, start: number, step: number): ComplexList {
  const all = x.re.length;
  const n = all / step;
  const out = { re: new Float64Array(n), im: new Float64Array(n) };
  if (n <= 1) {
    out.re.set(x.re.subarray(start, start + n));
    out.im.set(x.im.subarray(start, start + n));
    return out;
  }
  const p = smallestFactor(n);
  const m = n / p;
  for (let b = 0; b < p; b++) {
    const { re, im } = transformed(x, roots, start + b * step, step * p);
    for (let k = 0; k < n; k++) {
      const t = ((b * k) % n) * step; // e^{±2πi bk/n}, in the table for all
      const c = roots.re[t] ?? 0;
      const s = roots.im[t] ?? 0;
      const u = re[k % m] ?? 0;
      const v = im[k % m] ?? 0;
      out.re[k] = (out.re[k] ?? 0) + u * c - v * s;
      out.im[k] = (out.im[k] ?? 0) + u * s + v * c;
    }
  }
  return out;
}
