/**
 * @file The pages of runs in headless Chromium: the report, the comparison, and the page that follows a run
 * while it trains. No page may complain, and every axis says what it counts.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findChromium, openChromium } from "./chromium.ts";

const BIN = fileURLToPath(new URL("../../bin/meshloom.js", import.meta.url));
/** A folder for screenshots, for a person who wants to look. */
const KEPT = process.env["MESHLOOM_SCREENSHOT"];
const executable = findChromium();
if (executable === undefined)
  process.stdout.write("pages: skipped, no Chromium found; set MESHLOOM_CHROMIUM to one\n");

function start(...words: string[]): ChildProcess {
  return spawn(process.execPath, [BIN, ...words], { stdio: ["ignore", "pipe", "inherit"] });
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once("exit", (code) => resolve(code)));
}

const SIZES = ["--steps", "30", "--sample-every", "10", "--save-every", "10"] as const;

describe.skipIf(executable === undefined)("pages in a browser", () => {
  const folder = mkdtempSync(join(tmpdir(), "meshloom-pages-"));
  const [one, two] = [join(folder, "one"), join(folder, "two")];
  let browser: Browser;

  beforeAll(async () => {
    browser = await openChromium(executable ?? "");
    const runs = [
      start("train", "glam-pico", "--out", one, ...SIZES),
      start("train", "glam-pico", "--out", two, ...SIZES, "--router", "gshard-top2"),
    ];
    expect(await Promise.all(runs.map(ended))).toEqual([0, 0]);
  });

  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function visit(
    url: string,
    look: (page: Page) => Promise<void>,
    width = 1200,
  ): Promise<readonly string[]> {
    const page = await browser.newPage({ viewport: { width, height: 900 } });
    const complaints: string[] = [];
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("requestfailed", (request) => {
      // Leaving a page ends its stream of events.
      if (!request.url().includes("/events")) complaints.push(`${request.url()} failed`);
    });
    try {
      await page.goto(url);
      await look(page);
    } finally {
      await page.close();
    }
    return complaints;
  }

  async function keep(page: Page, name: string): Promise<void> {
    const picture = await page.screenshot({ fullPage: true });
    expect(picture.length).toBeGreaterThan(20_000); // a blank page of this size has 5 KB
    if (KEPT !== undefined) writeFileSync(join(KEPT, `${name}.png`), picture);
  }

  /** Charts with the titles of their axes, as a reader sees them. */
  async function checkCharts(page: Page, least: number): Promise<void> {
    const charts = page.locator("svg[role=img]");
    expect(await charts.count()).toBeGreaterThanOrEqual(least);
    const texts = (await page.evaluate(
      `[...document.querySelectorAll("svg[role=img]")].map((svg) => [...svg.querySelectorAll("text")].map((t) => t.textContent))`,
    )) as string[][];
    for (const list of texts) {
      expect(list.some((text) => /^(step|tokens seen|minutes of training)$/.test(text))).toBe(true);
      expect(
        list.some((text) => /per |share|length|expert|bits|nats|seconds|sum|bytes/.test(text)),
        list.join(" | "),
      ).toBe(true);
    }
  }

  test.each([1200, 420])("the report, %i pixels wide", async (width) => {
    const complaints = await visit(
      pathToFileURL(join(one, "report.html")).href,
      async (page) => {
        await keep(page, `report-${width}`);
        await checkCharts(page, 10);
        for (const title of ["Training", "Expert load", "Samples", "Configuration"])
          expect(await page.locator("h2", { hasText: title }).count()).toBe(1);
        expect(await page.locator(".sample").count()).toBe(3);
        // Nothing sticks out at the side.
        const overhang =
          "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        expect(await page.evaluate(overhang)).toBe(0);
      },
      width,
    );
    expect(complaints).toEqual([]);
  });

  test("the comparison of two runs", async () => {
    const out = join(folder, "comparison.html");
    expect(await ended(start("compare", one, two, "--out", out))).toBe(0);
    const complaints = await visit(pathToFileURL(out).href, async (page) => {
      await keep(page, "comparison");
      await checkCharts(page, 8);
      expect(await page.locator("td", { hasText: "gshard-top2" }).count()).toBe(1);
    });
    expect(complaints).toEqual([]);
  });

  test("the page that follows a run sees it go on, to its end, and only with the token", async () => {
    const live = join(folder, "live");
    const training = start("train", "glam-pico", "--out", live, "--steps", "400");
    const done = ended(training);
    // The run's configuration is there soon after its start.
    let watching = start("watch", live, "--json");
    for (;;) {
      const exit = ended(watching);
      const first = createInterface({ input: watching.stdout! })[Symbol.asyncIterator]().next();
      const line = await Promise.race([first, exit.then(() => undefined)]);
      if (line?.value !== undefined && "url" in JSON.parse(line.value)) {
        const { url } = JSON.parse(line.value) as { readonly url: string };
        const without = await fetch(url.replace(/\?.*/, ""));
        expect(without.status).toBe(401);
        expect((await fetch(url.replace(/token=.*/, "token=x"))).status).toBe(401);
        const complaints = await visit(url, async (page) => {
          // The page's own policy forbids to evaluate text in it, so it is only looked at from outside.
          await page.getByText(/training, step \d+ of 400/).waitFor({ timeout: 120_000 });
          await page.locator("svg.chart").nth(5).waitFor();
          const before = (await page.locator(".live span").last().textContent()) ?? "";
          await page.getByText(before, { exact: true }).waitFor({ state: "detached" });
          await keep(page, "watch");
          await page.getByText("finished at step 400 of 400").waitFor({ timeout: 300_000 });
          await page.locator("dd", { hasText: /^finished$/ }).waitFor();
          await checkCharts(page, 8);
          await keep(page, "watch-finished");
        });
        expect(complaints).toEqual([]);
        break;
      }
      await exit;
      watching = start("watch", live, "--json");
    }
    expect(await done).toBe(0);
    watching.kill("SIGINT");
    await ended(watching);
  });
});
