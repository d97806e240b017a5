/** @file Our counterparts of PyTorch's functions: one line for each in recorded/agreement/with_torch.py. */

import type { Tensor } from "../../src/core/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import * as np from "../../src/numpy/index.ts";
import { differs, FIRST_WEIGHT, FOLDED, lines, loosely, type Table } from "./replay.ts";

const windows: Table = {
  "conv: 1-D": (x, k) => np.conv(x, k),
  "conv: 1-D, stride 2, padding 1, bias": (x, k, bias) =>
    np.conv(x, k, { stride: 2, padding: 1, bias }),
  "conv: 1-D, dilation 2": (x, k) => np.conv(x, k, { dilation: 2 }),
  "conv: 1-D, dilation 3, stride 2, padding 2": (x, k) =>
    np.conv(x, k, { dilation: 3, stride: 2, padding: 2 }),
  "conv: 1-D, groups 2": (x, k) => np.conv(x, k, { groups: 2 }),
  "conv: 1-D, each channel alone": (x, k) => np.conv(x, k, { groups: 3 }),
  "conv: 1-D, same, window 4": (x, k) => np.conv(x, k, { padding: "same" }),
  "conv: 1-D, same, dilation 2": (x, k) => np.conv(x, k, { padding: "same", dilation: 2 }),
  "conv: 1-D, padding past the window": (x, k) => np.conv(x, k, { padding: 3 }),
  "conv: 1-D, steps over the end": (x, k) => np.conv(x, k, { stride: 3 }),
  "conv: 2-D": (x, k) => np.conv(x, k),
  "conv: 2-D, window of one": (x, k) => np.conv(x, k),
  "conv: 2-D, window of the whole": (x, k) => np.conv(x, k),
  "conv: 2-D, all unequal": (x, kernel, bias) =>
    nn.convolution({ kernel, bias }, x, { stride: [2, 1], padding: [1, 2], dilation: [1, 2] }),
  "conv: 2-D, groups 2, stride 2": (x, k) => np.conv(x, k, { groups: 2, stride: 2 }),
  "conv: 2-D, each channel alone, padding 1": (x, k) => np.conv(x, k, { groups: 2, padding: 1 }),
  "conv: 3-D": (x, k) => np.conv(x, k),
  "conv: 3-D, all unequal": (x, k) =>
    np.conv(x, k, { stride: [1, 2, 1], padding: [1, 0, 1], dilation: [1, 1, 2] }),
  "conv: 3-D, groups 2": (x, k) => np.conv(x, k, { groups: 2 }),
  "transposed conv: 1-D": (x, k) => np.convTranspose(x, k),
  "transposed conv: 1-D, stride 2, padding 1, output 1, bias": (x, kernel, bias) =>
    nn.convolutionTranspose({ kernel, bias }, x, { stride: 2, padding: 1, outputPadding: 1 }),
  "transposed conv: 1-D, dilation 2": (x, k) => np.convTranspose(x, k, { dilation: 2 }),
  "transposed conv: 1-D, groups 2, stride 3": (x, k) =>
    np.convTranspose(x, k, { groups: 2, stride: 3 }),
  "transposed conv: 2-D, all unequal": (x, k) =>
    np.convTranspose(x, k, {
      stride: [2, 1],
      padding: [1, 0],
      outputPadding: [1, 0],
      dilation: [1, 2],
    }),
  "transposed conv: 2-D, each channel alone": (x, k) => np.convTranspose(x, k, { groups: 2 }),
  "transposed conv: 3-D, stride 2": (x, k) => np.convTranspose(x, k, { stride: 2 }),
  "max pool: 1-D": (x) => np.maxPool(x, { window: [2] }),
  "max pool: 1-D, overlapping, padding 1": (x) =>
    np.maxPool(x, { window: [3], stride: 1, padding: 1 }),
  "max pool: 1-D, dilation 2": (x) => np.maxPool(x, { window: [2], stride: 1, dilation: 2 }),
  "max pool: 1-D, ties": (x) => np.maxPool(x, { window: [3], stride: 1 }),
  "max pool: 2-D": (x) => np.maxPool(x, { window: [2, 2] }),
  "max pool: 2-D, all unequal": (x) =>
    np.maxPool(x, { window: [3, 2], stride: [2, 1], padding: [1, 0], dilation: [1, 2] }),
  "max pool: 2-D, ties in rows and columns": (x) => np.maxPool(x, { window: [2, 2], stride: 1 }),
  "max pool: 3-D, stride 1": (x) => np.maxPool(x, { window: [2, 2, 2], stride: 1 }),
  "mean pool: 1-D": (x) => np.avgPool(x, { window: [2] }),
  "mean pool: 1-D, padding counts": (x) => np.avgPool(x, { window: [3], stride: 2, padding: 1 }),
  "mean pool: 1-D, padding does not count": (x) =>
    np.avgPool(x, { window: [3], stride: 2, padding: 1, includePad: false }),
  "mean pool: 2-D, padding counts": (x) =>
    np.avgPool(x, { window: [2, 3], stride: [1, 2], padding: 1 }),
  "mean pool: 2-D, padding does not count": (x) =>
    np.avgPool(x, { window: [2, 3], stride: [1, 2], padding: 1, includePad: false }),
  "mean pool: 3-D": (x) => np.avgPool(x, { window: [2, 2, 2], stride: 1 }),
  "mean pool: to 3 parts of 7": loosely(FOLDED, { double: 1e-7 }, (x) =>
    np.adaptiveAvgPool(x, { to: [3] }),
  ),
  "mean pool: to 2 by 3 parts": loosely(FOLDED, { double: 1e-7 }, (x) =>
    np.adaptiveAvgPool(x, { to: [2, 3] }),
  ),
  ...lines([1, 2, 3, 5, 8, 10], (to) => ({
    [`resize: 5 to ${to}, nearest`]: (x) => np.resize(x, { to: [to], method: "nearest" }),
    [`resize: 5 to ${to}, linear`]: loosely(FOLDED, { double: 1e-7 }, (x) =>
      np.resize(x, { to: [to], method: "linear" }),
    ),
  })),
  "resize: 2-D, nearest": (x) => np.resize(x, { to: [5, 2], method: "nearest" }),
  "resize: 2-D, linear": loosely(FOLDED, { double: 1e-7 }, (x) =>
    np.resize(x, { to: [5, 3], method: "linear" }),
  ),
  "resize: 3-D, linear": loosely(FOLDED, { double: 1e-7 }, (x) =>
    np.resize(x, { to: [3, 4, 2], method: "linear" }),
  ),
};

