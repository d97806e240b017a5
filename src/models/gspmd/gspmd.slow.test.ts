/** @file GSPMD's decoder runs: decoding as the whole, in pieces as the whole, experts by hand, a loss that falls. */

import { describe, expect, test } from "vitest";
import { interpret } from "../../core/interpret.ts";
import { makeMesh } from "../../core/mesh.ts";
import { fromData, type Tensor } from "../../core/tensor.ts";
import { leaves } from "../../core/tree.ts";
import { jit } from "../../engines/jit.ts";
import { initialise } from "../../nn/index.ts";
import { random } from "../../numpy/index.ts";
import { defaultRules, finalisedRules, seedsOf } from "../../spmd/annotations.ts";
import { partition } from "../../spmd/partition.ts";
import { propagate } from "../../spmd/propagate.ts";
import { simulate } from "../../spmd/simulate.ts";
import { arrayOf, drawn, drawnIds, numbers } from "../../testing/tensors.ts";
import { traceStep } from "../../train/memory.ts";
import type { TokenBatch } from "../../train/model.ts";
import type { DecoderConfig } from "./config.ts";
import { family } from "./index.ts";
import { type Decoder, decoder, decoderCache, decoderParams, decoderStep } from "./model.ts";
import { presetByName } from "./presets.ts";
import { type Sparse, sparse, sparseParams } from "./sparse.ts";

const SMALL = { layers: 2, embed: 8, mlp: 16, head: 2, dim: 4, vocab: 11, context: 8 };
const dense: DecoderConfig = { ...presetByName("gspmd-nano").model, ...SMALL };
const moe: DecoderConfig = { ...presetByName("gspmd-nano-moe").model, ...SMALL, experts: 4 };

const fresh = (config: DecoderConfig) =>
  jit((key: random.Key) => initialise(decoderParams(config), key))(random.key(4)) as Promise<
    Decoder<Tensor>
  >;

test.each([
  ["dense", dense],
  [
    "learnt positions, plain, two tables",
    { ...dense, positions: "learned", feedForward: "plain", tied: false },
  ],
  ["rotary", { ...dense, positions: "rotary" }],
  ["with experts", { ...moe, capacityFactor: 4 }],
  ["with stages", { ...dense, pipeline: { stages: 2, microbatches: 2 } }],
] as const)("decoding one id at a time is the whole: %s", async (_, config) => {
  const p = await fresh(config);
  const [batch, length] = [2, 5];
  const ids = drawnIds(1, { batch, pos: length }, config.vocab);
  const { logits } = await jit((q: Decoder<Tensor>, x: Tensor) => decoder(q, x, config))(p, ids);
  const expected = numbers(logits);
  const step = jit(
    (q: Decoder<Tensor>, x: Tensor, cache: ReturnType<typeof decoderCache>, at: Tensor) =>
      decoderStep(q, x, cache, at, config),
  );
  let cache = await jit(() => decoderCache(batch, length, config))();
  const all = numbers(ids);
  for (let t = 0; t < length; t++) {
    const one = Int32Array.from({ length: batch }, (_u, b) => all[b * length + t] ?? 0);
    const next = await step(
      p,
      fromData("int32", [batch, 1], one, "batch pos"),
      cache,
      fromData("int32", [batch], new Int32Array(batch).fill(t), "batch"),
    );
    cache = next.cache;
    const own = numbers(next.logits);
    for (let b = 0; b < batch; b++)
      for (let v = 0; v < config.vocab; v++)
        expect(own[b * config.vocab + v]).toBeCloseTo(
          expected[(b * length + t) * config.vocab + v] ?? 0,
          4,
        );
  }
});

