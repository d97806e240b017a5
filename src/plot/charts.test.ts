import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { colourOf } from "./cells.ts";
import { heatMap } from "./heat-map.ts";
import { type LineChart, lineChart, type Point, smooth, thin } from "./line-chart.ts";
import { periodMap } from "./period-map.ts";
import { escapeText } from "./svg.ts";
import { formatTick, formatValue, logTicks, niceTicks, paddedRange } from "./ticks.ts";

const runs = { seed: 3, numRuns: 300 };

function points(...values: number[]): Point[] {
  return values.map((value, i) => ({ x: i + 1, value }));
}

function chartOf(change: Partial<LineChart>): string {
  return lineChart({
    label: "Loss",
    width: 400,
    height: 200,
    yTitle: "nats",
    range: [0, 4],
    lines: [],
    newest: true,
    ...change,
  });
}

describe("ticks", () => {
  it("are multiples of 1, 2 or 5", () => {
    expect(niceTicks([0, 10], 5)).toEqual([0, 2, 4, 6, 8, 10]);
    expect(niceTicks([0.05, 0.62], 4)).toEqual([0.2, 0.4, 0.6]);
    expect(niceTicks([-3, 3], 4)).toEqual([-2, 0, 2]);
    expect(logTicks([0.5, 30])).toEqual([0.5, 1, 2, 5, 10, 20]);
    expect(logTicks([2.1, 4.6])).toEqual([2.5, 3, 3.5, 4, 4.5]);
    expect(logTicks([1e-8, 1e4])).toEqual([1e-8, 1e-6, 1e-4, 1e-2, 1, 100, 1e4]);
  });

  it("lie in the range, rise, and are neither few nor many", () => {
    const finite = fc.double({ min: -1e9, max: 1e9, noNaN: true });
    fc.assert(
      fc.property(finite, fc.double({ min: 1e-6, max: 1e9, noNaN: true }), (low, width) => {
        const high = low + Math.max(width, Math.abs(low) * 1e-6);
        const ticks = niceTicks([low, high], 4);
        expect(ticks.length).toBeGreaterThanOrEqual(1);
        expect(ticks.length).toBeLessThanOrEqual(6);
        const slack = (high - low) * 1e-3;
        ticks.forEach((tick, i) => {
          expect(tick).toBeGreaterThanOrEqual(low - slack);
          expect(tick).toBeLessThanOrEqual(high + slack);
          if (i > 0) expect(tick).toBeGreaterThan(ticks[i - 1]!);
        });
      }),
      runs,
    );
  });

  it("are written short", () => {
    expect([0, 0.1, -2, 2000, 1.5e6, 3e-4, 1e-12].map(formatTick)).toEqual([
      "0",
      "0.1",
      "-2",
      "2K",
      "1.5M",
      "3e-4",
      "1e-12",
    ]);
    expect([2.13849, 12_437, 0.0000312, Infinity].map(formatValue)).toEqual([
      "2.138",
      "12.44K",
      "3.12e-5",
      "Infinity",
    ]);
  });

  it("have a range even without values, or with one", () => {
    expect(paddedRange([], 0.1)).toEqual([0, 1]);
    expect(paddedRange([NaN, Infinity], 0.1)).toEqual([0, 1]);
    expect(paddedRange([4, 4], 0.1)).toEqual([2, 6]);
    expect(paddedRange([5e-324], 0.1)).toEqual([0, 1]);
    expect(paddedRange([0, 10], 0.1)).toEqual([0, 11]);
  });
});

describe("line chart", () => {
  it("draws its lines, gaps, marks and legend", () => {
    const chart = chartOf({
      lines: [
        { name: "train", points: points(4, NaN, 2, 1), style: "plain" },
        { name: "a<b", points: points(3), style: "marked" },
      ],
      marks: [2],
    });
    const paths = [...chart.matchAll(/class="line s0" d="([^"]*)"/g)].map((match) => match[1]!);
    expect(paths[0]?.match(/[ML]/g)?.join("")).toBe("MML");
    expect(chart).toContain('class="mark"');
    expect(chart).toContain(">train 1</text>");
    expect(chart).toContain("a&#60;b 3");
    expect(chart).toContain("<title>step 1: 3</title>");
    expect(chart).not.toContain("NaN");
  });

  it("draws nothing that is not a number, whatever comes in", () => {
    const values = fc.array(fc.double(), { maxLength: 60 });
    fc.assert(
      fc.property(values, fc.boolean(), (all, log) => {
        // Beyond what float32 training can give.
        const given = all.map((value) => (Math.abs(value) > 1e100 ? NaN : value));
        const lines = [{ name: "x", points: points(...given), style: "smoothed" as const }];
        return !/NaN|Infinity|undefined/.test(chartOf({ lines, log, range: [0, 60] }));
      }),
      runs,
    );
  });

  it("smooths without lag and is not led by the last outlier", () => {
    expect(smooth(points(1, 2, 3, 4, 5), 1).map((p) => p.value)).toEqual([1, 2, 3, 4, 4.5]);
    const level = [...Array.from({ length: 99 }, () => 2), 100];
    expect(smooth(points(...level), 20).at(-1)?.value).toBeLessThan(7);
    expect(smooth(points(1, NaN, 1), 5).map((p) => p.value)).toEqual([1, 1]);
  });

  it("thins without losing spikes or gaps", () => {
    const long = Array.from({ length: 10_000 }, (_, i) => Math.sin(i / 9));
    long[3333] = 50;
    long[7777] = NaN;
    const short = thin(points(...long), 100);
    expect(short.length).toBeLessThan(210);
    expect(short.some((p) => p.value === 50)).toBe(true);
    expect(short.some((p) => Number.isNaN(p.value))).toBe(true);
    expect(short.map((p) => p.x)).toEqual(short.map((p) => p.x).toSorted((a, b) => a - b));
  });
});

