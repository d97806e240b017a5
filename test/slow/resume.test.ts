/** @file Runs that are stopped, continued otherwise, stopped by themselves, repeated from their configuration. */

import { copyFile, cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { loadCheckpoint } from "../../src/train/checkpoint.ts";
import type { MetricsRow } from "../../src/train/metrics.ts";
import { readBest } from "../../src/train/retention.ts";
import { filesOf, jsonLines, meshloom, metricsOf } from "../command-line.ts";

let base = "";
/** Eight steps without a break, and the same run stopped after four. */
let whole = "";
let half = "";
let run = "";

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), "meshloom-resume-"));
  [whole, half, run] = ["whole", "half", "run"].map((name) => join(base, name)) as [
    string,
    string,
    string,
  ];
  await good("train", "glam-pico", "--out", whole, ...SMALL, "--steps", "8");
  await good("train", "glam-pico", "--out", half, ...SMALL, "--steps", "4");
});
beforeEach(() => rm(run, { recursive: true, force: true }));
afterAll(() => rm(base, { recursive: true, force: true }));

/** Small enough for the reference engine. */
const SIZES = ["--batch", "2", "--length", "16", "--sample-tokens", "4"];
const SMALL = [...SIZES, "--save-every", "2", "--eval-every", "3"];

async function good(...words: readonly string[]): Promise<{ out: string; err: string }> {
  const { code, out, err } = await meshloom(...words);
  expect(code, err).toBe(0);
  return { out, err };
}

function losses(rows: readonly MetricsRow[]): number[] {
  return rows.flatMap((row) => Number(row["train/loss"] ?? Number.NaN)).filter(Number.isFinite);
}

async function sameEnd(one: string, other: string): Promise<void> {
  const [a, b] = await Promise.all([one, other].map((path) => loadCheckpoint(path, "latest")));
  expect(a!.step).toBe(b!.step);
  expect(a!.tensors).toEqual(b!.tensors);
}

describe("resume", () => {
  it("goes on with the configuration that is there, bit for bit", async () => {
    await cp(half, run, { recursive: true });
    const { err } = await good("train", "--out", run, "--resume", "--steps", "8");
    expect(err).toContain("resuming after step 4\n");
    // The end of the first half was evaluated, and has its sample.
    const rows = (await metricsOf(run)).filter(({ step }) => step !== 4);
    expect(rows).toEqual((await metricsOf(whole)).filter(({ step }) => step !== 4));
    await sameEnd(run, whole);
  });

  it.each(["binding", "onnx-float64", "reference"])(
    "goes on with another engine: %s",
    async (name) => {
      await cp(half, run, { recursive: true });
      const words = ["train", "--out", run, "--resume", "--steps", "6"];
      if (name === "binding") process.env["MESHLOOM_ONNX_TRANSPORT"] = name;
      const engine = name === "binding" ? [] : ["--engine", name];
      const { err } = await good(...words, ...engine).finally(() => {
        delete process.env["MESHLOOM_ONNX_TRANSPORT"];
      });
      if (name !== "binding") expect(err).toContain(`run.engine was "onnx", now "${name}"\n`);
      const [mine, theirs] = [losses(await metricsOf(run)), losses(await metricsOf(whole))];
      expect(mine).toHaveLength(6);
      // The same weights; sums in another order, two steps after one another.
      mine.forEach((loss, i) => void expect(loss).toBeCloseTo(theirs[i]!, 4));
      expect(mine.slice(0, 4)).toEqual(theirs.slice(0, 4));
    },
  );

  it("after skipped updates tries the same batches again", async () => {
    const words = ["train", "glam-pico", "--out", run, ...SMALL, "--steps", "6"];
    // A rate that ruins the weights at once: every update after the first is skipped.
    const { code } = await meshloom(...words, "--learning-rate", "1e30", "--save-every", "1");
    expect(code).toBe(1);
    const before = await metricsOf(run);
    await meshloom(...words, "--learning-rate", "1e30", "--save-every", "1", "--resume");
    expect(await metricsOf(run)).toEqual(before);
    expect(before.at(-1)?.["train/batches"]).toBe(before.length);
  });
});

describe("the best step", () => {
  it("is kept beside the last ones, marked, and can be sampled", async () => {
    // A rate that makes the loss rise again after its first steps.
    const words = ["--steps", "12", "--keep", "1", "--learning-rate", "0.5"];
    const { out } = await good("train", "glam-pico", "--out", run, ...SMALL, ...words, "--json");
    const evaluations = jsonLines(out).filter((line) => "evalLoss" in line);
    expect(evaluations.map(({ step }) => step)).toEqual([3, 6, 9, 12]);
    const lowest = evaluations.reduce((a, b) =>
      Number(b["evalLoss"]) < Number(a["evalLoss"]) ? b : a,
    );
    expect(await readBest(run)).toEqual({ step: lowest["step"], loss: lowest["evalLoss"] });
    const steps = [...new Set([Number(lowest["step"]), 12])].map((step) =>
      String(step).padStart(8, "0"),
    );
    const kept = filesOf(run).filter((file) => file.endsWith("manifest.json"));
    expect(kept).toEqual(steps.map((step) => `checkpoints/${step}/manifest.json`));
    const sampled = await good("sample", run, "--step", "best", "--tokens", "3", "--json");
    expect(jsonLines(sampled.out)[0]).toMatchObject({ step: lowest["step"] });
    expect((await meshloom("sample", run, "--step", "7")).err).toMatch(/has no step 7\.\n/);
    expect((await meshloom("sample", run, "--step", "bst")).code).toBe(2);
  });
});

