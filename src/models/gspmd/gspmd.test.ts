/** @file GSPMD's decoder: its sizes as Lingvo, MaxText and the paper count them, its layout on a mesh, its configuration. */

import { describe, expect, test } from "vitest";
import { ConfigError } from "../../core/errors.ts";
import { makeMesh } from "../../core/mesh.ts";
import { isProgram, type Program } from "../../core/program.ts";
import { defaultRules, finalisedRules, seedsOf } from "../../spmd/annotations.ts";
import { exchangesOf } from "../../spmd/exchanges.ts";
import { partition } from "../../spmd/partition.ts";
import { propagate } from "../../spmd/propagate.ts";
import { showSharding } from "../../spmd/sharding.ts";
import { traceStep } from "../../train/memory.ts";
import { simplifyAll } from "../../transforms/simplify.ts";
import { family } from "./index.ts";
import { PRESETS, presetByName } from "./presets.ts";
import { readModel } from "./schema.ts";

const facts = (name: string) => family.open(name, {}).facts();

describe("sizes", () => {
  // Comments of Lingvo's synthetic_packed_input.py.
  test.each([
    ["lingvo-128b-8x8", 137_702_416_384],
    ["lingvo-128b-16x16", 137_702_416_384],
    ["lingvo-175b-32x32", 174_366_928_896],
    ["lingvo-1t-16x16", 1_100_041_175_040],
  ] as const)("%s has its %i parameters", (name, parameters) => {
    expect(facts(name).parameters).toBe(parameters);
  });

  test("layers are powers of two, as the paper's weak scaling has them", () => {
    const layer = (name: string) => {
      const [two, four] = [2, 4].map((layers) => family.open(name, { layers }).facts().parameters);
      return ((four ?? 0) - (two ?? 0)) / 2;
    };
    // The norms and the bias by distance are not counted among them.
    expect(layer("gspmd-64b")).toBe(2 ** 31 + 2 * 8192 + 128 * 32);
    expect(layer("gspmd-1t")).toBe(2 ** 33 + 2 * 16_384 + 256 * 32);
    expect(layer("gspmd-narrow-16b")).toBe(2 ** 28 + 2 * 4096 + 64 * 32);
  });

  test.each([
    ["gspmd-moe-37b", 36 * 2 ** 30],
    ["gspmd-moe-144b", 144 * 2 ** 30],
    ["gspmd-moe-577b", 618_475_290_624],
  ] as const)("experts of %s are %i", (name, parameters) => {
    const { layers, experts, embed, mlp } = presetByName(name).model;
    expect((layers / 2) * experts * 2 * embed * mlp).toBe(parameters);
    // The rest is what every token uses: of the experts, two.
    const { parameters: all, activatedParameters } = facts(name);
    expect(all - activatedParameters).toBe((parameters * (experts - 2)) / experts);
  });

  test.each([
    ["gspmd-hybrid-33b", 33],
    ["gspmd-hybrid-57b", 57],
    ["gspmd-hybrid-420b", 420],
    ["gspmd-hybrid-804b", 804],
  ] as const)("products of %s are %i · 2³⁰", (name, billions) => {
    const { layers, experts, embed, mlp, head, dim } = presetByName(name).model;
    const [attention, matrices] = [4 * embed * head * dim, 2 * embed * mlp];
    expect((layers / 2) * (2 * attention + (1 + experts) * matrices)).toBe(billions * 2 ** 30);
  });

  // global_parameter_scale of MaxText: about so many times its 1B model.
  test.each([
    ["maxtext-v5p-32b", 32],
    ["maxtext-v5p-128b", 128],
    ["maxtext-v5p-1024b", 1024],
    ["maxtext-v5e-16b", 16],
  ] as const)("%s is near its name", (name, billions) => {
    expect(Math.abs(facts(name).parameters / (billions * 1e9) - 1)).toBeLessThan(0.04);
  });

  test.each(PRESETS.map(({ name }) => name))(
    "%s: forward work is two a weight and attention",
    (name) => {
      const { model, training } = presetByName(name);
      const { activatedParameters, flopsPerToken } = facts(name);
      const free =
        (model.positions === "learned" ? model.context * model.embed : 0) +
        (model.tied ? 0 : model.vocab * model.embed);
      const attention = model.layers * 2 * model.head * model.dim * training.length;
      expect(flopsPerToken).toBe(2 * (activatedParameters - free) + attention);
    },
  );
});

describe("a configuration", () => {
  const { model } = presetByName("gspmd-nano-moe");

  test.each([
    ["a key that is missing", { ...model, dim: undefined }, "dim"],
    ["a key that is unknown", { ...model, heads: 4 }, "heads"],
    [
      "layers that its stages do not divide",
      { ...presetByName("gspmd-nano-pipelined").model, layers: 6 },
      "6 layers are not 4 stages of equally many layers",
    ],
    [
      "stages of a model with experts",
      { ...model, pipeline: { stages: 2, microbatches: 2 } },
      "a model with experts has no stages",
    ],
    ["odd layers with experts", { ...model, layers: 3 }, "layers"],
    ["a single expert", { ...model, experts: 1 }, "experts"],
  ] as const)("is refused for %s", (_, value, key) => {
    expect(() => readModel(value)).toThrow(ConfigError);
    expect(() => readModel(value)).toThrow(key);
  });

  test("is kept by a run: restoring gives the same model", () => {
    const opened = family.open("gspmd-nano-moe", { layers: 6, batch: 2 });
    const saved = JSON.parse(JSON.stringify({ model: opened.model, training: opened.training }));
    const again = family.restore("gspmd-nano-moe", saved.model, saved.training);
    expect(again.model).toEqual(opened.model);
    expect(again.facts()).toEqual(opened.facts());
  });
});