const attention: Table = {
  "attention: plain": (q, k, v) => np.attention(q, k, v),
  "attention: scale": (q, k, v) => np.attention(q, k, v, { scale: 0.3 }),
  "attention: causal": (q, k, v) => np.attention(q, k, v, { causal: true }),
  "attention: mask": (q, k, v, mask) => np.attention(q, k, v, { mask }),
  "attention: mask, a query that sees nothing": (q, k, v, mask) => np.attention(q, k, v, { mask }),
  "attention: bias": (q, k, v, bias) => np.attention(q, k, v, { bias }),
  "attention: bias broadcast": (q, k, v, bias) => np.attention(q, k, v, { bias }),
  "attention: bias and mask": (q, k, v, bias, mask) => np.attention(q, k, v, { bias, mask }),
  "attention: bias and causal": (q, k, v, bias) => np.attention(q, k, v, { bias, causal: true }),
  "attention: causal, the last query at the last key": (q, k, v) =>
    np.attention(q, k, v, { causal: true }),
  "attention: grouped queries": (q, k, v) => np.attention(q, k, v),
  "attention: one key head, causal": (q, k, v) => np.attention(q, k, v, { causal: true }),
  "attention: one query": (q, k, v) => np.attention(q, k, v),
  "attention: one key": (q, k, v) => np.attention(q, k, v),
  "attention: large logits": (q, k, v) => np.attention(q, k, v),
};

function ctc(blank: number) {
  return (logits: Tensor, labels: Tensor, frames: Tensor, lengths: Tensor) =>
    nn.ctcLoss(logits, labels, { frames, lengths, blank });
}

