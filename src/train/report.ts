/** @file `report.html`: all that a run has to show, in one file that needs nothing else. */

import { heatMap } from "./heat-map.ts";
import { type Line, lineChart, type Point } from "./line-chart.ts";
import { REPORT_STYLE } from "./report-style.ts";
import { escapeText } from "./svg.ts";
import type { Range } from "./ticks.ts";

export interface ReportSeries {
  /** The metric's name, for example `train/loss`. */
  readonly name: string;
  readonly points: readonly Point[];
}

export interface ExpertLoad {
  /** For example `layers/1`. */
  readonly layer: string;
  readonly steps: readonly number[];
  /** `[step, expert]` tokens or shares; each step is brought to a sum of 1. */
  readonly loads: readonly (readonly number[])[];
}

export interface ReportData {
  readonly title: string;
  /** Preset, parameters, engine, CPU, state and so on, in the order to show. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  readonly series: readonly ReportSeries[];
  readonly experts: readonly ExpertLoad[];
  /** Text the model wrote, oldest first. */
  readonly samples: readonly { readonly step: number; readonly text: string }[];
  /** Steps whose update was not applied, and why. */
  readonly skipped: readonly { readonly step: number; readonly reason: string }[];
  /** The resolved configuration, JSON. */
  readonly config: unknown;
}

interface Panel {
  readonly title: string;
  /** With its unit. */
  readonly yTitle: string;
  readonly metrics: readonly (readonly [metric: string, name: string, style: Line["style"]])[];
  readonly wide?: boolean;
  /** Logarithmic when single values stand far above the others. */
  readonly logWhenSpiky?: boolean;
}

/** The charts that have a place of their own; every other metric gets a plain one after them. */
const PANELS: readonly Panel[] = [
  {
    title: "Loss",
    yTitle: "nats per token",
    metrics: [
      ["train/loss", "train", "smoothed"],
      ["eval/loss", "validation", "marked"],
    ],
    wide: true,
  },
  {
    title: "Learning rate",
    yTitle: "per update",
    metrics: [["optim/learning_rate", "rate", "plain"]],
  },
  {
    title: "Gradient norm",
    yTitle: "before clipping",
    metrics: [["optim/gradient_norm", "norm", "smoothed"]],
    logWhenSpiky: true,
  },
  {
    title: "Speed",
    yTitle: "tokens per second",
    metrics: [["throughput/tokens_per_second", "speed", "smoothed"]],
  },
];

