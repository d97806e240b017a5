/** @file Runs that cannot go on: what is said, with which exit code, and what is left in the folder. */

import { execFileSync, spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { loadCheckpoint, saveCheckpoint } from "../../src/train/checkpoint.ts";
import { filesOf, jsonLines, meshloom, metricsOf } from "../command-line.ts";

let base = "";
/** A finished run of six steps, made once; each test has a copy of it in `run`. */
let made = "";
let run = "";
const CHECKPOINTS = ["00000004", "00000006"].flatMap((step) => [
  `checkpoints/${step}/manifest.json`,
  `checkpoints/${step}/state.safetensors`,
]);
const TEN = Array.from({ length: 10 }, (_, i) => i + 1);
const WHOLE = [
  ...CHECKPOINTS,
  "checkpoints/best.json",
  "config.json",
  "metrics.jsonl",
  "report.html",
];

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), "meshloom-bad-"));
  made = join(base, "made");
  run = join(base, "run");
  expect((await meshloom(...train(made))).code).toBe(0);
  expect(filesOf(made)).toEqual(WHOLE);
});
beforeEach(async () => {
  await rm(run, { recursive: true, force: true });
  await cp(made, run, { recursive: true });
});
afterAll(() => rm(base, { recursive: true, force: true }));

function train(out: string, steps = 6): string[] {
  return ["train", "glam-pico", "--steps", `${steps}`, "--save-every", "2", "--out", out];
}

function state(step: number): string {
  return join(run, `checkpoints/0000000${step}/state.safetensors`);
}

async function flipBit(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[bytes.length - 5]! ^= 16;
  await writeFile(path, bytes);
}

/** Exit code and stderr without what differs from time to time; `$` stands for the test's folder. */
async function ending(...words: readonly string[]): Promise<string> {
  const { code, err } = await meshloom(...words);
  const text = err
    .replaceAll(base, "$")
    .replace(/^ *\d+\/\d+ steps .*\n/gm, "")
    .replace(/\b(loss +)\d+\.\d+/g, "$1…")
    .replace(/[0-9a-f]{64}/g, "…");
  return `exit ${code}\n${text.trimEnd()}`;
}

describe("a folder that has a run", () => {
  it("is not written over, nor taken for another run", async () => {
    expect(await ending(...train(run))).toMatchInlineSnapshot(`
      "exit 1
      run: $/run already has a run.
        newest    checkpoint of step 6
        fix       --resume goes on with it; --out with another folder starts a new one    [RUN-01]"
    `);
    expect(await ending(...train(run), "--resume", "--batch", "4")).toMatchInlineSnapshot(`
      "exit 1
      run: $/run is a run with another data configuration.
        data.batch    was 8, now 4
        fix           give the same values as before, or start a new run with another --out    [RUN-01]"
    `);
    const other = ["train", "glam-nano", "--out", run, "--resume"];
    const lines = (await ending(...other)).split("\n");
    expect(lines.slice(0, 2)).toEqual([
      "exit 2",
      "config: $/run/config.json is of another preset.",
    ]);
    const router = await ending(...train(run, 8), "--resume", "--router", "switch-top1");
    expect(router).toContain("exit 1\nrun: $/run is a run with another model configuration.\n");
    const files = WHOLE.map((name) => readFile(join(run, name), "utf8"));
    const before = WHOLE.map((name) => readFile(join(made, name), "utf8"));
    expect(await Promise.all(files)).toEqual(await Promise.all(before));
    expect(filesOf(run)).toEqual(WHOLE);
  });

  it("is left alone while another process has it", async () => {
    const child = spawn("sleep", ["600"]);
    const started = "2026-01-01T00:00:00.000Z";
    const owner = { pid: child.pid, host: hostname(), started, birth: "", token: "x" };
    await writeFile(join(run, "run.lock"), JSON.stringify(owner));
    const said = await ending(...train(run, 8), "--resume");
    expect(
      said.replaceAll(`${child.pid}`, "PID").replaceAll(hostname(), "HOST"),
    ).toMatchInlineSnapshot(`
      "exit 1
      run: $/run is in use by process PID.
        host       HOST
        started    2026-01-01T00:00:00.000Z
        fix        wait for process PID or stop it, or choose another folder with --out    [RUN-01]"
    `);
    expect(filesOf(run)).toEqual([...WHOLE, "run.lock"]);
    child.kill();
  });

  it("says what a resumed run has otherwise", async () => {
    const said = await ending(...train(run, 8), "--resume", "--learning-rate", "0.01");
    expect(said).toContain(
      "exit 0\ntraining.steps was 6, now 8\ntraining.learningRate was 0.02, now 0.01\n",
    );
  });
});

