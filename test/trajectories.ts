/** @file Recorded trajectories of PyTorch's and Optax's optimisers, and ours that must follow them step for step. */

import { readFileSync } from "node:fs";
import { fromData, type Tensor } from "../src/core/tensor.ts";
import { namedLeaves } from "../src/core/tree.ts";
import type { Engine } from "../src/engines/engine.ts";
import { jit } from "../src/engines/jit.ts";
import { einsum, tanh } from "../src/numpy/index.ts";
import { adafactor } from "../src/optim/adafactor.ts";
import { adam, adamw } from "../src/optim/adam.ts";
import { lion } from "../src/optim/lion.ts";
import { muon } from "../src/optim/muon.ts";
import { applyUpdates, initOptimizer, type Optimizer } from "../src/optim/optimizer.ts";
import { sgd } from "../src/optim/sgd.ts";
import { shampoo } from "../src/optim/shampoo.ts";
import type { Tolerance } from "../src/testing/matchers.ts";
import { differs, doubles } from "../src/testing/tensors.ts";
import { valueAndGrad } from "../src/transforms/vjp.ts";

type Name = "wi" | "bias" | "wo" | "scale" | "slow";
type Params = Readonly<Record<Name, Tensor>>;

const recorded = JSON.parse(
  readFileSync(new URL("./recorded/optimizers.json", import.meta.url), "utf8"),
) as {
  readonly runs: Readonly<
    Record<string, Readonly<Record<string, Record<Name, number[]> & { readonly loss: number }>>>
  >;
};

const wave = (sizes: Readonly<Record<string, number>>, a: number, b: number, size = 1) =>
  doubles(sizes, (i) => size * Math.sin(a * i + b));

/** The problem of `test/recorded/record_optimizers.py`. */
const X = wave({ batch: 8, embed: 4 }, 1.3, 0.2);
const Y = wave({ batch: 8, out: 3 }, 0.7, 1.6);
const C = doubles({ slow: 5 }, (i) => [10, 3, 1, 0.1, 0.01][i] ?? 0);
const START: Params = {
  wi: wave({ embed: 4, mlp: 6 }, 2.1, 0, 0.5),
  bias: wave({ mlp: 6 }, 1.1, 0.5, 0.2),
  wo: wave({ mlp: 6, out: 3 }, 0.9, 0.3, 0.5),
  scale: fromData("float32", [], Float64Array.of(1.2)),
  slow: wave({ slow: 5 }, 1.7, 0.1),
};

interface Data {
  readonly x: Tensor;
  readonly y: Tensor;
  readonly c: Tensor;
}

function lossOf(p: Params, { x, y, c }: Data): Tensor {
  const hidden = tanh(einsum("batch embed, embed mlp -> batch mlp", x, p.wi).add(p.bias));
  const fit = einsum("batch mlp, mlp out -> batch out", hidden, p.wo).mul(p.scale).sub(y);
  return fit
    .square()
    .mean()
    .add(c.mul(p.slow.sub(1).square()).sum().div(2));
}

const plain = {
  epsilon: 1e-4,
  graft: "none",
  beta1: 0,
  beta2: 1,
  block: 8,
  rootEvery: 1,
  weightDecay: 0,
} as const;
const withLength = { graft: "sgd", block: 8, rootEvery: 5, weightDecay: 0.05 } as const;
const optaxAdafactor = { factorFrom: 3, momentum: 0.9, parameterScale: false, clip: 0.8 };
const RUNS: Readonly<Record<string, readonly [optimizer: unknown, rate: number]>> = {
  sgd: [sgd(), 0.05],
  "sgd with momentum": [sgd({ momentum: 0.9 }), 0.02],
  "sgd with Nesterov momentum": [sgd({ momentum: 0.9, nesterov: true, weightDecay: 0.01 }), 0.02],
  "sgd with dampening": [sgd({ momentum: 0.8, dampening: 0.5, weightDecay: 0.1 }), 0.05],
  adam: [adam(), 0.03],
  "adam with decay": [adam({ beta1: 0.8, beta2: 0.99, weightDecay: 0.1 }), 0.03],
  "adam with amsgrad": [adam({ beta2: 0.9, amsgrad: true }), 0.03],
  adamw: [adamw(), 0.02],
  "adamw with amsgrad": [
    adamw({ beta1: 0.8, beta2: 0.9, epsilon: 1e-6, weightDecay: 0.01, amsgrad: true }),
    0.05,
  ],
  "torch's adafactor": [adafactor({ factorFrom: 1, relativeStep: true, weightDecay: 0.01 }), 0.2],
  "torch's muon": [muon(), 0.005],
  shampoo: [shampoo(plain), 0.02],
  "shampoo with a gradient's length": [shampoo(withLength), 0.1],
  "shampoo in blocks": [shampoo({ block: 3, rootEvery: 1 }), 0.02],
  lion: [lion({ weightDecay: 0.1 }), 0.003],
  "optax's adafactor": [adafactor({ factorFrom: 4 }), 0.02],
  "optax's adafactor with momentum": [adafactor(optaxAdafactor), 0.01],
  "optax's muon": [
    muon({
      momentum: 0.9,
      nesterov: false,
      scale: "spectral",
      weightDecay: 0,
      auxiliary: { epsilon: 1e-30 },
    }),
    0.005,
  ],
};

/** The optimisers that were recorded, in the order of the file. */
export const RECORDED: readonly string[] = Object.keys(recorded.runs);
/** Those that are set up here. */
export const FOLLOWED: readonly string[] = Object.keys(RUNS);

/**
 * Where the first difference from the recorded trajectory is; undefined when there is none.
 *
 * @param steps - 100 are recorded, of which 1, 10 and 100 are looked at
 * @param precision - rounds the start to what the engine computes in
 */
export async function departure(
  name: string,
  steps: number,
  engine: Engine,
  precision: <T>(tree: T) => T,
  tolerance: Tolerance,
): Promise<string | undefined> {
  const run = RUNS[name];
  if (run === undefined) return `there is no optimiser for ${name}`;
  const optimizer = run[0] as Optimizer;
  const settings = { engine, threads: 1 };
  const data = precision({ x: X, y: Y, c: C });
  const start = jit((params: Params) => {
    // The loss as well, since plain gradient descent has no state, and a program must compute something.
    return { states: [...initOptimizer(optimizer, params)], loss: lossOf(params, data) };
  }, settings);
  const step = jit(
    (params: Params, states: readonly unknown[], d: Data, at: Tensor, rate: Tensor) => {
      const [loss, slopes] = valueAndGrad((p: Params) => lossOf(p, d))(params);
      return { loss, ...applyUpdates(optimizer, params, slopes, states, at, rate) };
    },
    settings,
  );
  let params = precision(START);
  let { states }: { states: readonly unknown[] } = await start(params);
  const number = (x: number) => precision(fromData("float32", [], Float64Array.of(x)));
  for (let t = 0; t < steps; t++) {
    const next = await step(params, states, data, number(t), number(run[1]));
    ({ params, states } = next);
    const peer = recorded.runs[name]?.[t + 1];
    if (peer === undefined) continue;
    for (const { path, leaf } of namedLeaves({ loss: next.loss, ...params })) {
      const why = differs(leaf, [peer[path as Name | "loss"]].flat(), tolerance);
      if (why !== undefined) return `${path} of step ${t + 1}: ${why}`;
    }
  }
  return undefined;
}