/** @returns a whole HTML document without scripts or outside resources */
export function renderReport(data: ReportData): string {
  const sections = [
    `<h1>${escapeText(data.title)}</h1>`,
    facts(data.facts),
    section("Training", charts(data)),
    section("Skipped steps", skipped(data.skipped)),
    section("Expert load", experts(data.experts)),
    section("Samples", samples(data.samples)),
    section("Configuration", config(data.config)),
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeText(data.title)}</title>
<style>${REPORT_STYLE}</style>
</head>
<body><main>
${sections.join("\n")}
<footer>Written by Meshloom. This file needs no network and no other file.</footer>
</main></body>
</html>
`;
}

function section(title: string, body: string): string {
  return body === "" ? "" : `<section><h2>${title}</h2>\n${body}</section>`;
}

function facts(pairs: ReportData["facts"]): string {
  const rows = pairs.map(
    ([name, value]) => `<div><dt>${escapeText(name)}</dt><dd>${escapeText(value)}</dd></div>`,
  );
  return `<dl class="facts">${rows.join("")}</dl>`;
}

function charts(data: ReportData): string {
  const byName = new Map(data.series.map((series) => [series.name, series.points]));
  const placed = new Set(PANELS.flatMap((panel) => panel.metrics.map(([metric]) => metric)));
  const others = data.series
    .filter(({ name }) => !placed.has(name))
    .map(({ name }): Panel => ({ title: name, yTitle: "", metrics: [[name, "", "smoothed"]] }));
  const steps = stepRange(data);
  const marks = data.skipped.map(({ step }) => step);
  const cards = [...PANELS, ...others].map((panel) => {
    const lines = panel.metrics.flatMap(([metric, name, style]): Line[] => {
      const points = byName.get(metric) ?? [];
      return points.length === 0 ? [] : [{ name, points, style }];
    });
    return lines.length === 0 ? "" : card(panel, lines, steps, marks);
  });
  return cards.join("") === "" ? "" : `<div class="cards">${cards.join("\n")}</div>`;
}

/** A wide chart is drawn a second time for phones, where its text would shrink below reading. */
function card(
  panel: Panel,
  lines: readonly Line[],
  steps: Range,
  marks: readonly number[],
): string {
  const log = panel.logWhenSpiky === true && lines.some((line) => isSpiky(line.points));
  const draw = (width: number, height: number) =>
    lineChart({
      label: `${panel.title} by step`,
      ...{ width, height, steps, lines, log },
      yTitle: panel.yTitle,
      marks: panel.wide === true ? marks : [],
    });
  const title = `<h3>${escapeText(panel.title)}</h3>`;
  if (panel.wide !== true) return `<div class="card">${title}${draw(380, 230)}</div>`;
  return (
    `<div class="card wide">${title}<div class="wide-only">${draw(1100, 340)}</div>` +
    `<div class="narrow-only">${draw(380, 290)}</div></div>`
  );
}

function isSpiky(points: readonly Point[]): boolean {
  const sorted = points.map(({ value }) => value).sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  return (sorted.at(-1) ?? 0) > 15 * median;
}

function stepRange(data: ReportData): Range {
  let last = 1;
  for (const { points } of data.series) last = Math.max(last, points.at(-1)?.step ?? 0);
  return [0, last];
}

function experts(layers: readonly ExpertLoad[]): string {
  const shares = layers.map(({ loads }) => loads.map(toShares));
  // At least twice an even share, which then stands in the middle of the scale.
  const brightest = shares.reduce(
    (most, rows) => Math.max(most, 2 / (rows[0]?.length || 2), highest(rows.map(highest))),
    0,
  );
  const cards = layers.map(({ layer, steps }, i) => {
    const map = heatMap({
      label: `share of tokens per expert of ${layer}, by step`,
      width: 380,
      steps,
      shares: shares[i] ?? [],
      brightest,
    });
    return steps.length === 0 ? "" : `<div class="card"><h3>${escapeText(layer)}</h3>${map}</div>`;
  });
  if (cards.join("") === "") return "";
  return (
    `<p>How the router spreads the tokens of each mixture-of-experts layer. An even load is the ` +
    `same colour everywhere, the one marked “even”.</p><div class="cards">${cards.join("\n")}</div>`
  );
}

function toShares(loads: readonly number[]): number[] {
  const sum = loads.reduce((a, b) => a + b, 0);
  return loads.map((load) => (sum > 0 ? load / sum : 0));
}

function highest(values: readonly number[]): number {
  // Not spread into Math.max, which takes some 120,000 arguments only.
  return values.reduce((most, value) => Math.max(most, value), 0);
}

function samples(list: ReportData["samples"]): string {
  const rows = list.map(
    ({ step, text }) =>
      `<div class="sample"><b>step ${step}</b><pre>${escapeText(text)}</pre></div>`,
  );
  return rows.length === 0 ? "" : `<div class="card">${rows.join("\n")}</div>`;
}

function skipped(list: ReportData["skipped"]): string {
  const rows = list.map(({ step, reason }) => row(`step ${step}`, reason));
  if (rows.length === 0) return "";
  return (
    `<p>The updates of these steps were not applied. They are dashed lines in the loss chart.</p>` +
    `<div class="card skips"><table>${rows.join("")}</table></div>`
  );
}

/** One table per section of the configuration; loose values come first. */
function config(value: unknown): string {
  if (!isRecord(value)) return "";
  const loose = Object.entries(value).filter(([, part]) => !isRecord(part));
  const parts = Object.entries(value).filter(([, part]) => isRecord(part));
  const cards = [["general", Object.fromEntries(loose)] as const, ...parts].map(([name, part]) => {
    const rows = leaves(part, "").map(([key, leaf]) => row(key, show(leaf)));
    const title = `<h3>${escapeText(name)}</h3>`;
    return rows.length === 0
      ? ""
      : `<div class="card">${title}<table>${rows.join("")}</table></div>`;
  });
  return cards.join("") === "" ? "" : `<div class="config">${cards.join("\n")}</div>`;
}

function leaves(value: unknown, key: string): [string, unknown][] {
  if (!isRecord(value)) return [[key, value]];
  return Object.entries(value).flatMap(([name, part]) =>
    leaves(part, key === "" ? name : `${key}.${name}`),
  );
}

function row(name: string, value: string): string {
  return `<tr><td>${escapeText(name)}</td><td>${escapeText(value)}</td></tr>`;
}

function show(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
