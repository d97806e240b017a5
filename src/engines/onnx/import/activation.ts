/** @file Activation functions, element by element and along axes. */

import { sizeOf } from "../../../core/shape.ts";
import type { Tensor } from "../../../core/tensor.ts";
import * as np from "../../../numpy/index.ts";
import { fullLike } from "../../../ops/creation.ts";
import { reshape } from "../../../ops/layout.ts";
import type { Call, Result } from "./call.ts";
import { counting } from "./forms.ts";
import { type Operator, type Operators, operator } from "./operator.ts";

type WithSlopes = (x: Tensor, alpha: number, beta: number) => Tensor;

/** An activation with up to two numbers; the names that ONNX gives them. */
export interface Activation {
  readonly alpha: number;
  readonly beta: number;
  readonly f: WithSlopes;
  /** Names of the attributes, where they are others. */
  readonly names?: readonly [alpha: string, beta: string];
}

const relu = (x: Tensor): Tensor => np.maximum(x, 0);
const where = (test: Tensor, x: Tensor, y: Tensor): Tensor => np.where(test, x, y);
/** `eˣ − 1` below zero; above, where it is not used, of 0: an overflow would poison the derivative. */
const expMinus1 = (x: Tensor): Tensor => np.sub(np.exp(np.minimum(x, 0)), 1);

/** Activations that a recurrent operator can name, too. Source: the operators' own pages. */
export const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  Relu: { alpha: 0, beta: 0, f: relu },
  Tanh: { alpha: 0, beta: 0, f: np.tanh },
  Sigmoid: { alpha: 0, beta: 0, f: np.logistic },
  Affine: { alpha: 1, beta: 0, f: (x, a, b) => np.add(np.mul(x, a), b) },
  LeakyRelu: { alpha: 0.01, beta: 0, f: (x, a) => where(np.less(x, 0), np.mul(x, a), x) },
  ThresholdedRelu: {
    alpha: 1,
    beta: 0,
    f: (x, a) => where(np.greater(x, a), x, fullLike(x, 0)),
  },
  ScaledTanh: { alpha: 1, beta: 1, f: (x, a, b) => np.mul(np.tanh(np.mul(x, b)), a) },
  HardSigmoid: {
    alpha: 0.2,
    beta: 0.5,
    f: (x, a, b) => np.maximum(np.minimum(np.add(np.mul(x, a), b), 1), 0),
  },
  Elu: {
    alpha: 1,
    beta: 0,
    f: (x, a) => where(np.less(x, 0), np.mul(expMinus1(x), a), x),
  },
  Softsign: { alpha: 0, beta: 0, f: (x) => np.div(x, np.add(np.abs(x), 1)) },
  Softplus: { alpha: 0, beta: 0, f: np.softplus },
};

/** Activations of their own. */
const OTHERS: Readonly<Record<string, Activation>> = {
  // max(0, x) + min(0, α (e^(x/α) − 1))
  Celu: {
    alpha: 1,
    beta: 0,
    f: (x, a) => np.add(relu(x), np.mul(expMinus1(np.div(x, a)), a)),
  },
  // γ (x above 0, α (eˣ − 1) below)
  Selu: {
    alpha: 1.6732631921768188,
    beta: 1.0507010221481323,
    names: ["alpha", "gamma"],
    f: (x, a, g) => np.mul(where(np.greater(x, 0), x, np.mul(expMinus1(x), a)), g),
  },
  HardSwish: {
    alpha: 1 / 6,
    beta: 0.5,
    f: (x, a, b) => np.mul(x, np.maximum(np.minimum(np.add(np.mul(x, a), b), 1), 0)),
  },
  Mish: { alpha: 0, beta: 0, f: (x) => np.mul(x, np.tanh(np.softplus(x))) },
  Swish: { alpha: 1, beta: 0, f: (x, a) => np.mul(x, np.logistic(np.mul(x, a))) },
  // x + bias below −λ, x − bias above λ, 0 between
  Shrink: {
    alpha: 0,
    beta: 0.5,
    names: ["bias", "lambd"],
    f: (x, bias, lambda) =>
      where(
        np.less(x, -lambda),
        np.add(x, bias),
        where(np.greater(x, lambda), np.sub(x, bias), fullLike(x, 0)),
      ),
  },
};

