/** @file Operators that read images between their elements: GridSample, AffineGrid, RoiAlign, DeformConv. */

import { sizeOf, stridesOf } from "../../../core/shape.ts";
import type { Tensor } from "../../../core/tensor.ts";
import * as np from "../../../numpy/index.ts";
import { contract, labels } from "../../../ops/contract.ts";
import { fullLike } from "../../../ops/creation.ts";
import * as rows from "../../../ops/indexing.ts";
import { reshape, transpose } from "../../../ops/layout.ts";
import type { Call } from "./call.ts";
import { along, counting, range } from "./forms.ts";
import { matmul } from "./matrix.ts";
import { type Operators, operator } from "./operator.ts";
import { hostArray, knownValue } from "./value.ts";
import { tapsOf, windowOf } from "./window.ts";

type Mode = "nearest" | "linear" | "cubic";
type Outside = "zeros" | "border" | "reflection";

/** How places beyond an image are read. */
interface Border {
  readonly outside: Outside;
  /** Whether the first and last element, and not their outer edges, are where reflection turns. */
  readonly corners: boolean;
}

/** One element near every place, with its weight: `weight` is [batch, places], `value` [batch, places, channels]. */
interface Tap {
  readonly weight: Tensor;
  readonly value: Tensor;
}

/** One axis: an element's index, its weight, and whether it exists. */
interface AxisTap {
  readonly index: Tensor;
  readonly weight: Tensor;
  readonly inside: Tensor | undefined;
}

/** Cubic convolution weights for a fraction, with a = −0.75. */
function cubicWeights(t: Tensor): Tensor[] {
  const a = -0.75;
  const near = (x: Tensor) => np.add(np.mul(np.mul(np.sub(np.mul(x, a + 2), a + 3), x), x), 1);
  const far = (x: Tensor) =>
    np.sub(np.mul(np.add(np.mul(np.sub(np.mul(x, a), 5 * a), x), 8 * a), x), 4 * a);
  const back = np.sub(1, t);
  return [far(np.add(t, 1)), near(t), near(back), far(np.add(back, 1))];
}

/** A place turned back at the borders until it is inside. */
function reflected(x: Tensor, size: number, corners: boolean): Tensor {
  const [low, high] = corners ? [0, size - 1] : [-0.5, size - 0.5];
  const span = high - low;
  if (span === 0) return fullLike(x, low);
  const distance = np.abs(np.sub(x, low));
  const times = np.floor(np.div(distance, span));
  const rest = np.sub(distance, np.mul(times, span));
  const odd = np.sub(times, np.mul(np.floor(np.div(times, 2)), 2));
  return np.where(np.greater(odd, 0.5), np.sub(high, rest), np.add(rest, low));
}

function axisTaps(place: Tensor, size: number, mode: Mode, border: Border): AxisTap[] {
  const rounded = mode === "nearest" ? np.round(place) : place;
  const bordered =
    border.outside === "border"
      ? np.maximum(np.minimum(rounded, size - 1), 0)
      : border.outside === "reflection"
        ? reflected(rounded, size, border.corners)
        : rounded;
  const left = mode === "nearest" ? bordered : np.floor(bordered);
  const t = np.sub(bordered, left);
  const weights =
    mode === "nearest" ? [fullLike(t, 1)] : mode === "linear" ? [np.sub(1, t), t] : cubicWeights(t);
  const first = mode === "cubic" ? -1 : 0;
  return weights.map((weight, k) => {
    const raw = np.add(left, first + k);
    const own = border.outside === "reflection" ? reflected(raw, size, border.corners) : raw;
    const inside =
      border.outside === "zeros"
        ? np.and(np.greaterEqual(own, 0), np.lessEqual(own, size - 1))
        : undefined;
    const index = np.astype(np.maximum(np.minimum(own, size - 1), 0), "int32");
    return { index, weight, inside };
  });
}

/** All elements that a place is mixed from. x is [batch, channels, space…], a place per axis [batch, places]. */
function tapsAt(x: Tensor, places: readonly Tensor[], mode: Mode, border: Border): readonly Tap[] {
  const [batch = 0, channels = 0, ...space] = x.dims;
  const table = transpose(reshape(x, [batch, channels, sizeOf(space)]), [0, 2, 1]);
  const strides = stridesOf(space);
  const perAxis = places.map((place, i) => axisTaps(place, space[i] ?? 1, mode, border));
  return tapsOf(perAxis.map((taps) => taps.length)).map((choice) => {
    const taps = choice.map((k, i) => perAxis[i]?.[k] as AxisTap);
    const index = taps
      .map((tap, i) => np.mul(tap.index, strides[i] ?? 1))
      .reduce((a, b) => np.add(a, b));
    const weight = taps
      .map(({ weight: w, inside }) =>
        inside === undefined ? w : np.where(inside, w, fullLike(w, 0)),
      )
      .reduce((a, b) => np.mul(a, b));
    return { weight, value: rows.gather(table, index, 1) };
  });
}

