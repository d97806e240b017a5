/**
 * The benchmark model in jax-js on its wasm backend: one jitted step, loss, gradient and SGD.
 *
 * jax-js spreads a kernel over Web Workers where there are any, so this defines `Worker` on top of
 * Node's worker_threads before loading it. Without that it runs on one thread, at half the speed.
 * In jax-js a call uses up its array arguments; `x.ref` keeps `x` for a later use.
 */

import { resolveObjectURL } from "node:buffer";
import { readFileSync } from "node:fs";
import { Worker as NodeWorker } from "node:worker_threads";
import { batches, readConfig, readSafetensors, serve } from "./common.mjs";

const config = readConfig();
const { batch, pos, embed, head, dim, expert } = config;
const tokensPerBatch = batch * pos;

/** A Web Worker, as far as jax-js uses one. */
class WebWorker {
  static prelude = `const { parentPort } = require("node:worker_threads");
    globalThis.self = globalThis;
    globalThis.postMessage = (data) => parentPort.postMessage(data);
    parentPort.on("message", (data) => self.onmessage({ data }));`;

  constructor(url) {
    this.worker = this.start(url);
  }
  async start(url) {
    const source = await resolveObjectURL(url).text();
    const worker = new NodeWorker(WebWorker.prelude + source, { eval: true });
    worker.on("message", (data) => this.onmessage({ data }));
    worker.on("error", (error) => this.onerror(error));
    return worker;
  }
  async postMessage(data) {
    (await this.worker).postMessage(data);
  }
}
globalThis.Worker = WebWorker;
const navigator = { hardwareConcurrency: config.threads, userAgent: "" };
Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });

const {
  blockUntilReady,
  init,
  jit,
  lax,
  nn,
  numpy: np,
  tree,
  valueAndGrad,
  vjp,
} = await import("@jax-js/jax");

function norm(x, scale) {
  const inverse = np.reciprocal(
    np.sqrt(np.mean(np.square(x.ref), -1, { keepdims: true }).add(1e-6)),
  );
  return x.mul(inverse).mul(scale);
}

function attention(weights, at, mask, x) {
  const perHead = (name) => {
    const flat = np.matmul(x.ref, weights[`${at}/${name}`].reshape([embed, head * dim]));
    return flat.reshape([batch, pos, head, dim]).transpose([0, 2, 1, 3]);
  };
  const query = perHead("query").mul(1 / Math.sqrt(dim));
  const key = perHead("key").transpose([0, 1, 3, 2]);
  const value = perHead("value");
  x.dispose();
  const shares = nn.softmax(np.where(mask, np.matmul(query, key), -1e9), -1);
  const mixed = np.matmul(shares, value).transpose([0, 2, 1, 3]);
  const output = weights[`${at}/output`].reshape([head * dim, embed]);
  return np.matmul(mixed.reshape([tokensPerBatch, head * dim]), output);
}

function feedForward(weights, at, x) {
  return np.matmul(nn.gelu(np.matmul(x, weights[`${at}/wi`])), weights[`${at}/wo`]);
}

/**
 * The same numbers from an arithmetic kernel. jax-js 0.1.25 cannot compile a scatter whose input is
 * only a view (a reshape or a slice) of something; this stands between, here and in the gradient.
 */
const computed = (x) => x.mul(2).mul(0.5);

/** [tokens, embed], where row `index[i]` has had `x[i]` added to it: the transpose of `take`. */
function put(x, index) {
  const zeros = np.zeros([tokensPerBatch, embed]);
  const [taken, transpose] = vjp((rows) => np.take(rows, index, 0), [zeros]);
  taken.dispose();
  const [rows] = transpose(computed(x));
  transpose.dispose();
  return rows;
}

/** Expert Choice: each expert takes its best tokens of the whole batch. */
function mixture(weights, at, x) {
  const slots = Math.floor((tokensPerBatch * config.capacityFactor) / expert);
  const scores = nn.softmax(np.matmul(x.ref, weights[`${at}/gate`]), -1).transpose();
  const [best, order] = lax.topK(lax.stopGradient(scores.ref), slots); // both [expert, slots]
  best.dispose();
  const index = np.minimum(order, tokensPerBatch - 1); // as it is, but no view
  const first = np.arange(expert).mul(tokensPerBatch).reshape([expert, 1]);
  const chosen = computed(np.take(scores.reshape([-1]), index.ref.add(first), 0));
  const taken = computed(np.take(x, index.ref, 0)); // [expert, slots, embed]
  const hidden = nn.gelu(np.matmul(taken, weights[`${at}/wi`]));
  const output = np.matmul(hidden, weights[`${at}/wo`]);
  return put(output.mul(chosen.reshape([expert, slots, 1])), index);
}

function lossOf(weights, tokens, targets) {
  const mask = np.tri(pos).astype(np.bool);
  let x = np.take(weights.embedding, tokens, 0);
  for (let layer = 0; layer < config.layers; layer++) {
    const at = `layers/${layer}`;
    const normed = norm(x.ref, weights[`${at}/attention_norm`]);
    x = x.add(attention(weights, `${at}/attention`, mask.ref, normed));
    const before = norm(x.ref, weights[`${at}/mlp_norm`]);
    const mixed = weights[`${at}/moe/gate`]
      ? mixture(weights, `${at}/moe`, before)
      : feedForward(weights, `${at}/mlp`, before);
    x = x.add(mixed);
  }
  mask.dispose();
  const logits = np.matmul(norm(x, weights.final_norm), weights.unembedding);
  const picked = np.sum(logits.ref.mul(nn.oneHot(targets, config.vocab)), -1);
  return np.mean(nn.logsumexp(logits, -1).sub(picked));
}

const trainStep = jit((weights, tokens, targets) => {
  const [loss, gradients] = valueAndGrad(lossOf)(tree.ref(weights), tokens, targets);
  const descend = (w, g) => w.sub(g.mul(config.learningRate));
  return [tree.map(descend, weights, gradients), loss];
});

const peer = {
  async load() {
    await init("wasm");
    const data = readSafetensors(config.data);
    const onDevice = (row) => np.array(row, { dtype: np.int32 });
    this.tokens = batches(data.tokens).map(onDevice);
    this.targets = batches(data.targets).map(onDevice);
    const manifest = new URL("node_modules/@jax-js/jax/package.json", import.meta.url);
    const { version } = JSON.parse(readFileSync(manifest, "utf8"));
    return { runner: "jax-js", version, detail: { backend: "wasm", threads: config.threads } };
  },
  reset() {
    tree.dispose(this.weights);
    this.weights = {};
    for (const [name, { data, shape }] of Object.entries(readSafetensors(config.weights))) {
      this.weights[name] = np.array(data, { shape });
    }
  },
  async step(index) {
    const row = index % this.tokens.length;
    const [tokens, targets] = [this.tokens[row].ref, this.targets[row].ref];
    const [weights, loss] = trainStep(this.weights, tokens, targets);
    this.weights = await blockUntilReady(weights);
    return (await loss.data())[0];
  },
};

await serve(peer);
