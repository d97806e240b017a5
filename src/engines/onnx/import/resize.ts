/** @file Resize, Upsample and Pad: every axis by itself, from places and weights that are known while tracing. */

import type { Tensor } from "../../../core/tensor.ts";
import * as np from "../../../numpy/index.ts";
import { pad } from "../../../ops/pieces.ts";
import type { Call } from "./call.ts";
import { range } from "./forms.ts";
import { takeAlong } from "./indexing.ts";
import { type Operators, operator } from "./operator.ts";
import { hostArray, knownValue } from "./value.ts";

/** Result i along an axis is `Σ weights[i][k] · x[places[i][k]]`, or `outside` where that is set. */
interface Taps {
  readonly places: readonly (readonly number[])[];
  readonly weights: readonly (readonly number[])[];
  readonly outside: readonly boolean[];
}

/** Coefficients of the taps around a place whose fraction is `ratio`, in (0, 1]. */
type Coefficients = (ratio: number, scale: number) => number[];

const linear: Coefficients = (ratio) => [1 - ratio, ratio];

/** Keys' cubic convolution, R. G. Keys 1981, with parameter a. */
function cubicKernel(a: number, distance: number): number {
  const x = Math.abs(distance);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((x - 5) * x + 8) * x * a - 4 * a : 0;
}

const cubic =
  (a: number): Coefficients =>
  (ratio) =>
    [-1, 0, 1, 2].map((k) => cubicKernel(a, k - ratio));

/** A kernel widened by the factor of a reduction, so that every element is counted. */
function antialiased(reach: number, kernel: (x: number) => number): Coefficients {
  return (ratio, scale) => {
    const shrink = Math.min(scale, 1);
    const start = Math.floor(-reach / shrink) + 1;
    const raw = range(2 - 2 * start).map((i) => kernel((start + i - ratio) * shrink));
    const sum = raw.reduce((x, y) => x + y, 0);
    return raw.map((x) => x / sum);
  };
}

const COORDINATES = [
  "half_pixel",
  "half_pixel_symmetric",
  "pytorch_half_pixel",
  "align_corners",
  "asymmetric",
  "tf_crop_and_resize",
] as const;

interface Axis {
  /** Elements before and after. */
  readonly from: number;
  readonly to: number;
  readonly scale: number;
  /** Part of the axis that is seen, for cropping. */
  readonly roi: readonly [number, number];
}

/** Where result i lies between the elements of the input. */
function origin(call: Call, mode: (typeof COORDINATES)[number], i: number, axis: Axis): number {
  const { from, to, scale, roi } = axis;
  const exact = scale * from;
  switch (mode) {
    case "half_pixel":
      return (i + 0.5) / scale - 0.5;
    case "half_pixel_symmetric":
      return (from / 2) * (1 - to / exact) + (i + 0.5) / scale - 0.5;
    case "pytorch_half_pixel":
      return exact === 1 ? -0.5 : (i + 0.5) / scale - 0.5;
    case "align_corners":
      return exact === 1 ? 0 : (i * (from - 1)) / (exact - 1);
    case "asymmetric":
      return i / scale;
    case "tf_crop_and_resize": {
      const [low, high] = roi;
      if (!Number.isFinite(low + high)) throw call.wrong("it crops without a region");
      const inside =
        exact === 1
          ? ((high - low) * (from - 1)) / 2
          : (i * (high - low) * (from - 1)) / (exact - 1);
      return inside + low * (from - 1);
    }
  }
}

function nearest(call: Call, place: number): number {
  switch (
    call.oneOf(
      "nearest_mode",
      ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"],
      "round_prefer_floor",
    )
  ) {
    case "round_prefer_floor":
      return Math.ceil(place - 0.5);
    case "round_prefer_ceil":
      return Math.floor(place + 0.5);
    case "floor":
      return Math.floor(place);
    case "ceil":
      return Math.ceil(place);
  }
}

/** Places and weights along one axis. */
function tapsOf(
  call: Call,
  mode: (typeof COORDINATES)[number],
  coefficients: Coefficients | undefined,
  axis: Axis,
): Taps {
  const clamp = (p: number) => Math.min(Math.max(p, 0), axis.from - 1);
  const places: number[][] = [];
  const weights: number[][] = [];
  const outside: boolean[] = [];
  for (const i of range(axis.to)) {
    const place = origin(call, mode, i, axis);
    outside.push(mode === "tf_crop_and_resize" && (place < 0 || place > axis.from - 1));
    if (coefficients === undefined) {
      places.push([clamp(nearest(call, place))]);
      weights.push([1]);
      continue;
    }
    // The tap on the left is strictly to the left: the fraction is in (0, 1].
    const left = Math.ceil(place) - 1;
    const own = coefficients(place - left, axis.scale);
    const first = left - own.length / 2 + 1;
    const taps = range(own.length).map((k) => first + k);
    const seen = taps.map((p) => p >= 0 && p < axis.from);
    const kept = call.flag("exclude_outside", false)
      ? own.map((w, k) => (seen[k] === true ? w : 0))
      : own;
    const sum = kept.reduce((a, b) => a + b, 0);
    places.push(taps.map(clamp));
    weights.push(kept === own || sum === 0 ? own : kept.map((w) => w / sum));
  }
  return { places, weights, outside };
}

