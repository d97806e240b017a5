/**
 * @file A causal transformer that learns to sort different digits.
 *
 * It reads a list, then writes it in order, one digit at a time, each with all before it in view. The lists are drawn
 * inside the step from a key that is part of the state: the whole training is a function of the seed. Nothing here
 * knows where it runs; the page and the tests in Node call the same functions.
 */

import {
  concatenate,
  type Engine,
  type JitOptions,
  jit,
  random,
  scalar,
  type Tensor,
  topK,
  valueAndGrad,
} from "../../src/index.ts";
import * as nn from "../../src/nn/index.ts";
import { adamw, applyUpdates, cosine, initOptimizer, warmup } from "../../src/optim/index.ts";

/** Digits of one list. */
export const LENGTH = 6;
const DIGITS = 10;
const LAYERS = 2;
const EMBED = 32;
const MLP = 64;
const BATCH = 32;
const ATTENTION: nn.AttentionConfig = {
  embed: EMBED,
  head: 4,
  dim: 8,
  extraLogit: false,
  positions: "relative-bias",
  logitScale: 1,
};
const optimizer = adamw({ weightDecay: 0.01 });

const layer = {
  attentionNorm: nn.rmsNormParam(EMBED),
  attention: nn.attentionParams(ATTENTION),
  mlpNorm: nn.rmsNormParam(EMBED),
  mlp: nn.gatedFeedForwardParams(EMBED, MLP),
};
const ends = { embedding: nn.embeddingParam(DIGITS, EMBED), finalNorm: nn.rmsNormParam(EMBED) };
const specs = { ...ends, layers: Array.from({ length: LAYERS }, () => layer) };
type Params = nn.Realised<typeof specs>;

/** How many numbers the model consists of. */
export const PARAMETERS: number = nn.listParams(specs).reduce((sum, { count }) => sum + count, 0);

/** Logits `[batch, pos, vocab]` of the digit after each of int32 `[batch, pos]`. */
function model(p: Params, ids: Tensor): Tensor {
  let x = nn.embed(p.embedding, ids).as("batch pos embed");
  for (const layer of p.layers) {
    x = x.add(nn.causalAttention(layer.attention, nn.rmsNorm(layer.attentionNorm, x), ATTENTION));
    x = x.add(nn.gatedFeedForward(layer.mlp, nn.rmsNorm(layer.mlpNorm, x)));
  }
  return nn.unembed(p.embedding, nn.rmsNorm(p.finalNorm, x));
}

/** `batch` lists of different digits, and what they are in order, int32 `[batch, pos]`. */
function draw(key: random.Key, batch: number): readonly [Tensor, Tensor] {
  const lots = random.uniform(key, [batch, DIGITS], { axes: "batch digit" });
  const list = topK(lots, { along: "digit", k: LENGTH, as: "pos" }).indices;
  const falling = topK(list.astype("float32").neg(), { along: "pos", k: LENGTH, as: "pos" }).values;
  return [list, falling.neg().astype("int32")];
}

/** Mean surprise at the digits of the sorted half, in nats. */
function lossOf(p: Params, list: Tensor, sorted: Tensor): Tensor {
  const ids = concatenate([list, sorted.slice("pos", 0, LENGTH - 1)], "pos");
  const logits = model(p, ids).slice("pos", LENGTH - 1, 2 * LENGTH - 1);
  return nn.tokenLoss(logits, sorted).crossEntropy;
}

/** All that training carries from step to step. */
interface State {
  readonly params: Params;
  readonly optimizer: readonly unknown[];
  readonly key: random.Key;
  readonly step: Tensor;
}

/** One program draws every layer: drawing is most of what there is to compile. */
async function initialState(settings: JitOptions, seed: random.Key): Promise<State> {
  const keys = await jit((k: random.Key) => random.split(k, LAYERS + 2), settings)(seed);
  const [lists, forEnds, ...forLayers] = keys as [random.Key, random.Key, ...random.Key[]];
  const drawLayer = jit((k: random.Key) => nn.initialise(layer, k), settings);
  const drawEnds = jit((k: random.Key) => nn.initialise(ends, k), settings);
  const layers = [];
  for (const key of forLayers) layers.push(await drawLayer(key));
  const params: Params = { ...(await drawEnds(forEnds)), layers };
  const begin = (p: Params, key: random.Key): State => {
    return { params: p, optimizer: initOptimizer(optimizer, p), key, step: scalar(0) };
  };
  return jit(begin, { ...settings, donate: [0, 1] })(params, lists);
}

function trainingStep(state: State, steps: number): readonly [State, loss: Tensor] {
  const [now, later] = random.split(state.key, 2) as [random.Key, random.Key];
  const [list, sorted] = draw(now, BATCH);
  const [loss, gradients] = valueAndGrad((p: Params) => lossOf(p, list, sorted))(state.params);
  const rate = warmup(cosine(5e-3, 0.95 * steps), steps / 20)(state.step);
  const updated = applyUpdates(optimizer, state.params, gradients, state.optimizer, state.step, rate);
  const step = state.step.add(1);
  return [{ params: updated.params, optimizer: updated.states, key: later, step }, loss];
}

/** Sorts by the model alone: its likeliest digit joins the list, which it then reads again. */
function sortWith(p: Params, list: Tensor): Tensor {
  let ids = list;
  for (let i = 0; i < LENGTH; i++) {
    const last = model(p, ids).slice("pos", LENGTH + i - 1, LENGTH + i);
    const best = topK(last, { along: "vocab", k: 1, as: "choice" }).indices;
    ids = concatenate([ids, best.reshape([list.size("batch"), 1], "batch pos")], "pos");
  }
  return ids.slice("pos", LENGTH, 2 * LENGTH);
}

/** A list, what the model makes of it, and what is right. */
export interface Attempt {
  readonly list: readonly number[];
  readonly guess: readonly number[];
  readonly sorted: readonly number[];
}

export interface Training {
  /** Makes one step; the loss before its update, in nats per digit. */
  step(): Promise<number>;
  /** Lets the model sort `count` lists that it has never seen. */
  attempt(count: number): Promise<readonly Attempt[]>;
}

/** Begins a training of `steps` steps on an engine. Equal seeds give equal losses, up to rounding. */
export async function startTraining(
  engine: Engine,
  options: { readonly steps: number; readonly seed: number; readonly threads?: number },
): Promise<Training> {
  const { steps, threads = 0 } = options;
  const seed = random.key(options.seed);
  const settings = { engine, threads };
  let state = await initialState(settings, seed);
  const step = jit((s: State) => trainingStep(s, steps), {
    ...settings,
    name: "trainingStep",
    donate: [0],
  });
  return {
    async step() {
      const [next, loss] = await step(state);
      state = next;
      return loss.item();
    },
    async attempt(count) {
      const unseen = jit(
        (p: Params, key: random.Key) => {
          const [list, sorted] = draw(random.fold(key, "unseen"), count);
          return { list, guess: sortWith(p, list), sorted };
        },
        { ...settings, name: "attempt" },
      );
      const { list, guess, sorted } = await unseen(state.params, seed);
      const row = (x: Tensor, i: number) => x.numbers().slice(i * LENGTH, (i + 1) * LENGTH);
      return Array.from({ length: count }, (_, i) => ({
        list: row(list, i),
        guess: row(guess, i),
        sorted: row(sorted, i),
      }));
    },
  };
}
