/** @file Several runs on one page: their curves over one another, and what differs between them. */

import { card, grid, page, section } from "../../plot/page.ts";
import { escapeText } from "../../plot/svg.ts";
import { formatValue } from "../../plot/ticks.ts";
import { comparisonCharts } from "./charts.ts";
import { differencesBetween } from "./config-table.ts";
import { placesOf, type RunView } from "./run-view.ts";

/** One line of the table that ranks the runs. */
export interface RunSummary {
  readonly name: string;
  readonly step: number;
  readonly tokens: number;
  readonly minutes: number;
  /** Mean of the last twentieth of the training losses, nats per token; null without any. */
  readonly trainLoss: number | null;
  /** Least loss on held-out text, nats per token; null without an evaluation. */
  readonly bestEvalLoss: number | null;
  readonly lastEvalLoss: number | null;
  /** Most that a training loss is off that of the first run at the same step, relative; null without such steps. */
  readonly apart: number | null;
}

/** The runs in their order, held against the first. */
export function summarise(runs: readonly RunView[]): RunSummary[] {
  return runs.map((run) => ({ ...summaryOf(run), apart: apart(runs[0] ?? run, run) }));
}

function apart(first: RunView, run: RunView): number | null {
  const losses = ({ rows }: RunView) =>
    rows.flatMap(({ step, "train/loss": loss }) =>
      typeof loss === "number" ? [[step, loss] as const] : [],
    );
  const expected = new Map(losses(first));
  const off = losses(run).flatMap(([step, loss]) => {
    const there = expected.get(step);
    return there === undefined ? [] : [Math.abs(loss / there - 1)];
  });
  return run === first || off.length === 0 ? null : off.reduce((a, b) => Math.max(a, b));
}

function summaryOf(run: RunView): Omit<RunSummary, "apart"> {
  const numbers = (metric: string) =>
    run.rows.flatMap(({ [metric]: value }) => (typeof value === "number" ? [value] : []));
  const losses = numbers("train/loss");
  const tail = losses.slice(-Math.max(1, Math.ceil(losses.length / 20)));
  const held = numbers("eval/loss");
  const step = run.rows.reduce((most, row) => Math.max(most, row.step), 0);
  const places = placesOf(run);
  return {
    name: run.name,
    step,
    tokens: places.at("tokens", step),
    minutes: places.at("minutes", step),
    trainLoss: tail.length === 0 ? null : tail.reduce((a, b) => a + b, 0) / tail.length,
    bestEvalLoss: held.length === 0 ? null : Math.min(...held),
    lastEvalLoss: held.at(-1) ?? null,
  };
}

/** @returns a whole HTML document without scripts or outside resources */
export function renderComparison(title: string, runs: readonly RunView[]): string {
  const shown = (value: number | null) => (value === null ? "–" : formatValue(value));
  const rows = summarise(runs).map((run) => [
    run.name,
    String(run.step),
    shown(run.tokens),
    shown(run.minutes),
    shown(run.trainLoss),
    shown(run.lastEvalLoss),
    shown(run.bestEvalLoss),
    shown(run.apart),
  ]);
  const headings = [
    "run",
    "steps",
    "tokens",
    "minutes",
    "training loss, nats per token",
    "held-out loss",
    "least held-out loss",
    "most that a training loss is off the first run's",
  ];
  return page(
    title,
    [
      `<h1>${escapeText(title)}</h1>`,
      card("", grid(headings, rows)),
      section("Training", comparisonCharts(runs)),
      section("Different settings", differencesBetween(runs)),
      "<footer>Written by Meshloom. This file needs no network and no other file.</footer>",
    ].join("\n"),
  );
}