describe("heat map", () => {
  it("goes from dark to bright", () => {
    expect([0, 0.5, 1, 2].map((share) => colourOf(share, 1))).toEqual([
      "#440154",
      "#23908b",
      "#fde725",
      "#fde725",
    ]);
  });

  it("names the even share, and no other value so near that it would lie over it", () => {
    const texts = (brightest: number) =>
      [
        ...heatMap({
          label: "x",
          width: 400,
          steps: [1],
          shares: [[0.5, 0.5]],
          brightest,
        }).matchAll(/>([^<]*)<\/text>/g),
      ].map(([, text]) => text);
    expect(texts(1)).toEqual(expect.arrayContaining(["0 %", "100 %", "even"]));
    expect(texts(0.5)).not.toContain("50 %");
    expect(texts(0.5)).toContain("even");
  });

  it("stays small for many steps and experts, and bears having none", () => {
    const shares = Array.from({ length: 5000 }, (_, t) =>
      Array.from({ length: 64 }, (_, e) => ((t * e) % 7) / 200),
    );
    const steps = shares.map((_, i) => i);
    const map = heatMap({ label: "x", width: 400, steps, shares, brightest: 0.03 });
    expect(map.length).toBeLessThan(250_000);
    expect(map).not.toMatch(/NaN|undefined/);
    const none = heatMap({ label: "x", width: 400, steps: [], shares: [], brightest: 0 });
    expect(none).not.toMatch(/NaN|Infinity|undefined/);
  });
});

describe("escapeText", () => {
  it("leaves no markup and shows control characters", () => {
    expect(escapeText(`<a href="x">'&\0\u001b\u007f\u0085\n\t`)).toBe(
      "&#60;a href=&#34;x&#34;&#62;&#39;&#38;␀␛␡\ufffd\n\t",
    );
  });
});

describe("a band", () => {
  it("goes along its upper edge and back along its lower one, and breaks at gaps", () => {
    const band = [0, 1, 2, 3, 4].map((x) => ({ x, low: x === 2 ? Number.NaN : -1, high: 1 }));
    const chart = chartOf({ lines: [{ name: "a", points: points(0), style: "plain", band }] });
    const shapes = /class="band f0" d="([^"]*)"/.exec(chart)?.[1]?.split("z").filter(Boolean);
    expect(shapes).toHaveLength(2);
    expect(shapes?.every((shape) => shape.split("L").length === 4)).toBe(true);
  });

  it("widens the y axis, so that all of it is seen", () => {
    const band = [0, 4].map((x) => ({ x, low: -50, high: 50 }));
    const chart = chartOf({ lines: [{ name: "a", points: points(1, 2), style: "plain", band }] });
    expect(chart).toContain(">-50</text>");
  });
});

describe("axes along x", () => {
  it("write years as years, and other counts short", () => {
    const lines = [{ name: "a", points: [{ x: 1970, value: 1 }], style: "plain" }] as const;
    const years = chartOf({ xTitle: "year", range: [1960, 2030], lines });
    expect(years).toContain(">1980</text>");
    expect(chartOf({ xTitle: "days", range: [1960, 2030], lines })).toContain(">1.98K</text>");
  });

  it("may be logarithmic", () => {
    const at = (chart: string, tick: string) =>
      Number(new RegExp(`<text x="([\\d.]+)"[^>]*"middle">${tick}</text>`).exec(chart)?.[1]);
    const chart = chartOf({ xTitle: "period, years", range: [1, 100], xLog: true });
    expect(at(chart, "10") - at(chart, "1")).toBeCloseTo(at(chart, "100") - at(chart, "10"), 0);
  });
});

describe("a map of periods", () => {
  const times = Array.from({ length: 500 }, (_, i) => 1960 + i / 10);
  const periods = Array.from({ length: 300 }, (_, i) => 2 * 1.01 ** i);
  const peak = 200;
  const map = periodMap({
    label: "Amplitude",
    width: 640,
    height: 300,
    xTitle: "year",
    yTitle: "period, years",
    valueTitle: "amplitude, ms",
    times,
    periods,
    values: periods.map((_, r) => times.map(() => (r === peak ? 0.25 : 0.01))),
    ridges: [
      [
        { x: 1970, value: 5 },
        { x: 1980, value: Number.NaN },
        { x: 1990, value: 5 },
      ],
    ],
    edge: {
      share: periods.map((period) =>
        times.map((t) => Math.min(1, Math.min(t - 1960, 2010 - t) / period)),
      ),
      levels: [0.9],
    },
  });

  it("names all three of its scales with units, and writes years as years", () => {
    for (const text of ["year", "period, years", "amplitude, ms", "1980", "0.25", "F = 0.9"])
      expect(map).toContain(`>${text}</text>`);
  });

  it("joins neighbours of one colour: a map of stripes stays small", () => {
    expect(map.length).toBeLessThan(30_000);
    expect(map).toContain(colourOf(1, 1));
  });

  it("breaks ridges at gaps, and draws where the ends reach", () => {
    expect(/class="ridge" d="([^"]*)"/.exec(map)?.[1]?.match(/M/g)).toHaveLength(2);
    expect(map).toContain('class="edge"');
  });
});
