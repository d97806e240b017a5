import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DiskError, MeshloomError, RunError } from "../core/errors.ts";
import { saveCheckpoint } from "./checkpoint.ts";
import { openRun, type RunConfig } from "./run-folder.ts";

const config: RunConfig = {
  model: { layers: 2, embed: 64 },
  data: { corpus: "moby-dick", sha256: "ab" },
  optimizer: { learningRate: 0.01 },
};
let base = "";
let folder = "";
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), "meshloom-run-"));
  folder = join(base, "deep", "run");
});
afterEach(() => rm(base, { recursive: true, force: true }));

async function message(call: Promise<unknown>): Promise<string> {
  const error = await call.catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(RunError);
  return (error as RunError).message;
}

function row(step: number) {
  return { step, time: "2026-01-01T00:00:00.000Z", "train/loss": 5 - step / 10 };
}

describe("places that never answer", () => {
  it.each(["run.lock", "config.json", "metrics.jsonl"])(
    "a pipe in the place of %s is refused, not waited on",
    async (name) => {
      await (await openRun(folder, { resume: false, config })).close();
      await rm(join(folder, name), { force: true });
      execFileSync("mkfifo", [join(folder, name)]);
      const error = await openRun(folder, { resume: true, config }).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(MeshloomError);
      expect((error as MeshloomError).message).toContain(join(folder, name));
      expect((error as MeshloomError).message).toContain("no plain file");
    },
  );

  it.runIf(existsSync("/proc/self"))("folders of /proc are refused", async () => {
    for (const place of ["/proc/meshloom", "/proc/meshloom/run", "/proc/self/run"]) {
      const opened = openRun(place, { resume: false, config });
      await expect(opened).rejects.toThrow(DiskError);
      await expect(openRun(place, { resume: true, config })).rejects.toThrow(RunError);
    }
  });
});

describe("openRun", () => {
  it("makes the folder, writes the config and lets go of the lock", async () => {
    const run = await openRun(folder, { resume: false, config });
    expect((await readdir(folder)).sort()).toEqual(["config.json", "run.lock"]);
    expect(JSON.parse(await readFile(join(folder, "config.json"), "utf8"))).toEqual(config);
    expect([run.resumed, run.changes, run.notes]).toEqual([false, [], []]);
    await run.close();
    await run.close();
    expect(await readdir(folder)).toEqual(["config.json"]);
  });

  it("refuses a run that is there, and one that is not", async () => {
    expect(await message(openRun(folder, { resume: true, config }))).toContain(
      `run: ${folder} has no run to resume.`,
    );
    expect(await readdir(base)).toEqual([]);
    await (await openRun(folder, { resume: false, config })).close();
    await saveCheckpoint(folder, 12, [], {});
    expect(await message(openRun(folder, { resume: false, config }))).toBe(
      [
        `run: ${folder} already has a run.`,
        "  newest    checkpoint of step 12",
        "  fix       --resume goes on with it; --out with another folder starts a new one    [RUN-01]",
      ].join("\n"),
    );
    // A refusal leaves no lock behind.
    await (await openRun(folder, { resume: true, config })).close();
  });

  it("refuses another model or data, takes other changes and names them", async () => {
    await (await openRun(folder, { resume: false, config })).close();
    const other = { ...config, model: { layers: 3, embed: 64, heads: 2 } };
    expect(await message(openRun(folder, { resume: true, config: other }))).toBe(
      [
        `run: ${folder} is a run with another model configuration.`,
        "  model.layers    was 2, now 3",
        "  model.heads     was not set, now 2",
        "  fix             give the same values as before, or start a new run with another --out    [RUN-01]",
      ].join("\n"),
    );
    const without = { model: config["model"], optimizer: config["optimizer"] };
    expect(await message(openRun(folder, { resume: true, config: without }))).toContain(
      'data    was {"corpus":"moby-dick","sha256":"ab"}, now not set',
    );
    const slower = { ...config, optimizer: { learningRate: 0.001, unset: undefined } };
    const run = await openRun(folder, { resume: true, config: slower });
    expect(run.changes).toEqual([{ key: "optimizer.learningRate", before: 0.01, now: 0.001 }]);
    expect(await readFile(join(folder, "config.json"), "utf8")).toContain("0.001");
    await run.close();
  });

  it("names the disk's refusal", async () => {
    await writeFile(join(base, "deep"), "a file");
    const opened = openRun(folder, { resume: false, config });
    await expect(opened).rejects.toThrow(DiskError);
    await expect(opened).rejects.toThrow("in the way");
  });

  it("sweeps what a killed run left", async () => {
    await (await openRun(folder, { resume: false, config })).close();
    await mkdir(join(folder, "checkpoints", ".tmp-00000003-1-ab"), { recursive: true });
    const run = await openRun(folder, { resume: true, config });
    expect(run.notes).toEqual(["swept .tmp-00000003-1-ab"]);
    expect(await readdir(join(folder, "checkpoints"))).toEqual([]);
    await run.close();
  });

  it("sweeps unfinished files, but none of a process that is asking for the lock", async () => {
    await (await openRun(folder, { resume: false, config })).close();
    const gone = spawn("true");
    await new Promise((done) => gone.on("exit", done));
    const orphans = [`.tmp-report.html-${process.pid}-ab`, `.tmp-run.lock-${gone.pid}-ab`];
    const asking = `.tmp-run.lock-${process.ppid}-ab`;
    for (const name of [...orphans, asking]) await writeFile(join(folder, name), "{");
    const run = await openRun(folder, { resume: true, config });
    expect(run.notes).toEqual([`swept ${orphans.join(", ")}`]);
    await run.close();
    expect((await readdir(folder)).sort()).toEqual([asking, "config.json"]);
  });
});

