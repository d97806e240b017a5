/** @file Which charts a page has, for one run or for several over one another. */

import { median } from "../../core/statistics.ts";
import { type Line, lineChart, type Point } from "../../plot/line-chart.ts";
import { card, cards } from "../../plot/page.ts";
import { escapeText, SERIES_COLOURS } from "../../plot/svg.ts";
import type { Range } from "../../plot/ticks.ts";
import {
  AXIS_METRICS,
  isExpertLoad,
  metricsOf,
  placesOf,
  pointsOf,
  type RunView,
  skippedSteps,
  X_TITLES,
  type XKind,
} from "./run-view.ts";

interface Panel {
  readonly title: string;
  /** With its unit. */
  readonly yTitle: string;
  readonly metrics: readonly (readonly [metric: string, name: string, style: Line["style"]])[];
  readonly x?: XKind;
  readonly wide?: boolean;
  /** Logarithmic when single values stand far above the others. */
  readonly logWhenSpiky?: boolean;
}

const LOSS: Panel = {
  title: "Loss",
  yTitle: "nats per token",
  metrics: [
    ["train/loss", "training", "smoothed"],
    ["eval/loss", "held-out text", "marked"],
  ],
};

/** The charts that have a place of their own; every other metric gets a plain one after them. */
const PANELS: readonly Panel[] = [
  { ...LOSS, wide: true },
  { ...LOSS, title: "Loss by tokens", x: "tokens" },
  { ...LOSS, title: "Loss by time", x: "minutes" },
  {
    title: "Held-out text",
    yTitle: "bits per byte",
    metrics: [["eval/bits_per_byte", "held-out text", "marked"]],
  },
  {
    title: "Learning rate",
    yTitle: "per update",
    metrics: [["optim/learning_rate", "rate", "plain"]],
  },
  {
    title: "Gradient norm",
    yTitle: "length before clipping",
    metrics: [["optim/gradient_norm", "norm", "smoothed"]],
    logWhenSpiky: true,
  },
  {
    title: "Speed",
    yTitle: "tokens per second",
    metrics: [["throughput/tokens_per_second", "speed", "smoothed"]],
  },
  {
    title: "Waiting for data",
    yTitle: "seconds per step",
    metrics: [["throughput/waiting_seconds", "waiting", "smoothed"]],
  },
  {
    title: "Balance loss",
    yTitle: "sum over layers",
    metrics: [["train/aux_loss", "balance", "smoothed"]],
  },
];

/** Metrics with one value per sparse layer, drawn as lines of one chart: `name/<layer>`. */
const BY_LAYER: readonly (readonly [prefix: string, title: string, yTitle: string])[] = [
  ["moe/dropped_fraction/", "Dropped tokens", "share of tokens"],
  ["moe/router_entropy/", "Router entropy", "nats per token"],
];
/** How many experts serve a token, `name/<layer>/<count>`: one chart a layer. */
const BY_EXPERTS = /^moe\/tokens_by_experts\/(\d+)\/(\d+)$/;
/** The last count stands for itself and more. */
const MOST_EXPERTS = 5;
/** Units of metrics that have no panel of their own, by how their names end. */
const UNITS: readonly (readonly [ending: RegExp, unit: string])[] = [
  [/seconds$/, "seconds"],
  [/(fraction|share)(\/\d+)?$/, "share, 0 to 1"],
  [/bytes$/, "bytes"],
  [/norm$/, "length"],
  [/loss$/, "nats per token"],
  [/bits_per_byte$/, "bits per byte"],
  [/skipped$/, "updates in a row"],
];

/** All charts of one run. */
export function runCharts(run: RunView): string {
  return chartsOf([run], panelsOf([run]), skippedSteps(run));
}

/** The same charts with one line per run, to be held against each other. */
export function comparisonCharts(runs: readonly RunView[]): string {
  const split = panelsOf(runs).flatMap((panel) =>
    panel.metrics.map(
      (metric): Panel => ({
        ...panel,
        title: panel.metrics.length === 1 ? panel.title : `${panel.title}, ${metric[1]}`,
        metrics: [metric],
      }),
    ),
  );
  return `${key(runs)}${chartsOf(runs, split, [])}`;
}

