/** @file Operators that choose, write or count by index. Indices below 0 count from the end. */

import { at as elementAt, type NdArray } from "../../../core/ndarray.ts";
import { sizeOf, stridesOf } from "../../../core/shape.ts";
import type { Tensor } from "../../../core/tensor.ts";
import * as np from "../../../numpy/index.ts";
import { fullLike } from "../../../ops/creation.ts";
import { dynamicSlice } from "../../../ops/dynamic.ts";
import * as rows from "../../../ops/indexing.ts";
import { reshape, reverse, transpose } from "../../../ops/layout.ts";
import { slice } from "../../../ops/pieces.ts";
import { scatterMax, scatterMin, scatterSet } from "../../../ops/scatter.ts";
import type { Call } from "./call.ts";
import { counting, expandTo, fromEnd, range } from "./forms.ts";
import { type Operators, operator } from "./operator.ts";
import { knownValue, type TensorValue, tensorValue } from "./value.ts";

/** Rows of x along `axis` at int32 places, whose axes stand in the place of that axis. */
export function takeAlong(x: Tensor, places: Tensor, axis: number): Tensor {
  const front = transpose(x, [axis, ...range(x.rank).filter((i) => i !== axis)]);
  const chosen = np.take(front, places);
  const before = range(axis).map((i) => places.rank + i);
  const after = range(x.rank - axis - 1).map((i) => places.rank + axis + i);
  return transpose(chosen, [...before, ...range(places.rank), ...after]);
}

function gather(call: Call): Tensor {
  const x = call.x(0);
  const axis = call.axis(call.int("axis", 0), x.rank);
  return takeAlong(x, fromEnd(call.x(1), x.dims[axis] ?? 0), axis);
}

/** x cut to the sizes of `dims`, except along `axis`. */
function cutTo(x: Tensor, dims: readonly number[], axis: number): Tensor {
  const limit = x.dims.map((dim, i) => (i === axis ? dim : Math.min(dim, dims[i] ?? dim)));
  return slice(
    x,
    limit.map(() => 0),
    limit,
  );
}

function moveLast(x: Tensor, axis: number): Tensor {
  return transpose(x, [...range(x.rank).filter((i) => i !== axis), axis]);
}

function moveBack(x: Tensor, axis: number): Tensor {
  const order = [...range(x.rank).filter((i) => i !== axis), axis];
  return transpose(
    x,
    range(x.rank).map((i) => order.indexOf(i)),
  );
}

/** One element for every index: `y[i, j] = x[at[i, j], j]` along axis 0. */
function gatherElements(call: Call): Tensor {
  const x = call.x(0);
  const axis = call.axis(call.int("axis", 0), x.rank);
  const at = fromEnd(call.x(1), x.dims[axis] ?? 0);
  const table = moveLast(cutTo(x, at.dims, axis), axis);
  return moveBack(rows.gather(table, moveLast(at, axis), x.rank - 1), axis);
}

/** Flat places from tuples of indices in the last axis, over axes of sizes `dims`. */
function flatPlaces(call: Call, tuples: Tensor, dims: readonly number[]): Tensor {
  const depth = tuples.dims[tuples.rank - 1] ?? 0;
  if (depth > dims.length) throw call.wrong(`tuples of ${depth} indices for ${dims.length} axes`);
  const strides = stridesOf(dims.slice(0, depth));
  const before = tuples.dims.slice(0, -1);
  const zero = np.full(0, before, undefined, "int32");
  return range(depth).reduce((sum, i) => {
    const one = np.slice(tuples, tuples.rank - 1, i, i + 1);
    const place = fromEnd(reshape(one, before), dims[i] ?? 0);
    return np.add(sum, np.mul(place, strides[i] ?? 1));
  }, zero);
}

function gatherNd(call: Call): Tensor {
  const x = call.x(0);
  const tuples = np.astype(call.x(1), "int32");
  const batch = call.int("batch_dims", 0);
  const inner = x.dims.slice(batch);
  const depth = tuples.dims[tuples.rank - 1] ?? 0;
  const places = flatPlaces(call, tuples, inner);
  const rest = inner.slice(depth);
  const flat = reshape(x, [...x.dims.slice(0, batch), sizeOf(inner.slice(0, depth)), ...rest]);
  return rows.gather(flat, places, batch);
}