/** One axis of x resampled. */
function resampled(x: Tensor, axis: number, taps: Taps, fill: number): Tensor {
  const count = taps.places[0]?.length ?? 1;
  const dims = x.dims.map((_, i) => (i === axis ? taps.places.length : 1));
  const vector = (values: readonly number[]) =>
    knownValue(hostArray(x.dtype, dims, values)).tensor();
  const parts = range(count).map((k) => {
    const places = taps.places.map((list) => list[k] ?? 0);
    const weights = taps.weights.map((list) => list[k] ?? 0);
    const at = knownValue(hostArray("int32", [places.length], places)).tensor();
    const chosen = takeAlong(x, at, axis);
    return weights.every((w) => w === 1) ? chosen : np.mul(chosen, vector(weights));
  });
  const y = parts.reduce((a, b) => np.add(a, b));
  if (!taps.outside.includes(true)) return y;
  const inside = knownValue(
    hostArray(
      "bool",
      dims,
      taps.outside.map((out) => Number(!out)),
    ),
  );
  return np.where(inside.tensor(), y, np.full(fill, [], undefined, x.dtype));
}

function resize(call: Call): Tensor {
  const x = call.x(0);
  const rank = x.rank;
  const old = call.opset < 11;
  const mode = call.oneOf("mode", ["nearest", "linear", "cubic"], "nearest");
  const coordinates = old
    ? "asymmetric"
    : call.oneOf("coordinate_transformation_mode", COORDINATES, "half_pixel");
  const axes = call.axes(call.ints("axes") ?? range(rank), rank);
  const read = (i: number) =>
    call.has(i) ? call.numbers(i, "the form of the result") : ([] as number[]);
  const [roi, scales, sizes] = old ? [[], read(1), []] : [read(1), read(2), read(3)];
  const given = policy(call, x, axes, scales, sizes);
  const coefficients = kernelOf(call, mode);
  return axes.reduce((y, axis, i) => {
    const from = x.dims[axis] ?? 0;
    const { to, scale } = given[i] ?? { to: from, scale: 1 };
    if (to === from && scale === 1 && coordinates !== "tf_crop_and_resize") return y;
    const region = [roi[i] ?? NaN, roi[axes.length + i] ?? NaN] as const;
    const taps = tapsOf(call, coordinates, coefficients, { from, to, scale, roi: region });
    return resampled(y, axis, taps, call.float("extrapolation_value", 0));
  }, x);
}

function kernelOf(call: Call, mode: "nearest" | "linear" | "cubic"): Coefficients | undefined {
  if (mode === "nearest") return undefined;
  const smooth = call.flag("antialias", false);
  if (mode === "linear") {
    return smooth ? antialiased(1, (x) => Math.max(0, 1 - Math.abs(x))) : linear;
  }
  const a = call.float("cubic_coeff_a", -0.75);
  return smooth ? antialiased(2, (x) => cubicKernel(a, x)) : cubic(a);
}

/** Sizes and scales of the axes; `keep_aspect_ratio_policy` makes the scales equal. */
function policy(
  call: Call,
  x: Tensor,
  axes: readonly number[],
  scales: readonly number[],
  sizes: readonly number[],
): readonly { readonly to: number; readonly scale: number }[] {
  const from = axes.map((axis) => x.dims[axis] ?? 0);
  if (sizes.length === 0) {
    if (scales.length !== axes.length) throw call.wrong(`${scales.length} scales`);
    return from.map((n, i) => ({ to: Math.floor(n * (scales[i] ?? 1)), scale: scales[i] ?? 1 }));
  }
  if (sizes.length !== axes.length) throw call.wrong(`${sizes.length} sizes`);
  const own = sizes.map((n, i) => n / (from[i] ?? 1));
  const how = call.oneOf(
    "keep_aspect_ratio_policy",
    ["stretch", "not_larger", "not_smaller"],
    "stretch",
  );
  if (how === "stretch") return sizes.map((to, i) => ({ to, scale: own[i] ?? 1 }));
  const scale = how === "not_larger" ? Math.min(...own) : Math.max(...own);
  return from.map((n) => ({ to: Math.floor(scale * n + 0.5), scale }));
}