/** `[gate · hidden, in]` of PyTorch as `[in, gate, hidden]`. */
function gates(weight: Tensor, count: number): Tensor {
  const [rows = 0, columns = 0] = weight.dims;
  return np.transpose(weight.reshape([count, rows / count, columns]), [2, 0, 1]);
}

function lstmParams(wi: Tensor, wh: Tensor, bi: Tensor, bh: Tensor): nn.LstmCell<Tensor> {
  const bias = bi.add(bh).reshape([4, (bi.dims[0] ?? 0) / 4], "gate hidden");
  const weight = np.concatenate([gates(wi, 4), gates(wh, 4)], 0).as("joint gate hidden");
  return { weight, bias };
}

function lstm(reverse: boolean) {
  return (xs: Tensor, h: Tensor, c: Tensor, ...params: Tensor[]): readonly Tensor[] => {
    const [wi, wh, bi, bh] = params as [Tensor, Tensor, Tensor, Tensor];
    const initial = { hidden: h.as("batch hidden"), cell: c.as("batch hidden") };
    const [y, last] = nn.lstm(lstmParams(wi, wh, bi, bh), xs, initial, { reverse });
    return [y, last.hidden, last.cell];
  };
}

function gruParams(wi: Tensor, wh: Tensor, bi: Tensor, bh: Tensor): nn.GruCell<Tensor> {
  const bias = (b: Tensor) => b.reshape([3, (b.dims[0] ?? 0) / 3], "gate hidden");
  return {
    input: gates(wi, 3).as("joint gate hidden"),
    state: gates(wh, 3).as("joint gate hidden"),
    inputBias: bias(bi),
    stateBias: bias(bh),
  };
}

function gru(reverse: boolean) {
  return (xs: Tensor, h: Tensor, ...params: Tensor[]): readonly Tensor[] => {
    const [wi, wh, bi, bh] = params as [Tensor, Tensor, Tensor, Tensor];
    return nn.gru(gruParams(wi, wh, bi, bh), xs, h.as("batch hidden"), { reverse });
  };
}

const sequences: Table = {
  "ctc: one label": ctc(0),
  "ctc: repeated label": ctc(0),
  "ctc: repeated label that just fits": ctc(0),
  "ctc: as many labels as frames": ctc(0),
  "ctc: several lengths": ctc(0),
  "ctc: no label": ctc(0),
  "ctc: blank in the middle": ctc(2),
  "ctc: extreme logits": ctc(0),
  "ctc: one frame": ctc(0),
  "ctc: too few frames": ctc(0),
  "lstm: cell": (x, h, c, ...params) => {
    const [wi, wh, bi, bh] = params as [Tensor, Tensor, Tensor, Tensor];
    const state = { hidden: h.as("batch hidden"), cell: c.as("batch hidden") };
    const { hidden, cell } = nn.lstmCell(lstmParams(wi, wh, bi, bh), x.as("batch embed"), state);
    return [hidden, cell];
  },
  "lstm: sequence": lstm(false),
  "lstm: one step, one example": lstm(false),
  "lstm: backwards": lstm(true),
  "gru: cell": (x, h, wi, wh, bi, bh) =>
    nn.gruCell(gruParams(wi, wh, bi, bh), x.as("batch embed"), h.as("batch hidden")),
  "gru: sequence": gru(false),
  "gru: one step, one example": gru(false),
  "gru: backwards": gru(true),
};

function batchNorm(x: Tensor, mean: Tensor, variance: Tensor, scale: Tensor, bias: Tensor) {
  const { y, running } = np.batchNorm(x, { running: { mean, variance }, scale, bias });
  return [y, running.mean, running.variance];
}

