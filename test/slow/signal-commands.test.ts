/**
 * @file `meshloom signal` on the IERS's own files, and its reports in headless Chromium: no page may complain, every
 * plot says what its axes count, and every picture opens alone.
 */

import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dataFolder } from "../../src/data/corpora/named.ts";
import { meshloom } from "../command-line.ts";
import { first, type SignalResult } from "../signal-result.ts";
import { findChromium, openChromium, visitAlone } from "./chromium.ts";

const IERS = join(dataFolder(), "iers");
const C04 = join(IERS, "eopc04.1962-now.gz");
const COMPACT = join(IERS, "c04-daily.csv.gz");
/** A folder for screenshots, for a person who wants to look. */
const KEPT = process.env["MESHLOOM_SCREENSHOT"];
const executable = findChromium();
const there = existsSync(C04);
if (!there) process.stdout.write(`signal commands: skipped, no ${C04}; set MESHLOOM_DATA\n`);
if (executable === undefined)
  process.stdout.write("signal pages: skipped, no Chromium found; set MESHLOOM_CHROMIUM to one\n");

const FOLDER = mkdtempSync(join(tmpdir(), "meshloom-signal-"));
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));
const out = (name: string) => join(FOLDER, name);

async function run(...words: string[]): Promise<SignalResult> {
  const { code, out: printed, err } = await meshloom("signal", ...words, "--json");
  expect(code, err).toBe(0);
  return JSON.parse(printed) as SignalResult;
}

describe.skipIf(!there)("the real length of day", () => {
  test("gives the lines of the reference, from either file", async () => {
    const words = ["--prepare", "length-of-day", "--periods", "5.9,8.5", "--draws", "0"];
    const c04 = await run("restore", C04, ...words, "--out", out("c04"));
    const compact = await run("restore", COMPACT, ...words, "--out", out("compact"));
    // Both hold the same numbers; what is printed of them may not differ in any bit.
    expect(compact.oscillations).toEqual(c04.oscillations);
    const syo = first(c04.oscillations);
    const eyo = first(c04.oscillations.slice(1));
    // An independent implementation found these; its settings are ours, its rounding is not.
    expect(Math.abs(syo.period.value - 5.961)).toBeLessThan(0.1);
    expect(Math.abs(syo.amplitude.value / 0.06 - 1)).toBeLessThan(0.15);
    expect(Math.abs(syo.damping.value - 0.036)).toBeLessThan(0.008);
    expect(Math.abs(eyo.period.value - 8.497)).toBeLessThan(0.1);
    expect(Math.abs(eyo.amplitude.value / 0.066 - 1)).toBeLessThan(0.15);
    expect(Math.abs(eyo.damping.value + 0.044)).toBeLessThan(0.008);
    expect(Math.abs(c04.noise.sd - 0.249)).toBeLessThan(0.02);
    expect(c04.source.sha256).toMatch(/^42c9387ca3f7/);
    expect(c04.steps).toHaveLength(5);
  });

  test("has its peaks in the map", async () => {
    const words = ["--prepare", "length-of-day", "--periods", "3..14", "--surrogates", "20"];
    const { peaks } = await run("ntft", C04, ...words, "--out", out("ntft"));
    const wanted = [
      [3.7, 0.062],
      [4.9, 0.075],
      [5.95, 0.069],
      [8.6, 0.087],
      [11.45, 0.172],
    ];
    for (const [period = 0, amplitude = 0] of wanted) {
      const found = first(peaks.filter((peak) => Math.abs(peak.period - period) < 0.05));
      expect(Math.abs(found.amplitude / amplitude - 1)).toBeLessThan(0.15);
    }
  });
});

describe.skipIf(!there || executable === undefined)("reports in a browser", () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await openChromium(executable ?? "");
    const lod = ["--prepare", "length-of-day"];
    const pole = ["--prepare", "polar-motion"];
    const few = ["--draws", "4"];
    await run("restore", C04, ...lod, "--periods", "5.9,8.5", ...few, "--out", out("restore"));
    await run("ssa", C04, ...lod, "--window", "20", "--surrogates", "20", "--out", out("ssa"));
    await run("fit", C04, ...lod, "--periods", "3.7,4.9,5.9,8.5", ...few, "--out", out("fit"));
    const both = ["--periods=2..15,-15..-2", "--count", "60", "--surrogates", "4"];
    await run("ntft", C04, ...pole, ...both, "--out", out("pole"));
  });

  afterAll(() => browser?.close());

  const visit = (url: string, look: (page: Page) => Promise<void>, width?: number) =>
    visitAlone(browser, url, look, width);

  const TIMES = /^(year|time, \w+)$/;
  const PERIODS = /^(prograde |retrograde )?period, \w+(, logarithmic)?$/;
  const X = [TIMES, PERIODS, /^triple/];
  const Y = [
    PERIODS,
    /^(ΔLOD|x|y|amplitude), (ms|mas)$/,
    /^power, m(s|as)² · years, logarithmic$/,
    /^variance, m(s|as)², logarithmic$/,
    /^triple$/,
  ];

  /** Charts with the titles of their axes, as a reader sees them. */
  async function checkCharts(page: Page): Promise<void> {
    const texts = (await page.evaluate(
      `[...document.querySelectorAll("svg[role=img]")].map((svg) => [...svg.querySelectorAll("text")].map((t) => t.textContent))`,
    )) as string[][];
    expect(texts.length).toBeGreaterThan(4);
    for (const list of texts) {
      const has = (forms: readonly RegExp[]) =>
        list.filter((text) => forms.some((f) => f.test(text)));
      expect(has(X).length, list.join(" | ")).toBeGreaterThanOrEqual(1);
      expect(has(Y).length, list.join(" | ")).toBeGreaterThanOrEqual(1);
      expect(
        new Set([...has(X), ...has(Y)]).size + (list.includes("triple") ? 1 : 0),
      ).toBeGreaterThan(1);
    }
  }

  test.each(
    ["restore", "ssa", "fit", "pole"].flatMap((name) => [
      [name, 1200],
      [name, 400],
    ]) as [string, number][],
  )("signal %s, %i pixels wide", async (name, width) => {
    await visit(
      pathToFileURL(join(out(name), "report.html")).href,
      async (page) => {
        if (KEPT !== undefined)
          writeFileSync(
            join(KEPT, `signal-${name}-${width}.png`),
            await page.screenshot({ fullPage: true }),
          );
        await checkCharts(page);
        for (const title of ["What was done, in order", "Settings"])
          expect(await page.locator("h2", { hasText: title }).count()).toBe(1);
        const overhang =
          "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        expect(await page.evaluate(overhang)).toBe(0);
      },
      width,
    );
  });

  test("every picture opens alone", async () => {
    for (const name of ["restore", "ssa", "fit", "pole"]) {
      const pictures = readdirSync(out(name)).filter((file) => file.endsWith(".svg"));
      expect(pictures.length).toBeGreaterThan(5);
      for (const picture of pictures)
        await visit(pathToFileURL(join(out(name), picture)).href, async (page) => {
          // Chromium shows a page of its own where XML is damaged.
          const facts = (await page.evaluate(
            `[document.documentElement.tagName, document.querySelectorAll("parsererror").length, document.querySelectorAll("text").length, getComputedStyle(document.querySelector("text")).fill]`,
          )) as [string, number, number, string];
          expect(facts.slice(0, 2), picture).toEqual(["svg", 0]);
          expect(facts[2]).toBeGreaterThan(3);
          expect(facts[3]).not.toBe("rgb(0, 0, 0)");
        });
    }
  });
});