describe("lock", () => {
  const lock = () => join(folder, "run.lock");
  const owner = {
    pid: 1,
    host: hostname(),
    started: "2026-01-01T00:00:00.000Z",
    birth: "",
    token: "x",
  };
  async function plant(content: object | string): Promise<void> {
    await mkdir(folder, { recursive: true });
    await writeFile(lock(), typeof content === "string" ? content : JSON.stringify(content));
  }

  it("keeps a second writer out, in this process and in another", async () => {
    const run = await openRun(folder, { resume: false, config });
    expect(await message(openRun(folder, { resume: true, config }))).toContain(
      `run: ${folder} is in use by process ${process.pid}.`,
    );
    await run.close();
    const child = spawn("sleep", ["60"]);
    await plant({ ...owner, pid: child.pid });
    const text = await message(openRun(folder, { resume: true, config }));
    expect(text).toMatch(new RegExp(`fix +wait for process ${child.pid} or stop it`));
    child.kill();
    await new Promise((done) => child.on("exit", done));
    const taken = await openRun(folder, { resume: true, config });
    expect(taken.notes[0]).toContain(`took the lock of process ${child.pid} on ${hostname()}`);
    await taken.close();
  });

  it("takes over a lock whose pid has gone to another process, and our own pid of an earlier life", async () => {
    for (const dead of [
      { ...owner, pid: process.ppid, birth: "1" },
      { ...owner, pid: process.pid },
      "torn",
    ]) {
      await plant(dead);
      const run = await openRun(folder, { resume: false, config });
      expect(run.notes).toHaveLength(1);
      await run.close();
      await rm(folder, { recursive: true });
    }
  });

  it("does not judge another machine's process", async () => {
    await plant({ ...owner, host: "elsewhere" });
    expect(await message(openRun(folder, { resume: false, config }))).toContain(
      `make sure that no run goes on at elsewhere, then delete ${lock()}`,
    );
  });

  it("lets exactly one of many starters in, over a stale lock too", async () => {
    for (const stale of [false, true]) {
      if (stale) await plant({ ...owner, pid: process.pid });
      const starts = Array.from({ length: 12 }, () => openRun(folder, { resume: false, config }));
      const ends = await Promise.allSettled(starts);
      const open = ends.flatMap((end) => (end.status === "fulfilled" ? [end.value] : []));
      expect(open).toHaveLength(1);
      for (const end of ends) {
        if (end.status === "rejected") expect(end.reason).toBeInstanceOf(RunError);
      }
      await open[0]?.close();
      expect(await readdir(folder)).toEqual(["config.json"]);
      await rm(folder, { recursive: true });
    }
  });
});

describe("metrics", () => {
  it("appends, and on resume drops later steps and a torn line", async () => {
    const path = join(folder, "metrics.jsonl");
    const first = await openRun(folder, { resume: false, config });
    await first.appendMetrics([row(1), row(2)]);
    await first.appendMetrics([{ ...row(3), "train/loss": NaN }]);
    await first.close();
    await appendFile(path, '{"step":4,"ti');

    const second = await openRun(folder, { resume: true, config });
    expect(second.notes).toEqual(["dropped 1 torn lines of metrics.jsonl"]);
    expect(await second.readMetrics()).toEqual([row(1), row(2), { ...row(3), "train/loss": null }]);
    expect(await second.dropMetricsAfter(2)).toBe(1);
    await second.appendMetrics([row(3)]);
    expect(await second.readMetrics()).toEqual([row(1), row(2), row(3)]);
    expect(await readFile(path, "utf8")).toBe(
      [row(1), row(2), row(3)].map((r) => `${JSON.stringify(r)}\n`).join(""),
    );
    await second.close();
  });
});
