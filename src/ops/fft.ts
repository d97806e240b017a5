/**
 * @file Fourier transforms along one axis, of any length; complex numbers are pairs of real tensors.
 *
 * None is scaled: `X[k] = Σ x[j] e^{−2πi jk/n}`, with the other sign when `inverse`. The matrix of roots
 * is symmetric, so the transpose of each is the one with the other sign, seen from the other side.
 */

import { apply } from "../core/builder.ts";
import { DTypeError, ShapeError } from "../core/errors.ts";
import { at, forLines, type NdArray, put, zeros } from "../core/ndarray.ts";
import { defineOp, linear, type MaybeZero, type One, type Op, type Two } from "../core/op.ts";
import { random, rejects, sample } from "../core/samples.ts";
import { type Aval, aval, dimOf, sameDims, showAval, sizeOf } from "../core/shape.ts";
import { factorNames, rule, type ShardingRule } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { fullLike } from "./creation.ts";
import { onnxThrough } from "./decomposition.ts";
import { checkDType, FLOATS } from "./dtypes.ts";
import { repeat } from "./families.ts";
import { type ComplexList, hostFft, type Sign } from "./fft.host.ts";
import { type Asked, type Parts, planOf, transform } from "./fft.plan.ts";
import { fftOfRealStablehlo, fftStablehlo, fftToRealStablehlo } from "./fft.stablehlo.ts";
import { inSingle } from "./half.stablehlo.ts";
import { reshape } from "./layout.ts";

export interface FftParams {
  readonly axis: number;
  /** The sign of the exponent: + when true. Nothing is scaled. */
  readonly inverse: boolean;
}

export interface RealFftParams extends FftParams {
  /** Length of the real side; the other has the first ⌊length/2⌋ + 1 of as many complex numbers. */
  readonly length: number;
}

const along = (axis: number): FftParams => ({ axis, inverse: false });
const real = (axis: number, length: number): RealFftParams => ({ axis, inverse: false, length });

const signOf = ({ inverse }: FftParams): Sign => (inverse ? 1 : -1);

/** How many complex numbers tell a real transform of this length; the others are their conjugates. */
export function halfLength(length: number): number {
  return Math.floor(length / 2) + 1;
}

function checkAxis(name: string, x: Aval, { axis }: FftParams, length?: number): void {
  checkDType(name, x, FLOATS);
  if (!(axis in x.dims))
    throw new ShapeError("SHAPE-01", `${name}: axis ${axis} is not an axis of ${showAval(x)}`);
  const size = dimOf(x, axis);
  if (size === 0)
    throw new ShapeError("SHAPE-01", `${name}: ${showAval(x)} has nothing along axis ${axis}`);
  if (length === undefined || size === length) return;
  throw new ShapeError(
    "SHAPE-01",
    `${name}: needs ${length} elements along axis ${axis}, not ${size}.`,
    [["operand", showAval(x)]],
  );
}

function checkPair(name: string, re: Aval, im: Aval): void {
  if (re.dtype === im.dtype && sameDims(re.dims, im.dims)) return;
  const facts = [
    ["real part", showAval(re)],
    ["imaginary part", showAval(im)],
  ] as const;
  if (re.dtype !== im.dtype)
    throw new DTypeError("DTYPE-01", `${name}: the two parts have unequal dtypes.`, facts);
  throw new ShapeError("SHAPE-01", `${name}: the two parts have unequal sizes.`, facts);
}

function resized(x: Aval, axis: number, size: number): Aval {
  return { ...x, dims: x.dims.map((dim, i) => (i === axis ? size : dim)) };
}

/** The transformed axis stays whole; all others may be split. */
function shard<P extends FftParams>(
  x: Aval,
  p: P,
  sides: readonly [number, number],
): ShardingRule<P> {
  const factors = factorNames(x.dims.length).map((f, i) => (i === p.axis ? null : f));
  return rule(p, Array(sides[0]).fill(factors), Array(sides[1]).fill(factors));
}

/** Every line of the operand through the transform on the host, cut or filled with zeros to `length`. */
function evaluate(
  parts: readonly NdArray[],
  p: FftParams,
  length: number,
  outputs: readonly Aval[],
): NdArray[] {
  const [re = zeros(aval("float64", [])), im] = parts;
  const results = outputs.map(zeros);
  const lines: ComplexList[] = [];
  forLines(re.dims, p.axis, (base, stride, size) => {
    const read = (x: NdArray | undefined) =>
      Float64Array.from({ length }, (_, j) =>
        x === undefined || j >= size ? 0 : at(x, base + j * stride),
      );
    lines.push(hostFft({ re: read(re), im: read(im) }, signOf(p)));
  });
  const [first] = results;
  let line = 0;
  if (first !== undefined)
    forLines(first.dims, p.axis, (base, stride, size) => {
      const value = lines[line++];
      for (let k = 0; k < size; k++) {
        results.forEach((y, i) => {
          put(y, base + k * stride, (i === 0 ? value?.re[k] : value?.im[k]) ?? 0);
        });
      }
    });
  return results;
}

