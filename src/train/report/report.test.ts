import { describe, expect, it } from "vitest";
import type { MetricsRow } from "../metrics.ts";
import { renderComparison, summarise } from "./comparison.ts";
import { type Report, renderReport } from "./report.ts";
import { placesOf, type RunView } from "./run-view.ts";

const time = "2026-01-01T00:00:00.000Z";
const empty: Report = { name: "tiny", facts: [], rows: [], config: {} };

const nasty = `</pre><script>alert("x")</script>\0`;
const rows: MetricsRow[] = [
  ...Array.from({ length: 50 }, (_, i) => ({
    step: i + 1,
    time,
    "train/loss": 5 - i / 20,
    "optim/gradient_norm": i === 9 ? 90 : 1,
    "throughput/tokens_per_second": 50,
    "train/tokens": (i + 1) * 100,
    "train/seconds": (i + 1) * 2,
    "moe/load/0/0": 3,
    "moe/load/0/1": i === 3 ? 0 : 1,
    "moe/dropped_fraction/0": 0.1,
    "moe/dropped_fraction/1": 0.2,
    [`odd/${nasty}`]: 0.1,
  })),
  { step: 7, time, "train/loss": null, "train/skipped": 1 },
  { step: 40, time, "eval/loss": 3.5, sample: `Call me ${nasty}` },
];
const full: Report = {
  name: `glam ${nasty}`,
  facts: [["state", `finished ${nasty}`]],
  rows,
  config: {
    seed: 1,
    model: { experts: { count: 8 }, names: ["a", nasty], same: 3 },
    [nasty]: { corpus: nasty },
  },
  preset: { model: { experts: { count: 4 }, names: ["a", nasty], same: 3 } },
};

/** Every start tag has its end, in the right order. */
function checkNesting(html: string): void {
  const open: string[] = [];
  for (const [, end, name, own] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)[^>]*?(\/?)>/g)) {
    if (own === "/" || name === "meta" || name === "link") continue;
    if (end === "/") expect(open.pop()).toBe(name);
    else open.push(name!);
  }
  expect(open).toEqual([]);
}

/** `aria-label`s of all charts. */
const labels = (html: string) =>
  [...html.matchAll(/aria-label="([^"]*)"/g)].map((match) => match[1] ?? "");

describe("renderReport", () => {
  it("needs no script and no other resource", () => {
    const several = renderComparison(nasty, [full, { ...full, name: "two" }]);
    for (const html of [renderReport(empty), renderReport(full), several]) {
      expect(html.replace('<link rel="icon" href="data:,">', "")).not.toMatch(
        /<script|<link|<img|https?:|url\(|@import|\ssrc=/i,
      );
      checkNesting(html);
      expect(html).not.toMatch(/="[^"]*(NaN|undefined)/);
    }
  });

  it("leaves out what there is nothing to show of", () => {
    expect(renderReport(empty)).not.toContain("<h2>");
  });

  it("shows every part", () => {
    const html = renderReport(full);
    const titles = [...html.matchAll(/<h2>(.*?)<\/h2>/g)].map((match) => match[1]);
    expect(titles).toEqual([
      "Training",
      "Skipped steps",
      "Expert load",
      "Samples",
      "Difference from the preset",
      "Configuration",
    ]);
    expect(html).toContain("held-out text 3.5");
    expect(html).toContain("length before clipping, logarithmic");
    expect(html).toContain("<td>experts.count</td><td>8</td>");
    expect(html).toContain("<td>model.experts.count</td><td>4</td><td>8</td>");
    expect(html).not.toContain("<td>model.same</td>");
    expect(html).toContain("prefers-color-scheme: dark");
    // Once in each drawing of the loss chart, wide and narrow.
    expect(html.match(/class="mark"/g)).toHaveLength(2);
  });

  it("draws the loss against steps, tokens and time, and every axis says its unit", () => {
    const html = renderReport(full);
    for (const axis of ["step", "tokens seen", "minutes of training"])
      expect(labels(html)).toContainEqual(expect.stringMatching(new RegExp(`^Loss.* by ${axis}$`)));
    for (const label of labels(html)) expect(label).toMatch(/ (by|per) /);
    for (const [, body] of html.matchAll(/<svg[^>]*>(.*?)<\/svg>/gs)) {
      // The title of the y axis stands at the left edge, that of the x axis at the right end.
      expect(body).toMatch(/<text x="0" y="11">[^<]+<\/text>/);
      expect(body).toMatch(/text-anchor="end">(step|tokens seen|minutes of training)<\/text>/);
    }
    expect(labels(html)).toContainEqual(expect.stringContaining("Dropped tokens"));
  });
});

describe("a run's axes", () => {
  it("are what the run has counted", () => {
    const places = placesOf(full);
    expect(places.at("step", 50)).toBe(50);
    expect(places.at("tokens", 50)).toBe(5000);
    expect(places.at("minutes", 30)).toBe(1);
    expect(places.at("minutes", 0)).toBe(0);
    expect(places.at("minutes", 1000)).toBeCloseTo(100 / 60, 9);
  });
});

describe("renderComparison", () => {
  const other: RunView = {
    ...full,
    name: "other",
    config: { seed: 2, model: { same: 3 } },
    rows: rows.map((row) => ({ ...row, "train/loss": 1 })),
  };

  it("ranks by what was measured", () => {
    const [facts, off] = summarise([full, other]);
    expect(facts).toEqual({
      name: full.name,
      step: 50,
      tokens: 5000,
      minutes: expect.closeTo(100 / 60, 9),
      trainLoss: expect.closeTo((2.55 + 2.6 + 2.65) / 3, 9),
      bestEvalLoss: 3.5,
      lastEvalLoss: 3.5,
      apart: null,
    });
    const losses = rows.map((row) => row["train/loss"]).filter((loss) => typeof loss === "number");
    expect(off?.apart).toBeCloseTo(Math.max(...losses.map((loss) => Math.abs(1 / loss - 1))), 12);
  });

  it("shows one line per run, and only settings that differ", () => {
    const html = renderComparison("runs", [full, other]);
    const loss =
      html.match(/<svg[^>]*aria-label="Loss, training[^"]*step"[^>]*>.*?<\/svg>/s)?.[0] ?? "";
    expect(html).toMatch(/<ul class="key">.*s1.*other<\/li><\/ul>/s);
    expect(loss).toMatch(/class="name"[^>]*>1</);
    expect(loss.match(/class="line s\d" d="M[\d.]+ 7h14"/g)).toHaveLength(2);
    expect(html).toContain("<td>seed</td><td>1</td><td>2</td>");
    expect(html).not.toContain("<td>model.same</td>");
  });
});
