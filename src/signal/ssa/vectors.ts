/** @file Vectors that are real or complex, and the few operations that iterations need. */

/** Real when `im` is absent. */
export interface Vector {
  readonly re: Float64Array;
  readonly im?: Float64Array;
}

export function zeros(size: number, complex: boolean): Vector {
  return { re: new Float64Array(size), ...(complex && { im: new Float64Array(size) }) };
}

export function conjugate({ re, im }: Vector): Vector {
  return im === undefined ? { re } : { re, im: im.map((y) => -y) };
}

/** Some entries in a row. */
export function slice({ re, im }: Vector, from: number, to: number): Vector {
  return { re: re.slice(from, to), ...(im !== undefined && { im: im.slice(from, to) }) };
}

/** Σ ā_n b_n. */
export function dot(a: Vector, b: Vector): readonly [re: number, im: number] {
  const [x, u] = [a.re, b.re];
  let re = 0;
  for (let n = 0; n < x.length; n++) re += (x[n] ?? 0) * (u[n] ?? 0);
  if (a.im === undefined || b.im === undefined) return [re, 0];
  const [y, v] = [a.im, b.im];
  let im = 0;
  for (let n = 0; n < x.length; n++) {
    re += (y[n] ?? 0) * (v[n] ?? 0);
    im += (x[n] ?? 0) * (v[n] ?? 0) - (y[n] ?? 0) * (u[n] ?? 0);
  }
  return [re, im];
}

export function norm(a: Vector): number {
  return Math.sqrt(dot(a, a)[0]);
}

/** `a += c b`, in place. */
export function addScaled(a: Vector, b: Vector, cRe: number, cIm = 0): void {
  const [x, u] = [a.re, b.re];
  for (let n = 0; n < x.length; n++) x[n] = (x[n] ?? 0) + cRe * (u[n] ?? 0);
  if (a.im === undefined || b.im === undefined) return;
  const [y, v] = [a.im, b.im];
  for (let n = 0; n < x.length; n++) {
    x[n] = (x[n] ?? 0) - cIm * (v[n] ?? 0);
    y[n] = (y[n] ?? 0) + cRe * (v[n] ?? 0) + cIm * (u[n] ?? 0);
  }
}

/** `a *= c`, in place. */
export function scale(a: Vector, c: number): void {
  for (const part of a.im === undefined ? [a.re] : [a.re, a.im]) {
    for (let n = 0; n < part.length; n++) part[n] = (part[n] ?? 0) * c;
  }
}