test.each(["gspmd-nano", "gspmd-nano-moe"])(
  "a step of %s in pieces is the whole, sums in another order apart",
  async (name) => {
    const { training } = presetByName(name);
    const config = name === "gspmd-nano" ? dense : moe;
    const model = family.restore(name, config, { ...training, batch: 4, length: 4 });
    const mesh = makeMesh({ x: 2, y: 2 });
    const { program, constants } = traceStep(model);
    const seeds = seedsOf(mesh, program, { rules: finalisedRules(mesh) });
    const parted = partition(program, propagate(mesh, program, seeds));
    const state = await jit((key: random.Key) => model.initial(key))(random.key(1));
    const tokens = drawnIds(2, { batch: 4, pos: 4 }, config.vocab);
    const targets = drawnIds(3, { batch: 4, pos: 4 }, config.vocab);
    const values = [...leaves(state), tokens, targets, ...constants].map(arrayOf);
    const dims = program.outputs.map((v) => v.aval.dims);
    const pieces = simulate(parted, values, dims, Number.NaN);
    interpret(program, values).forEach((whole, k) => {
      whole.data.forEach((x, i) => {
        expect(Number(pieces[k]?.data[i]), `result ${k}`).toBeCloseTo(Number(x), 3);
      });
    });
  },
);

test("experts answer as a plain loop says, until their slots are full", async () => {
  const [batch, pos, embed, mlp, experts, slots] = [2, 6, 3, 4, 3, 2];
  const params = await jit((key: random.Key) => initialise(sparseParams(embed, mlp, experts), key))(
    random.key(9),
  );
  const x = drawn(7, { batch, pos, embed });
  const run = jit((p: Sparse<Tensor>, y: Tensor) => sparse(p, y, slots, "relu"));
  const [y] = await run(params as Sparse<Tensor>, x);
  const [gate, wi, wo] = [params.gate, params.wi, params.wo].map((t) => numbers(t as Tensor));
  const all = numbers(x);
  const out = numbers(y);
  for (let b = 0; b < batch; b++) {
    const row = (t: number) => all.slice((b * pos + t) * embed, (b * pos + t + 1) * embed);
    const gates = Array.from({ length: pos }, (_, t) => {
      const logits = Array.from({ length: experts }, (__, e) =>
        row(t).reduce((sum, v, m) => sum + v * (gate?.[m * experts + e] ?? 0), 0),
      );
      const total = logits.reduce((sum, l) => sum + Math.exp(l), 0);
      return logits.map((l) => Math.exp(l) / total);
    });
    const best = gates.map((g) =>
      g
        .map((w, e) => ({ w, e }))
        .sort((a, c) => c.w - a.w)
        .slice(0, 2),
    );
    const full = Array<number>(experts).fill(0);
    const answers = Array.from({ length: pos }, () => Array<number>(embed).fill(0));
    // All first choices come before all second ones.
    for (const choice of [0, 1])
      for (let t = 0; t < pos; t++) {
        const { w, e } = best[t]?.[choice] ?? { w: 0, e: 0 };
        const seat = full[e] ?? 0;
        full[e] = seat + 1;
        if (seat >= slots) continue;
        const weight = w / ((best[t]?.[0]?.w ?? 0) + (best[t]?.[1]?.w ?? 0));
        const hidden = Array.from({ length: mlp }, (_, h) =>
          Math.max(
            0,
            row(t).reduce((sum, v, m) => sum + v * (wi?.[(e * embed + m) * mlp + h] ?? 0), 0),
          ),
        );
        for (let m = 0; m < embed; m++) {
          const own = answers[t] as number[];
          own[m] =
            (own[m] ?? 0) +
            weight *
              hidden.reduce((sum, v, h) => sum + v * (wo?.[(e * mlp + h) * embed + m] ?? 0), 0);
        }
      }
    answers.flat().forEach((v, i) => {
      expect(out[b * pos * embed + i]).toBeCloseTo(v, 5);
    });
  }
});