describe("a rule to stop", () => {
  it("patience: the same step whether or not the run was resumed in between", async () => {
    const rule = ["--patience", "2", "--min-delta", "100", "--eval-every", "2"];
    const words = ["train", "glam-pico", "--out", run, ...SMALL, ...rule, "--json"];
    await good(...words, "--steps", "3");
    const { out } = await good(...words, "--steps", "40", "--resume");
    // Step 2 was the first evaluation; 3 was the end of the first session, and one more.
    expect(jsonLines(out).at(-1)).toMatchObject({ done: true, reason: "patience", step: 4 });
    const again = await good(...words, "--steps", "40", "--resume");
    expect(jsonLines(again.out).at(-1)).toMatchObject({ reason: "patience", step: 4 });
  });

  it("time: all sessions together", async () => {
    const words = [
      "train",
      "glam-pico",
      "--out",
      run,
      ...SMALL,
      "--max-minutes",
      "0.0005",
      "--json",
    ];
    const first = jsonLines((await good(...words, "--steps", "1000")).out).at(-1);
    expect(first).toMatchObject({ done: true, reason: "time" });
    const again = jsonLines((await good(...words, "--steps", "1000", "--resume")).out).at(-1);
    expect(again).toMatchObject({ done: true, reason: "time", step: first?.["step"] });
  });
});

describe("configuration", () => {
  it("of a run gives the same run again", async () => {
    const saved = join(half, "config.json");
    await good("train", "--config", saved, "--out", run);
    expect(await metricsOf(run)).toEqual(await metricsOf(half));
    expect(JSON.parse(await readFile(join(run, "config.json"), "utf8"))).toEqual(
      JSON.parse(await readFile(saved, "utf8")),
    );
    await sameEnd(run, half);
  });

  it("says what differs from the preset, and saves it", async () => {
    const { err } = await good(
      "train",
      "--config",
      join(half, "config.json"),
      "--out",
      run,
      "--set",
      "training.clip=0.5",
      "--steps",
      "1",
    );
    expect(err).toContain("training.clip: 0.5 (preset 1)\n");
    const { differences } = JSON.parse(await readFile(join(run, "config.json"), "utf8")) as {
      differences: unknown;
    };
    expect(differences).toEqual({
      "training.batch": { preset: 8, run: 2 },
      "training.length": { preset: 32, run: 16 },
      "training.steps": { preset: 100, run: 1 },
      "training.clip": { preset: 1, run: 0.5 },
    });
  });

  it("with a typo ends with exit code 2 before a folder is made", async () => {
    const path = join(base, "typo.json");
    await copyFile(join(half, "config.json"), path);
    const text = await readFile(path, "utf8");
    await writeFile(path, text.replace('"clip"', '"clp"'));
    const { code, err } = await meshloom("train", "--config", path, "--out", run);
    expect([code, err]).toEqual([
      2,
      'config: the section "training" is not one of a GLaM.\n  clip    is missing\n  clp     is not a key here; did you mean "clip"?    [CONFIG-01]\n',
    ]);
    expect((await meshloom("train", "--config", join(base, "none"))).code).toBe(2);
    expect((await meshloom("train", "--resume", "--out", run)).err).toContain(
      "has no run to resume",
    );
  });
});

describe("a tokenizer", () => {
  it("goes with the run, and another one is refused", async () => {
    const [one, two] = [join(base, "one.json"), join(base, "two.json")];
    await good("tokenizer", "train", "--vocab", "300", "--out", one);
    await good("tokenizer", "train", "--vocab", "299", "--out", two);
    const words = ["train", "glam-pico", ...SMALL, "--set", "model.vocab=300", "--out", run];
    await good(...words, "--steps", "2", "--tokenizer", one);
    const other = await meshloom(...words, "--steps", "4", "--resume", "--tokenizer", two);
    expect(other.code).toBe(1);
    expect(other.err).toContain(`data.tokenizer    was "${one}", now "${two}"\n`);
    // The file that it came from is gone; the run has its own.
    await rm(one);
    await good("train", "--out", run, "--steps", "4", "--resume");
    const rows = (await metricsOf(run)).filter((row) => "eval/loss" in row);
    // A token stands for more than a byte, and a nat is 1.44 bits.
    for (const row of rows)
      expect(row["eval/bits_per_byte"]).toBeLessThan(Number(row["eval/loss"]) / Math.LN2 / 1.2);
    await good("sample", run, "--tokens", "2");
    const own = join(run, "tokenizer.json");
    for (const damage of [() => copyFile(two, own), () => rm(own)]) {
      await damage();
      const foreign = await meshloom("sample", run);
      expect([foreign.code, foreign.err]).toEqual([
        1,
        expect.stringContaining(`run: the tokenizer in ${run} is not the one of its weights.\n`),
      ]);
    }
  });
});

describe("weights of another run", () => {
  it("start a new one, with a fresh optimiser", async () => {
    const words = ["train", "glam-pico", ...SMALL, "--steps", "1", "--seed", "5"];
    const { err } = await good(...words, "--out", run, "--init", whole);
    expect(err).toContain(`starts from the weights of ${whole}, step 8\n`);
    const fresh = join(base, "fresh");
    await good(...words, "--out", fresh);
    const [[mine = 0] = [], [theirs = 0] = []] = [
      losses(await metricsOf(run)),
      losses(await metricsOf(fresh)),
    ];
    expect(mine).toBeLessThan(theirs - 0.1);
    const other = await meshloom(
      ...words,
      "--out",
      join(base, "other"),
      "--init",
      whole,
      "--set",
      "model.mlp=32",
    );
    expect(other.code).toBe(1);
    expect(other.err).toMatch(/misshapen +"params\/layers\/0\/\S+" is float32/);
    expect(other.err).toMatch(/\n {2}and +\d+ more\n|misshapen/);
  });
});