function activation({ alpha, beta, f, names = ["alpha", "beta"] }: Activation): Operator {
  return operator(1, (call) =>
    f(call.x(0), call.float(names[0], alpha), call.float(names[1], beta)),
  );
}

const SIMPLE: Operators = Object.fromEntries(
  Object.entries({ ...ACTIVATIONS, ...OTHERS })
    .filter(([name]) => name !== "Affine" && name !== "ScaledTanh")
    .map(([name, one]) => [name, activation(one)]),
);

/** Slopes meet the axes of x from the right; before opset 7 a vector meets the channels. */
function prelu(call: Call): Tensor {
  const x = call.x(0);
  const given = call.x(1);
  const channels = call.opset < 7 && given.rank === 1 && given.dims[0] !== 1 && x.rank > 2;
  const slope = channels ? reshape(given, [...given.dims, ...x.dims.slice(2).map(() => 1)]) : given;
  return np.where(np.less(x, 0), np.mul(x, slope), x);
}

/**
 * A function along one axis; before opset 13 along all axes from `axis` on, as one.
 */
export function alongAxis(call: Call, f: (x: Tensor, axis: number) => Tensor): Tensor {
  const x = call.x(0);
  if (x.rank === 0) return reshape(f(reshape(x, [1]), 0), []);
  const old = call.opset < 13;
  const given = call.int("axis", old ? 1 : -1);
  if (!old) return f(x, call.axis(given, x.rank));
  const axis = given === x.rank ? given : call.axis(given, x.rank);
  const matrix = reshape(x, [sizeOf(x.dims.slice(0, axis)), sizeOf(x.dims.slice(axis))]);
  return reshape(f(matrix, 1), x.dims);
}

/** 1 at the first of the largest, 0 elsewhere. */
function hardmax(x: Tensor, axis: number): Tensor {
  const { dims } = x;
  const keep = dims.map((dim, i) => (i === axis ? 1 : dim));
  const largest = np.equal(x, reshape(np.max(x, axis), keep));
  const places = counting(dims, axis);
  const length = dims[axis] ?? 0;
  const candidates = np.where(largest, places, fullLike(places, length));
  const first = np.neg(np.max(np.neg(candidates), axis));
  return np.astype(np.equal(places, reshape(first, keep)), x.dtype);
}

/** `x Φ(x)`, exactly or by the tanh formula. */
function gelu(call: Call): Tensor {
  const x = call.x(0);
  return call.oneOf("approximate", ["none", "tanh"], "none") === "tanh"
    ? np.gelu(x)
    : np.geluErf(x);
}

/** `x σ(α x) · y` */
function swiglu(call: Call): Tensor {
  const x = call.x(0);
  return np.mul(np.mul(x, np.logistic(np.mul(x, call.float("alpha", 1)))), call.x(1));
}

/** Inference passes everything on; training draws at random, and so does nothing that could be repeated. */
function dropout(call: Call): readonly Result[] {
  const x = call.x(0);
  const training = call.opset >= 12 ? call.has(2) : call.opset < 7 && !call.flag("is_test", false);
  const on = training && (call.opset < 12 || call.number(2, "whether elements are dropped") !== 0);
  const ratio =
    call.opset < 12
      ? call.float("ratio", 0.5)
      : call.has(1)
        ? call.number(1, "how many elements are dropped")
        : 0.5;
  if (on && ratio !== 0) throw call.unsupported("dropping at random");
  return [x, np.full(1, x.dims, undefined, call.opset < 10 ? x.dtype : "bool")];
}

export const ACTIVATION: Operators = {
  ...SIMPLE,
  Gelu: operator(20, gelu),
  SwiGLU: operator(27, swiglu),
  Dropout: operator(1, dropout, { forms: [1] }),
  PRelu: operator(1, prelu),
  Softmax: operator(1, (call) => alongAxis(call, np.softmax)),
  LogSoftmax: operator(1, (call) => alongAxis(call, np.logSoftmax)),
  Hardmax: operator(1, (call) => alongAxis(call, hardmax)),
};