const norms: Table = {
  "norm: layer": (x, scale, bias) => nn.layerNorm({ scale, bias }, x),
  "norm: layer, large epsilon": (x) => np.layerNorm(x, { epsilon: 0.5 }),
  "norm: layer, far from 0": loosely(
    "near 1000 inputs have four digits less",
    { single: 1e-2 },
    (x) => np.layerNorm(x),
  ),
  "norm: layer, one element": (x, scale, bias) => np.layerNorm(x, { scale, bias }),
  "norm: root mean square": (x, scale) => nn.rmsNorm(scale, x),
  "norm: root mean square, large epsilon": (x) => np.rmsNorm(x, { epsilon: 0.5 }),
  "norm: group": (x, scale, bias) => np.groupNorm(x, { groups: 2, scale, bias }),
  "norm: group, 2-D": (x, scale, bias) => np.groupNorm(x, { groups: 3, scale, bias }),
  "norm: instance": (x, scale, bias) => np.groupNorm(x, { groups: 2, scale, bias }),
  "norm: batch, training": batchNorm,
  "norm: batch, training, 2-D": batchNorm,
  "norm: batch, inference": (x, mean, variance, scale, bias) => {
    const running = { mean: mean.stopGradient(), variance: variance.stopGradient() };
    return np.batchNormInference(x, { running, scale, bias });
  },
  ...lines([0, 1, 2], (axis) => ({
    [`softmax: along ${axis}`]: (x) => np.softmax(x, axis),
    [`softmax: logarithm along ${axis}`]: (x) => np.logSoftmax(x, axis),
  })),
  "softmax: far from 0": (x) => np.softmax(x, 0),
  "softmax: logarithm far from 0": (x) => np.logSoftmax(x, 0),
  "softmax: of one": (x) => np.softmax(x, 1),
  "softmax: ties": (x) => np.softmax(x, 0),
};

const losses: Table = {
  ...lines(["mean", "sum", "none"] as const, (reduction) => ({
    [`cross-entropy: ${reduction}`]: (s, t) => nn.crossEntropy(s, t, { reduction }),
    [`cross-entropy: smoothing, ${reduction}`]: (s, t) =>
      nn.crossEntropy(s, t, { reduction, smoothing: 0.2 }),
    [`cross-entropy: ignored label, ${reduction}`]: (s, t) =>
      nn.crossEntropy(s, t, { reduction, mask: t.notEqual(0) }),
    [`cross-entropy: ignored label, smoothing, ${reduction}`]: (s, t) =>
      nn.crossEntropy(s, t, { reduction, mask: t.notEqual(0), smoothing: 0.1 }),
    [`binary cross-entropy: ${reduction}`]: (s, t) => nn.binaryCrossEntropy(s, t, { reduction }),
    [`huber: ${reduction}`]: (p, t) => nn.huber(p, t, { reduction }),
  })),
  "cross-entropy: classes on axis 1": (s, t) => nn.crossEntropy(s, t, { axis: 1 }),
  "cross-entropy: far from 0": (s, t) => nn.crossEntropy(s, t, { reduction: "none" }),
  "cross-entropy: square of the partition": (s, t) => nn.crossEntropy(s, t, { zLoss: 0.1 }),
  "binary cross-entropy: far from 0": (s, t) => nn.binaryCrossEntropy(s, t, { reduction: "none" }),
  "huber: delta 0.3": (p, t) => nn.huber(p, t, { delta: 0.3 }),
  "huber: at the bend": (p, t) => nn.huber(p, t, { reduction: "none" }),
  "smooth L1: beta 0.5": (p, t) => nn.smoothL1(p, t, { beta: 0.5 }),
  "smooth L1: beta 2": (p, t) => nn.smoothL1(p, t, { beta: 2, reduction: "sum" }),
  "smooth L1: beta 0": (p, t) => nn.smoothL1(p, t, { beta: 0 }),
  "focal: mean": (s, t) => nn.focalLoss(s, t.astype("float32")),
  "focal: alpha 0.6, gamma 1.5": (s, t) =>
    nn.focalLoss(s, t.astype("float32"), { alpha: 0.6, gamma: 1.5, reduction: "none" }),
  "focal: gamma 0": (s, t) =>
    nn.focalLoss(s, t.astype("float32"), { alpha: 0.5, gamma: 0, reduction: "sum" }),
  "activation: gelu of erf": (x) => np.geluErf(x),
  "activation: gelu of tanh": (x) => np.gelu(x),
  "activation: silu": (x) => np.silu(x),
  "activation: elu": (x) => np.elu(x),
  "activation: elu, alpha 0.4": (x) => np.elu(x, 0.4),
  "activation: softplus": (x) => np.softplus(x),
  "activation: mish": (x) => np.mish(x),
  "activation: mish of PyTorch": (x) => np.mish(x),
  "activation: relu": (x) => np.relu(x),
  "activation: leaky relu": (x) => np.leakyRelu(x, 0.1),
  "activation: hard tanh": (x) => np.hardTanh(x, -1.5, 2.5),
  "activation: logistic": (x) => np.logistic(x),
  "activation: tanh": (x) => np.tanh(x),
};

