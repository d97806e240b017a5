/** @file Draws the README's picture from a run's metrics: `npx tsx scripts/picture.ts runs/one > docs/run.svg`. */

import { join } from "node:path";
import { lineChart } from "../src/plot/line-chart.ts";
import { CHART_STYLE } from "../src/plot/svg.ts";
import { readMetrics } from "../src/train/metrics.ts";

const [folder = "."] = process.argv.slice(2);
const rows = await readMetrics(join(folder, "metrics.jsonl"));
const points = (metric: string, unit: number) =>
  rows.flatMap(({ step, [metric]: value }) =>
    typeof value === "number" ? [{ x: step, value: value / unit }] : [],
  );

const chart = lineChart({
  label: "Loss of glam-nano on Moby Dick",
  width: 720,
  height: 300,
  yTitle: "bits per byte",
  range: [0, Math.max(...rows.map(({ step }) => step))],
  lines: [
    { name: "training", points: points("train/loss", Math.LN2), style: "smoothed" },
    { name: "held-out text", points: points("eval/loss", Math.LN2), style: "marked" },
  ],
});
// A picture of its own: the colours that a report's page would give stand inside it.
const style = `<style>${CHART_STYLE}svg{background:#fff}:root{--muted:#5b6370;--ink:#1b1f24;--rule:#e3e6ea;--card:#fff;--warn:#b42318;--c0:#0072b2;--c1:#d55e00}</style>`;
process.stdout.write(
  `${chart.replace(/<svg([^>]*)>/, `<svg xmlns="http://www.w3.org/2000/svg"$1>${style}`)}\n`,
);
