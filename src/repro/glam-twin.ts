/**
 * @file A GLaM beside its twin in PyTorch: the same weights, the same batches, turn by turn. Their losses
 * must be the same curve, and their speeds can be compared.
 *
 * Two runs in float32 part in the end, whatever their arithmetic: which token an expert takes turns on the last bit
 * of a score. So the twin goes on from our whole state (weights, optimiser, router) every so many steps.
 */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startGlamPeer } from "../bench/peers.ts";
import { ConfigError } from "../core/errors.ts";
import { fromData, type Tensor } from "../core/tensor.ts";
import type { Batch } from "../data/batches.ts";
import { type JitOptions, jit } from "../engines/jit.ts";
import * as random from "../numpy/random.ts";
import type { LanguageModel, TokenBatch, Weights } from "../train/model.ts";
import { encodeSafetensors } from "../train/safetensors.ts";
import { tensorsOf } from "../train/state.ts";
import type { TrainState } from "../train/step.ts";

/** What both sides are given. */
export interface TwinInputs {
  readonly model: LanguageModel;
  /** One batch per step. */
  readonly batches: readonly Batch[];
  /** For the evaluation at the end. */
  readonly held: readonly Batch[];
  readonly seed: number;
  readonly python: string;
  readonly engine: JitOptions["engine"];
  readonly threads: number;
}

/** PyTorch's side: a process that has our fresh weights and all batches. */
export interface Twin {
  /** Of PyTorch. */
  readonly version: string;
  /** The state that both start from. */
  readonly initial: TrainState;
  /** Makes the next steps. */
  train(count: number): Promise<{ readonly losses: readonly number[]; readonly seconds: number }>;
  /** Goes on from a state of ours: weights, optimiser, routers, and the number of steps. */
  resume(state: TrainState): Promise<void>;
  /** Nats per token on the held-out batches, by the rule that sampling uses. */
  evaluate(): Promise<number>;
  stop(): Promise<void>;
}