function largest(x: Tensor, along: number, k: number): readonly Tensor[] {
  const { values, indices } = np.topK(x, { along, k });
  return [values, indices];
}

const order: Table = {
  "sort: rising": (x) => np.sort(x),
  "sort: falling, along 0": (x) => np.sort(x, { axis: 0, descending: true }),
  "sort: ties": (x) => [np.sort(x), np.argsort(x)],
  "sort: ties, falling": (x) => [
    np.sort(x, { descending: true }),
    np.argsort(x, { descending: true }),
  ],
  "sort: places of ties": (x) => np.argsort(x),
  "sort: places of ties, falling": (x) => np.argsort(x, { descending: true }),
  "sort: integers": (x) => [np.sort(x), np.argsort(x)],
  "top k: values and places": (x) => largest(x, 1, 3),
  "top k: ties": (x) => largest(x, 1, 3),
  "top k: along 0": (x) => np.topK(x, { along: 0, k: 2 }).values,
  "top k: all": (x) => largest(x, 0, 4),
  ...lines(["left", "right"] as const, (side) => ({
    [`search: ${side}`]: (s, v) => np.searchSorted(s, v, { side }),
    [`search: rows, ${side}`]: (s, v) => np.searchSorted(s, v, { side }),
  })),
  ...lines(
    [
      ["sum", np.cumsum],
      ["product", np.cumprod],
      ["log-sum", np.cumLogSumExp],
      ["maximum", np.cummax],
      ["minimum", np.cummin],
    ] as const,
    ([name, run]) => ({
      [`running ${name}: along 0`]: (x) => run(x, 0),
      [`running ${name}: along 1`]: (x) => run(x, 1),
      [`running ${name}: backwards`]: (x) => run(x, 0, { reverse: true }),
    }),
  ),
  "running sum: of one": (x) => np.cumsum(x, 0),
  "running product: of one": (x) => np.cumprod(x, 0),
  "running log-sum: of one": (x) => np.cumLogSumExp(x, 0),
  "running product: one zero": (x) => np.cumprod(x, 0),
  "running product: two zeros": (x) => np.cumprod(x, 0),
  "running log-sum: far from 0": (x) => np.cumLogSumExp(x, 0),
  "gather: rows": (x, i) => np.take(x, i),
  "gather: along an axis": (x, i) => np.takeAlong(x, i, 1),
  "gather: along axis 0": (x, i) => np.takeAlong(x, i, 0),
  "gather: one": (x, i) => np.take(x, i),
  "scatter: add rows": (x, at, u) =>
    x.add(np.scatterAdd(u, { at, size: x.dims[0] ?? 0, batch: 0, as: null })),
  "scatter: add along an axis": (x, i, u) => np.putAlong(x, i, u, 1, "add"),
  "scatter: set along an axis": (x, i, u) => np.putAlong(x, i, u, 1),
  "scatter: set rows": (x, at, u) => np.scatterSet(x, { axis: 0, at }, u),
  "scatter: maximum along an axis": (x, i, u) => np.putAlong(x, i, u, 1, "max"),
  "scatter: maximum of rows": (x, at, u) => np.scatterMax(x, { axis: 0, at }, u),
  "scatter: maximum, ties": (x, i, u) => np.putAlong(x, i, u, 0, "max"),
  "scatter: minimum along an axis": (x, i, u) => np.putAlong(x, i, u, 1, "min"),
  "scatter: minimum of rows": (x, at, u) => np.scatterMin(x, { axis: 0, at }, u),
  "scatter: minimum, ties": (x, i, u) => np.putAlong(x, i, u, 0, "min"),
};

