/**
 * @file `repro length-of-day` on the record of the IERS: the figures of an independent implementation (numpy and
 * scipy, same definitions), on the whole record and on it to 2020, and the page in headless Chromium.
 */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dataFolder } from "../../src/data/corpora/named.ts";
import type { LineFinding, RealRecord } from "../../src/repro/length-of-day/real-record.ts";
import type { LengthOfDayResult } from "../../src/repro/length-of-day/reproduce.ts";
import { meshloom } from "../command-line.ts";
import { findChromium, openChromium, visitAlone } from "./chromium.ts";

const there = existsSync(join(dataFolder(), "iers", "c04-daily.csv.gz"));
const KEPT = process.env["MESHLOOM_SCREENSHOT"];
const executable = findChromium();
if (!there) process.stdout.write("length of day: skipped, no record; set MESHLOOM_DATA\n");

/** The record's last month: with more of it, what is below belongs to another record. */
const LAST = 2026.7;

type Summary = Omit<LengthOfDayResult, "records"> & {
  readonly SYO: LineFinding;
  readonly EYO: LineFinding;
  readonly records: readonly Omit<RealRecord, "drawn">[];
};

describe.skipIf(!there)("the decade oscillations of the observed record", () => {
  const folder = mkdtempSync(join(tmpdir(), "meshloom-lod-"));
  let found: Summary;

  beforeAll(async () => {
    const words = ["repro", "length-of-day", "--draws", "8", "--out", folder, "--json"];
    const { code, out, err } = await meshloom(...words);
    expect(code, err).toBe(0);
    found = JSON.parse(out) as Summary;
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.each([
    {
      ...{ at: 0, months: 777, noise: [0.249, 0.765] },
      peaks: { 3.7: 0.062, 4.9: 0.075, 5.95: 0.069, 8.6: 0.087, 11.45: 0.172 },
      lines: { SYO: [5.961, 0.06, 0.036], EYO: [8.497, 0.066, -0.044] },
      ridge: { SYO: [0.108, 0.125, 0.071, 0.053, 0.031], EYO: [0.057, 0.049, 0.064, 0.113, 0.2] },
    },
    {
      ...{ at: 1, months: 696, noise: [0.242, 0.766] },
      peaks: { 3.7: 0.066, 4.9: 0.079, 6: 0.075, 7.55: 0.053, 8.65: 0.062 },
      lines: { SYO: [6.009, 0.069, 0.031], EYO: [8.529, 0.054, -0.029] },
      ridge: { SYO: [0.07, 0.116, 0.071, 0.054, 0.029], EYO: [0.096, 0.053, 0.057, 0.088, 0.14] },
    },
  ])("span $at is what an independent implementation finds", (wanted) => {
    const record = found.records[wanted.at]!;
    expect(found.records[0]!.years[1]).toBeCloseTo(LAST, 1);
    expect(record.months).toBe(wanted.months);
    expect(record.noise.sd).toBeCloseTo(wanted.noise[0]!, 2);
    expect(record.noise.phi).toBeCloseTo(wanted.noise[1]!, 1);
    for (const [period, amplitude] of Object.entries(wanted.peaks)) {
      const near = record.peaks.filter((peak) => Math.abs(peak.period - Number(period)) < 0.05);
      expect(near, period).toHaveLength(1);
      expect(Math.abs(near[0]!.amplitude / amplitude - 1)).toBeLessThan(0.15);
    }
    for (const { name, periodYears, amplitudeMs, dampingPerYear, ridgeMs } of record.lines) {
      const [period = 0, amplitude = 0, damping = 0] = wanted.lines[name];
      expect(Math.abs(periodYears.value - period)).toBeLessThan(0.1);
      expect(Math.abs(amplitudeMs.value / amplitude - 1)).toBeLessThan(0.15);
      expect(Math.abs(dampingPerYear.value - damping)).toBeLessThan(0.008);
      wanted.ridge[name].forEach((size, i) => {
        const own = ridgeMs[String([1965, 1977, 1989, 2001, 2013][i])]!;
        // As the amplitudes: ± 15 %, or a last digit of the reference.
        expect(Math.abs(own - size)).toBeLessThan(Math.max(0.15 * size, 0.005));
      });
    }
  });

  test("the length of day leads x by a quarter turn, in both lines", () => {
    const degrees = (angle: number) => (angle * 180) / Math.PI;
    const { SYO, EYO } = found;
    expect(SYO.lodPolarMotionCorrelation.x.coherence).toBeCloseTo(0.938, 1);
    expect(Math.abs(degrees(SYO.lodPolarMotionCorrelation.x.phase) - 86)).toBeLessThan(10);
    expect(Math.abs(degrees(SYO.lodPolarMotionCorrelation.y.phase) + 98)).toBeLessThan(10);
    expect(Math.abs(degrees(EYO.lodPolarMotionCorrelation.x.phase) - 85)).toBeLessThan(10);
    expect(Math.abs(degrees(EYO.lodPolarMotionCorrelation.y.phase) + 49)).toBeLessThan(10);
    expect(EYO.polarMotionMas.prograde).toBeGreaterThan(2 * EYO.polarMotionMas.retrograde);
    for (const { x, y } of [SYO.lodPolarMotionCorrelation, EYO.lodPolarMotionCorrelation])
      for (const { p } of [x, y]) expect(p).toBeGreaterThan(0);
  });

  test("what was printed is what lies in the folder", () => {
    expect(JSON.parse(readFileSync(join(folder, "result.json"), "utf8"))).toEqual(found);
    const { fit, ntft, bepme, ssa } = found.endErrors.SYO;
    expect(fit).toBeLessThan(Math.min(ntft, bepme, ssa));
    expect(found.verdicts.length).toBeGreaterThan(6);
    for (const { because } of found.verdicts) expect(because).not.toMatch(/NaN|undefined/);
  });

  test.skipIf(executable === undefined).each([1200, 400])(
    "the page opens alone, every axis with its unit, %d pixels wide",
    async (width) => {
      const browser = await openChromium(executable ?? "");
      const url = pathToFileURL(join(folder, "report.html")).href;
      await visitAlone(
        browser,
        url,
        async (page) => {
          if (KEPT !== undefined) {
            const picture = await page.screenshot({ fullPage: true });
            writeFileSync(join(KEPT, `length-of-day-${width}.png`), picture);
          }
          const texts = (await page.evaluate(
            `[...document.querySelectorAll("svg[role=img]")].map((svg) => [...svg.querySelectorAll("text")].map((t) => t.textContent))`,
          )) as string[][];
          expect(texts.length).toBe(12);
          for (const list of texts) {
            expect(list.some((text) => /^(year|period, years)$/.test(text))).toBe(true);
            expect(list.some((text) => /, (ms|mas|years)$/.test(text))).toBe(true);
          }
          const overhang =
            "document.documentElement.scrollWidth - document.documentElement.clientWidth";
          expect(await page.evaluate(overhang)).toBe(0);
        },
        width,
      );
      await browser.close();
    },
  );
});