describe("a damaged checkpoint", () => {
  it.each([
    ["cut short", () => truncate(state(6), 1000), "has 1000 bytes; 164000 were written."],
    ["with a flipped bit", () => flipBit(state(6)), "has changed since it was written."],
  ])("%s is passed over for the one before, and replaced", async (_, damage, why) => {
    await damage();
    const { code, out, err } = await meshloom(...train(run, 8), "--resume", "--json");
    expect(code, err).toBe(0);
    const sizes = /has 1000 bytes; \d+ were written/;
    expect(err.replace(sizes, "has 1000 bytes; 164000 were written")).toContain(
      `passed over step 6: checkpoint: ${state(6)} ${why}\nresuming after step 4\n`,
    );
    expect(jsonLines(out).at(-1)).toMatchObject({ done: true, step: 8 });
    const whole = join(base, "eight");
    await rm(whole, { recursive: true, force: true });
    expect((await meshloom(...train(whole, 8))).code).toBe(0);
    expect(await metricsOf(run)).toEqual(await metricsOf(whole));
    expect(filesOf(run)).toEqual(filesOf(whole));
  });

  it("that is the newest does not stop an earlier save", async () => {
    await flipBit(state(6));
    const words = ["train", "glam-pico", "--steps", "5", "--save-every", "2", "--out", run];
    expect((await meshloom(...words, "--resume")).code).toBe(0);
    const { step, warnings } = await loadCheckpoint(run, "latest");
    expect([step, warnings]).toEqual([5, []]);
    expect(filesOf(run).filter((name) => name.startsWith("checkpoints/"))).toHaveLength(5);
  });

  it("that is the only one stops the run", async () => {
    await rm(join(state(4), ".."), { recursive: true });
    await flipBit(state(6));
    const left = filesOf(run);
    expect(await ending(...train(run, 8), "--resume")).toMatchInlineSnapshot(`
      "exit 1
      training.steps was 6, now 8
      glam-pico: 39.33K parameters, 31.14K used by each token
      training: adafactor; inverse square root 0.02, from step 100; global-norm at most 1
      training.steps: 8 (preset 100)
      data: moby-dick, 1.15M byte tokens, licence: public domain (data: ODC-PDDL-1.0, contents: CC0-1.0); run folder: $/run
      checkpoint: no checkpoint in $/run/checkpoints verifies.
        tried    passed over step 6: checkpoint: $/run/checkpoints/00000006/state.safetensors has changed since it was written.
        fix      go on from another checkpoint of this run, or start again with another --out    [CHECKPOINT-01]"
    `);
    expect(await ending("sample", run)).toMatchInlineSnapshot(`
      "exit 1
      checkpoint: no checkpoint in $/run/checkpoints verifies.
        tried    passed over step 6: checkpoint: $/run/checkpoints/00000006/state.safetensors has changed since it was written.
        fix      go on from another checkpoint of this run, or start again with another --out    [CHECKPOINT-01]"
    `);
    expect(filesOf(run)).toEqual(left);
  });

  it("of another model is refused, by name and form", async () => {
    const { tensors } = await loadCheckpoint(run, 6);
    const foreign = tensors.map((tensor) =>
      tensor.name === "params/embedding"
        ? { ...tensor, dims: [128, 32], data: tensor.data.slice(0, 128 * 32) }
        : tensor,
    );
    await saveCheckpoint(run, 6, foreign, {});
    expect(await ending(...train(run, 8), "--resume")).toMatchInlineSnapshot(`
      "exit 1
      training.steps was 6, now 8
      glam-pico: 39.33K parameters, 31.14K used by each token
      training: adafactor; inverse square root 0.02, from step 100; global-norm at most 1
      training.steps: 8 (preset 100)
      data: moby-dick, 1.15M byte tokens, licence: public domain (data: ODC-PDDL-1.0, contents: CC0-1.0); run folder: $/run
      checkpoint: it is of another model.
        checkpoint    $/run, step 6
        misshapen     "params/embedding" is float32[128, 32], but float32[vocab 256, embed 32] here
        fix           resume with the run's own preset and sizes, or start a new run with --out    [CHECKPOINT-01]"
    `);
    expect(filesOf(run)).toEqual(WHOLE);
  });
});

