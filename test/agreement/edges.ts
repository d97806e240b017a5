/** @file Edges of domains, held against JAX: one line for each in recorded/agreement/edges.py. */

import type { Tensor } from "../../src/core/tensor.ts";
import * as np from "../../src/numpy/index.ts";
import { differs, FIRST_WEIGHT, lines, loosely, type Table, weights } from "./replay.ts";

function ordered(x: Tensor, descending = false): readonly Tensor[] {
  return [np.sort(x, { descending }), np.argsort(x, { descending })];
}

function largest(x: Tensor, k: number): readonly Tensor[] {
  const { values, indices } = np.topK(x, { along: 0, k });
  return [values, indices];
}

function determinant(a: Tensor): readonly Tensor[] {
  const { sign, log } = np.linalg.slogdet(a);
  return [sign, log];
}

const nan: Table = {
  "NaN: reductions": (x) => [
    np.max(x, 1),
    np.min(x, 1),
    np.sum(x, 1),
    np.prod(x, 1),
    np.variance(x, 1),
  ],
  "NaN: places": (x) => [np.argmax(x, 1), np.argmin(x, 1)],
  "NaN: larger, smaller, clipped": (x, y) => [
    np.maximum(x, y),
    np.minimum(x, y),
    np.clip(x, { low: -1, high: 1 }),
  ],
  "NaN: sorted": (x) => ordered(x),
  "NaN: sorted, falling": differs("NaN stands last in both directions", (x) => ordered(x, true), {
    values: [
      [Infinity, 3, 1, -Infinity, NaN, NaN],
      [5, 0, 3, 2, 1, 4],
    ],
  }),
  "NaN: top k": (x) => largest(x, 3),
  "NaN: searched": (s, v) => np.searchSorted(s, v),
  "NaN: searched from the right": (s, v) => np.searchSorted(s, v, { side: "right" }),
  "NaN: running": (x) =>
    [np.cumsum, np.cumprod, np.cummax, np.cummin, np.cumLogSumExp].map((f) => f(x, 0)),
  "NaN: softmax": (x) => [np.softmax(x, 1), np.logSumExp(x, 1)],
  "NaN: windows": (x) => [
    np.maxPool(x, { window: [2], stride: 1 }),
    np.sumPool(x, { window: [2], stride: 1 }),
  ],
  "NaN: compared": (x, y) => [
    np.equal(x, y),
    np.notEqual(x, y),
    np.less(x, y),
    np.greaterEqual(x, y),
  ],
  "NaN: powers": (x, y) => np.power(x, y),
  "NaN: truth": (x) => [np.any(x, 0), np.all(x, 0)],
  "NaN: outside the domain": (x) =>
    [np.log, np.sqrt, np.asin, np.acosh, np.log1p, np.erfInv].map((f) => f(x)),
  "NaN: written as the largest": (x, at, u) => [
    np.scatterMax(x, { axis: 0, at }, u),
    np.scatterMin(x, { axis: 0, at }, u),
  ],
  "NaN: largest of segments": (x, of) => [
    np.segmentMax(x, { of, count: 2 }),
    np.segmentMin(x, { of, count: 2 }),
  ],
  "NaN: sums of segments": loosely(
    "scatterAdd on the onnx engine is a product with zeros, and 0 · NaN is NaN: not promised",
    { single: Infinity },
    (x, of) => np.segmentSum(x, { of, count: 2 }),
  ),
  "NaN: convolved": (x, k) => np.conv(x.reshape([1, 1, 5]), k.reshape([1, 1, 2])).reshape([4]),
  "NaN: not positive definite": differs(
    "NaN in every element, in the zeros above the diagonal too",
    (a) => np.linalg.cholesky(a),
    { values: [[NaN, NaN, NaN, NaN]] },
  ),
};

const infinity: Table = {
  "infinity: arithmetic": (x, y) => [x.add(y), x.sub(y), x.mul(y), x.div(y)],
  "infinity: log-sums": (x) => [np.logSumExp(x, 1), np.cumLogSumExp(x, 1)],
  "infinity: sum of logarithms": (x, y) => np.logAddExp(x, y),
  "infinity: softmax": (x) => np.softmax(x, 1),
  "infinity: functions": (x) =>
    [np.exp, np.expm1, np.tanh, np.erf, np.atan, np.logistic, np.softplus].map((f) => f(x)),
  "infinity: at the ends of domains": (x) => [
    np.erfInv(x),
    np.atanh(x),
    np.log1p(x),
    np.log(x.sub(x)),
  ],
  "infinity: angles": (y, x) => np.atan2(y, x),
  "infinity: remainders": (x, y) => [np.rem(x, y), np.mod(x, y)],
  "infinity: powers": (x, y) => np.power(x, y),
  "infinity: largest in windows": (x) => np.maxPool(x, { window: [2], stride: 1, padding: 1 }),
  "infinity: activations": (x) => [
    np.geluErf(x),
    np.silu(x),
    np.elu(x),
    np.relu(x),
    np.leakyRelu(x),
  ],
  "infinity: overflow": (x) => [np.exp(x), np.exp(x.neg()), np.cosh(x)],
};

