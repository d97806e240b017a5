import { describe, expect, it } from "vitest";
import { type ReportData, renderReport } from "./report.ts";

const empty: ReportData = {
  title: "tiny",
  facts: [],
  series: [],
  experts: [],
  samples: [],
  skipped: [],
  config: {},
};

const nasty = `</pre><script>alert("x")</script>\0`;
const full: ReportData = {
  title: `glam ${nasty}`,
  facts: [["State", `finished ${nasty}`]],
  series: [
    {
      name: "train/loss",
      points: Array.from({ length: 50 }, (_, i) => ({ step: i, value: 5 - i / 20 })),
    },
    { name: "eval/loss", points: [{ step: 40, value: 3.5 }] },
    { name: "optim/gradient_norm", points: [1, 1, 1, 90].map((value, step) => ({ step, value })) },
    { name: `moe/${nasty}`, points: [{ step: 1, value: 0.1 }] },
    { name: "empty", points: [] },
  ],
  experts: [
    {
      layer: `layers/1 ${nasty}`,
      steps: [10, 20],
      loads: [
        [3, 1],
        [0, 0],
      ],
    },
  ],
  samples: [{ step: 40, text: `Call me ${nasty}` }],
  skipped: [{ step: 7, reason: `loss is NaN ${nasty}` }],
  config: {
    seed: 1,
    model: { experts: { count: 8 }, names: ["a", nasty] },
    [nasty]: { corpus: nasty },
  },
};

/** Every start tag has its end, in the right order. */
function checkNesting(html: string): void {
  const open: string[] = [];
  for (const [, end, name, own] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)[^>]*?(\/?)>/g)) {
    if (own === "/" || name === "meta") continue;
    if (end === "/") expect(open.pop()).toBe(name);
    else open.push(name!);
  }
  expect(open).toEqual([]);
}

describe("renderReport", () => {
  it("needs no script and no other resource", () => {
    for (const html of [renderReport(empty), renderReport(full)]) {
      expect(html).not.toMatch(/<script|<link|<img|https?:|url\(|@import|\ssrc=/i);
      checkNesting(html);
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
      "Configuration",
    ]);
    expect(html).toContain("validation 3.5");
    expect(html).toContain("before clipping, logarithmic");
    expect(html).toContain("<td>experts.count</td><td>8</td>");
    expect(html).toContain("prefers-color-scheme: dark");
    // Once in each drawing of the loss chart, wide and narrow.
    expect(html.match(/class="mark"/g)).toHaveLength(2);
    expect(html).not.toMatch(/="[^"]*NaN/);
  });
});
