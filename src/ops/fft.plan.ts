/**
 * @file The Fourier transform of any length as a few matrix products.
 *
 * ONNX Runtime's DFT is wrong by 6·10⁻³ at length 20,000 and takes 20 ms there: it goes through a chirp of
 * rounded angles. Here all roots are constants computed in double precision.
 */

import { aval, dimOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, mul, sub } from "./arithmetic.ts";
import { contract, labels } from "./contract.ts";
import { broadcast, literal } from "./creation.ts";
import { type ComplexList, hostFft, rootOfUnity, type Sign } from "./fft.host.ts";
import { reshape, transpose } from "./layout.ts";
import { concatenate, pad, slice, split } from "./pieces.ts";

/** How a length is transformed. */
export type Plan =
  /** One product with the matrix of roots. */
  | { readonly kind: "matrix"; readonly n: number }
  /** n = R·m: transforms of length R, a twist, transforms of length m (Cooley and Tukey). */
  | { readonly kind: "split"; readonly n: number; readonly first: Plan; readonly last: number }
  /** A convolution with a chirp, at a length ≥ 2n − 1 that factors well (Bluestein). */
  | { readonly kind: "chirp"; readonly n: number; readonly inner: Plan };

/** Longest transform by one matrix. */
const LONGEST_MATRIX = 256;
/** What a stage costs beside its product, in elements of a matrix row. */
const STAGE = 128;

const plans = new Map<number, { readonly plan: Plan; readonly cost: number }>();

/** The cheapest known plan for a length, by a count of operations per element. */
export function planOf(n: number): Plan {
  return planned(n).plan;
}

function planned(n: number): { readonly plan: Plan; readonly cost: number } {
  const known = plans.get(n);
  if (known !== undefined) return known;
  const choices: { readonly plan: Plan; readonly cost: number }[] = [];
  if (n <= LONGEST_MATRIX) choices.push({ plan: { kind: "matrix", n }, cost: n + STAGE });
  for (let last = 2; last <= LONGEST_MATRIX && last * 2 <= n; last++) {
    if (n % last !== 0) continue;
    const { plan: first, cost } = planned(n / last);
    choices.push({ plan: { kind: "split", n, first, last }, cost: cost + last + STAGE });
  }
  if (smoothLength(n) !== n) {
    const inner = planned(smoothLength(2 * n - 1));
    choices.push({
      plan: { kind: "chirp", n, inner: inner.plan },
      cost: (2 * inner.cost * inner.plan.n) / n + STAGE,
    });
  }
  const best = choices.reduce((a, b) => (b.cost < a.cost ? b : a));
  plans.set(n, best);
  return best;
}

/** The least length ≥ n whose factors are 2, 3 and 5. */
export function smoothLength(n: number): number {
  let best = Infinity;
  for (let five = 1; five < best; five *= 5) {
    for (let three = five; three < best; three *= 3) {
      let m = three;
      while (m < n) m *= 2;
      best = Math.min(best, m);
    }
  }
  return best;
}

/** Complex numbers `[batch, length, inner]`; real ones have no imaginary part. */
export interface Parts {
  readonly re: Tensor;
  readonly im: Tensor | null;
}

/** Which results are asked for: the first `keep`, and whether only their real part. */
export interface Asked {
  readonly keep: number;
  readonly real: boolean;
}

/**
 * `X[k] = Σ x[j] e^{±2πi jk/n}` for `k < keep`, along the middle axis. An operand shorter than n stands
 * for one with zeros behind it, which cost nothing.
 */
export function transform(x: Parts, plan: Plan, sign: Sign, asked: Asked): Parts {
  switch (plan.kind) {
    case "matrix":
      return byMatrix(x, plan.n, sign, asked);
    case "split":
      return bySplit(x, plan, sign, asked);
    case "chirp":
      return byChirp(x, plan, sign, asked);
  }
}

/** Real and imaginary parts of results below each other, from those of operands: `[d k, e j]`. */
function rootsMatrix(
  x: Parts,
  length: number,
  n: number,
  sign: Sign,
  { keep, real }: Asked,
): Tensor {
  const values: number[] = [];
  for (const d of real ? [0] : [0, 1]) {
    for (let k = 0; k < keep; k++) {
      for (const e of x.im === null ? [0] : [0, 1]) {
        for (let j = 0; j < length; j++) {
          const [c, s] = rootOfUnity(j * k, n, sign);
          values.push(d === e ? c : d === 0 ? -s : s);
        }
      }
    }
  }
  const rows = keep * (real ? 1 : 2);
  return literal(aval(x.re.dtype, [rows, values.length / Math.max(1, rows)]), values);
}

/** Both parts, one behind the other along an axis. */
function joined({ re, im }: Parts, axis: number): Tensor {
  return im === null ? re : concatenate([re, im], axis);
}