/** Which colour is which run. */
function key(runs: readonly RunView[]): string {
  const items = runs.map(
    ({ name }, i) =>
      `<li><svg class="chart" viewBox="0 0 18 10"><path class="line s${i % SERIES_COLOURS}" d="M2 5h14"/></svg>${escapeText(name)}</li>`,
  );
  return `<ul class="key">${items.join("")}</ul>`;
}

function panelsOf(runs: readonly RunView[]): readonly Panel[] {
  const placed = new Set(PANELS.flatMap((panel) => panel.metrics.map(([metric]) => metric)));
  const found = [...new Set(runs.flatMap(metricsOf))].filter(
    (metric) => !placed.has(metric) && !isExpertLoad(metric) && !AXIS_METRICS.includes(metric),
  );
  const grouped = [...layerPanels(found), ...expertPanels(found)];
  const taken = new Set(grouped.flatMap(({ metrics }) => metrics.map(([metric]) => metric)));
  const others = found
    .filter((metric) => !taken.has(metric))
    .map(
      (metric): Panel => ({
        title: metric,
        yTitle: UNITS.find(([ending]) => ending.test(metric))?.[1] ?? "value",
        metrics: [[metric, "", "smoothed"]],
      }),
    );
  return [...PANELS, ...grouped, ...others];
}

function layerPanels(found: readonly string[]): readonly Panel[] {
  return BY_LAYER.map(([prefix, title, yTitle]) => ({
    title,
    yTitle,
    metrics: found
      .filter((metric) => metric.startsWith(prefix))
      .map((metric) => [metric, `layer ${metric.slice(prefix.length)}`, "smoothed"] as const),
  }));
}

function expertPanels(found: readonly string[]): readonly Panel[] {
  const layers = new Map<string, Panel["metrics"][number][]>();
  for (const metric of found) {
    const [, layer, count] = BY_EXPERTS.exec(metric) ?? [];
    if (layer === undefined || count === undefined) continue;
    const name = Number(count) < MOST_EXPERTS ? count : `${count}+`;
    layers.set(layer, [...(layers.get(layer) ?? []), [metric, name, "smoothed"]]);
  }
  return [...layers].map(([layer, metrics]) => ({
    title: `Experts per token, sparse layer ${layer}`,
    yTitle: "share of tokens",
    metrics,
  }));
}

function chartsOf(
  runs: readonly RunView[],
  panels: readonly Panel[],
  marks: readonly number[],
): string {
  const places = runs.map(placesOf);
  const drawn = panels.map((panel) => {
    const kind = panel.x ?? "step";
    const lines = panel.metrics.flatMap(([metric, name, style]) =>
      runs.flatMap((run, i): Line[] => {
        const points = pointsOf(run, metric, (step) => places[i]?.at(kind, step) ?? 0);
        // Names of runs can be long: they stand once, in the key above the charts.
        const label = runs.length > 1 ? "" : name;
        return points.length === 0 ? [] : [{ name: label, points, style }];
      }),
    );
    return lines.length === 0 ? "" : panelCard(panel, lines, kind, kind === "step" ? marks : []);
  });
  return cards(drawn);
}

/** A wide chart is drawn a second time for phones, where its text would shrink below reading. */
function panelCard(
  panel: Panel,
  lines: readonly Line[],
  kind: XKind,
  marks: readonly number[],
): string {
  const log = panel.logWhenSpiky === true && lines.some((line) => isSpiky(line.points));
  const draw = (width: number, height: number) =>
    lineChart({
      label: `${panel.title}, in ${panel.yTitle}, by ${X_TITLES[kind]}`,
      ...{ width, height, lines, log },
      range: rangeOf(lines),
      xTitle: X_TITLES[kind],
      yTitle: panel.yTitle,
      newest: true,
      marks: panel.wide === true ? marks : [],
    });
  if (panel.wide !== true) return card(panel.title, draw(380, 230));
  const both =
    `<div class="wide-only">${draw(1100, 340)}</div>` +
    `<div class="narrow-only">${draw(380, 290)}</div>`;
  return card(panel.title, both, "wide");
}

function rangeOf(lines: readonly Line[]): Range {
  const last = lines.reduce((most, { points }) => Math.max(most, points.at(-1)?.x ?? 0), 0);
  return [0, last > 0 ? last : 1];
}

function isSpiky(points: readonly Point[]): boolean {
  const values = points.map(({ value }) => value).filter(Number.isFinite);
  return values.reduce((most, value) => Math.max(most, value), 0) > 15 * median(values);
}
