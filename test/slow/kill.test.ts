/** @file Training that is killed at any moment and resumed ends as if nothing had happened. */

import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hash32 } from "../../src/data/permutation.ts";
import { filesOf, jsonLines, metricsOf, startMeshloom, stepOf } from "../command-line.ts";

const STEPS = 60;
const EVERY = 5;

/** Where in a session the kill falls: a share of the start-up, or a delay after a line of a step. */
interface Moment {
  readonly phase: "start-up" | "stepping" | "saving" | "ending";
  /** Drawn from 0 to below 1. */
  readonly share: number;
}

/** 20 moments in a mixed order, then two after the last step: its save, evaluation and report. */
const MOMENTS: readonly Moment[] = Array.from({ length: 22 }, (_, i) => {
  const phases = ["saving", "start-up", "stepping", "saving", "stepping"] as const;
  const phase = i < 20 ? phases[i % phases.length]! : "ending";
  return { phase, share: hash32(2026, i) / 2 ** 32 };
});

let base = "";
/** The run that nobody disturbed, and how long its parts took, in milliseconds. */
let whole = "";
let startUp = 0;
let ending = 0;

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), "meshloom-kill-"));
  whole = join(base, "whole");
  const begun = performance.now();
  const run = startMeshloom(train(whole));
  await run.until((line) => stepOf(line) === 1);
  startUp = performance.now() - begun;
  await run.until((line) => stepOf(line) === STEPS);
  const last = performance.now();
  expect((await run.ended).code).toBe(0);
  ending = performance.now() - last;
});
afterAll(() => rm(base, { recursive: true, force: true }));

function train(out: string): string[] {
  const words = ["--steps", STEPS, "--save-every", EVERY, "--seed", 3].map(String);
  return ["train", "glam-pico", ...words, "--out", out, "--json"];
}

/** The same command line; `--resume` as soon as there is a run to resume. */
function again(out: string): string[] {
  return existsSync(join(out, "config.json")) ? [...train(out), "--resume"] : train(out);
}

/** One session that is killed at its moment. @returns whether it was still alive then */
async function killedAt({ phase, share }: Moment, out: string): Promise<boolean> {
  const session = startMeshloom(again(out));
  let seen = 0;
  const reached = (line: string) => {
    const step = stepOf(line);
    if (step === undefined) return false;
    if (phase === "saving") return step % EVERY === 0;
    return phase === "ending" ? step === STEPS : ++seen > 8 * share;
  };
  if (phase !== "start-up") await session.until(reached);
  // A step and a checkpoint take some ten milliseconds each.
  const span = { "start-up": startUp, stepping: 20, saving: 60, ending }[phase];
  await Promise.race([setTimeout(share * span), session.ended]);
  session.child.kill("SIGKILL");
  return (await session.ended).code === null;
}

/** Rows, tensors and files of `out` are those of the undisturbed run. */
async function expectSameAsWhole(out: string): Promise<void> {
  expect(await metricsOf(out)).toEqual(await metricsOf(whole));
  expect(filesOf(out)).toEqual(filesOf(whole));
  for (const file of filesOf(whole).filter((name) => name.startsWith("checkpoints/"))) {
    const [mine, other] = await Promise.all([out, whole].map((run) => readFile(join(run, file))));
    expect(mine!.equals(other!), file).toBe(true);
  }
}

describe("an undisturbed run", () => {
  it("has every step once, two checkpoints, and nothing else", async () => {
    const steps = (await metricsOf(whole)).flatMap((row) => ("train/loss" in row ? row.step : []));
    expect(steps).toEqual(Array.from({ length: STEPS }, (_, i) => i + 1));
    expect(filesOf(whole)).toEqual([
      "checkpoints/00000055/manifest.json",
      "checkpoints/00000055/state.safetensors",
      "checkpoints/00000060/manifest.json",
      "checkpoints/00000060/state.safetensors",
      "checkpoints/best.json",
      "config.json",
      "metrics.jsonl",
      "report.html",
    ]);
  });
});

describe("kill -9", () => {
  it("at 20 moments and at the end changes no bit of the result", async () => {
    const out = join(base, "killed");
    const killed: string[] = [];
    for (const moment of MOMENTS) {
      if (await killedAt(moment, out)) killed.push(moment.phase);
    }
    // Where the machine stalls, a session can come to its end before its kill.
    expect(killed.length).toBeGreaterThanOrEqual(16);
    expect(new Set(killed).size).toBeGreaterThanOrEqual(3);
    const last = await startMeshloom(again(out)).ended;
    expect(last.code, last.err).toBe(0);
    expect(jsonLines(last.out).at(-1)).toMatchObject({ done: true, run: out, step: STEPS });
    await expectSameAsWhole(out);
  });
});

describe("SIGINT", () => {
  it("stops cleanly with exit code 0, and the run goes on bit for bit", async () => {
    const out = join(base, "interrupted");
    for (const stop of [undefined, 7, 31]) {
      const session = startMeshloom(again(out));
      await session.until((text) =>
        stop === undefined ? text.includes("run folder:") : stepOf(text) === stop,
      );
      session.child.kill("SIGINT");
      const { code, out: text, err } = await session.ended;
      expect(code, err).toBe(0);
      expect(err).toContain("meshloom: stopping; press Ctrl-C again to quit at once\n");
      const last = jsonLines(text).at(-1);
      expect(last).toMatchObject({ done: false, run: out, bitsPerByte: null });
      const step = String(last?.["step"]).padStart(8, "0");
      expect(Number(step)).toBeGreaterThanOrEqual(stop ?? 0);
      expect(filesOf(out)).toContain(`checkpoints/${step}/manifest.json`);
      expect(filesOf(out)).not.toContain("run.lock");
    }
    expect((await startMeshloom(again(out)).ended).code).toBe(0);
    await expectSameAsWhole(out);
  });

  it("ends a long loop of draws at once, with nothing written", async () => {
    const out = join(base, "draws");
    const session = startMeshloom(["repro", "length-of-day", "--draws", "20000", "--out", out]);
    await session.until((text) => text.includes("draws/s"));
    session.child.kill("SIGINT");
    await session.ended;
    expect(session.child.signalCode).toBe("SIGINT");
    expect(existsSync(out)).toBe(false);
  });
});