describe("a loss that is not finite", () => {
  it("is skipped, counted, and stops the run with advice; its checkpoint stays good", async () => {
    const out = join(base, "diverged");
    const words = ["train", "glam-pico", "--steps", "40", "--save-every", "1", "--out", out];
    const said = await ending(...words, "--learning-rate", "1e30");
    const notice = /^step 2: loss \S+, gradient norm NaN; update skipped \((\d+) in a row\)\n/gm;
    expect([...said.matchAll(notice)].map(([, count]) => Number(count))).toEqual(TEN);
    expect(said.replace(notice, "")).toMatchInlineSnapshot(`
      "exit 1
      glam-pico: 39.33K parameters, 31.14K used by each token
      training: adafactor; inverse square root 1e+30, from step 100; global-norm at most 1
      training.steps: 40 (preset 100)
      training.learningRate: 1e+30 (preset 0.02)
      data: moby-dick, 1.15M byte tokens, licence: public domain (data: ODC-PDDL-1.0, contents: CC0-1.0); run folder: $/diverged
      train: 10 steps in a row were not finite; stopped.
        last loss        …
        gradient norm    NaN
        learning rate    1e+30
        fix              resume $/diverged with a lower --learning-rate; its last checkpoint is from before    [TRAIN-01]"
    `);
    const rows = await metricsOf(out);
    const skips = rows.flatMap((row) => ("train/skipped" in row ? [row["train/skipped"]] : []));
    expect(skips).toEqual(TEN);
    const { step, tensors } = await loadCheckpoint(out, "latest");
    expect(step).toBe(rows.findLast((row) => typeof row["train/loss"] === "number")?.step);
    expect(tensors.every(({ data }) => data.every((x) => Number.isFinite(Number(x))))).toBe(true);
    expect(filesOf(out).filter((name) => name.includes(".tmp") || name === "run.lock")).toEqual([]);
    // The steps skipped are tried again, and stand once in the metrics.
    await meshloom(...words, "--learning-rate", "1e30", "--resume");
    expect(await metricsOf(out)).toEqual(rows);
  });
});

/** Why a full disk cannot be tried here; undefined where it can. */
function noTmpfs(): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "only root mounts a tmpfs";
  try {
    const probe = execFileSync("mktemp", ["-d"], { encoding: "utf8" }).trim();
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", probe], { stdio: "ignore" });
    execFileSync("umount", [probe]);
    return undefined;
  } catch {
    return "this container does not let a tmpfs be mounted";
  }
}

const skipped = noTmpfs();
describe.skipIf(skipped !== undefined)(
  `a full disk${skipped === undefined ? "" : `: ${skipped}`}`,
  () => {
    let disk = "";
    beforeEach(async () => {
      disk = join(base, "disk");
      await mkdir(disk, { recursive: true });
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=400k", "tmpfs", disk]);
      return () => void execFileSync("umount", [disk]);
    });

    it("while saving leaves the checkpoints before, and the run goes on after", async () => {
      const out = join(disk, "run");
      const said = await ending(...train(out));
      const [four, six] = ["00000004", "00000006"].map(
        (step) => `cannot write $/disk/run/checkpoints/${step}: the disk has too little space.`,
      );
      expect(said).toContain(`step 4 is not saved: checkpoint: ${four}\n`);
      expect(said).toMatch(/^exit 1\n/);
      const last = said.slice(said.lastIndexOf("\ncheckpoint: ") + 1);
      expect(last.replace(/\d+(\.\d+)? KiB/g, "… KiB")).toBe(
        [
          `checkpoint: ${six}`,
          "  needs    … KiB",
          "  free     … KiB",
          "  fix      free some space or choose another folder with --out, then go on with --resume    [DISK-01]",
        ].join("\n"),
      );
      expect(filesOf(out)).toEqual([
        "checkpoints/00000002/manifest.json",
        "checkpoints/00000002/state.safetensors",
        "config.json",
        "metrics.jsonl",
      ]);
      execFileSync("mount", ["-o", "remount,size=8m", disk]);
      expect((await ending(...train(out), "--resume")).split("\n")[0]).toBe("exit 0");
      expect(await metricsOf(out)).toEqual(await metricsOf(made));
    });

    it("at the start leaves an empty folder", async () => {
      await writeFile(join(disk, "filler"), new Uint8Array(400 * 1024));
      expect(await ending(...train(join(disk, "run")))).toMatchInlineSnapshot(`
        "exit 1
        run: cannot write $/disk/run/run.lock: the disk is full.
          cause    ENOSPC: no space left on device, write
          fix      free some space or choose another folder with --out, then go on with --resume    [DISK-01]"
      `);
      expect(filesOf(join(disk, "run"))).toEqual([]);
    });
  },
);