/** Mixed values [batch, channels, places]. */
function sampled(x: Tensor, places: readonly Tensor[], mode: Mode, border: Border): Tensor {
  const mixed = tapsAt(x, places, mode, border)
    .map(({ weight, value }) => np.mul(value, reshape(weight, [...weight.dims, 1])))
    .reduce((a, b) => np.add(a, b));
  return transpose(mixed, [0, 2, 1]);
}

/** The last axis taken apart into its components, each [batch, places]. */
function components(grid: Tensor): Tensor[] {
  const last = grid.rank - 1;
  const dims = [grid.dims[0] ?? 0, sizeOf(grid.dims.slice(1, -1))];
  return range(grid.dims[last] ?? 0).map((i) => reshape(np.slice(grid, last, i, i + 1), dims));
}

function gridSample(call: Call): Tensor {
  const [x, grid] = [call.x(0), call.x(1)];
  const corners = call.flag("align_corners", false);
  const named = call.oneOf("mode", ["bilinear", "linear", "nearest", "bicubic", "cubic"], "linear");
  const mode = named === "nearest" ? named : named.endsWith("cubic") ? "cubic" : "linear";
  const outside = call.oneOf("padding_mode", ["zeros", "border", "reflection"], "zeros");
  // −1 … 1 across the image; components come innermost axis first.
  const places = components(grid)
    .reverse()
    .map((n, i) => {
      const size = x.dims[i + 2] ?? 1;
      const whole = np.add(n, 1);
      return corners ? np.mul(whole, (size - 1) / 2) : np.div(np.sub(np.mul(whole, size), 1), 2);
    });
  const y = sampled(x, places, mode, { outside, corners });
  return reshape(y, [...x.dims.slice(0, 2), ...grid.dims.slice(1, -1)]);
}

/** Places of a result under affine maps: [batch, space…, rank]. */
function affineGrid(call: Call): Tensor {
  const theta = call.x(0);
  const [batch = 0, , ...space] = call.numbers(1, "the form of the result");
  const corners = call.flag("align_corners", false);
  const rank = space.length;
  const count = sizeOf(space);
  const ticks = (size: number) =>
    range(size).map((i) =>
      corners ? (size === 1 ? -1 : (2 * i) / (size - 1) - 1) : (2 * i + 1) / size - 1,
    );
  const own = space.map((size) => ticks(size));
  const strides = stridesOf(space);
  // Rows: innermost axis first, then ones.
  const values = [
    ...range(rank)
      .reverse()
      .map((axis) =>
        range(count).map(
          (p) => own[axis]?.[Math.floor(p / (strides[axis] ?? 1)) % (space[axis] ?? 1)] ?? 0,
        ),
      ),
    range(count).map(() => 1),
  ].flat();
  const base = knownValue(hostArray(theta.dtype, [rank + 1, count], values)).tensor();
  const moved = matmul(call, theta, base);
  return reshape(transpose(moved, [0, 2, 1]), [batch, ...space, rank]);
}