const zero: Table = {
  "zero: sign kept": (x) => [
    x.add(x),
    x.neg(),
    x.mul(2),
    ...[np.floor, np.round, np.trunc, np.sqrt, np.sin, np.tan, np.atan].map((f) => f(x)),
  ],
  "zero: of roundings": (x) => [np.round(x), np.ceil(x)],
  "zero: of angles": (y, x) => np.atan2(y, x),
  "zero: of quotients": (x) => np.reciprocal(x),
  "zero: equal to itself": (x, y) => [np.equal(x, y), np.less(x, y)],
  "zero: places": (x) => [np.argmax(x), np.argmin(x)],
  "zero: sorted places": (x) => [np.argsort(x), np.argsort(x, { descending: true })],
  "zero: searched": (s, v) => [np.searchSorted(s, v), np.searchSorted(s, v, { side: "right" })],
  "zero: remainders": (x, y) => np.rem(x, y),
};

function sumOf(a: readonly number[], b: readonly number[]): number[] {
  return a.map((x, i) => x + (b[i] ?? 0));
}

/** w₀ + w₁, 0, w₂ + w₃, 0 … */
function firstsOfPairs(w: readonly number[]): number[] {
  return w.map((x, i) => (i % 2 === 0 ? x + (w[i + 1] ?? 0) : 0));
}

const kink: Table = {
  "kink: larger of equals": differs(
    "a tie sends its gradient to the first operand, not half to each",
    (x, y) => [np.maximum(x, y), np.minimum(x, y)],
    { gradients: [sumOf(weights(0, 2), weights(1, 2)), [0, 0]] },
  ),
  "kink: relu": (x) => np.relu(x),
  "kink: leaky relu": differs(
    "at 0 the slope is the lower one, as in PyTorch",
    (x) => np.leakyRelu(x, 0.1),
    { gradients: [[0.1 * FIRST_WEIGHT]] },
  ),
  "kink: elu": (x) => np.elu(x),
  "kink: size": differs("at 0 the slope is 0, as in PyTorch", (x) => np.abs(x), {
    gradients: [weights(0, 2).map((w, i) => (i === 0 ? 0 : -w))],
  }),
  "kink: clipped at the bounds": differs(
    "at a bound the slope is 1, as in PyTorch, not ½",
    (x) => np.clip(x, { low: -1, high: 1 }),
    { gradients: [weights(0, 4).map((w, i) => (i < 3 ? w : 0))] },
  ),
  "kink: hard tanh at the bounds": differs(
    "at a bound the slope is 0, as in PyTorch",
    (x) => np.hardTanh(x),
    { gradients: [weights(0, 3).map((w, i) => (i < 2 ? 0 : w))] },
  ),
  "kink: largest of equals": (x) => np.max(x),
  "kink: largest of equal infinities": (x) => np.max(x),
  "kink: sorted equals": (x) => np.sort(x),
  "kink: top of equals": (x) => np.topK(x, { along: 0, k: 1 }).values,
  "kink: running largest of equals": differs(
    "a tie sends its gradient to the first element met, not in parts to all",
    (x) => np.cummax(x, 0),
    { gradients: [firstsOfPairs(weights(0, 4))] },
  ),
  "kink: largest of equals in a window": (x) => np.maxPool(x, { window: [2], stride: 1 }),
  "kink: product of zeros": (x) => np.prod(x, 1),
  "kink: running product of zeros": (x) => np.cumprod(x, 0),
  "kink: sum of equal logarithms": (x, y) => np.logAddExp(x, y),
  "kink: root at 0": (x) => np.sqrt(x),
  "kink: whole powers at 0": (x) => [2, 1, 0].map((p) => np.power(x, p)),
  "kink: powers of 0": (x, y) => np.power(x, y),
  "kink: deviation of equals": (x) => np.std(x),
  "kink: log-sum of nothing likely": (x) => np.logSumExp(x),
  "kink: determinant of a singular matrix": (a) => np.linalg.det(a),
  "kink: choice beside NaN": (x) => np.where(x.greater(0), x, 0),
};

