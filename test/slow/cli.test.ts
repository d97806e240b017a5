/** @file The commands from end to end, on the smallest preset. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCommand } from "../../src/cli/command.ts";
import { captureContext } from "../../src/cli/context.ts";
import { command as sample } from "../../src/cli/sample.ts";
import { jsonLines, meshloom, metricsOf } from "../command-line.ts";

let base = "";
/** A trained run of six steps, and what `train --json` printed. */
let run = "";
let printed: Record<string, unknown>[] = [];

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), "meshloom-cli-"));
  run = join(base, "run");
  printed = await train(run);
});
afterAll(() => rm(base, { recursive: true, force: true }));

async function train(out: string, ...more: string[]): Promise<Record<string, unknown>[]> {
  const words = ["--steps", "6", "--sample-every", "3", "--out", out, "--json", ...more];
  const ended = await meshloom("train", "glam-pico", ...words);
  expect(ended.code, ended.err).toBe(0);
  return jsonLines(ended.out);
}

describe("train --json", () => {
  test("prints one object a step, the samples, and an end", () => {
    expect(printed.map((line) => Object.keys(line).join(" "))).toEqual([
      ...Array(3).fill("step loss tokensPerSecond gradientNorm learningRate"),
      "step sample",
      ...Array(3).fill("step loss tokensPerSecond gradientNorm learningRate"),
      "step evalLoss bitsPerByte best",
      "step sample",
      "done reason run step seconds bitsPerByte bestStep",
    ]);
    const steps = printed.filter((line) => "loss" in line);
    expect(steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
    // An untrained model of bytes guesses among 256: ln 256 = 5.5 nats, and a little more for bad luck.
    expect(steps[0]?.["loss"]).toBeGreaterThan(5);
    expect(steps[0]?.["loss"]).toBeLessThan(8);
    expect(steps[5]?.["loss"]).toBeLessThan(Number(steps[0]?.["loss"]));
    expect(steps.every(({ tokensPerSecond }) => Number(tokensPerSecond) > 0)).toBe(true);
    const [evaluated, sampled, end] = printed.slice(-3);
    expect(sampled?.["sample"]).toMatch(/^The whale/);
    expect(end).toMatchObject({ done: true, reason: "steps", run, step: 6, bestStep: 6 });
    // A token is a byte here.
    expect(evaluated?.["bitsPerByte"]).toBeCloseTo(Number(evaluated?.["evalLoss"]) / Math.LN2, 12);
    expect(end?.["bitsPerByte"]).toBe(evaluated?.["bitsPerByte"]);
  });

  test("says the same as metrics.jsonl", async () => {
    const rows = await metricsOf(run);
    const told = printed.slice(0, -1).map((line) => line["loss"] ?? line["evalLoss"]);
    expect(rows.map((row) => row["train/loss"] ?? row["eval/loss"])).toEqual(told);
  });
});

test("resuming a finished run adds nothing", async () => {
  const before = await metricsOf(run);
  const again = await train(run, "--resume");
  expect(again).toMatchObject([
    { done: true, run, step: 6, bitsPerByte: printed.at(-1)?.["bitsPerByte"] },
  ]);
  expect(await metricsOf(run)).toEqual(before);
});

describe("the same seed", () => {
  test.each([1, 2])("gives the same run, bit for bit, on %i threads", async (threads) => {
    const [one, two] = ["one", "two"].map((name) => join(base, `${name}-${threads}`));
    await train(one!, "--threads", `${threads}`, "--seed", "5");
    await train(two!, "--threads", `${threads}`, "--seed", "5");
    expect(await metricsOf(one!)).toEqual(await metricsOf(two!));
  });

  test("is what differs from another seed's run", async () => {
    const other = await train(join(base, "other"), "--seed", "5");
    expect(other[0]?.["loss"]).not.toBe(printed[0]?.["loss"]);
  });
});

describe("sample", () => {
  const PROMPT = "Call me";

  async function json(...words: string[]): Promise<Record<string, unknown>> {
    const all = ["sample", run, "--prompt", PROMPT, "--tokens", "40", "--json", ...words];
    const { code, out } = await meshloom(...all);
    expect(code).toBe(0);
    return jsonLines(out)[0] ?? {};
  }

  test("is the same for a seed, and another for another", async () => {
    const [first, again, other] = [
      await json(),
      await json("--seed", "0"),
      await json("--seed", "1"),
    ];
    expect(first).toMatchObject({ run, step: 6, prompt: PROMPT, tokens: 40 });
    expect(again["text"]).toBe(first["text"]);
    expect(other["text"]).not.toBe(first["text"]);
  });

  test("at temperature 0 takes the likeliest, whatever the seed", async () => {
    const cold = ["--temperature", "0"];
    const [one, two] = [await json(...cold), await json(...cold, "--seed", "9")];
    expect(two["text"]).toBe(one["text"]);
    const likeliest = await json("--top-k", "1", "--temperature", "5");
    expect(likeliest["text"]).toBe(one["text"]);
  });

  test("streams the text that --json prints", async () => {
    const { context, streamed, outLines, logLines } = captureContext();
    await runCommand(sample, [run, "--prompt", PROMPT, "--tokens", "40"], context);
    expect(streamed.join("")).toBe(`${PROMPT}${(await json())["text"]}`);
    expect(streamed.length).toBeGreaterThan(20);
    expect(outLines).toEqual([""]);
    expect(logLines.at(-1)).toMatch(/^40 tokens in \d+\.\d s, \d+ a second, compiling included$/);
  });
});

describe("describe", () => {
  test("counts the largest model of the paper without allocating it", async () => {
    const { code, out } = await meshloom("describe", "glam-64b-64e", "--json");
    expect(code).toBe(0);
    const [facts] = jsonLines(out);
    expect(Object.keys(facts ?? {})).toEqual([
      "preset",
      "parameters",
      "activatedParameters",
      "flopsPerToken",
      "memory",
      "sizes",
      "training",
    ]);
    // Table 4 of the paper: 1.2T parameters, 96.6B activated.
    const near = (key: string, value: number) =>
      expect(Math.abs(Number(facts?.[key]) / value - 1), key).toBeLessThan(0.005);
    near("parameters", 1.162e12);
    near("activatedParameters", 96.6e9);
    expect(facts?.["sizes"]).toMatchObject({ layers: 64, "sparse layers": 32, experts: 64 });
    const { weights, secondSet, optimizer } = (facts?.["memory"] ?? {}) as Record<string, number>;
    expect(weights).toBe(4 * Number(facts?.["parameters"]));
    expect(secondSet).toBe(Number(weights) + Number(optimizer));
  });

  test("lists all presets without a name", async () => {
    const { out } = await meshloom("describe");
    for (const name of ["glam-pico", "glam-nano", "glam-64b-64e"]) expect(out).toContain(name);
  });
});

test("doctor finds this machine well", async () => {
  const { code, out } = await meshloom("doctor", "--json");
  expect(code).toBe(0);
  const findings = JSON.parse(out) as { what: string; ok: boolean; fix: string }[];
  const bad = findings.filter(({ what, ok }) => !ok && what !== "memory");
  expect(bad).toEqual([]);
  expect(findings.map(({ what }) => what)).toEqual([
    "meshloom",
    "node",
    "cpu",
    "memory",
    "onnx over c-api",
    "onnx over binding",
    "reference self-test",
    "onnx self-test",
    "corpora",
  ]);
});

test("ops --json has a row for each op", async () => {
  const { out } = await meshloom("ops", "--json");
  const [rows] = jsonLines(out) as unknown as { op: string }[][];
  expect(rows?.map(({ op }) => op)).toEqual(expect.arrayContaining(["neg", "gather", "select"]));
});
