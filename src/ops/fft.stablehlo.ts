/** @file Fourier transforms as StableHLO text: over complex numbers, along the last axis. */

import { dtypeFacts } from "../core/dtype.ts";
import type { HloEmitter, HloValue } from "../core/lowering.ts";
import type { Each, One, Two } from "../core/op.ts";
import { aval, dimOf } from "../core/shape.ts";
import type { FftParams, RealFftParams } from "./fft.ts";

/** The value with two axes exchanged. */
function swapped(h: HloEmitter, x: HloValue, axis: number): HloValue {
  const last = x.dims.length - 1;
  if (axis === last) return x;
  const order = x.dims.map((_, i) => (i === axis ? last : i === last ? axis : i));
  const y = aval(
    x.dtype,
    order.map((i) => dimOf(x, i)),
  );
  return h.line(
    `stablehlo.transpose ${x.name}, dims = [${order.join(", ")}] : (${h.type(x)}) -> ${h.type(y)}`,
    y,
  );
}

const complexType = ({ dims, dtype }: Pick<HloValue, "dims" | "dtype">) =>
  `tensor<${[...dims, `complex<${dtypeFacts(dtype).stablehlo}>`].join("x")}>`;

/** A complex value; its dtype is that of its parts, so its type is written by `complexType`. */
function complex(h: HloEmitter, re: HloValue, im: HloValue): HloValue {
  return h.line(`stablehlo.complex ${re.name}, ${im.name} : ${complexType(re)}`, re);
}

function part(h: HloEmitter, which: "real" | "imag", z: HloValue): HloValue {
  return h.line(`stablehlo.${which} ${z.name} : (${complexType(z)}) -> ${h.type(z)}`, z);
}

function negated(h: HloEmitter, x: HloValue): HloValue {
  return h.elementwise("stablehlo.negate", [x], aval(x.dtype, x.dims));
}

/** With real and imaginary part exchanged on both sides, FFT takes the other sign, unscaled. */
export function fftStablehlo(
  h: HloEmitter,
  [re, im]: Each<Two, HloValue>,
  { axis, inverse }: FftParams,
): Each<Two, HloValue> {
  const [a, b] = [swapped(h, re, axis), swapped(h, im, axis)];
  const z = inverse ? complex(h, b, a) : complex(h, a, b);
  const type = complexType(z);
  const y = h.line(
    `stablehlo.fft ${z.name}, type = FFT, length = [${dimOf(re, axis)}] : (${type}) -> ${type}`,
    z,
  );
  const [first, second] = [part(h, "real", y), part(h, "imag", y)].map((x) => swapped(h, x, axis));
  return (inverse ? [second, first] : [first, second]) as [HloValue, HloValue];
}

export function fftOfRealStablehlo(
  h: HloEmitter,
  [x]: Each<One, HloValue>,
  { axis, inverse, length }: RealFftParams,
): Each<Two, HloValue> {
  const lines = swapped(h, x, axis);
  const half = [...lines.dims.slice(0, -1), Math.floor(length / 2) + 1];
  const form = aval(x.dtype, half);
  const y = h.line(
    `stablehlo.fft ${lines.name}, type = RFFT, length = [${length}] : (${h.type(lines)}) -> ${complexType(form)}`,
    form,
  );
  const im = part(h, "imag", y);
  return [swapped(h, part(h, "real", y), axis), swapped(h, inverse ? negated(h, im) : im, axis)];
}

/** IRFFT divides by n and counts every element between the ends twice, for itself and its conjugate. */
export function fftToRealStablehlo(
  h: HloEmitter,
  [re, im]: Each<Two, HloValue>,
  { axis, inverse, length }: RealFftParams,
): Each<One, HloValue> {
  const [a, b] = [swapped(h, re, axis), swapped(h, im, axis)];
  const last = a.dims.length - 1;
  const counting = aval("int32", a.dims);
  const k = h.line(`stablehlo.iota dim = ${last} : ${h.type(counting)}`, counting);
  const truth = aval("bool", a.dims);
  const is = (place: number) =>
    h.elementwise("stablehlo.compare EQ,", [k, h.splat(place, counting)], truth);
  const end =
    length % 2 === 0 ? h.elementwise("stablehlo.or", [is(0), is(length / 2)], truth) : is(0);
  const [once, twice] = [h.splat(length, a), h.splat(length / 2, a)];
  const weight = h.line(
    `stablehlo.select ${end.name}, ${once.name}, ${twice.name} : ${h.type(end)}, ${h.type(a)}`,
    a,
  );
  const weighed = (x: HloValue) =>
    h.elementwise("stablehlo.multiply", [x, weight], aval(x.dtype, x.dims));
  const z = complex(h, weighed(a), weighed(inverse ? b : negated(h, b)));
  const form = aval(re.dtype, [...a.dims.slice(0, last), length]);
  const y = h.line(
    `stablehlo.fft ${z.name}, type = IRFFT, length = [${length}] : (${complexType(z)}) -> ${h.type(form)}`,
    form,
  );
  return [swapped(h, y, axis)];
}
