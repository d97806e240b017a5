/** @file Operators that make forms and constants, and that look at elements in another order. */

import { isFloat } from "../../../core/dtype.ts";
import { sizeOf } from "../../../core/shape.ts";
import type { Tensor } from "../../../core/tensor.ts";
import * as np from "../../../numpy/index.ts";
import { fullLike } from "../../../ops/creation.ts";
import { reshape, transpose } from "../../../ops/layout.ts";
import { concatenate, split } from "../../../ops/pieces.ts";
import type { Call } from "./call.ts";
import { carrierOf, type ElementType, elementName, elementOf } from "./elements.ts";
import { axesOf, broadcastDims, counting, expandTo, range, toType } from "./forms.ts";
import { type Operators, operator } from "./operator.ts";
import { hostArray, hostInts, knownValue, type TensorValue } from "./value.ts";

/** The element type named by an attribute. */
function typeOf(call: Call, attribute: string, absent: ElementType): ElementType {
  if (!call.given(attribute)) return absent;
  const number = call.int(attribute);
  const type = elementOf(number);
  if (type === undefined) throw call.unsupported(`element type ${elementName(number)}`);
  return type;
}

function constant(call: Call): TensorValue {
  const tensor = call.tensor("value");
  if (tensor !== undefined) return knownValue(tensor.array, tensor.type);
  const floats = call.floats("value_floats");
  if (floats !== undefined) return knownValue(hostArray("float32", [floats.length], floats));
  const ints = call.ints("value_ints");
  if (ints !== undefined) return knownValue(hostInts(ints));
  if (call.given("value_float"))
    return knownValue(hostArray("float32", [], [call.float("value_float")]));
  if (call.given("value_int")) return knownValue(hostArray("int64", [], [call.int("value_int")]));
  throw call.unsupported(`a constant of ${[...call.node.attributes.keys()].join(", ")}`);
}

function constantOfShape(call: Call): TensorValue {
  const dims = call.numbers(0, "the form of the result");
  const value = call.tensor("value");
  const type = value?.type ?? "float32";
  const element = knownValue(value?.array ?? hostArray("float32", [1], [0]), type).tensor();
  return toType(expandTo(reshape(element, []), sizes(call, dims)), type);
}

/** Sizes of a result. */
function sizes(call: Call, dims: readonly number[]): readonly number[] {
  if (dims.every((dim) => Number.isSafeInteger(dim) && dim >= 0)) return dims;
  throw call.wrong(`[${dims.join(", ")}] are no sizes`);
}

function reshaped(call: Call): Tensor {
  const x = call.x(0);
  // Before opset 5 the shape is an attribute.
  const wanted = call.ints("shape") ?? call.numbers(1, "the form of the result");
  const copies = !call.flag("allowzero", false);
  const dims = wanted.map((dim, i) => (dim === 0 && copies ? (x.dims[i] ?? 0) : dim));
  const known = sizeOf(dims.filter((dim) => dim !== -1));
  const total = sizeOf(x.dims);
  const whole = dims.map((dim) => (dim === -1 ? (known === 0 ? 0 : total / known) : dim));
  if (sizeOf(sizes(call, whole)) !== total) {
    throw call.wrong(`[${x.dims.join(", ")}] does not go into [${wanted.join(", ")}]`);
  }
  return reshape(x, whole);
}

function flatten(call: Call): Tensor {
  const x = call.x(0);
  const axis = call.int("axis", 1);
  const at = axis === x.rank ? axis : call.axis(axis, x.rank + 1 - Number(axis < 0));
  return reshape(x, [sizeOf(x.dims.slice(0, at)), sizeOf(x.dims.slice(at))]);
}

function squeeze(call: Call): Tensor {
  const x = call.x(0);
  const given = axesOf(call, 1);
  const axes =
    given === undefined
      ? range(x.rank).filter((axis) => x.dims[axis] === 1)
      : call.axes(given, x.rank);
  const long = axes.find((axis) => x.dims[axis] !== 1);
  if (long !== undefined) throw call.wrong(`axis ${long} has size ${x.dims[long]}, not 1`);
  return reshape(
    x,
    x.dims.filter((_, axis) => !axes.includes(axis)),
  );
}

function unsqueeze(call: Call): Tensor {
  const x = call.x(0);
  const given = axesOf(call, 1) ?? [];
  const rank = x.rank + given.length;
  const axes = call.axes(given, rank);
  const rest = [...x.dims];
  return reshape(
    x,
    range(rank).map((axis) => (axes.includes(axis) ? 1 : (rest.shift() ?? 1))),
  );
}

function transposed(call: Call): Tensor {
  const x = call.x(0);
  const order = call.ints("perm") ?? range(x.rank).reverse();
  if (order.length !== x.rank) throw call.wrong(`perm [${order.join(", ")}] is of another rank`);
  return transpose(x, call.axes(order, x.rank));
}

function expand(call: Call): Tensor {
  const x = call.x(0);
  const wanted = sizes(call, call.numbers(1, "the form of the result"));
  return expandTo(x, broadcastDims(call, x.dims, wanted));
}

function tile(call: Call): Tensor {
  const x = call.x(0);
  const repeats = sizes(call, call.numbers(1, "the form of the result"));
  if (repeats.length !== x.rank) throw call.wrong(`${repeats.length} repeats for rank ${x.rank}`);
  // [a, b] becomes [r, a, s, b]: one new axis before each.
  const apart = reshape(
    x,
    x.dims.flatMap((dim) => [1, dim]),
  );
  const spread = expandTo(
    apart,
    x.dims.flatMap((dim, i) => [repeats[i] ?? 1, dim]),
  );
  return reshape(
    spread,
    x.dims.map((dim, i) => dim * (repeats[i] ?? 1)),
  );
}