const { linalg } = np;

const algebra: Table = {
  "linear algebra: solve": (a, b) => linalg.solve(a, b),
  "linear algebra: solve, a vector": (a, b) => linalg.solve(a, b),
  "linear algebra: solve, batch": (a, b) => linalg.solve(a, b),
  "linear algebra: solve, exchanged rows": (a, b) => linalg.solve(a, b),
  "linear algebra: solve, 1 by 1": (a, b) => linalg.solve(a, b),
  ...lines([true, false], (lower) => {
    const word = lower ? "lower" : "upper";
    return {
      [`triangular solve: ${word}`]: (a, b) => linalg.triangularSolve(a, b, { lower }),
      [`triangular solve: ${word}, ones on the diagonal`]: (a, b) =>
        linalg.triangularSolve(a, b, { lower, unitDiagonal: true }),
      [`triangular solve: ${word}, from the right`]: (a, b) =>
        linalg.triangularSolve(a, b, { lower, side: "right" }),
      [`triangular solve: ${word}, transposed`]: (a, b) =>
        linalg.triangularSolve(a, b, { lower, transposed: true }),
    };
  }),
  "triangular solve: batch": (a, b) => linalg.triangularSolve(a, b),
  "linear algebra: cholesky": (a) => linalg.cholesky(a),
  "linear algebra: cholesky, batch": (a) => linalg.cholesky(a),
  "linear algebra: cholesky, 1 by 1": (a) => linalg.cholesky(a),
  "linear algebra: solve by cholesky": (a, b) => linalg.choleskySolve(linalg.cholesky(a), b),
  "linear algebra: inverse": (a) => linalg.inverse(a),
  "linear algebra: inverse, batch": (a) => linalg.inverse(a),
  ...lines([1, 2, 3, 4], (n) => ({
    [`linear algebra: determinant, ${n} by ${n}`]: (a) => linalg.det(a),
    [`linear algebra: sign and logarithm of the determinant, ${n} by ${n}`]: (a) => {
      const { sign, log } = linalg.slogdet(a);
      return [sign, log];
    },
  })),
  "linear algebra: determinant of a singular matrix": differs(
    "the derivative is the adjugate matrix, which JAX gives too; PyTorch says 0",
    (a) => linalg.det(a),
    { gradients: [[4, -2, -2, 1].map((minor) => minor * FIRST_WEIGHT)] },
  ),
  "linear algebra: determinant, batch": (a) => linalg.det(a),
  "linear algebra: trace": (a) => linalg.trace(a),
  "linear algebra: triangles": (a) => [
    linalg.triangle(a, "lower"),
    linalg.triangle(a, "upper", true),
  ],
  // Letters become words of their own.
  ...lines(
    [
      "ij,jk->ik",
      "ij,ij->ij",
      "ij,ij->",
      "ij->j",
      "ij->",
      "ijk->kij",
      "i,j->ij",
      "i,j->",
      "ij,k->jk",
      "ij,j->i",
      "i,->i",
      "bij,bjk->bik",
      "bij,bkj->kbi",
      "ijk,jil->kl",
      "ij,kl->iljk",
      "ij,jk,kl->il",
      "ij,jk,ki->",
      "i,i,i->i",
      "bi,bj,bk->ijk",
      "ab,cb,dc,da->bd",
      "hqd,hkd,hqk->q",
    ],
    (equation) => ({
      [`einsum: ${equation}`]: (...xs) => np.einsumOf(equation.replace(/[a-z]/g, " $& "), xs),
    }),
  ),
};