/** The transform in matrix products; forms around the axis are folded to `[batch, length, inner]`. */
function inProducts(x: Parts, p: FftParams, n: number, asked: Asked): Parts {
  const { dims } = x.re;
  const folded = [sizeOf(dims.slice(0, p.axis)), dims[p.axis] ?? 0, sizeOf(dims.slice(p.axis + 1))];
  const fold = (part: Tensor) => reshape(part, folded);
  const y = transform(
    { re: fold(x.re), im: x.im === null ? null : fold(x.im) },
    planOf(n),
    signOf(p),
    asked,
  );
  const unfold = (part: Tensor) => reshape(part, resized(x.re.aval, p.axis, asked.keep).dims);
  return { re: unfold(y.re), im: y.im === null ? null : unfold(y.im) };
}

/** Complex to complex: real and imaginary part in, both out. */
export const fftOp: Op<FftParams, Two, Two> = defineOp<FftParams, Two, Two>({
  name: "fft",
  infer([re, im], p) {
    checkAxis("fft", re, p);
    checkPair("fft", re, im);
    return [re, re];
  },
  jvp: {
    kind: "rule",
    apply: ([dRe, dIm], [re, im], _y, p) =>
      dRe === null && dIm === null
        ? [null, null]
        : fft(dRe ?? fullLike(re, 0), dIm ?? fullLike(im, 0), p),
  },
  transpose: {
    kind: "rule",
    apply: (cts, [re], p) => fft(...pairOf(cts, re.aval), { ...p, inverse: !p.inverse }),
  },
  batch: ([re, im], [reMapped, imMapped], p, size) =>
    fft(reMapped ? re : repeat(re, size), imMapped ? im : repeat(im, size), {
      ...p,
      axis: p.axis + 1,
    }),
  shard: ([re], _y, p) => shard(re, p, [2, 2]),
  evaluate: (parts, p, outputs) => {
    const [re, im] = evaluate(parts, p, dimOf(parts[0], p.axis), outputs);
    return [re, im] as [NdArray, NdArray];
  },
  simplify: () => null,
  lower: {
    onnx: onnxThrough(([re, im], p: FftParams) => {
      const n = dimOf(re.aval, p.axis);
      const y = inProducts({ re, im }, p, n, { keep: n, real: false });
      return [y.re, y.im ?? fullLike(y.re, 0)];
    }),
    stablehlo: (h, xs, p, ys) => inSingle<Two, Two>(h, xs, ys, (wide) => fftStablehlo(h, wide, p)),
  },
  samples: () => [
    sample("a row", [random(8), random(8)], along(0)),
    sample("backwards", [random(6), random(6)], { axis: 0, inverse: true }),
    sample("rows", [random(2, 5), random(2, 5)], along(1)),
    sample("columns", [random(12, 3), random(12, 3)], along(0)),
    sample("a middle axis", [random(2, 6, 2), random(2, 6, 2)], along(1)),
    sample("one element", [random(3, 1), random(3, 1)], along(1)),
    sample("no rows", [random(0, 4), random(0, 4)], along(1)),
    sample("a prime", [random(13), random(13)], along(0)),
  ],
  rejects: () => [
    rejects(
      "parts of unequal sizes",
      [aval("float32", [4]), aval("float32", [3])],
      along(0),
      "fft: the two parts have unequal sizes.",
    ),
    rejects(
      "nothing to transform",
      [aval("float32", [2, 0]), aval("float32", [2, 0])],
      along(1),
      "fft: float32[2, 0] has nothing along axis 1",
    ),
    rejects(
      "an axis past the end",
      [aval("float32", [4]), aval("float32", [4])],
      along(1),
      "fft: axis 1 is not an axis of float32[4]",
    ),
  ],
});

/** Two cotangents, zeros for the one that is missing. */
function pairOf([re, im]: readonly [MaybeZero, MaybeZero], like: Aval): readonly [Tensor, Tensor] {
  return [re ?? fullLike(im ?? like, 0), im ?? fullLike(re ?? like, 0)];
}

export function fft(re: Tensor, im: Tensor, params: FftParams): readonly [re: Tensor, im: Tensor] {
  return apply(fftOp, [re, im], params);
}