/** Regions of images, each divided into bins; a bin is the mean or the largest of samples inside it. */
function roiAlign(call: Call): Tensor {
  const [x, rois] = [call.x(0), call.x(1)];
  const [, channels = 0, height = 0, width = 0] = x.dims;
  const count = rois.dims[0] ?? 0;
  const ratio = call.int("sampling_ratio", 0);
  if (ratio < 1) {
    throw call.unsupported("sampling_ratio 0, a number of samples that depends on data,");
  }
  const out = [call.int("output_height", 1), call.int("output_width", 1)] as const;
  const half =
    call.oneOf(
      "coordinate_transformation_mode",
      ["half_pixel", "output_half_pixel"],
      call.opset < 16 ? "output_half_pixel" : "half_pixel",
    ) === "half_pixel";
  const corner = (i: number) =>
    np.sub(
      np.mul(reshape(np.slice(rois, 1, i, i + 1), [count, 1]), call.float("spatial_scale", 1)),
      half ? 0.5 : 0,
    );
  /** Samples along one axis: [rois, bins · ratio]. */
  const samples = (low: Tensor, high: Tensor, bins: number) => {
    const raw = np.sub(high, low);
    const size = np.div(half ? raw : np.maximum(raw, 1), bins);
    const steps = range(bins * ratio).map(
      (i) => Math.floor(i / ratio) + ((i % ratio) + 0.5) / ratio,
    );
    const fixed = knownValue(hostArray(x.dtype, [1, bins * ratio], steps)).tensor();
    return np.add(np.mul(size, fixed), low);
  };
  const ys = samples(corner(1), corner(3), out[0]);
  const xs = samples(corner(0), corner(2), out[1]);
  const [rowsOf, columnsOf] = [out[0] * ratio, out[1] * ratio];
  const grid = [count, rowsOf, columnsOf];
  const flat = [count, rowsOf * columnsOf];
  const zero = np.full(0, grid, undefined, x.dtype);
  const y = reshape(np.add(reshape(ys, [count, rowsOf, 1]), zero), flat);
  const z = reshape(np.add(reshape(xs, [count, 1, columnsOf]), zero), flat);
  const image = np.take(x, np.astype(call.x(2), "int32"));
  const seen = [
    np.greaterEqual(y, -1),
    np.lessEqual(y, height),
    np.greaterEqual(z, -1),
    np.lessEqual(z, width),
  ].reduce((a, b) => np.and(a, b));
  const parts = tapsAt(image, [y, z], "linear", { outside: "border", corners: true }).map(
    ({ weight, value }) => {
      const own = np.where(seen, weight, fullLike(weight, 0));
      return np.mul(value, reshape(own, [...own.dims, 1]));
    },
  );
  const mean = call.oneOf("mode", ["avg", "max"], "avg") === "avg";
  const mixed = parts.reduce((a, b) => (mean ? np.add(a, b) : np.maximum(a, b)));
  const bins = reshape(mixed, [count, out[0], ratio, out[1], ratio, channels]);
  const pooled = mean ? np.mean(bins, [2, 4]) : np.max(bins, [2, 4]);
  return transpose(pooled, [0, 3, 1, 2]);
}

/** A convolution whose taps are moved by offsets that are data; each is weighed by a mask. */
function deformConv(call: Call): Tensor {
  const [x, w, offset] = [call.x(0), call.x(1), call.x(2)];
  const [batch = 0, channels = 0, ...space] = x.dims;
  const taps = w.dims.slice(2);
  const rank = space.length;
  const window = windowOf(call, space, taps);
  const out = window.count;
  const kernel = sizeOf(taps);
  const groups = call.int("group", 1);
  const offsetGroups = call.int("offset_group", 1);
  const per = channels / offsetGroups;
  const points = sizeOf(out);
  // [batch · offset groups, tap, axis, windows]
  const moves = reshape(offset, [batch * offsetGroups, kernel, rank, points]);
  const places = range(rank).map((axis) => {
    const starts = np.sub(
      np.mul(reshape(counting(out, axis, x.dtype), [1, points]), window.stride[axis] ?? 1),
      window.low[axis] ?? 0,
    );
    const steps = np.mul(
      reshape(counting(taps, axis, x.dtype), [kernel, 1]),
      window.dilation[axis] ?? 1,
    );
    const moved = reshape(np.slice(moves, 2, axis, axis + 1), [
      batch * offsetGroups,
      kernel,
      points,
    ]);
    return reshape(np.add(moved, np.add(starts, steps)), [batch * offsetGroups, kernel * points]);
  });
  const image = reshape(x, [batch * offsetGroups, per, ...space]);
  const read = sampled(image, places, "linear", { outside: "zeros", corners: true });
  const columns = reshape(read, [batch, offsetGroups, per, kernel, points]);
  const mask = call.maybe(4);
  const weighed =
    mask === undefined
      ? columns
      : np.mul(columns, reshape(mask, [batch, offsetGroups, 1, kernel, points]));
  const grouped = reshape(weighed, [batch, groups, channels / groups, kernel, points]);
  const outputs = w.dims[0] ?? 0;
  const weights = reshape(w, [groups, outputs / groups, channels / groups, kernel]);
  const y = contract(grouped, weights, labels("b g c k p, g o c k -> b g o p"));
  const bias = call.maybe(3);
  const whole = reshape(y, [batch, outputs, ...out]);
  return bias === undefined ? whole : np.add(whole, along(bias, 1, whole.rank));
}

export const SAMPLING: Operators = {
  GridSample: operator(16, gridSample),
  AffineGrid: operator(20, affineGrid),
  RoiAlign: operator(10, roiAlign),
  DeformConv: operator(19, deformConv),
};