const elements: Table = {
  ...lines(
    [
      ["erf", np.erf],
      ["erfinv", np.erfInv],
      ["log1p", np.log1p],
      ["expm1", np.expm1],
      ["exp", np.exp],
      ["log", np.log],
      ["sqrt", np.sqrt],
      ["rsqrt", np.rsqrt],
      ["sin", np.sin],
      ["cos", np.cos],
      ["tan", np.tan],
      ["asin", np.asin],
      ["acos", np.acos],
      ["atan", np.atan],
      ["sinh", np.sinh],
      ["cosh", np.cosh],
      ["asinh", np.asinh],
      ["acosh", np.acosh],
      ["atanh", np.atanh],
      ["abs", np.abs],
      ["square", np.square],
      ["reciprocal", np.reciprocal],
      ["floor", np.floor],
      ["ceil", np.ceil],
      ["round", np.round],
      ["trunc", np.trunc],
      ["sign", np.sign],
      ["log1p near 0", np.log1p],
      ["expm1 near 0", np.expm1],
      ["erf near 0", np.erf],

      ["atan2 in all quarters", np.atan2],
      ["power", np.power],
      ["remainder of the divisor's sign", np.mod],
      ["remainder of the dividend's sign", np.rem],
      ["sum of logarithms", np.logAddExp],
      ["broadcasting", np.mul],
    ] as const,
    ([name, f]) => ({ [`element: ${name}`]: (...xs) => (f as (...xs: Tensor[]) => Tensor)(...xs) }),
  ),
  ...lines([-3, -1, 0, 1, 2, 5, 0.5, -1.5, 2.5], (p) => ({
    [`element: power ${p}`]: (x) => np.power(x, p),
  })),
  "element: erfinv near the ends": loosely(
    "1 − 0.99999 has two digits in single precision",
    { single: 1e-2 },
    (x) => np.erfInv(x),
  ),
  "element: whole power of negatives": (x) => np.power(x, 3),
  "element: arithmetic": (x, y) => x.mul(y).add(x.div(y)).sub(y),
  "element: larger and smaller": (x, y) => [np.maximum(x, y), np.minimum(x, y)],
  "element: clip": (x) => np.clip(x, { low: -0.5, high: 1 }),
  "element: choice": (t, x, y) => np.where(t, x, y),
  "element: choice of broadcast": (t, x, y) => np.where(t, x, y),
  "reduce: sum": (x) => np.sum(x, [0, 2]),
  "reduce: mean": (x) => np.mean(x, [1, 2]),
  "reduce: kept axes": (x) => np.mean(x, 1, { keepDims: true }),
  "reduce: product": (x) => np.prod(x, 1),
  "reduce: product with one zero": (x) => np.prod(x),
  "reduce: product with two zeros": (x) => np.prod(x),
  "reduce: products with zeros": (x) => np.prod(x, 1),
  "reduce: largest": (x) => np.max(x, 1),
  "reduce: smallest": (x) => np.min(x, [0, 2]),
  "reduce: largest, ties": (x) => np.max(x, 1),
  "reduce: smallest, ties": (x) => np.min(x, 0),
  "reduce: log-sum over two axes": (x) => np.logSumExp(x, [0, 2]),
  "reduce: log-sum over all": (x) => np.logSumExp(x),
  "reduce: log-sum far from 0": (x) => np.logSumExp(x, 1),
  ...lines([0, 1, 2], (ddof) => ({
    [`reduce: variance, ${ddof} off the count`]: (x) => np.variance(x, 1, { ddof }),
    [`reduce: deviation, ${ddof} off the count`]: (x) => np.std(x, [0, 1], { ddof }),
  })),
  "reduce: variance far from 0": loosely(
    "near 1000 inputs have four digits less",
    { single: 1e-3 },
    (x) => np.variance(x),
  ),
  "reduce: places of the largest": (x) => [np.argmax(x, 1), np.argmin(x, 0)],
  "reduce: place in all": (x) => np.argmax(x),
  "reduce: truth": (x) => [np.any(x, 1), np.all(x, 1)],
  "reduce: count": (x) => np.countNonzero(x, 1),
};

export const WITH_TORCH: Table = {
  ...windows,
  ...attention,
  ...sequences,
  ...norms,
  ...losses,
  ...order,
  ...algebra,
  ...elements,
};
