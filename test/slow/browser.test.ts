/**
 * @file The library in headless Chromium: the example page against the same training in Node, and every sample of every
 * op over WebGPU, computed by the CPU. Node runs the same samples over WebAssembly: wasm.test.ts.
 */

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTraining } from "../../examples/browser/sort.ts";
import { createOnnxEngine } from "../../src/engines/onnx/onnx.ts";
import { OPS } from "../../src/ops/registry.ts";
import { findChromium, openChromium, serveFolder } from "./chromium.ts";
import type { PageResult } from "./op-programs.page.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const STEPS = 60;
const SEED = 1;

/** What the example page keeps in `meshloomRun`. */
interface Run {
  readonly state: string;
  readonly message: string;
  readonly losses: readonly number[];
  readonly times: readonly number[];
  readonly firstStep: number;
  readonly attempts: readonly unknown[];
}

const executable = findChromium();
if (executable === undefined) {
  process.stdout.write("browser: skipped, no Chromium found; set MESHLOOM_CHROMIUM to one\n");
}

describe.skipIf(executable === undefined)("in a browser", () => {
  const folder = mkdtempSync(join(tmpdir(), "meshloom-browser-"));
  let browser: Browser;
  /** The same losses as computed by Node. */
  let expected: number[];
  let millisecondsInNode = 0;

  beforeAll(async () => {
    const tsx = join(ROOT, "node_modules/tsx/dist/cli.mjs");
    const script = join(ROOT, "scripts/build-browser.ts");
    const sizes = execFileSync(process.execPath, [tsx, script, folder], { encoding: "utf8" });
    process.stdout.write(`browser: the page\n${sizes}`);
    await build({
      entryPoints: { samples: join(ROOT, "test/slow/op-programs.page.ts") },
      outdir: folder,
      bundle: true,
      splitting: true,
      format: "esm",
      platform: "browser",
      logLevel: "warning",
    });
    const page = '<link rel="icon" href="data:,"><script type="module" src="samples.js"></script>';
    writeFileSync(join(folder, "samples.html"), page);
    browser = await openChromium(executable ?? "");

    const training = await startTraining(await createOnnxEngine(), { steps: STEPS, seed: SEED });
    expected = [await training.step()];
    const start = performance.now();
    while (expected.length < STEPS) expected.push(await training.step());
    millisecondsInNode = (performance.now() - start) / (STEPS - 1);
  });

  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Opens a page, waits until `done` holds in it, and gives its value and all that it complained about. */
  async function visit<T>(
    address: string,
    isolated: boolean,
    done: string,
    value: string,
    look?: (page: Page) => Promise<void>,
  ): Promise<{ readonly value: T; readonly complaints: readonly string[] }> {
    const server = await serveFolder(folder, isolated);
    const page = await browser.newPage({ viewport: { width: 1100, height: 720 } });
    const complaints: string[] = [];
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("requestfailed", (request) => complaints.push(`${request.url()} failed`));
    try {
      await page.goto(server.url + address);
      await page.waitForFunction(done, undefined, { timeout: 500_000 });
      await look?.(page);
      return { value: (await page.evaluate(value)) as T, complaints };
    } finally {
      await page.close();
      server.close();
    }
  }

  const train = (query: string, isolated: boolean, look?: (page: Page) => Promise<void>) =>
    visit<Run>(
      `?steps=${STEPS}&seed=${SEED}${query}`,
      isolated,
      '["done", "failed"].includes(meshloomRun.state)',
      "meshloomRun",
      look,
    );

  const furthest = (losses: readonly number[]) =>
    Math.max(...losses.map((loss, i) => Math.abs(loss - (expected[i] ?? Number.NaN))));

  test.each([
    { title: "WebAssembly", isolated: false, query: "" },
    { title: "WebAssembly on 2 threads", isolated: true, query: "&threads=2" },
  ])("the page trains on $title as Node does", async ({ title, isolated, query }) => {
    const { value: run, complaints } = await train(query, isolated, async (page) => {
      const picture = await page.screenshot({ fullPage: true });
      expect(picture.length).toBeGreaterThan(20_000); // a blank page of this size has 4 KB
      const kept = process.env["MESHLOOM_SCREENSHOT"];
      if (kept !== undefined && !isolated) writeFileSync(kept, picture);
      expect(await page.locator("#chart path.line").count()).toBeGreaterThan(0);
      expect(await page.locator("#lists tr").count()).toBe(8);
      expect(await page.locator("#score").textContent()).toMatch(
        /^After 60 steps it sorts \d+ of 500 lists/,
      );
    });
    expect(run.message).toBe("");
    expect(complaints).toEqual([]);
    expect(run.losses).toHaveLength(STEPS);
    expect(run.losses.at(-1)).toBeLessThan((run.losses[0] ?? 0) / 3);
    expect(furthest(run.losses)).toBeLessThan(1e-4); // kernels sum in other orders; 60 updates amplify it
    const mean = run.times.slice(1).reduce((sum, x) => sum + x, 0) / (STEPS - 1);
    process.stdout.write(
      `browser: ${title}: losses agree to ${furthest(run.losses).toExponential(0)}; first step after ` +
        `${(run.firstStep / 1000).toFixed(1)} s; ${mean.toFixed(1)} ms a step, ${millisecondsInNode.toFixed(1)} in Node\n`,
    );
  });

  test("WebGPU computes every sample of every op, with its derivatives", async () => {
    const { value } = await visit<PageResult>(
      "samples.html",
      false,
      "globalThis.result?.done",
      "result",
    );
    if (String(value.wrong[0]).includes("there is no WebGPU here")) {
      process.stdout.write("browser: webgpu: skipped, this Chromium has no WebGPU\n");
      return;
    }
    process.stdout.write(
      `browser: webgpu: ${value.agreed} programs of ${OPS.length} ops agree; ` +
        `with NaN or infinities differ: ${value.unspecified.join("; ") || "none"}\n`,
    );
    expect(value.wrong).toEqual([]);
    expect(value.agreed).toBeGreaterThan(5 * OPS.length);
  });
});
