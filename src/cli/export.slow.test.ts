/** @file Runs go out as Hub folders and ONNX graphs: what comes back computes the same. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MeshloomError } from "../core/errors.ts";
import { fromData, type Tensor } from "../core/tensor.ts";
import { namedLeaves } from "../core/tree.ts";
import { jit } from "../engines/jit.ts";
import { openModel } from "../exchange/open-model.ts";
import type { DecoderState } from "../generate/model.ts";
import type { Weights } from "../train/model.ts";
import { runCommand } from "./command.ts";
import { captureContext } from "./context.ts";
import { command as exporting } from "./export.ts";
import { command as training } from "./train.ts";

const root = mkdtempSync(join(tmpdir(), "meshloom-export-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const PRESETS = ["llama-pico", "mixtral-pico", "glam-pico"] as const;
const runOf = (preset: string) => join(root, `${preset}-run`);
const LENGTH = 8;

beforeAll(async () => {
  for (const preset of PRESETS) {
    const words = [preset, "--steps", "4", "--save-every", "2", "--out", runOf(preset)];
    expect(await runCommand(training, words, captureContext().context)).toBe(0);
  }
});

async function exported(...words: readonly string[]): Promise<readonly string[]> {
  const { context, outLines } = captureContext();
  expect(await runCommand(exporting, words, context)).toBe(0);
  return outLines;
}

/** The complaint of a command line that fails. */
async function complaint(...words: readonly string[]): Promise<MeshloomError> {
  const failed = runCommand(exporting, words, captureContext().context);
  const error = await failed.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  if (error instanceof MeshloomError) return error;
  throw new Error(`no complaint, but ${String(error)}`);
}

const IDS = Array.from({ length: LENGTH }, (_, i) => (i * 37 + 11) % 256);

/** Logits `[pos, vocab]` of one row. */
async function logitsOf(path: string): Promise<Float32Array> {
  const { model, weights } = await openModel(path);
  const cache = await jit(() => model.startDecoding(1, LENGTH))();
  const ids = fromData("int32", [1, LENGTH], Int32Array.from(IDS), "batch pos");
  const start = fromData("int32", [1], Int32Array.of(0), "batch");
  const decode = jit((w: Weights, c: DecoderState, x: Tensor, at: Tensor) =>
    model.decode(w, c, x, at),
  );
  const [logits] = await decode(weights, cache, ids, start);
  return logits.data() as Float32Array;
}

describe.each(PRESETS)("%s", (preset) => {
  test("comes back from the Hub's form as it was: weights bit for bit, and the logits", async () => {
    const out = join(root, `${preset}-hub`);
    expect(await exported(runOf(preset), "--to", "hub", "--out", out)).toEqual([out]);
    const [run, hub] = [await openModel(runOf(preset)), await openModel(out)];
    expect([run.origin, hub.origin]).toEqual(["run", "hub"]);
    expect(hub.model.model).toEqual(run.model.model);
    expect(hub.tokenizer.fingerprint()).toBe(run.tokenizer.fingerprint());
    const after = new Map(namedLeaves(hub.weights).map(({ path, leaf }) => [path, leaf.data()]));
    for (const { path, leaf } of namedLeaves(run.weights)) {
      expect(after.get(path), path).toEqual(leaf.data());
    }
    expect(await logitsOf(out)).toEqual(await logitsOf(runOf(preset)));
  });

  test("runs in stock ONNX Runtime, whole and token by token", async () => {
    const out = join(root, `${preset}-onnx`);
    await exported(runOf(preset), "--to", "onnx", "--out", out, "--length", String(LENGTH));
    const expected = await logitsOf(runOf(preset));
    const vocab = expected.length / LENGTH;
    const worst = (a: ArrayLike<number>, from: number) =>
      Array.from(a).reduce((most, x, i) => {
        return Math.max(most, Math.abs(x - (expected[from + i] ?? Number.NaN)));
      }, 0);
    const ids = (from: number, to: number) =>
      new ort.Tensor("int64", BigInt64Array.from(IDS.slice(from, to), BigInt), [1, to - from]);

    const whole = await ort.InferenceSession.create(join(out, "onnx/model.onnx"));
    expect(whole.inputNames).toEqual(["input_ids"]);
    const { logits } = await whole.run({ input_ids: ids(0, LENGTH) });
    expect(logits?.dims).toEqual([1, LENGTH, vocab]);
    // Stock ONNX Runtime fuses what our session is told not to.
    expect(worst(logits?.data as Float32Array, 0)).toBeLessThan(1e-5);

    const decoder = await ort.InferenceSession.create(
      join(out, "onnx/decoder_with_past_model.onnx"),
    );
    const names = decoder.inputNames.slice(2);
    expect(decoder.inputNames.slice(0, 2)).toEqual(["input_ids", "positions"]);
    expect(names[0]).toBe("past_key_values.0.key");
    const forms = decoder.inputMetadata.slice(2).map((meta) => (meta.isTensor ? meta.shape : []));
    let past: Record<string, ort.Tensor> = Object.fromEntries(
      names.map((name, i) => {
        const dims = (forms[i] ?? []).map(Number);
        const zeros = new Float32Array(dims.reduce((a, b) => a * b, 1));
        return [name, new ort.Tensor("float32", zeros, dims)];
      }),
    );
    for (let t = 0; t < LENGTH; t++) {
      const positions = new ort.Tensor("int64", BigInt64Array.of(BigInt(t)), [1]);
      const next = await decoder.run({ input_ids: ids(t, t + 1), positions, ...past });
      expect(worst(next["logits"]?.data as Float32Array, t * vocab)).toBeLessThan(1e-5);
      past = Object.fromEntries(
        names.map((name) => {
          const grown = next[name.replace("past_key_values", "present")];
          if (grown === undefined) throw new Error(`no present for ${name}`);
          return [name, grown];
        }),
      );
    }
  });
});

