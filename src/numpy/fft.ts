/**
 * @file Fourier transforms of any length along named axes. Complex numbers are pairs of real tensors.
 *
 * `X[k] = Σ x[j] e^{−2πi jk/n}`; the inverse has the other sign and divides by n. Axes keep their names.
 */

import { AxisError, ShapeError } from "../core/errors.ts";
import { aval, axisOf, dimOf, showAval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, mul, scale } from "../ops/arithmetic.ts";
import { broadcast, fullLike, literal } from "../ops/creation.ts";
import * as f from "../ops/fft.ts";
import { pad } from "../ops/pieces.ts";
import { roll } from "./pieces.ts";

/** Complex numbers: two real tensors of one form. */
export interface Complex {
  readonly re: Tensor;
  readonly im: Tensor;
}

type Axis = string | number;

/** Where the scale of a transform and its inverse goes; √n on both sides for "ortho". */
export type Norm = "backward" | "ortho" | "forward";

/** A complex tensor from a real one, or as it is. */
function pair(x: Complex | Tensor): Complex {
  return "aval" in x ? { re: x, im: fullLike(x, 0) } : x;
}

function scaled({ re, im }: Complex, by: number): Complex {
  return { re: scale(re, by), im: scale(im, by) };
}

function factor(n: number, norm: Norm, inverse: boolean): number {
  if (norm === "ortho") return 1 / Math.sqrt(n);
  return (norm === "forward") === inverse ? 1 : 1 / n;
}

function complexFft(
  name: string,
  x: Complex | Tensor,
  axis: Axis,
  norm: Norm,
  inverse: boolean,
): Complex {
  const { re, im } = pair(x);
  const at = axisOf(name, re.aval, axis);
  const [a, b] = f.fft(re, im, { axis: at, inverse });
  return scaled({ re: a, im: b }, factor(dimOf(re.aval, at), norm, inverse));
}

/** The transform along one axis, the last where absent. @throws ShapeError when the axis is empty */
export function fft(x: Complex | Tensor, axis: Axis = -1, norm: Norm = "backward"): Complex {
  return complexFft("fft", x, axis, norm, false);
}

/** The inverse of `fft`. */
export function ifft(x: Complex | Tensor, axis: Axis = -1, norm: Norm = "backward"): Complex {
  return complexFft("ifft", x, axis, norm, true);
}

/**
 * The transform of a real tensor of length n along one axis: its first ⌊n/2⌋ + 1 numbers. The others
 * are their conjugates.
 */
export function rfft(x: Tensor, axis: Axis = -1, norm: Norm = "backward"): Complex {
  const at = axisOf("rfft", x.aval, axis);
  const length = dimOf(x.aval, at);
  const [re, im] = f.fftOfReal(x, { axis: at, inverse: false, length });
  return scaled({ re, im }, factor(length, norm, false));
}

/**
 * The inverse of `rfft`: a real tensor of `length` (even, 2 (m − 1), where absent) from m = ⌊length/2⌋ + 1
 * numbers. Imaginary parts of the first, and of the last where `length` is even, do not count.
 *
 * @throws ShapeError when `length` does not belong to m numbers
 */
export function irfft(
  { re, im }: Complex,
  axis: Axis = -1,
  options: { readonly length?: number; readonly norm?: Norm } = {},
): Tensor {
  const at = axisOf("irfft", re.aval, axis);
  const half = dimOf(re.aval, at);
  const length = options.length ?? 2 * (half - 1);
  if (length < 1 || f.halfLength(length) !== half) {
    throw new ShapeError(
      "SHAPE-01",
      `irfft: a length of ${length} needs ${length < 1 ? "at least 2" : f.halfLength(length)} numbers along axis ${at}, not ${half}.`,
      [
        ["operand", showAval(re.aval)],
        ["fix", "pass the length that went into rfft as `length`"],
      ],
    );
  }
  // Every number but the ends stands for itself and its conjugate: weights 1 2 2 … 2 (2 or 1).
  const ends = length % 2 === 0 && half > 1 ? 2 : 1;
  const line = aval(re.dtype, [half]);
  const inside = fullLike(aval(re.dtype, [half - ends]), 1);
  const weights = add(fullLike(line, 1), pad(inside, [1], [ends - 1]));
  const spread = broadcast(weights, { ...re.aval, axes: [at] });
  const y = f.fftToReal(mul(re, spread), mul(im, spread), { axis: at, inverse: true, length });
  return scale(y, factor(length, options.norm ?? "backward", true));
}

