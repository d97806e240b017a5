/** @file Llama: its sizes as published, its configuration read strictly, names on the Hub one to one. */

import { describe, expect, test } from "vitest";
import { CheckpointError, ConfigError } from "../../core/errors.ts";
import { abstractWeights, weightForms } from "../../exchange/weights.ts";
import { type LlamaConfig, PRESETS, presetByName } from "./config.ts";
import { llamaFacts } from "./facts.ts";
import { hub } from "./hub.ts";
import { family } from "./index.ts";
import { readModel } from "./schema.ts";

const facts = (name: string) => {
  const { model, training } = presetByName(name);
  return llamaFacts(model, training);
};

describe("sizes", () => {
  // Totals of the published checkpoints (bytes of their weights in 16 bits, halved).
  test.each([
    ["llama-2-7b", 6_738_415_616],
    ["llama-2-13b", 13_015_864_320],
    ["llama-2-70b", 68_976_648_192],
    ["llama-3-8b", 8_030_261_248],
    ["llama-3-70b", 70_553_706_496],
    ["mistral-7b", 7_241_732_096],
    ["mixtral-8x7b", 46_702_792_704],
    ["mixtral-8x22b", 140_620_634_112],
  ] as const)("%s has its %i parameters", (name, parameters) => {
    expect(facts(name).parameters).toBe(parameters);
  });

  // "uses 13B active parameters" (arXiv:2401.04088), 12.9B by its model card; "39B active" of 141B.
  test.each([
    ["mixtral-8x7b", 12.9e9],
    ["mixtral-8x22b", 39.2e9],
  ] as const)("a token uses about %s's published count", (name, activated) => {
    expect(Math.abs(facts(name).activatedParameters / activated - 1)).toBeLessThan(0.005);
  });

  test("a dense model uses all of its parameters", () => {
    const { parameters, activatedParameters } = facts("llama-2-7b");
    expect(activatedParameters).toBe(parameters);
  });

  test.each(PRESETS.map(({ name, model: m }) => ({ name, m })))(
    "$name: the formula counts what is declared",
    ({ name, m }) => {
      const attention = m.embed * m.dim * (2 * m.head + 2 * m.kvHead);
      const mlp = 3 * m.embed * m.mlp;
      const sparse = m.experts === 0 ? mlp : m.experts * mlp + m.embed * m.experts;
      const tables = (m.tied ? 1 : 2) * m.vocab * m.embed;
      const norms = (2 * m.layers + 1) * m.embed;
      expect(facts(name).parameters).toBe(m.layers * (attention + sparse) + tables + norms);
    },
  );

  test("a window bounds the attention's cost, and the embedding is looked up for free", () => {
    const { model, training } = presetByName("mistral-7b");
    const at = (length: number, window: number | null) =>
      llamaFacts({ ...model, window }, { ...training, length });
    const weights = 2 * (facts("mistral-7b").activatedParameters - model.vocab * model.embed);
    const perPlace = model.layers * 4 * model.head * model.dim;
    expect(at(4096, null).flopsPerToken).toBe(weights + perPlace * 2048);
    expect(at(65_536, 4096).flopsPerToken).toBe(weights + perPlace * 4096);
  });
});

describe("a configuration", () => {
  const { model } = presetByName("mixtral-pico");

  test.each([
    ["a key that is missing", { ...model, dim: undefined }, "dim"],
    ["a key that is unknown", { ...model, heads: 4 }, "heads"],
    ["kvHead that does not divide head", { ...model, kvHead: 3 }, "kvHead"],
    ["an odd dim", { ...model, dim: 7 }, "dim"],
    ["more experts a token than there are", { ...model, expertsPerToken: 5 }, "expertsPerToken"],
    ["experts of which none serves", { ...model, expertsPerToken: 0 }, "expertsPerToken"],
    ["a window of 0", { ...model, window: 0 }, "window"],
  ] as const)("is refused for %s", (_, value, key) => {
    expect(() => readModel(value)).toThrow(ConfigError);
    expect(() => readModel(value)).toThrow(key);
  });

  test("is kept by a run: restoring gives the same model", () => {
    const opened = family.open("mixtral-pico", { layers: 3, batch: 2 });
    const saved = JSON.parse(JSON.stringify({ model: opened.model, training: opened.training }));
    const again = family.restore("mixtral-pico", saved.model, saved.training);
    expect(again.model).toEqual(opened.model);
    expect(again.training).toEqual(opened.training);
    expect(again.facts()).toEqual(opened.facts());
  });

  test("an unknown preset is refused with the nearest", () => {
    expect(() => presetByName("lama-nano")).toThrow('did you mean "llama-nano"?');
  });
});