function product(x: Tensor, y: Tensor): Tensor {
  return np.einsum("row in, in out -> row out", x, y);
}

const empty: Table = {
  "empty: reductions": (x) => [np.sum(x, 1), np.prod(x, 1), np.any(x, 1), np.all(x, 1)],
  "empty: means": (x) => [np.mean(x, 1), np.variance(x, 1)],
  "empty: the other axis": (x) => [np.sum(x, 0), np.max(x, 0), np.argmax(x, 0)],
  "empty: deviation of too few": (x) => np.variance(x, 1, { ddof: 2 }),
  "empty: product of matrices": product,
  "empty: product with no rows": product,
  "empty: order": (x) => ordered(x),
  "empty: running": (x) => [np.cumsum(x, 1), np.cumprod(x, 1), np.cummax(x, 1)],
  "empty: searched": (s, v) => np.searchSorted(s, v),
  "empty: search for nothing": (s, v) => np.searchSorted(s, v),
  "empty: joined": (x, y) => np.concatenate([x, y], 1),
  "empty: rows taken": (x, i) => np.take(x, i),
  "empty: rows added": (x, at, u) => x.add(np.scatterAdd(u, { at, size: 3, batch: 0, as: null })),
  "empty: segments": (x, of) => np.segmentSum(x, { of, count: 2 }),
  "empty: segments without rows": (x, of) => [
    np.segmentMax(x, { of, count: 3 }),
    np.segmentMin(x, { of, count: 3 }),
  ],
  "empty: softmax": (x) => np.softmax(x, 0),
  "empty: examples convolved": (x, k) => np.conv(x, k),
  "empty: grouped product": (x, w, sizes) => np.raggedDot(x, w, sizes),
  "empty: solve": (a, b) => np.linalg.solve(a, b),
  "empty: padded": (x) => np.pad(x, { 1: { before: 1, after: 2 } }, 7),
  "empty: log-sum": differs(
    "an empty axis has no maximum to subtract: an error, not −∞",
    (x) => np.logSumExp(x, 1),
    {
      refused: true,
    },
  ),
};

const one: Table = {
  "one: reductions": (x) =>
    [np.sum, np.prod, np.max, np.mean, np.variance, np.logSumExp].map((f) => f(x, 0)),
  "one: order and running": (x) => [
    np.sort(x),
    np.cumsum(x, 0),
    np.cumprod(x, 0),
    np.cummax(x, 0),
    np.topK(x, { along: 0, k: 1 }).values,
  ],
  "one: variance of a sample": (x) => np.variance(x, 0, { ddof: 1 }),
  "one: softmax": (x) => [np.softmax(x, 0), np.logSoftmax(x, 0)],
  "one: transform": (x) => [np.fft.fft(x).re, np.fft.rfft(x).im],
  "one: scalars": (x) => [np.sum(x), np.exp(x), x.mul(x), np.max(x)],
  "one: stretched": (x, y) => np.add(x, y),
};

const promises: Table = {
  "place: set past the end": differs(
    "places are clamped in writing as in reading; JAX drops what lies outside",
    (x, at, u) => np.scatterSet(x, { axis: 0, at }, u),
    { values: [[1, 2, 9]] },
  ),
  "place: added before the start": differs(
    "places are clamped in writing as in reading; JAX drops what lies outside",
    (x, at, u) => x.add(np.scatterAdd(u, { at, size: 3, batch: 0, as: null })),
    { values: [[10, 2, 3]] },
  ),
  "bounds: crossed": (x) => np.clip(x, { low: 2, high: 1 }),
  "integers: quotient by 0": (x, y) => [np.div(x, y), np.rem(x, y)],
  "integers: least number": (x) => [np.abs(x), x.neg(), x.div(x.mul(0).sub(1)), np.sort(x)],
  "integers: largest of bits": (x) => [np.max(x), np.min(x), np.argmax(x), np.sort(x)],
  "truth: as numbers": (t) => t.astype("float32"),
  "linear algebra: singular": (a) => [...determinant(a), np.linalg.det(a)],
  "linear algebra: without rows": determinant,
};

/** Families whose zeros must have the peer's signs. */
export const SIGNED = "zero";

export const EDGES: Table = lines(
  [nan, infinity, zero, kink, empty, one, promises],
  (table) => table,
);