function axesOf(name: string, x: Tensor, axes: readonly Axis[] | undefined): number[] {
  const list = axes?.map((axis) => axisOf(name, x.aval, axis)) ?? x.dims.map((_, i) => i);
  if (new Set(list).size === list.length) return list;
  throw new AxisError("AXIS-01", `${name}: an axis is named twice in ${axes?.join(", ")}`);
}

/** `fft` along several axes, all where absent. */
export function fftn(
  x: Complex | Tensor,
  axes?: readonly Axis[],
  norm: Norm = "backward",
): Complex {
  const start = pair(x);
  const list = axesOf("fftn", start.re, axes);
  return list.reduceRight<Complex>((z, axis) => fft(z, axis, norm), start);
}

/** The inverse of `fftn`. */
export function ifftn(
  x: Complex | Tensor,
  axes?: readonly Axis[],
  norm: Norm = "backward",
): Complex {
  const start = pair(x);
  const list = axesOf("ifftn", start.re, axes);
  return list.reduceRight<Complex>((z, axis) => ifft(z, axis, norm), start);
}

/** `fft` along two axes, the last two where absent. */
export function fft2(
  x: Complex | Tensor,
  axes: readonly [Axis, Axis] = [-2, -1],
  norm: Norm = "backward",
): Complex {
  return fftn(x, axes, norm);
}

/** The inverse of `fft2`. */
export function ifft2(
  x: Complex | Tensor,
  axes: readonly [Axis, Axis] = [-2, -1],
  norm: Norm = "backward",
): Complex {
  return ifftn(x, axes, norm);
}

/** The transform of a real tensor along several axes, all where absent; half of it along the last of them. */
export function rfftn(x: Tensor, axes?: readonly Axis[], norm: Norm = "backward"): Complex {
  const list = axesOf("rfftn", x, axes);
  const last = list[list.length - 1];
  if (last === undefined) throw new AxisError("AXIS-01", "rfftn: needs at least one axis");
  return list
    .slice(0, -1)
    .reduceRight<Complex>((z, axis) => fft(z, axis, norm), rfft(x, last, norm));
}

/** The inverse of `rfftn`; `length` is that of the last of the axes, as for `irfft`. */
export function irfftn(
  x: Complex,
  axes?: readonly Axis[],
  options: { readonly length?: number; readonly norm?: Norm } = {},
): Tensor {
  const list = axesOf("irfftn", x.re, axes);
  const last = list[list.length - 1];
  if (last === undefined) throw new AxisError("AXIS-01", "irfftn: needs at least one axis");
  const outer = list.slice(0, -1);
  const lines = outer.reduce<Complex>((z, axis) => ifft(z, axis, options.norm), x);
  return irfft(lines, last, options);
}

/** Frequencies of `fft` results in cycles per unit, where samples lie `spacing` units apart. */
export function fftfreq(n: number, spacing = 1, axis?: string): Tensor {
  const half = Math.ceil(n / 2);
  const values = Array.from({ length: n }, (_, k) => (k < half ? k : k - n) / (n * spacing));
  return literal(aval("float32", [n], [axis ?? null]), values);
}

/** Frequencies of `rfft` results in cycles per unit, where samples lie `spacing` units apart. */
export function rfftfreq(n: number, spacing = 1, axis?: string): Tensor {
  const length = f.halfLength(n);
  const values = Array.from({ length }, (_, k) => k / (n * spacing));
  return literal(aval("float32", [length], [axis ?? null]), values);
}

/** Moves frequency 0 to the middle of the axes, all where absent. */
export function fftshift(x: Tensor, axes?: readonly Axis[]): Tensor {
  const list = axesOf("fftshift", x, axes);
  return list.reduce((y, axis) => roll(y, axis, Math.floor(dimOf(x.aval, axis) / 2)), x);
}

/** The inverse of `fftshift`. */
export function ifftshift(x: Tensor, axes?: readonly Axis[]): Tensor {
  const list = axesOf("ifftshift", x, axes);
  return list.reduce((y, axis) => roll(y, axis, -Math.floor(dimOf(x.aval, axis) / 2)), x);
}