/** The operator that Resize replaced. */
function upsample(call: Call): Tensor {
  const x = call.x(0);
  const scales = call.floats("scales") ?? call.numbers(1, "the form of the result");
  const mode = call.oneOf("mode", ["nearest", "linear", "bilinear"], "nearest");
  return range(x.rank).reduce<Tensor>((y, axis) => {
    const scale = scales[axis] ?? 1;
    const from = x.dims[axis] ?? 0;
    if (scale === 1) return y;
    const to = Math.floor(from * scale);
    const places = range(to).map((i) => i / scale);
    const clamp = (p: number) => Math.min(Math.max(p, 0), from - 1);
    const smooth = mode !== "nearest";
    return resampled(
      y,
      axis,
      {
        places: places.map((p) =>
          smooth ? [clamp(Math.floor(p)), clamp(Math.floor(p) + 1)] : [clamp(Math.floor(p))],
        ),
        weights: places.map((p) => (smooth ? [1 - (p % 1), p % 1] : [1])),
        outside: places.map(() => false),
      },
      0,
    );
  }, x);
}

// ---- padding ------------------------------------------------------------------------------------

/** Places along an axis of `size` once `low` and `high` are added at its ends. */
function paddedPlaces(
  mode: "reflect" | "edge" | "wrap",
  size: number,
  low: number,
  high: number,
): number[] {
  return range(size + low + high).map((i) => {
    const p = i - low;
    if (mode === "edge") return Math.min(Math.max(p, 0), size - 1);
    if (mode === "wrap") return ((p % size) + size) % size;
    const period = Math.max(1, 2 * (size - 1));
    const inside = ((p % period) + period) % period;
    return inside < size ? inside : period - inside;
  });
}

/** Before opset 11 the pads are an attribute, and in the first version it is called paddings. */
function padded(call: Call): Tensor {
  const x = call.x(0);
  const attribute = call.ints("pads") ?? call.ints("paddings");
  const pads = attribute ?? call.numbers(1, "the form of the result");
  const axes =
    attribute === undefined && call.has(3)
      ? call.axes(call.numbers(3, "the form of the result"), x.rank)
      : range(x.rank);
  if (pads.length !== 2 * axes.length) throw call.wrong(`${pads.length} pads`);
  const low = x.dims.map(() => 0);
  const high = x.dims.map(() => 0);
  axes.forEach((axis, i) => {
    low[axis] = pads[i] ?? 0;
    high[axis] = pads[axes.length + i] ?? 0;
  });
  const mode = call.oneOf("mode", ["constant", "reflect", "edge", "wrap"], "constant");
  if (mode !== "constant") {
    return x.dims.reduce((y, size, axis) => {
      const [before, after] = [low[axis] ?? 0, high[axis] ?? 0];
      if (before === 0 && after === 0) return y;
      if (size === 0) throw call.wrong("there is nothing to repeat");
      const places = paddedPlaces(mode, size, before, after);
      return takeAlong(y, knownValue(hostArray("int32", [places.length], places)).tensor(), axis);
    }, x);
  }
  const given = attribute === undefined ? call.maybe(2) : undefined;
  const known = given === undefined ? undefined : call.value(2).known;
  if (given === undefined || known !== undefined) {
    const value = given === undefined ? call.float("value", 0) : call.number(2, "the padding");
    return pad(x, low, high, undefined, value);
  }
  const inside = pad(np.full(1, x.dims, undefined, "int32"), low, high);
  return np.where(np.equal(inside, 1), pad(x, low, high), np.reshape(given, []));
}

/** Cut or padded on both sides alike, to the sizes wanted. */
function centerCropPad(call: Call): Tensor {
  const x = call.x(0);
  const wanted = call.numbers(1, "the form of the result");
  const axes = call.axes(call.ints("axes") ?? range(x.rank), x.rank);
  const low = x.dims.map(() => 0);
  const high = x.dims.map(() => 0);
  axes.forEach((axis, i) => {
    const more = (wanted[i] ?? 0) - (x.dims[axis] ?? 0);
    // What is odd goes behind: floor for padding, and for cutting as well.
    low[axis] = more >= 0 ? Math.floor(more / 2) : -Math.floor(-more / 2);
    high[axis] = more - (low[axis] ?? 0);
  });
  return pad(x, low, high);
}

export const RESIZE: Operators = {
  Resize: operator(10, resize, { forms: [1, 2] }),
  Upsample: operator(7, upsample, { forms: [1] }),
  Pad: operator(1, padded),
  CenterCropPad: operator(18, centerCropPad),
};