/** @throws ConfigError with the peer's own words when it cannot start, or cannot be such a model */
export async function openTwin(inputs: TwinInputs): Promise<Twin> {
  const { model, seed, python } = inputs;
  const begin = jit((key: random.Key) => model.initial(key), {
    ...engineOf(inputs),
    name: "initial state",
  });
  const initial = await begin(random.key(seed));
  const folder = await mkdtemp(join(tmpdir(), "meshloom-twin-"));
  const peer = startGlamPeer(python, await writeInputs(folder, inputs, initial));
  const stop = async () => {
    peer.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const { version } = await peer.ask<{ readonly version: string }>({ do: "load" });
    return {
      version,
      initial,
      train: (count) => peer.ask({ do: "train", count }),
      async resume(state) {
        const path = join(folder, "state.safetensors");
        const tensors = tensorsOf(state).filter(({ name }) => name !== "key");
        await writeFile(path, encodeSafetensors(tensors, {}));
        // The optimiser's tensors are numbered as the weights are listed.
        const names = tensorsOf(state.params as object).map(({ name }) => name);
        await peer.ask({ do: "resume", path, names });
      },
      async evaluate() {
        const { nats, count } = await peer.ask<{ nats: number; count: number }>({ do: "evaluate" });
        return nats / count;
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw new ConfigError("CONFIG-01", "repro: the twin in PyTorch cannot be made.", [
      ["python", python],
      ["cause", error instanceof Error ? error.message : String(error)],
      [
        "fix",
        "give a Python with bench/peers/requirements.txt installed, and a GLaM that the cause allows",
      ],
    ]);
  }
}

export interface TwinOptions extends TwinInputs {
  /** Steps after which the twin goes on from our state; a multiple of 5, or 0 for never. */
  readonly restartEvery: number;
  /** Called after every turn with the losses of its last step. */
  onTurn(step: number, ours: number, theirs: number): void;
}

/** One side's run. */
export interface TwinSide {
  /** Cross-entropy in nats per token, one per step. */
  readonly losses: readonly number[];
  readonly secondsPerStep: readonly number[];
  /** Nats per token on the held-out batches, by the rule that sampling uses. */
  readonly heldOut: number;
}

export interface TwinResult {
  readonly ours: TwinSide;
  readonly theirs: TwinSide & { readonly version: string };
}

/** Steps that one side makes before it is the other's turn. */
export const STEPS_PER_TURN = 5;

/**
 * Trains both, turn by turn.
 *
 * @throws ConfigError as `openTwin`
 */
export async function trainTwins(options: TwinOptions): Promise<TwinResult> {
  const { model, batches, held, restartEvery } = options;
  const own = engineOf(options);
  const twin = await openTwin(options);
  try {
    const step = jit((state: TrainState, batch: TokenBatch) => model.step(state, batch), {
      ...own,
      name: "training step",
      donate: [0],
    });
    let state = twin.initial;
    const ours = { losses: [] as number[], secondsPerStep: [] as number[] };
    const theirs = { losses: [] as number[], secondsPerStep: [] as number[] };
    for (let at = 0; at < batches.length; at += STEPS_PER_TURN) {
      if (at > 0 && restartEvery > 0 && at % restartEvery === 0) await twin.resume(state);
      const turn = batches.slice(at, at + STEPS_PER_TURN);
      for (const batch of turn) {
        const started = performance.now();
        const [next, metrics] = await step(state, asTensors(batch, model));
        ours.losses.push(metrics.report.crossEntropy.item());
        ours.secondsPerStep.push((performance.now() - started) / 1000);
        state = next;
      }
      const answer = await twin.train(turn.length);
      theirs.losses.push(...answer.losses);
      theirs.secondsPerStep.push(...turn.map(() => answer.seconds / turn.length));
      options.onTurn(at + turn.length, ours.losses.at(-1) ?? NaN, theirs.losses.at(-1) ?? NaN);
    }
    const weights = { params: state.params, extra: state.extra };
    return {
      ours: { ...ours, heldOut: await evaluate(model, weights, held, own) },
      theirs: { ...theirs, heldOut: await twin.evaluate(), version: twin.version },
    };
  } finally {
    await twin.stop();
  }
}

function engineOf({ engine, threads }: TwinInputs): JitOptions {
  return { ...(engine === undefined ? {} : { engine }), threads };
}

/** Nats per token over batches, by the rule that sampling uses. */
async function evaluate(
  model: LanguageModel,
  weights: Weights,
  held: readonly Batch[],
  engine: JitOptions,
): Promise<number> {
  const one = jit((w: Weights, batch: TokenBatch) => model.evaluate(w, batch), {
    ...engine,
    name: "evaluation",
  });
  let nats = 0;
  let count = 0;
  for (const batch of held) {
    const found = await one(weights, asTensors(batch, model));
    nats += found.nats.item();
    count += found.count.item();
  }
  return nats / count;
}

function asTensors({ tokens, targets }: Batch, { training }: LanguageModel): TokenBatch {
  const form = (ids: Int32Array): Tensor =>
    fromData("int32", [training.batch, training.length], ids, "batch pos");
  return { tokens: form(tokens), targets: form(targets) };
}

/** Weights and batches for the peer; returns the path of its configuration. */
async function writeInputs(
  folder: string,
  { model, batches, held, threads }: TwinInputs,
  state: TrainState,
): Promise<string> {
  const path = (name: string) => join(folder, name);
  const { batch, length } = model.training;
  const save = (name: string, list: readonly Batch[]) => {
    const dims = [list.length, batch, length];
    const joined = (part: "tokens" | "targets") => {
      const all = new Int32Array(list.length * batch * length);
      list.forEach((one, i) => {
        all.set(one[part], i * batch * length);
      });
      return { name: part, dtype: "int32" as const, dims, data: all };
    };
    return writeFile(path(name), encodeSafetensors([joined("tokens"), joined("targets")], {}));
  };
  await save("batches.safetensors", batches);
  await save("held.safetensors", held);
  const weights = encodeSafetensors(tensorsOf(state.params as object), {});
  await writeFile(path("weights.safetensors"), weights);
  const config = {
    model: model.model,
    training: model.training,
    weights: path("weights.safetensors"),
    batches: path("batches.safetensors"),
    held: path("held.safetensors"),
    threads,
  };
  await writeFile(path("config.json"), JSON.stringify(config));
  return path("config.json");
}
