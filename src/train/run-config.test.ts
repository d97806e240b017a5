import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConfigError } from "../core/errors.ts";
import {
  type ConfigFile,
  DATA_DEFAULTS,
  parseSetting,
  RUN_DEFAULTS,
  readConfigFile,
  resolveConfig,
} from "./run-config.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "meshloom-config-"));
});
afterAll(() => rm(folder, { recursive: true }));

function file(content: Record<string, unknown>): ConfigFile {
  return { path: "my.json", content };
}

async function message(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(ConfigError);
  return (error as ConfigError).message;
}

describe("preset, file, settings", () => {
  it("later ones win, and what differs from the preset is told", async () => {
    const saved = { training: { steps: 60, clip: 2 }, run: { keep: 5 }, data: { seed: 4 } };
    const settings = ["training.clip=0.5", "run.prompt=Call me", "model.router=switch-top1"];
    const config = await resolveConfig("glam-pico", file(saved), settings.map(parseSetting));
    expect(config.model.training).toMatchObject({ steps: 60, clip: 0.5, batch: 8 });
    expect(config.run).toEqual({ ...RUN_DEFAULTS, keep: 5, prompt: "Call me" });
    expect(config.data).toEqual({ ...DATA_DEFAULTS, seed: 4 });
    expect(config.differences).toEqual([
      { key: "model.router", before: "expert-choice", now: "switch-top1" },
      { key: "training.steps", before: 100, now: 60 },
      { key: "training.clip", before: 1, now: 0.5 },
    ]);
  });

  it("a setting reaches into an optimiser, and another optimiser takes no options over", async () => {
    const optimizerWith = async (...texts: readonly string[]) => {
      const settings = texts.map(parseSetting);
      return (await resolveConfig("glam-pico", undefined, settings)).model.training.optimizer;
    };
    const momentum = "training.optimizer.momentum=0.9";
    const { data } = await resolveConfig("glam-pico", undefined, [parseSetting("data.name=books")]);
    expect(data).toEqual({ ...DATA_DEFAULTS, name: "books" });
    expect(await optimizerWith(momentum)).toEqual({ name: "adafactor", momentum: 0.9 });
    expect(await optimizerWith(momentum, 'training.optimizer={"name":"lion"}')).toEqual({
      name: "lion",
    });
    const said = await message(optimizerWith("training.optimizer.momentm=0.9"));
    expect(said).toContain('optimizer.momentm    is not a key here; did you mean "momentum"?');
  });

  it("what a run wrote says all of its training; a file by hand changes the preset's", async () => {
    const preset = await resolveConfig("glam-pico", undefined, []);
    const { warmup: _, ...rest } = preset.model.training;
    const training = { ...rest, optimizer: { name: "lion" } };
    const byHand = await resolveConfig("glam-pico", file({ training }), []);
    expect(byHand.model.training).toEqual({ ...training, warmup: preset.model.training.warmup });
    const said = await message(resolveConfig("glam-pico", file({ training, meshloom: "0" }), []));
    expect(said).toContain("warmup    is missing");
  });

  it("a saved configuration gives itself back, also as a file", async () => {
    const first = await resolveConfig("glam-pico", undefined, [parseSetting("training.steps=7")]);
    const { preset, family, data, run } = first;
    const saved = {
      ...{
        preset,
        family,
        data: { ...data, sha256: "x", vocab: 256, length: 32, batch: 8 },
        run,
      },
      ...{ model: first.model.model, training: first.model.training, meshloom: "0" },
    };
    const path = join(folder, "saved.json");
    await writeFile(path, JSON.stringify(saved));
    const again = await resolveConfig(undefined, await readConfigFile(path), []);
    expect(again.model.training).toEqual(first.model.training);
    expect(again.model.model).toEqual(first.model.model);
    expect(again).toMatchObject({ preset, family, data, run, differences: first.differences });
  });
});

describe("a key with a typo", () => {
  it.each([
    ["training.learnRate=1", 'the section "training" is not', 'did you mean "learningRate"?'],
    [
      "model.learningRate=1",
      '"model.learningRate"',
      'belongs to "training".\n  fix    write training.learn',
    ],
    ["training.keep=1", '"training.keep"', 'belongs to "run".\n  fix    write run.keep'],
    [
      "run.savEvery=1",
      'the section "run"',
      'savEvery    is not a key here; did you mean "saveEvery"?',
    ],
    ["data.sed=1", 'the section "data"', 'sed    is not a key here; did you mean "seed"?'],
    ["run.keep=0", 'the section "run"', "keep    Too small"],
    ["training.steps=many", 'the section "training"', "expected number"],
    [
      "run.engine=onx",
      'the section "run"',
      'engine    "onx" is not a choice; did you mean "onnx"?',
    ],
  ])("%s is named with its section and the nearest key", async (text, headline, fact) => {
    for (const settings of [[parseSetting(text)], []]) {
      const [section = "", key = ""] = text.split(/[.=]/);
      const value = parseSetting(text).value;
      const saved = settings.length > 0 ? {} : { [section]: { [key]: value } };
      const said = await message(resolveConfig("glam-pico", file(saved), settings));
      expect(said.split("\n")[0]).toContain(headline);
      expect(said).toContain(fact);
    }
  });

  it("all are listed together", async () => {
    const settings = ["training.a=1", "training.clipp=1", "training.steps=0"].map(parseSetting);
    const said = await message(resolveConfig("glam-pico", undefined, settings));
    for (const key of ["a", "clipp", "steps"]) expect(said).toContain(`\n  ${key} `);
    expect(said).toMatch(/clipp +is not a key here; did you mean "clip"\?/);
  });

  it("is also one in the names of sections, and in what is no setting", async () => {
    const path = join(folder, "typo.json");
    await writeFile(path, '{"preset":"glam-pico","trainning":{}}');
    const said = await message(readConfigFile(path));
    expect(said).toContain('has a section "trainning".\n  fix    did you mean "training"?');
    for (const text of ["steps=4", "training.steps", "trainin.steps=4"])
      expect(() => parseSetting(text)).toThrow(`"${text}" is no setting`);
  });
});

describe("a file that is none", () => {
  it.each(["", "[]", "{", "null"])("%j", async (text) => {
    const path = join(folder, "bad.json");
    await writeFile(path, text);
    expect(await message(readConfigFile(path))).toContain("bad.json cannot be read");
  });

  it("missing ones are told apart, folders and other presets refused", async () => {
    expect(await readConfigFile(join(folder, "none"))).toBeUndefined();
    expect(await message(readConfigFile(folder))).toContain("is no plain file");
    const other = resolveConfig("glam-nano", file({ preset: "glam-pico" }), []);
    expect(await message(other)).toMatch(/my\.json is of another preset\.\n {2}there +glam-pico/);
    expect(await message(resolveConfig(undefined, file({}), []))).toContain("names no preset");
    const list = resolveConfig("glam-pico", file({ run: [] }), []);
    expect(await message(list)).toContain('"run" of my.json is no JSON object');
  });
});