describe("the card", () => {
  test("has front matter, the facts of the training, and how to load the model", async () => {
    const out = join(root, "card");
    await exported(runOf("llama-pico"), "--to", "hub", "--out", out, "--licence", "mit");
    const card = readFileSync(join(out, "README.md"), "utf8");
    const [, front = "", ...rest] = card.split(/^---$/m);
    for (const line of [
      'license: "mit"',
      "library_name: transformers",
      "pipeline_tag: text-generation",
      '- name: "card"',
      "    - type: bits_per_byte",
    ]) {
      expect(front.split("\n")).toContain(line);
    }
    const text = rest.join("");
    expect(text).toContain("| steps | 4 |");
    expect(text).toContain("| tokens | 1.024K |");
    expect(text).toMatch(/\| loss on held-out text \| \d\.\d{4} nats per token \|/);
    expect(text).toContain("AutoModelForCausalLM");
    expect(text).toContain('"kvHead": 2');
  });

  test("of a model that transformers does not know does not say how it would load it", async () => {
    const out = join(root, "glam-card");
    await exported(runOf("glam-pico"), "--to", "hub", "--out", out);
    const card = readFileSync(join(out, "README.md"), "utf8");
    expect(card).toContain("library_name: meshloom");
    expect(card).not.toContain("AutoModelForCausalLM");
  });
});

describe("which weights", () => {
  const weightsOf = (out: string) => readFileSync(join(out, "model.safetensors"));

  test("--step takes a checkpoint, and best the one with the lowest loss", async () => {
    const outs = ["2", "4", "latest", "best"].map((step) => [step, join(root, `step-${step}`)]);
    for (const [step = "", out = ""] of outs) {
      await exported(runOf("llama-pico"), "--to", "hub", "--step", step, "--out", out);
    }
    const [two, four, latest, best] = outs.map(([, out = ""]) => weightsOf(out));
    expect(two?.equals(four as Buffer)).toBe(false);
    expect(latest?.equals(four as Buffer)).toBe(true);
    const evaluated = readFileSync(join(runOf("llama-pico"), "metrics.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, number>)
      .filter((row) => "eval/loss" in row)
      .sort((a, b) => (a["eval/loss"] ?? 0) - (b["eval/loss"] ?? 0));
    expect(evaluated.length).toBeGreaterThan(0);
    expect(best?.equals((evaluated[0]?.["step"] === 2 ? two : four) as Buffer)).toBe(true);
  });

  test("--dtype and --shard-size", async () => {
    const out = join(root, "small");
    await exported(
      ...[runOf("llama-pico"), "--to", "hub", "--out", out],
      ...["--dtype", "bfloat16", "--shard-size", "20KB"],
    );
    const files = readdirSync(out).filter((name) => name.endsWith(".safetensors"));
    expect(files.length).toBeGreaterThan(3);
    const [whole, half] = [await logitsOf(runOf("llama-pico")), await logitsOf(out)];
    const error = whole.reduce((most, x, i) => Math.max(most, Math.abs(x - (half[i] ?? 0))), 0);
    expect(error).toBeGreaterThan(0);
    expect(error).toBeLessThan(0.1); // bfloat16 keeps 8 bits
  });
});

test("training starts from the weights of a Hub folder", async () => {
  const hub = join(root, "init-hub");
  await exported(runOf("llama-pico"), "--to", "hub", "--out", hub);
  const started = join(root, "started");
  const words = ["llama-pico", "--init", hub, "--steps", "1", "--out", started];
  const { context, logLines } = captureContext();
  expect(await runCommand(training, [...words, "--learning-rate", "1e-9"], context)).toBe(0);
  expect(logLines.join("\n")).toContain(`starts from the weights of ${hub}`);
  // A step at such a rate is no step.
  const [before, after] = [await logitsOf(hub), await logitsOf(started)];
  const error = before.reduce((most, x, i) => Math.max(most, Math.abs(x - (after[i] ?? 0))), 0);
  expect(error).toBeLessThan(1e-4);
});

describe("what cannot be", () => {
  const run = runOf("llama-pico");

  test("is said before anything is written", async () => {
    const out = join(root, "refused");
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [[run, "--to", "hub", "--out", out, "--step", "3"], /no step 3/],
      [[run, "--to", "hub", "--out", out, "--step", "last"], /"last" names no checkpoint/],
      [[run, "--to", "hub", "--out", out, "--shard-size", "5"], /is not a size/],
      [[join(root, "nowhere"), "--to", "hub", "--out", out], /neither a run folder nor/],
    ];
    for (const [words, message] of cases) {
      expect((await complaint(...words)).message).toMatch(message);
    }
    expect(readdirSync(root)).not.toContain("refused");
  });

  test("is to write over what is there, but by --force over an export", async () => {
    const out = join(root, "twice");
    await exported(run, "--to", "hub", "--out", out);
    expect((await complaint(run, "--to", "hub", "--out", out)).message).toMatch(/--force/);
    await exported(run, "--to", "hub", "--out", out, "--force");
    writeFileSync(join(root, "file"), "");
    const there = await complaint(run, "--to", "hub", "--out", join(root, "file"), "--force");
    expect(there.message).toMatch(/is a file/);
    const itself = await complaint(run, "--to", "hub", "--out", run, "--force");
    expect(itself.message).toMatch(/something else/);
  });
});