/** Elements of the product of rows and updates. */
const LARGEST_PRODUCT = 2 ** 22;

/** Writes rows at places of the axis after `batchDims`, as `reduction` says. */
function written(
  call: Call,
  x: Tensor,
  updates: Tensor,
  places: Tensor,
  batchDims: number,
): Tensor {
  const how = { batchDims, distinct: 0 };
  if (x.dtype === "bool") {
    const number = (y: Tensor) => np.astype(y, "int32");
    return np.astype(written(call, number(x), number(updates), places, batchDims), "bool");
  }
  switch (call.oneOf("reduction", ["none", "add", "mul", "max", "min"], "none")) {
    case "none":
      return scatterSet(x, updates, places, how);
    case "max":
      return scatterMax(x, updates, places, how);
    case "min":
      return scatterMin(x, updates, places, how);
    case "mul":
      return multiplied(call, x, updates, places, batchDims);
    case "add": {
      const size = x.dims[batchDims] ?? 0;
      return np.add(x, rows.scatterAdd(updates, places, { ...how, size, name: null }));
    }
  }
}

/** No engine multiplies at places: each row is the product of the updates that name it. */
function multiplied(
  call: Call,
  x: Tensor,
  updates: Tensor,
  places: Tensor,
  batchDims: number,
): Tensor {
  const [size = 0, ...row] = x.dims;
  const count = sizeOf(places.dims);
  if (batchDims > 0 || size * sizeOf(updates.dims) > LARGEST_PRODUCT) {
    throw call.unsupported(`reduction "mul" of ${count} updates to [${x.dims.join(", ")}]`);
  }
  const ones = row.map(() => 1);
  const named = np.equal(
    reshape(places, [1, count, ...ones]),
    reshape(np.arange(size), [size, 1, ...ones]),
  );
  const factors = np.where(
    named,
    reshape(updates, [1, count, ...row]),
    np.full(1, [], undefined, x.dtype),
  );
  return np.mul(x, np.prod(factors, 1));
}

/** The indices may be fewer than the elements on other axes; then only that part is written. */
function scatterElements(call: Call): Tensor {
  const x = call.x(0);
  const axis = call.axis(call.int("axis", 0), x.rank);
  const at = fromEnd(call.x(1), x.dims[axis] ?? 0);
  const updates = call.x(2);
  const place = (y: Tensor) => moveLast(y, axis);
  const whole = at.dims.every((dim, i) => i === axis || dim === x.dims[i]);
  if (whole && call.text("reduction", "none") !== "mul") {
    return moveBack(written(call, place(x), place(updates), place(at), x.rank - 1), axis);
  }
  // By flat places: each index with its own places on the other axes.
  const strides = stridesOf(x.dims);
  const flat = range(x.rank).reduce(
    (sum, i) => {
      const own = i === axis ? at : counting(at.dims, i);
      return np.add(sum, np.mul(own, strides[i] ?? 1));
    },
    fullLike(at, 0),
  );
  const size = sizeOf(at.dims);
  const all = reshape(x, [sizeOf(x.dims)]);
  return reshape(written(call, all, reshape(updates, [size]), reshape(flat, [size]), 0), x.dims);
}

function scatterNd(call: Call): Tensor {
  const x = call.x(0);
  const tuples = np.astype(call.x(1), "int32");
  const depth = tuples.dims[tuples.rank - 1] ?? 0;
  const places = flatPlaces(call, tuples, x.dims);
  const flat = reshape(x, [sizeOf(x.dims.slice(0, depth)), ...x.dims.slice(depth)]);
  return reshape(written(call, flat, call.x(2), places, 0), x.dims);
}