function parted(x: Tensor, axis: number, { keep, real }: Asked): Parts {
  if (real) return { re: x, im: null };
  const [re = x, im = null] = split(x, axis, [keep, keep]);
  return { re, im };
}

function byMatrix(x: Parts, n: number, sign: Sign, asked: Asked): Parts {
  const roots = rootsMatrix(x, dimOf(x.re.aval, 1), n, sign, asked);
  const whole = joined(x, 1);
  const [batch = 0, rows = 0, inner = 0] = whole.dims;
  if (inner !== 1) return parted(contract(roots, whole, labels("d j, b j i -> b d i")), 1, asked);
  const y = contract(reshape(whole, [batch, rows]), roots, labels("b j, d j -> b d"));
  return parted(reshape(y, [batch, dimOf(roots.aval, 0), 1]), 1, asked);
}

/**
 * With `j = m·j₁ + j₂` and `k = k₁ + R·k₂`: a transform over j₁, a twist by `e^{±2πi j₂k₁/n}`, and a
 * transform over j₂ whose product leaves k₁ innermost, so that the results lie in order.
 */
function bySplit(
  x: Parts,
  { n, first, last: m }: Extract<Plan, { kind: "split" }>,
  sign: Sign,
  asked: Asked,
): Parts {
  const [batch = 0, length = 0, inner = 0] = x.re.dims;
  const count = n / m;
  const rows = Math.ceil(length / m);
  const grid = (part: Tensor) =>
    reshape(pad(part, [0, 0, 0], [0, rows * m - length, 0]), [batch, rows, m * inner]);
  const over = mapParts(x, grid);
  const once = mapParts(transform(over, first, sign, { keep: count, real: false }), (part) =>
    reshape(part, [batch, count, m, inner]),
  );
  const twist = roots(count * m, (i) => rootOfUnity(Math.floor(i / m) * (i % m), n, sign));
  const twisted = joined(times(once, twist, [count, m], false), 2);
  const kept = { ...asked, keep: Math.ceil(asked.keep / count) };
  const matrix = rootsMatrix(once, m, m, sign, kept);
  const d = dimOf(matrix.aval, 0);
  const twice =
    inner === 1
      ? contract(matrix, reshape(twisted, [batch, count, 2 * m]), labels("d j, b r j -> b d r"))
      : transpose(contract(matrix, twisted, labels("d j, b r j i -> b r d i")), [0, 2, 1, 3]);
  const results = parted(reshape(twice, [batch, d, count * inner]), 1, kept);
  return mapParts(results, (part) =>
    leading(reshape(part, [batch, kept.keep * count, inner]), asked.keep),
  );
}

/** `jk = (j² + k² − (k − j)²) / 2`: a product, a convolution and a product with `e^{±πi t²/n}`. */
function byChirp(
  x: Parts,
  { n, inner }: Extract<Plan, { kind: "chirp" }>,
  sign: Sign,
  { keep, real }: Asked,
): Parts {
  const length = dimOf(x.re.aval, 1);
  const chirp = (t: number) => rootOfUnity((t * t) % (2 * n), 2 * n, sign);
  const size = inner.n;
  const kernel = roots(size, (t) => {
    const distance = t < keep ? t : size - t;
    if (t >= keep && distance >= length) return [0, 0];
    const [c, s] = chirp(distance);
    return [c / size, -s / size];
  });
  const all = { keep: size, real: false };
  const spectrum = transform(times(x, roots(length, chirp), [length], false), inner, -1, all);
  const filtered = times(spectrum, hostFft(kernel, -1), [size], false);
  const back = transform(filtered, inner, 1, { keep, real: false });
  return times(back, roots(keep, chirp), [keep], real);
}

function roots(count: number, at: (t: number) => readonly [number, number]): ComplexList {
  const re = new Float64Array(count);
  const im = new Float64Array(count);
  for (let t = 0; t < count; t++) [re[t], im[t]] = at(t);
  return { re, im };
}

function mapParts({ re, im }: Parts, f: (part: Tensor) => Tensor): Parts {
  return { re: f(re), im: im === null ? null : f(im) };
}

/** The product with complex constants of the given dims along the axes after the first. */
function times(x: Parts, by: ComplexList, dims: readonly number[], real: boolean): Parts {
  const spread = (list: Float64Array) =>
    broadcast(literal(aval(x.re.dtype, dims), Array.from(list)), {
      ...x.re.aval,
      axes: dims.map((_, i) => i + 1),
    });
  const [c, s] = [spread(by.re), spread(by.im)];
  if (x.im === null) return { re: mul(x.re, c), im: real ? null : mul(x.re, s) };
  const re = sub(mul(x.re, c), mul(x.im, s));
  return { re, im: real ? null : add(mul(x.re, s), mul(x.im, c)) };
}

/** The first elements along the middle axis. */
function leading(x: Tensor, keep: number): Tensor {
  const [batch = 0, , inner = 0] = x.dims;
  return slice(x, [0, 0, 0], [batch, keep, inner]);
}