test.each(["gspmd-nano", "gspmd-nano-moe"])("the loss of one batch falls: %s", async (name) => {
  const { training } = presetByName(name);
  const config = name === "gspmd-nano" ? dense : moe;
  const model = family.restore(name, config, { ...training, batch: 4, length: 8 });
  let state = await jit((key: random.Key) => model.initial(key))(random.key(1));
  const step = jit((s: typeof state, b: TokenBatch) => model.step(s, b));
  const batch = {
    tokens: drawnIds(1, { batch: 4, pos: 8 }, config.vocab),
    targets: drawnIds(2, { batch: 4, pos: 8 }, config.vocab),
  };
  const losses: number[] = [];
  for (let t = 0; t < 60; t++) {
    const [next, { loss }] = await step(state, batch);
    state = next;
    losses.push(loss.item());
  }
  expect(losses.at(-1)).toBeLessThan(0.6 * (losses[0] ?? 0));
});

describe("a pipeline", () => {
  const [batch, pos, layers] = [8, 6, 4];
  const deep: DecoderConfig = { ...dense, layers };
  const settings = { ...presetByName("gspmd-nano").training, batch, length: pos };
  const open = (config: DecoderConfig) => family.restore("gspmd-nano", config, settings);

  /** Two documents in each sequence. */
  const batches = [0, 1, 2, 3].map((t): TokenBatch => {
    const places = (f: (i: number) => number) =>
      fromData(
        "int32",
        [batch, pos],
        Int32Array.from({ length: batch * pos }, (_, i) => f(i % pos)),
        "batch pos",
      );
    return {
      tokens: drawnIds(10 + t, { batch, pos }, deep.vocab),
      targets: drawnIds(20 + t, { batch, pos }, deep.vocab),
      segments: places((i) => (i < 4 ? 1 : 2)),
      positions: places((i) => i % 4),
    };
  });

  const losses = async (config: DecoderConfig): Promise<number[]> => {
    const model = open(config);
    let state = await jit((key: random.Key) => model.initial(key))(random.key(1));
    const step = jit((s: typeof state, b: TokenBatch) => model.step(s, b));
    const seen: number[] = [];
    for (const one of batches) {
      const [next, { loss }] = await step(state, one);
      state = next;
      seen.push(loss.item());
    }
    return seen;
  };

  test.each([
    ["gated, a bias by distance", deep],
    ["rotary", { ...deep, positions: "rotary", recompute: "nothing" }],
  ] as const)("trains as the layers in one loop: %s", async (_, config) => {
    const wanted = await losses(config);
    for (const pipeline of [
      { stages: 2, microbatches: 4 },
      { stages: 4, microbatches: 2 },
      { stages: 2, microbatches: 4, rounds: 2 },
    ]) {
      const given = await losses({ ...config, pipeline });
      given.forEach((loss, t) => {
        expect(Math.abs(loss - (wanted[t] ?? NaN)), `step ${t}`).toBeLessThan(1e-5);
      });
    }
  });

  test.each([[{ stages: 2, microbatches: 2 }], [{ stages: 2, microbatches: 2, rounds: 2 }]])(
    "a step in pieces is the whole: %o",
    async (pipeline) => {
      const model = open({ ...deep, pipeline });
      const mesh = makeMesh({ stage: 2, data: 2 });
      const { program, constants } = traceStep(model);
      const seeds = seedsOf(mesh, program, { rules: defaultRules(mesh) });
      const parted = partition(program, propagate(mesh, program, seeds));
      const state = await jit((key: random.Key) => model.initial(key))(random.key(1));
      const [first] = batches;
      const values = [
        ...leaves(state),
        first?.tokens as Tensor,
        first?.targets as Tensor,
        ...constants,
      ].map(arrayOf);
      const dims = program.outputs.map((v) => v.aval.dims);
      const pieces = simulate(parted, values, dims, Number.NaN);
      interpret(program, values).forEach((whole, k) => {
        whole.data.forEach((x, i) => {
          expect(Number(pieces[k]?.data[i]), `result ${k}`).toBeCloseTo(Number(x), 3);
        });
      });
    },
  );
});
