/** @file `report.html`: all that a run has to show, in one file that needs nothing else. */

import { heatMap } from "../../plot/heat-map.ts";
import { card, cards, facts, page, type Row, section, table } from "../../plot/page.ts";
import { escapeText } from "../../plot/svg.ts";
import { runCharts } from "./charts.ts";
import { configTables, presetDifferences } from "./config-table.ts";
import { type ExpertLoad, expertLoads, type RunView, samplesOf, skippedSteps } from "./run-view.ts";

export interface Report extends RunView {
  /** Preset, parameters, engine, CPU, state and so on, in the order to show. */
  readonly facts: readonly Row[];
}

/** @returns a whole HTML document without scripts or outside resources */
export function renderReport(report: Report): string {
  const footer =
    "<footer>Written by Meshloom. This file needs no network and no other file.</footer>";
  return page(report.name, `${reportBody(report)}\n${footer}`);
}

/** The report without the page around it, for a page that stays up to date. */
export function reportBody(report: Report): string {
  return [
    `<h1>${escapeText(report.name)}</h1>`,
    facts(report.facts),
    section("Training", runCharts(report)),
    section("Skipped steps", skipped(skippedSteps(report))),
    section("Expert load", experts(expertLoads(report))),
    section("Samples", samples(report)),
    section("Difference from the preset", presetDifferences(report.config, report.preset)),
    section("Configuration", configTables(report.config)),
  ].join("\n");
}

function experts(layers: readonly ExpertLoad[]): string {
  const shares = layers.map(({ loads }) => loads.map(toShares));
  // At least twice an even share, which then stands in the middle of the scale.
  const brightest = shares.reduce(
    (most, rows) => Math.max(most, 2 / (rows[0]?.length || 2), highest(rows.map(highest))),
    0,
  );
  const maps = layers.map(({ layer, steps }, i) => {
    const map = heatMap({
      label: `share of tokens per expert of ${layer}, by step`,
      width: 380,
      steps,
      shares: shares[i] ?? [],
      brightest,
    });
    return steps.length === 0 ? "" : card(layer, map);
  });
  if (maps.join("") === "") return "";
  return (
    "<p>How the router spreads the tokens of each mixture-of-experts layer. An even load is the " +
    `same colour everywhere, the one marked “even”.</p>${cards(maps)}`
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

function samples(report: RunView): string {
  const rows = samplesOf(report).map(
    ({ step, text }) =>
      `<div class="sample"><b>step ${step}</b><pre>${escapeText(text)}</pre></div>`,
  );
  return rows.length === 0 ? "" : card("", rows.join("\n"));
}

function skipped(steps: readonly number[]): string {
  if (steps.length === 0) return "";
  const rows = steps.map((step) => [`step ${step}`, "loss or gradient not finite"] as const);
  return (
    "<p>The updates of these steps were not applied. They are dashed lines in the loss chart.</p>" +
    card("", table(rows), "skips")
  );
}