function concat(call: Call): Tensor {
  const xs = call.all();
  const rank = xs[0]?.rank ?? 0;
  // Before opset 4 the axis may be left out.
  return concatenate(xs, call.axis(call.int("axis", call.opset < 4 ? 1 : undefined), rank));
}

function splitInto(call: Call): readonly Tensor[] {
  const x = call.x(0);
  const axis = call.axis(call.int("axis", 0), x.rank);
  const length = x.dims[axis] ?? 0;
  const given =
    call.ints("split") ?? (call.has(1) ? call.numbers(1, "the form of the results") : undefined);
  const count = call.int("num_outputs", call.node.outputs.length);
  if (count < 1 || count > 1e6) throw call.wrong(`it makes ${count} pieces`);
  // Equal pieces; the last one is smaller where they do not come out even.
  const piece = Math.ceil(length / count);
  const parts = given ?? range(count).map((i) => Math.max(0, Math.min(piece, length - i * piece)));
  return split(x, axis, sizes(call, parts));
}

function shapeOf(call: Call) {
  const { dims } = call.value(0).form;
  return hostInts(dims.slice(call.int("start", 0), call.int("end", dims.length)));
}

function rangeOf(call: Call): TensorValue | Tensor {
  const [start, limit, delta] = [0, 1, 2].map((i) => call.number(i, "the size of the result"));
  if (start === undefined || limit === undefined || !delta) throw call.wrong("a step of 0");
  const length = Math.max(0, Math.ceil((limit - start) / delta));
  const type = call.type(0);
  const steps = np.arange(length, undefined, carrierOf(type));
  return toType(np.add(np.mul(steps, delta), start), type);
}

function eyeLike(call: Call): TensorValue {
  const dims = call.dims(0);
  if (dims.length !== 2) throw call.wrong("it takes matrices");
  const off = call.int("k", 0);
  const on = np.equal(np.add(counting(dims, 0), off), counting(dims, 1));
  return toType(on, typeOf(call, "dtype", call.type(0)));
}

function trilu(call: Call): Tensor {
  const x = call.x(0);
  const k = call.has(1) ? call.number(1, "which elements stay") : 0;
  const rank = x.rank;
  // Differences of places: column − row ≥ k is the upper part.
  const place = np.sub(counting(x.dims, rank - 1), counting(x.dims, rank - 2));
  const keep = call.flag("upper", true) ? np.greaterEqual(place, k) : np.lessEqual(place, k);
  return np.where(keep, x, fullLike(x, 0));
}

/** Blocks of b × b neighbours become channels, or back. */
function spaceToDepth(call: Call): Tensor {
  const x = call.x(0);
  const b = call.int("blocksize");
  const [n = 0, c = 0, h = 0, w = 0] = x.dims;
  const apart = reshape(x, [n, c, h / b, b, w / b, b]);
  const columns = call.oneOf("mode", ["DCR", "CRD"], "DCR") === "CRD";
  const order = columns ? [0, 1, 3, 5, 2, 4] : [0, 3, 5, 1, 2, 4];
  return reshape(transpose(apart, order), [n, c * b * b, h / b, w / b]);
}

function depthToSpace(call: Call): Tensor {
  const x = call.x(0);
  const b = call.int("blocksize");
  const [n = 0, c = 0, h = 0, w = 0] = x.dims;
  const k = c / (b * b);
  const columns = call.oneOf("mode", ["DCR", "CRD"], "DCR") === "CRD";
  const apart = reshape(x, columns ? [n, k, b, b, h, w] : [n, b, b, k, h, w]);
  const order = columns ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2];
  return reshape(transpose(apart, order), [n, k, h * b, w * b]);
}

function castTo(call: Call, type: ElementType): TensorValue {
  const x = call.x(0);
  // A float outside an integer type's range has no defined value; through int64 it at least wraps as in C.
  return isFloat(x.dtype) && type === "uint32"
    ? toType(np.astype(x, "int64"), type)
    : toType(x, type);
}

export const SHAPE: Operators = {
  Constant: operator(1, constant),
  ConstantOfShape: operator(9, constantOfShape),
  Shape: operator(1, shapeOf, { fold: false }),
  Size: operator(1, (call) => hostArray("int64", [], [sizeOf(call.value(0).form.dims)]), {
    fold: false,
  }),
  Reshape: operator(1, reshaped),
  Flatten: operator(1, flatten),
  Squeeze: operator(1, squeeze),
  Unsqueeze: operator(1, unsqueeze),
  Transpose: operator(1, transposed),
  Expand: operator(8, expand),
  Tile: operator(6, tile),
  Concat: operator(1, concat),
  Split: operator(2, splitInto),
  Range: operator(11, rangeOf, { forms: [0, 1, 2] }),
  EyeLike: operator(9, eyeLike),
  Trilu: operator(14, trilu),
  SpaceToDepth: operator(1, spaceToDepth),
  DepthToSpace: operator(1, depthToSpace),
  Identity: operator(1, (call) => call.inputs[0]),
  Cast: operator(6, (call) => castTo(call, typeOf(call, "to", "float32"))),
  CastLike: operator(15, (call) => castTo(call, call.type(1))),
};
