/**
 * The benchmark model in TensorFlow.js on its wasm backend (SIMD; on Node it has no threads).
 *
 * The backend multiplies fast only single untransposed matrices, slices by copying the whole tensor,
 * and has no kernel for the gradient of `gather`. So `product` transposes by hand in its gradient and
 * takes a batch apart itself, and `take` and `put` are each other's gradients.
 */

import { createRequire } from "node:module";
import { batches, readConfig, readSafetensors, serve } from "./common.mjs";

const require = createRequire(import.meta.url); // these packages' ES modules do not load in Node
const tf = require("@tensorflow/tfjs");
require("@tensorflow/tfjs-backend-wasm");

const config = readConfig();
const { batch, pos, embed, head, dim, expert } = config;
const tokensPerBatch = batch * pos;

const transposed = (x) => x.transpose(x.rank === 3 ? [0, 2, 1] : [1, 0]);

/** The matrices of a [count, rows, columns] tensor. */
function matrices(x) {
  const [count, ...shape] = x.shape;
  const size = shape[0] * shape[1];
  const data = x.dataSync();
  return Array.from({ length: count }, (_, i) =>
    tf.tensor2d(data.subarray(i * size, (i + 1) * size), shape),
  );
}

function multiply(a, b) {
  if (a.rank === 2) return tf.matMul(a, b);
  const right = matrices(b);
  return tf.stack(matrices(a).map((left, i) => tf.matMul(left, right[i])));
}

/** Matrix product, of two matrices or of two batches of them. */
const product = tf.customGrad((a, b, save) => {
  save([a, b]);
  return {
    value: tf.tidy(() => multiply(a, b)),
    gradFunc: (dy, [x, y]) => [
      tf.tidy(() => multiply(dy, transposed(y))),
      tf.tidy(() => multiply(transposed(x), dy)),
    ],
  };
});

/** Rows `index` of `x`. */
const take = (x, index) =>
  tf.customGrad((table, save) => {
    save([index]); // else it is freed before the gradient needs it
    return {
      value: tf.gather(table, index),
      gradFunc: (dy, [rows]) => [tf.scatterND(rows.expandDims(1), dy, x.shape)],
    };
  })(x);

/** `count` rows, where row `index[i]` has had `x[i]` added to it. */
const put = (x, index, count) =>
  tf.customGrad((updates, save) => {
    save([index]);
    return {
      value: tf.scatterND(index.expandDims(1), updates, [count, x.shape[1]]),
      gradFunc: (dy, [rows]) => [tf.gather(dy, rows)],
    };
  })(x);

function norm(x, scale) {
  const inverse = x.square().mean(-1, true).add(1e-6).rsqrt();
  return x.mul(inverse).mul(scale);
}

/** The tanh form: 0.5 (1 + tanh u) is sigmoid 2u. */
function gelu(x) {
  const inner = x.square().mul(0.044715).add(1).mul(x);
  return inner
    .mul(2 * Math.sqrt(2 / Math.PI))
    .sigmoid()
    .mul(x);
}

function attention(weights, at, mask, x) {
  const perHead = (name) => {
    const flat = product(x, weights[`${at}/${name}`].reshape([embed, head * dim]));
    return flat.reshape([batch, pos, head, dim]).transpose([0, 2, 1, 3]).reshape([-1, pos, dim]);
  };
  const query = perHead("query").mul(1 / Math.sqrt(dim));
  const shares = product(query, transposed(perHead("key")))
    .add(mask)
    .softmax();
  const mixed = product(shares, perHead("value"));
  const joined = mixed.reshape([batch, head, pos, dim]).transpose([0, 2, 1, 3]);
  const output = weights[`${at}/output`].reshape([head * dim, embed]);
  return product(joined.reshape([-1, head * dim]), output);
}

function feedForward(weights, at, x) {
  return product(gelu(product(x, weights[`${at}/wi`])), weights[`${at}/wo`]);
}

/** Expert Choice: each expert takes its best tokens of the whole batch. */
function mixture(weights, at, x) {
  const slots = Math.floor((tokensPerBatch * config.capacityFactor) / expert);
  const scores = product(x, weights[`${at}/gate`]).softmax().transpose(); // [expert, tokens]
  const best = tf.topk(scores, slots, false).indices; // [expert, slots]
  const index = best.flatten();
  const first = tf.range(0, scores.size, tokensPerBatch, "int32").expandDims(1);
  const chosen = take(scores.reshape([-1, 1]), best.add(first).flatten());
  const taken = take(x, index).reshape([expert, slots, embed]);
  const hidden = gelu(product(taken, weights[`${at}/wi`]));
  const output = product(hidden, weights[`${at}/wo`]).reshape([-1, embed]);
  return put(output.mul(chosen), index, tokensPerBatch);
}

function lossOf(weights, mask, tokens, targets) {
  let x = take(weights.embedding, tokens);
  for (let layer = 0; layer < config.layers; layer++) {
    const at = `layers/${layer}`;
    const normed = norm(x, weights[`${at}/attention_norm`]);
    x = x.add(attention(weights, `${at}/attention`, mask, normed));
    const before = norm(x, weights[`${at}/mlp_norm`]);
    const mixed = weights[`${at}/moe/gate`]
      ? mixture(weights, `${at}/moe`, before)
      : feedForward(weights, `${at}/mlp`, before);
    x = x.add(mixed);
  }
  const logits = product(norm(x, weights.final_norm), weights.unembedding);
  return tf.losses.softmaxCrossEntropy(targets, logits);
}

const peer = {
  async load() {
    await tf.setBackend("wasm");
    const data = readSafetensors(config.data);
    this.tokens = batches(data.tokens).map((row) => tf.tensor1d(row, "int32"));
    this.targets = batches(data.targets);
    const ones = tf.ones([pos, pos]);
    this.mask = tf.linalg.bandPart(ones, -1, 0).sub(1).mul(1e9); // 0 below the diagonal, else -1e9
    this.optimizer = tf.train.sgd(config.learningRate);
    const simd = await tf.env().getAsync("WASM_HAS_SIMD_SUPPORT");
    const detail = { backend: tf.getBackend(), simd, threads: 1 };
    return { runner: "tfjs", version: tf.version.tfjs, detail };
  },
  reset() {
    for (const variable of Object.values(this.weights ?? {})) variable.dispose();
    this.weights = {};
    for (const [name, { data, shape }] of Object.entries(readSafetensors(config.weights))) {
      this.weights[name] = tf.variable(tf.tensor(data, shape));
    }
  },
  step(index) {
    const row = index % this.tokens.length;
    return tf.tidy(() => {
      const targets = tf.oneHot(tf.tensor1d(this.targets[row], "int32"), config.vocab);
      const loss = () => lossOf(this.weights, this.mask, this.tokens[row], targets);
      return this.optimizer.minimize(loss, true).dataSync()[0];
    });
  },
};

await serve(peer);