/** A slice that begins at a place which is data: its end is known as that place and a length. */
function slicedAt(call: Call, start: TensorValue, lengths: NdArray): Tensor {
  const x = call.x(0);
  const count = sizeOf(start.form.dims);
  const what = "the form of the result";
  const axes = call.axes(call.has(3) ? call.numbers(3, what) : range(count), x.rank);
  if (call.has(4) && call.numbers(4, what).some((step) => step !== 1)) {
    throw call.unsupported("steps from a place that is data");
  }
  const sizes = [...x.dims];
  const zero = np.full(0, [], undefined, "int32");
  const places = x.dims.map(() => zero);
  const starts = reshape(start.tensor(), [count]);
  axes.forEach((axis, i) => {
    const length = elementAt(lengths, sizeOf(lengths.dims) === 1 ? 0 : i);
    if (!(length >= 0 && length <= (x.dims[axis] ?? 0))) throw call.wrong(`a length of ${length}`);
    sizes[axis] = length;
    places[axis] = reshape(fromEnd(np.slice(starts, 0, i, i + 1), x.dims[axis] ?? 0), []);
  });
  return dynamicSlice(x, np.stack(places), sizes);
}

/** Starts, ends and steps are attributes before opset 10. */
function sliced(call: Call): Tensor {
  const x = call.x(0);
  const old = call.opset < 10;
  const end = old ? undefined : call.value(2).sum;
  if (end !== undefined && end.of.tensor() === call.x(1)) {
    return slicedAt(call, end.of, end.more);
  }
  const read = (i: number) => call.numbers(i, "the form of the result");
  const starts = old ? (call.ints("starts") ?? []) : read(1);
  const ends = old ? (call.ints("ends") ?? []) : read(2);
  const given = old ? call.ints("axes") : call.has(3) ? read(3) : undefined;
  const axes = call.axes(given ?? range(starts.length), x.rank);
  const steps = !old && call.has(4) ? read(4) : axes.map(() => 1);
  const from = x.dims.map(() => 0);
  const to = [...x.dims];
  const stride = x.dims.map(() => 1);
  const backward: number[] = [];
  axes.forEach((axis, i) => {
    const size = x.dims[axis] ?? 0;
    const step = steps[i] ?? 1;
    if (step === 0) throw call.wrong("a step of 0");
    const place = (p: number, low: number, high: number) =>
      Math.min(Math.max(p < 0 ? p + size : p, low), high);
    stride[axis] = Math.min(Math.abs(step), Math.max(1, size));
    if (step > 0) {
      from[axis] = place(starts[i] ?? 0, 0, size);
      to[axis] = Math.max(from[axis] ?? 0, place(ends[i] ?? size, 0, size));
      return;
    }
    // The same places in the axis turned round.
    backward.push(axis);
    const first = size - 1 - place(starts[i] ?? 0, -1, size - 1);
    from[axis] = Math.min(first, size);
    to[axis] = Math.max(from[axis] ?? 0, size - 1 - place(ends[i] ?? 0, -1, size - 1));
  });
  const turned =
    backward.length === 0
      ? x
      : reverse(
          x,
          backward.sort((a, b) => a - b),
        );
  return slice(turned, from, to, stride);
}

/** off and on values at every place but one along a new axis. */
function oneHot(call: Call): TensorValue {
  const depth = call.number(1, "the size of the result");
  const at = call.x(0);
  const axis = call.axis(call.int("axis", -1), at.rank + 1);
  const places = fromEnd(np.astype(at, "int32"), depth);
  const dims = [...at.dims.slice(0, axis), depth, ...at.dims.slice(axis)];
  const apart = reshape(places, [...at.dims.slice(0, axis), 1, ...at.dims.slice(axis)]);
  const hot = np.equal(expandTo(apart, dims), counting(dims, axis));
  const [off, on] = [0, 1].map((i) => reshape(np.slice(call.x(2), 0, i, i + 1), []));
  if (off === undefined || on === undefined) throw call.wrong("it needs two values");
  return tensorValue(np.where(hot, on, off), call.type(2));
}