/** Programs that a program holds, of loops and of what is computed again. */
function bodies(program: Program): Program[] {
  return program.equations.flatMap(({ params }) =>
    Object.values(params as object)
      .filter(isProgram)
      .flatMap((inner) => [inner, ...bodies(inner)]),
  );
}

describe("the finalised layout", () => {
  const mesh = makeMesh({ x: 2, y: 4 });
  const [X, Y] = [2, 4];
  const { batch, length, model } = {
    ...presetByName("gspmd-nano"),
    ...{ batch: 8, length: 16 },
  };
  const opened = family.open("gspmd-nano", { batch, length });
  const { program: whole } = traceStep(opened);
  const found = propagate(mesh, whole, seedsOf(mesh, whole, { rules: finalisedRules(mesh) }));
  const parted = partition(whole, found);
  const program = simplifyAll(parted.program);

  test("weights lie [x, y], the residual stream [x, -, y] and the hidden layer [x, -, y]", () => {
    const lies = new Map<string, Set<string>>();
    for (const inner of [whole, ...bodies(whole)])
      for (const v of inner.equations.flatMap((e) => e.outputs)) {
        const names = v.aval.names.join(" ");
        const set = lies.get(names) ?? new Set();
        lies.set(names, set.add(showSharding(found.shardingOf(v), mesh)));
      }
    expect([...(lies.get("batch pos embed") ?? [])]).toEqual(["[x, -, y]"]);
    expect([...(lies.get("batch pos mlp") ?? [])]).toEqual(["[x, -, y]"]);
    const weights = parted.inputs.map((sharding, i) => ({
      names: whole.inputs[i]?.aval.names.join(" "),
      sharding: showSharding(sharding, mesh),
    }));
    const of = (names: string) => [
      ...new Set(weights.filter((w) => w.names === names).map((w) => w.sharding)),
    ];
    expect(of("layer embed mlp")).toEqual(["[-, x, y]"]);
    expect(of("layer mlp embed")).toEqual(["[-, y, x]"]);
    expect(of("layer embed head dim")).toEqual(["[-, x, y, -]"]);
  });

  test("a layer sends what the paper's table says, weights along x and activations along y", () => {
    const { layers, embed, mlp, head, dim } = model;
    const BSM = 4 * batch * length * embed;
    const matrices = 4 * (3 * embed * mlp + 4 * embed * head * dim);
    const sent = (kind: string, devices: number) =>
      exchangesOf(program)
        .filter((e) => e.kind === kind && e.devices === devices && e.times === layers)
        .reduce((sum, e) => sum + e.bytes, 0);
    const share = (n: number) => (n - 1) / n;
    // Forward, and backward, which the second forward shares: MH/y gathered along x; gradients scattered once.
    expect(sent("allGather", X)).toBe((2 * share(X) * matrices) / Y);
    expect(sent("reduceScatter", X)).toBe((share(X) * matrices) / Y);
    // Attention and feed-forward layer, forward, again, and of the cotangent, without the last sum again.
    expect(sent("allGather", Y)).toBe((6 * share(Y) * BSM) / X);
    expect(sent("reduceScatter", Y)).toBe((5 * share(Y) * BSM) / X);
  });
});

describe("the pipeline", () => {
  test.each([
    ["gspmd-nano-pipelined", { stage: 4, data: 2, model: 2 }],
    ["gspmd-nano-circular", { stage: 2, data: 2, model: 2 }],
  ] as const)(
    "%s: a tick sends states and products' sums, no weights, no states whole",
    (name, axes) => {
      const mesh = makeMesh(axes);
      const { program: whole } = traceStep(family.open(name, { length: 8 }));
      const found = propagate(mesh, whole, seedsOf(mesh, whole, { rules: defaultRules(mesh) }));
      const parted = partition(whole, found);
      const { model, training } = presetByName(name);
      const { stages, microbatches, rounds = 1 } = model.pipeline ?? { stages: 0, microbatches: 0 };
      const ticks = rounds * microbatches + stages - 1;
      const lies = whole.inputs.map((v, i) => [v.aval.names.join(" "), showSharding(parted.inputs[i] ?? found.shardingOf(v), mesh)] as const); // biome-ignore format: one line
      const round = rounds > 1 ? ["round ", "-, "] : ["", ""];
      expect(lies).toContainEqual([`${round[0]}stage layer embed mlp`, `[${round[1]}stage, -, -, model]`]); // biome-ignore format: one line
      const inLoops = exchangesOf(simplifyAll(parted.program)).filter(({ times }) => times > 1);
      expect(new Set(inLoops.map(({ times }) => times))).toEqual(new Set([ticks]));
      const state = 4 * (training.batch / microbatches / axes.data) * 8 * model.embed;
      const moved = inLoops.filter(({ kind }) => kind !== "allReduce");
      expect(moved.map(({ kind, bytes }) => [kind, bytes])).toEqual([
        ["collectivePermute", state],
        ["collectivePermute", state],
      ]);
    },
  );
});
