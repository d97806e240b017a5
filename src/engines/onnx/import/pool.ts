/** @file Pools: the largest, the mean or the norm under every window. */

import { sizeOf, stridesOf } from "../../../core/shape.ts";
import type { Tensor } from "../../../core/tensor.ts";
import * as np from "../../../numpy/index.ts";
import { reshape } from "../../../ops/layout.ts";
import { pad } from "../../../ops/pieces.ts";
import { windowArgMax, windowMax, windowSum } from "../../../ops/pool.ts";
import type { Call, Result } from "./call.ts";
import { along, range } from "./forms.ts";
import { scatterFlat } from "./indexing.ts";
import { type Operator, type Operators, operator } from "./operator.ts";
import { hostArray, knownValue } from "./value.ts";
import { fittingHigh, padsOf, type Window, windowOf } from "./window.ts";

function kernelOf(call: Call): readonly number[] {
  const taps = call.ints("kernel_shape");
  if (taps === undefined) throw call.wrong(`attribute "kernel_shape" is missing`);
  return taps;
}

/** The window as the ops take it. */
function paramsOf(window: Window, x: Tensor) {
  const high = fittingHigh(window, x.dims.slice(2));
  return {
    taps: window.taps,
    stride: window.stride,
    dilation: window.dilation,
    padding: window.low.map((low, i) => [low, high[i] ?? 0] as const),
  };
}

function sums(x: Tensor, window: Window): Tensor {
  return windowSum(x, { ...paramsOf(window, x), inputDilation: window.taps.map(() => 1) });
}

function maxPool(call: Call): readonly Result[] {
  const x = call.x(0);
  const window = windowOf(call, x.dims.slice(2), kernelOf(call));
  const params = paramsOf(window, x);
  const y = windowMax(x, params);
  if (call.node.outputs.length < 2) return [y];
  return [y, places(call, x, windowArgMax(x, params))];
}

/** Flat places in the whole input, rows first or (by `storage_order`) columns first. */
function places(call: Call, x: Tensor, inPlane: Tensor): Tensor {
  const [batch = 0, channels = 0, ...space] = x.dims;
  const plane = reshape(np.arange(batch * channels), [batch, channels, ...space.map(() => 1)]);
  const rows = stridesOf(space);
  const columns = stridesOf([...space].reverse()).reverse();
  const within = call.flag("storage_order", false)
    ? space
        .map((size, i) => {
          const along = np.rem(np.div(inPlane, rows[i] ?? 1), size);
          return np.mul(along, columns[i] ?? 1);
        })
        .reduce((a, b) => np.add(a, b))
    : inPlane;
  return np.astype(np.add(np.mul(plane, sizeOf(space)), within), "int64");
}

/** Taps of every window along axis i of the space that lie in the input or, with `whole`, in its padding. */
function tapsInside(window: Window, i: number, size: number, whole: boolean): number[] {
  const low = window.low[i] ?? 0;
  const end = size + (whole ? (window.high[i] ?? 0) : 0);
  return range(window.count[i] ?? 0).map((w) => {
    const first = w * (window.stride[i] ?? 1) - low;
    const taken = range(window.taps[i] ?? 1).map((k) => first + k * (window.dilation[i] ?? 1));
    return taken.filter((p) => p >= (whole ? -low : 0) && p < end).length;
  });
}

/** The sums over the number of elements under each window. */
function averagePool(call: Call): Tensor {
  const x = call.x(0);
  const space = x.dims.slice(2);
  const window = windowOf(call, space, kernelOf(call));
  const whole = call.flag("count_include_pad", false);
  return space.reduce<Tensor>(
    (y, size, i) => {
      const counts = tapsInside(window, i, size, whole).map((n) => Math.max(1, n));
      const known = hostArray(x.dtype, [counts.length], counts);
      return np.div(y, along(knownValue(known).tensor(), i + 2, x.rank));
    },
    sums(x, window),
  );
}

/** `(Σ |x|^p)^(1/p)` */
function lpPool(call: Call): Tensor {
  const x = call.x(0);
  const p = call.int("p", 2);
  const window = windowOf(call, x.dims.slice(2), kernelOf(call));
  return root(sums(raised(x, p), window), p);
}

function raised(x: Tensor, p: number): Tensor {
  const size = np.abs(x);
  return range(p - 1).reduce<Tensor>((y) => np.mul(y, size), size);
}

function root(x: Tensor, p: number): Tensor {
  if (p === 1) return x;
  return p === 2 ? np.sqrt(x) : np.power(x, 1 / p);
}

/** The whole space as one window. */
function globally(
  f: (x: Tensor, axes: readonly number[], call: Call) => Tensor,
  since = 1,
): Operator {
  return operator(since, (call) => {
    const x = call.x(0);
    const axes = range(x.rank).slice(2);
    return reshape(f(x, axes, call), [...x.dims.slice(0, 2), ...axes.map(() => 1)]);
  });
}

/** Elements put back where a MaxPool found them, zeros elsewhere. */
function maxUnpool(call: Call): Tensor {
  const x = call.x(0);
  const taps = kernelOf(call);
  const rank = taps.length;
  const stride = call.ints("strides") ?? taps.map(() => 1);
  const pads = padsOf(call, rank);
  const natural = x.dims.slice(2).map((n, i) => {
    const cut = (pads[i] ?? 0) + (pads[rank + i] ?? 0);
    return (n - 1) * (stride[i] ?? 1) + (taps[i] ?? 1) - cut;
  });
  const smaller = [...x.dims.slice(0, 2), ...natural];
  const dims = call.has(2) ? call.numbers(2, "the form of the result") : smaller;
  // Places count in the smaller result; a larger one keeps their coordinates.
  const places = np.astype(reshape(call.x(1), [sizeOf(x.dims)]), "int32");
  const flat = scatterFlat(reshape(x, [sizeOf(x.dims)]), places, sizeOf(smaller));
  const whole = reshape(flat, smaller);
  return pad(
    whole,
    dims.map(() => 0),
    dims.map((dim, i) => dim - (smaller[i] ?? 0)),
  );
}

export const POOL: Operators = {
  MaxPool: operator(1, maxPool),
  AveragePool: operator(1, averagePool),
  LpPool: operator(2, lpPool),
  GlobalMaxPool: globally((x, axes) => np.max(x, axes)),
  GlobalAveragePool: globally((x, axes) => np.mean(x, axes)),
  GlobalLpPool: globally((x, axes, call) => {
    const p = call.int("p", 2);
    return root(np.sum(raised(x, p), axes), p);
  }, 2),
  MaxUnpool: operator(9, maxUnpool),
};