/** Real to complex: the first half of the transform, which tells the rest, `X[n − k]` being the conjugate. */
export const fftOfRealOp: Op<RealFftParams, One, Two> = defineOp<RealFftParams, One, Two>({
  name: "fftOfReal",
  infer([x], p) {
    checkAxis("fftOfReal", x, p, p.length);
    const y = resized(x, p.axis, halfLength(p.length));
    return [y, y];
  },
  jvp: linear,
  transpose: {
    kind: "rule",
    apply: (cts, [x], p) => {
      const half = resized(x.aval, p.axis, halfLength(p.length));
      return [fftToReal(...pairOf(cts, half), { ...p, inverse: !p.inverse })];
    },
  },
  batch: ([x], _mapped, p) => fftOfReal(x, { ...p, axis: p.axis + 1 }),
  shard: ([x], _y, p) => shard(x, p, [1, 2]),
  evaluate: ([x], p, outputs) => {
    const [re, im] = evaluate([x], p, p.length, outputs);
    return [re, im] as [NdArray, NdArray];
  },
  simplify: () => null,
  lower: {
    onnx: onnxThrough(([x], p: RealFftParams) => {
      const asked = { keep: halfLength(p.length), real: false };
      const y = inProducts({ re: x, im: null }, p, p.length, asked);
      return [y.re, y.im ?? fullLike(y.re, 0)];
    }),
    stablehlo: (h, xs, p, ys) =>
      inSingle<One, Two>(h, xs, ys, (wide) => fftOfRealStablehlo(h, wide, p)),
  },
  samples: () => [
    sample("an even length", [random(8)], real(0, 8)),
    sample("an odd length", [random(2, 5)], real(1, 5)),
    sample("backwards", [random(6)], { ...real(0, 6), inverse: true }),
    sample("columns", [random(6, 3)], real(0, 6)),
    sample("one element", [random(2, 1)], real(1, 1)),
    sample("two elements", [random(2)], real(0, 2)),
    sample("no rows", [random(0, 4)], real(1, 4)),
  ],
  rejects: () => [
    rejects(
      "another length",
      [aval("float32", [4])],
      real(0, 5),
      "fftOfReal: needs 5 elements along axis 0, not 4.",
    ),
  ],
});

export function fftOfReal(x: Tensor, params: RealFftParams): readonly [re: Tensor, im: Tensor] {
  return apply(fftOfRealOp, [x], params);
}

/** Complex to real: the real part of the transform of the first half alone, with zeros for the second. */
export const fftToRealOp: Op<RealFftParams, Two, One> = defineOp<RealFftParams, Two, One>({
  name: "fftToReal",
  infer([re, im], p) {
    checkAxis("fftToReal", re, p, halfLength(p.length));
    checkPair("fftToReal", re, im);
    return [resized(re, p.axis, p.length)];
  },
  jvp: {
    kind: "rule",
    apply: ([dRe, dIm], [re, im], _y, p) => [
      dRe === null && dIm === null
        ? null
        : fftToReal(dRe ?? fullLike(re, 0), dIm ?? fullLike(im, 0), p),
    ],
  },
  transpose: {
    kind: "rule",
    // Re Σ (u + iv)(c + is) = Σ uc − vs; the cotangent of v gets −s, which the other sign turns into s.
    apply: ([ct], _x, p) =>
      ct === null ? [null, null] : fftOfReal(ct, { ...p, inverse: !p.inverse }),
  },
  batch: ([re, im], [reMapped, imMapped], p, size) => [
    fftToReal(reMapped ? re : repeat(re, size), imMapped ? im : repeat(im, size), {
      ...p,
      axis: p.axis + 1,
    }),
  ],
  shard: ([re], _y, p) => shard(re, p, [2, 1]),
  evaluate: (parts, p, outputs) => evaluate(parts, p, p.length, outputs) as [NdArray],
  simplify: () => null,
  lower: {
    onnx: onnxThrough(([re, im], p: RealFftParams) => [
      inProducts({ re, im }, p, p.length, { keep: p.length, real: true }).re,
    ]),
    stablehlo: (h, xs, p, ys) =>
      inSingle<Two, One>(h, xs, ys, (wide) => fftToRealStablehlo(h, wide, p)),
  },
  samples: () => [
    sample("an even length", [random(5), random(5)], real(0, 8)),
    sample("an odd length", [random(2, 3), random(2, 3)], real(1, 5)),
    sample("backwards", [random(4), random(4)], { ...real(0, 6), inverse: true }),
    sample("columns", [random(4, 3), random(4, 3)], real(0, 6)),
    sample("one element", [random(2, 1), random(2, 1)], real(1, 1)),
    sample("two elements", [random(2), random(2)], real(0, 2)),
    sample("no rows", [random(0, 3), random(0, 3)], real(1, 4)),
  ],
  rejects: () => [
    rejects(
      "more than half",
      [aval("float32", [5]), aval("float32", [5])],
      real(0, 5),
      "fftToReal: needs 3 elements along axis 0, not 5.",
    ),
  ],
});

export function fftToReal(re: Tensor, im: Tensor, params: RealFftParams): Tensor {
  return apply(fftToRealOp, [re, im], params)[0];
}
