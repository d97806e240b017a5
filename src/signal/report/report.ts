/** @file A page on one record: what was done, plots, tables, the settings. It opens alone. */

import { card, cards, facts, grid, page, type Row, section, table } from "../../plot/page.ts";
import { escapeText } from "../../plot/svg.ts";
import { type Figure, figureCard } from "./figure.ts";

export interface ReportTable {
  readonly title: string;
  readonly headings: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** One heading with what stands below it. */
export interface ReportPart {
  readonly title: string;
  /** Paragraphs. */
  readonly text?: readonly string[];
  readonly figures?: readonly Figure[];
  readonly tables?: readonly ReportTable[];
}

export interface SignalReport {
  readonly title: string;
  /** File, column, span and so on, in the order to show. */
  readonly facts: readonly Row[];
  /** What was done to the record, in order, one sentence each. */
  readonly steps: readonly string[];
  /** What a reader should know before believing anything. */
  readonly notes: readonly string[];
  readonly parts: readonly ReportPart[];
  readonly settings: readonly Row[];
}

/** @returns a whole HTML document without scripts or outside resources */
export function renderSignalReport(report: SignalReport): string {
  const body = [
    `<h1>${escapeText(report.title)}</h1>`,
    facts(report.facts),
    section("What was done, in order", steps(report)),
    ...report.parts.map(partSection),
    section("Settings", report.settings.length === 0 ? "" : card("", table(report.settings))),
    "<footer>Written by Meshloom. This file needs no network and no other file.</footer>",
  ];
  return page(report.title, body.join("\n"));
}

/** All plots of a report, in their order. */
export function figuresOf({ parts }: SignalReport): Figure[] {
  return parts.flatMap(({ figures = [] }) => figures);
}

function steps({ steps: done, notes }: SignalReport): string {
  const list = done.map((step) => `<li>${escapeText(step)}</li>`).join("");
  return card("", `<ol class="steps">${list}</ol>`) + notes.map(paragraph).join("");
}

function paragraph(text: string): string {
  return `<p>${escapeText(text)}</p>`;
}

function partSection({ title, text = [], figures = [], tables = [] }: ReportPart): string {
  const drawn = [
    ...tables.map(({ title: heading, headings, rows }) =>
      rows.length === 0 ? "" : card(heading, grid(headings, rows), "wide"),
    ),
    ...figures.map(figureCard),
  ];
  return section(title, text.map(paragraph).join("") + cards(drawn));
}
