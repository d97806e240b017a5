/** @file A page that opens alone: its shell, its sections, its cards and tables. */

import { PAGE_STYLE } from "./page-style.ts";
import { escapeText } from "./svg.ts";

export type Row = readonly [name: string, value: string];

/** A whole HTML document without outside resources. */
export function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>${escapeText(title)}</title>
<style>${PAGE_STYLE}</style>
</head>
<body><main>
${body}
</main></body>
</html>
`;
}

/** Nothing when there is nothing to show. */
export function section(title: string, body: string): string {
  return body === "" ? "" : `<section><h2>${escapeText(title)}</h2>\n${body}</section>`;
}

export function cards(list: readonly string[]): string {
  const there = list.filter((one) => one !== "");
  return there.length === 0 ? "" : `<div class="cards">${there.join("\n")}</div>`;
}

export function card(title: string, body: string, kind = ""): string {
  const heading = title === "" ? "" : `<h3>${escapeText(title)}</h3>`;
  return `<div class="${kind === "" ? "card" : `card ${kind}`}">${heading}${body}</div>`;
}

/** Short facts in a row of boxes. */
export function facts(pairs: readonly Row[]): string {
  const boxes = pairs.map(
    ([name, value]) => `<div><dt>${escapeText(name)}</dt><dd>${escapeText(value)}</dd></div>`,
  );
  return `<dl class="facts">${boxes.join("")}</dl>`;
}

/** Names and values. */
export function table(rows: readonly Row[]): string {
  return `<table>${rows
    .map(([name, value]) => `<tr><td>${escapeText(name)}</td><td>${escapeText(value)}</td></tr>`)
    .join("")}</table>`;
}

/** A table with a line of headings; cells are text. */
export function grid(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const head = headings.map((text) => `<th scope="col">${escapeText(text)}</th>`).join("");
  const body = rows.map(
    (row) => `<tr>${row.map((text) => `<td>${escapeText(text)}</td>`).join("")}</tr>`,
  );
  return `<div class="grid"><table><thead><tr>${head}</tr></thead><tbody>${body.join("")}</tbody></table></div>`;
}
