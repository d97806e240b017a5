/** @file Operators of signal processing: Fourier transforms, windows, mel filters. */

import type { Tensor } from "../../../core/tensor.ts";
import * as np from "../../../numpy/index.ts";
import { fullLike } from "../../../ops/creation.ts";
import { reshape } from "../../../ops/layout.ts";
import { pad } from "../../../ops/pieces.ts";
import type { Call } from "./call.ts";
import { elementName, elementOf, isNarrow } from "./elements.ts";
import { range } from "./forms.ts";
import { takeAlong } from "./indexing.ts";
import { type Operators, operator } from "./operator.ts";
import { hostArray, knownValue, type TensorValue } from "./value.ts";

/** x along `axis` cut, or filled with zeros, to `length`. */
function fitted(x: Tensor, axis: number, length: number): Tensor {
  const own = x.dims[axis] ?? 0;
  if (own >= length) return np.slice(x, axis, 0, length);
  const none = x.dims.map(() => 0);
  return pad(
    x,
    none,
    none.map((_, i) => (i === axis ? length - own : 0)),
  );
}

/** Real and imaginary part of a signal `[…, 1 or 2]`, changed by `f`; a real one has no second part. */
function partsOf(call: Call, x: Tensor, f: (part: Tensor) => Tensor): readonly Tensor[] {
  const last = x.rank - 1;
  const width = x.dims[last] ?? 0;
  if (width !== 1 && width !== 2) throw call.wrong(`its last axis has size ${width}, not 1 or 2`);
  return range(width).map((i) => f(reshape(np.slice(x, last, i, i + 1), x.dims.slice(0, -1))));
}

/** The transform along an axis, or its first ⌊n/2⌋ + 1 numbers, as pairs along a new last axis. */
function transformed(parts: readonly Tensor[], axis: number, onesided: boolean): Tensor {
  const [re, im] = parts as [Tensor, Tensor?];
  if (im === undefined && onesided) return paired(np.fft.rfft(re, axis));
  const whole = np.fft.fft(im === undefined ? re : { re, im }, axis);
  if (!onesided) return paired(whole);
  const count = Math.floor((re.dims[axis] ?? 0) / 2) + 1;
  return paired({ re: fitted(whole.re, axis, count), im: fitted(whole.im, axis, count) });
}

function paired({ re, im }: { readonly re: Tensor; readonly im: Tensor }): Tensor {
  const parts = [re, im].map((y) => reshape(y, [...y.dims, 1]));
  return np.concatenate(parts, re.rank);
}

function dft(call: Call): Tensor {
  const x = call.x(0);
  const inverse = call.flag("inverse", false);
  const onesided = call.flag("onesided", false);
  // The axis is an attribute until opset 20, and an input from there on.
  const input = call.has(2) ? call.number(2, "the form of the result") : -2;
  const axis = call.axis(call.opset < 20 ? call.int("axis", 1) : input, x.rank);
  if (axis === x.rank - 1) throw call.wrong("it transforms the axis of real and imaginary parts");
  const own = x.dims[axis] ?? 0;
  const natural = inverse && onesided ? 2 * (own - 1) : own;
  const length = call.has(1) ? call.number(1, "the form of the result") : natural;
  if (!(length >= 1)) throw call.wrong(`a transform of ${length} points`);
  const half = Math.floor(length / 2) + 1;
  const points = inverse && onesided ? half : length;
  const parts = partsOf(call, x, (part) => fitted(part, axis, points));
  if (!inverse) return transformed(parts, axis, onesided);
  const [re, im = fullLike(re, 0)] = parts as [Tensor, Tensor?];
  if (!onesided) return paired(np.fft.ifft({ re, im }, axis));
  const y = np.fft.irfft({ re, im }, axis, { length });
  return reshape(y, [...y.dims, 1]);
}

/** Transforms of windowed frames: `[batch, frame, frequency, 2]`. */
function stft(call: Call): Tensor {
  const given = call.x(0);
  const x = given.rank === 2 ? reshape(given, [...given.dims, 1]) : given;
  const step = call.number(1, "the form of the result");
  const window = call.maybe(2);
  const samples = x.dims[1] ?? 0;
  const length = call.has(3)
    ? call.number(3, "the form of the result")
    : (window?.dims[0] ?? samples);
  if (step < 1 || length < 1 || length > samples) {
    throw call.wrong(`frames of ${length}, ${step} apart, of ${samples} samples`);
  }
  const frames = 1 + Math.floor((samples - length) / step);
  const starts = range(frames).flatMap((f) => range(length).map((i) => f * step + i));
  const at = knownValue(hostArray("int32", [frames, length], starts)).tensor();
  const parts = partsOf(call, x, (part) => {
    const own = takeAlong(part, at, 1);
    return window === undefined ? own : np.mul(own, fitted(window, 0, length));
  });
  return transformed(parts, 2, call.flag("onesided", true));
}

/** The type that an attribute names for a result made on the host. */
function outputType(call: Call, attribute: string) {
  const number = call.int(attribute, 1);
  const type = elementOf(number);
  if (type === undefined || isNarrow(type)) throw call.unsupported(elementName(number));
  return type;
}

/** `Σ cₖ cos(2π k n / N)`, periodic or symmetric. */
function cosineWindow(...coefficients: readonly number[]) {
  return operator(
    17,
    (call): TensorValue => {
      const size = call.number(0, "the size of the result");
      if (size < 0) throw call.wrong(`a window of ${size}`);
      const period = call.flag("periodic", true) ? size : size - 1;
      const values = range(size).map((n) =>
        coefficients.reduce(
          (sum, c, k) => sum + c * Math.cos(period === 0 ? 0 : (2 * Math.PI * k * n) / period),
          0,
        ),
      );
      return knownValue(hostArray(outputType(call, "output_datatype"), [size], values));
    },
    { fold: false },
  );
}

/** Triangles on the mel scale, `2595 log₁₀(1 + f / 700)`, as `[frequency, mel]`. */
function melWeights(call: Call): TensorValue {
  const [bins, length, rate, low, high] = range(5).map((i) =>
    call.number(i, "the form of the result"),
  ) as [number, number, number, number, number];
  const mel = (f: number) => 2595 * Math.log10(1 + f / 700);
  const hertz = (m: number) => 700 * (10 ** (m / 2595) - 1);
  const frequencies = Math.floor(length / 2) + 1;
  const step = (mel(high) - mel(low)) / (bins + 2);
  const edges = range(bins + 2).map((i) =>
    Math.floor(((length + 1) * hertz(i * step + mel(low))) / rate),
  );
  const values = range(frequencies).flatMap((f) =>
    range(bins).map((b) => {
      const [left = 0, centre = 0, right = 0] = edges.slice(b, b + 3);
      if (f === centre) return 1;
      if (f >= left && f < centre) return (f - left) / (centre - left);
      return f > centre && f < right ? (right - f) / (right - centre) : 0;
    }),
  );
  return knownValue(hostArray(outputType(call, "output_datatype"), [frequencies, bins], values));
}

export const SIGNAL: Operators = {
  DFT: operator(17, dft),
  STFT: operator(17, stft),
  HannWindow: cosineWindow(0.5, -0.5),
  HammingWindow: cosineWindow(25 / 46, -21 / 46),
  BlackmanWindow: cosineWindow(0.42, -0.5, 0.08),
  MelWeightMatrix: operator(17, melWeights, { fold: false, forms: [3, 4] }),
};
