import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ServeError } from "../core/errors.ts";
import { createWatchApp } from "./app.ts";
import { progressOf, readLiveRun, revisionOf } from "./live-run.ts";
import { startWatching } from "./server.ts";

const TOKEN = "right";
const row = (step: number, second: number) => ({
  step,
  time: new Date(1_800_000_000_000 + second * 1000).toISOString(),
  "train/loss": 3,
});

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "meshloom-watch-"));
  const config = {
    preset: "glam-pico",
    family: "glam",
    model: (await import("../train/families.ts").then(({ openPreset }) => openPreset("glam-pico")))
      .model,
    training: {
      ...{ batch: 8, length: 32, steps: 100, optimizer: "adafactor", learningRate: 0.02 },
      ...{ schedule: "inverse-square-root", warmup: 100, clip: 1 },
    },
  };
  await writeFile(join(folder, "config.json"), JSON.stringify(config));
  const rows = [row(1, 0), { ...row(2, 1), sample: "</script><script>alert(1)</script>" }];
  await writeFile(
    join(folder, "metrics.jsonl"),
    rows.map((one) => `${JSON.stringify(one)}\n`).join(""),
  );
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const ask = (path: string, host = "127.0.0.1:4000") =>
  createWatchApp({ folder, token: TOKEN }).request(`http://${host}${path}`, { headers: { host } });

describe("the watch page", () => {
  test.each(["/", "/body", "/progress", "/events"])(
    "%s wants the token and a local name",
    async (path) => {
      expect((await ask(path)).status).toBe(401);
      expect((await ask(`${path}?token=wrong`)).status).toBe(401);
      expect((await ask(`${path}?token=${TOKEN}`, "evil.example:4000")).status).toBe(403);
    },
  );

  test("runs no script but its own, and shows a sample as text", async () => {
    const page = await ask(`/?token=${TOKEN}`);
    expect(page.status).toBe(200);
    const nonce = /script-src 'nonce-([^']+)'/.exec(
      page.headers.get("content-security-policy") ?? "",
    )?.[1];
    expect(await page.text()).toContain(`<script nonce="${nonce}">`);
    expect(page.headers.get("referrer-policy")).toBe("no-referrer");
    const body = await (await ask(`/body?token=${TOKEN}`)).text();
    expect(body).toContain("&#60;script&#62;alert(1)");
    expect(body).not.toContain("<script");
  });

  test("says how far the run is", async () => {
    expect(await (await ask(`/progress?token=${TOKEN}`)).json()).toEqual({
      ...{ step: 2, steps: 100, secondsLeft: null, writer: null },
    });
    const { report } = await readLiveRun(folder);
    expect(report.facts).toContainEqual(["state", "stopped"]);
  });

  test("has a new revision when a row is written", async () => {
    const before = await revisionOf(folder);
    expect(await revisionOf(folder)).toBe(before);
    await writeFile(join(folder, "metrics.jsonl"), `${JSON.stringify(row(3, 2))}\n`, { flag: "a" });
    expect(await revisionOf(folder)).not.toBe(before);
  });

  test("a port that is taken is named", async () => {
    const first = await startWatching({ folder, token: TOKEN }, 0);
    const port = Number(new URL(first.url).port);
    const error = await startWatching({ folder, token: TOKEN }, port).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ServeError);
    expect((error as ServeError).message).toContain(`port ${port} of 127.0.0.1 is in use`);
    await first.close();
  });
});

describe("progress", () => {
  test("takes the pace of the last steps, and gives no time where nothing runs", () => {
    const rows = Array.from({ length: 80 }, (_, i) => row(i + 1, i < 40 ? i : 40 + (i - 40) * 2));
    // The last 50 steps: 10 at one second, 39 at two.
    expect(progressOf(rows, 100, "process 1").secondsLeft).toBeCloseTo((20 * 88) / 49, 9);
    expect(progressOf(rows, 100, undefined).secondsLeft).toBeNull();
    expect(progressOf([], 100, "process 1")).toEqual({
      ...{ step: 0, steps: 100, secondsLeft: null, writer: "process 1" },
    });
  });
});