describe("on the Hub", () => {
  const variants: readonly (readonly [string, Partial<LlamaConfig>])[] = [
    ["llama", {}],
    ["llama", { biases: "all", tied: true }],
    ["qwen2", { biases: "query-key-value" }],
    ["mistral", { window: 7 }],
    ["mixtral", { experts: 4, expertsPerToken: 2, auxWeight: 0.02 }],
  ];

  test.each(variants)(
    "%s: every weight has a name, and its elements lie in one tensor",
    (type, changes) => {
      const { model: base, training } = presetByName("llama-pico");
      const model = family.restore("x", { ...base, ...changes }, training);
      const forms = weightForms(abstractWeights(model));
      const tensors = hub.tensors(model, forms);
      expect(new Set(tensors.map(({ name }) => name)).size).toBe(tensors.length);
      expect(
        tensors.every(({ name }) => /^(lm_head|model\.[^*#/]+)\.(weight|bias)$/.test(name)),
      ).toBe(true);
      const count = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1);
      for (const { path, dims } of forms) {
        const own = tensors.filter((tensor) => tensor.path === path);
        expect(
          own.reduce((sum, tensor) => sum + count(tensor.dims), 0),
          path,
        ).toBe(count(dims));
      }
      expect(hub.write(model)["model_type"]).toBe(type);
      expect(hub.read(hub.write(model), "config.json").model).toEqual(model.model);
    },
  );

  const config = () =>
    ({ ...hub.write(family.open("mixtral-pico", {})) }) as Record<string, unknown>;

  test.each([
    ["hidden_act", "gelu", "known is silu"],
    ["rope_scaling", { rope_type: "yarn", factor: 4 }, "known are default, linear, llama3"],
    ["quantization_config", { bits: 4 }, "16 or 32 bits"],
    ["partial_rotary_factor", 0.5, "heads are turned whole"],
  ] as const)("%s of another kind is refused, not ignored", (key, value, words) => {
    const read = () => hub.read({ ...config(), [key]: value }, "config.json");
    expect(read).toThrow(CheckpointError);
    expect(read).toThrow(words);
  });

  test.each([
    ["num_key_value_head", "num_key_value_heads"],
    ["rms_norm_epsilon", undefined],
    ["hidden_sise", "hidden_size"],
    ["slidding_window", "sliding_window"],
  ] as const)("the key %s is a typing mistake of %s", (typo, meant) => {
    const own = config();
    if (meant === undefined) {
      expect(hub.read({ ...own, [typo]: 1 }, "config.json").model).toEqual(
        hub.read(own, "config.json").model,
      );
      return;
    }
    const { [meant]: value, ...rest } = own;
    expect(() => hub.read({ ...rest, [typo]: value ?? 8 }, "config.json")).toThrow(
      `did you mean "${meant}"?`,
    );
  });

  test.each([
    ["rope_theta at the top, no scaling", { rope_theta: 5, rope_scaling: null }, 5, null],
    ["rope_parameters", { rope_parameters: { rope_type: "default", rope_theta: 6 } }, 6, null],
    [
      "linear scaling by its old name",
      { rope_theta: 7, rope_scaling: { type: "linear", factor: 2 } },
      7,
      { kind: "linear", factor: 2 },
    ],
  ] as const)("rotary positions are read from %s", (_, keys, theta, scaling) => {
    const { rope_theta: _theta, rope_scaling: _scaling, ...rest } = config();
    const model = readModel(hub.read({ ...rest, ...keys }, "config.json").model);
    expect(model.rotaryTheta).toBe(theta);
    expect(model.rotaryScaling).toEqual(scaling);
  });
});