function compress(call: Call): Tensor {
  const given = call.x(0);
  const whole = !call.given("axis");
  const x = whole ? reshape(given, [sizeOf(given.dims)]) : given;
  const axis = whole ? 0 : call.axis(call.int("axis"), x.rank);
  const condition = call.numbers(1, "the size of the result");
  const places = condition.flatMap((flag, i) => (flag !== 0 && i < (x.dims[axis] ?? 0) ? [i] : []));
  return takeAlong(x, indices(places), axis);
}

/** int32 places that are known. */
function indices(places: readonly number[]): Tensor {
  return knownValue({
    dtype: "int32",
    dims: [places.length],
    data: Int32Array.from(places),
  }).tensor();
}

function reverseSequence(call: Call): Tensor {
  const x = call.x(0);
  const time = call.int("time_axis", 0);
  const batch = call.int("batch_axis", 1);
  const order = [batch, time, ...range(x.rank).filter((i) => i !== batch && i !== time)];
  const front = transpose(x, order);
  const [b = 0, t = 0] = front.dims;
  const lengths = expandTo(reshape(np.astype(call.x(1), "int32"), [b, 1]), [b, t]);
  const step = counting([b, t], 1);
  const inside = np.less(step, lengths);
  const places = np.where(inside, np.sub(np.sub(lengths, 1), step), step);
  const turned = rows.gather(front, places, 1);
  return transpose(
    turned,
    range(x.rank).map((i) => order.indexOf(i)),
  );
}

/** Updates written along an axis, from a place of its own for every batch; `circular` wraps round. */
function tensorScatter(call: Call): Tensor {
  const past = call.x(0);
  const updates = call.x(1);
  const axis = call.axis(call.int("axis", -2), past.rank);
  const circular = call.oneOf("mode", ["linear", "circular"], "linear") === "circular";
  const batch = past.dims[0] ?? 0;
  const length = past.dims[axis] ?? 0;
  const given = call.maybe(2);
  const start =
    given === undefined ? np.full(0, [batch], undefined, "int32") : np.astype(given, "int32");
  const count = updates.dims[axis] ?? 0;
  const steps = np.add(reshape(start, [batch, 1]), counting([batch, count], 1));
  const places = circular ? np.where(np.less(steps, length), steps, np.sub(steps, length)) : steps;
  const order = [0, axis, ...range(past.rank).filter((i) => i !== 0 && i !== axis)];
  const y = scatterSet(transpose(past, order), transpose(updates, order), places, {
    batchDims: 1,
    distinct: 0,
  });
  return transpose(
    y,
    range(past.rank).map((i) => order.indexOf(i)),
  );
}

/** Places of what is not 0, one column each, in row-major order. */
function nonZero(call: Call): TensorValue {
  const dims = call.dims(0);
  const found = call
    .numbers(0, "the size of the result")
    .flatMap((value, i) => (value !== 0 ? [i] : []));
  const strides = stridesOf(dims);
  const data = dims.flatMap((dim, axis) =>
    found.map((i) => Math.floor(i / (strides[axis] ?? 1)) % dim),
  );
  return knownValue({
    dtype: "int64",
    dims: [dims.length, found.length],
    data: BigInt64Array.from(data, BigInt),
  });
}

/** Elements at flat places of `size` zeros. */
export function scatterFlat(x: Tensor, places: Tensor, size: number): Tensor {
  const zeros = np.full(0, [size], undefined, x.dtype);
  return scatterSet(zeros, x, places, { batchDims: 0, distinct: 1 });
}

export const INDEXING: Operators = {
  Gather: operator(1, gather),
  GatherElements: operator(11, gatherElements),
  GatherND: operator(11, gatherNd),
  Scatter: operator(9, scatterElements),
  ScatterElements: operator(11, scatterElements),
  ScatterND: operator(11, scatterNd),
  TensorScatter: operator(24, tensorScatter),
  Slice: operator(1, sliced),
  OneHot: operator(9, oneHot),
  Compress: operator(9, compress),
  ReverseSequence: operator(10, reverseSequence),
  NonZero: operator(9, nonZero, { fold: false }),
};
