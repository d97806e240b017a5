/**
 * @file The parts that all charts share: SVG text, the plot's frame with its axes, and the style.
 *
 * Colours are classes, so that one style sheet serves light and dark. Sizes are CSS pixels at scale 1.
 */

import { formatTick, type Range } from "./ticks.ts";

/** The rectangle that the data is drawn in. */
export interface Plot {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export interface Axis {
  /** What it shows, with its unit. */
  readonly title: string;
  readonly ticks: readonly number[];
  /** Data value to pixel. */
  readonly place: (value: number) => number;
  /** How ticks are written; as counts when absent. */
  readonly format?: (tick: number) => string;
}

/** How many line colours there are; further lines begin again at the first. */
export const SERIES_COLOURS: number = 6;

/** The colours of ground, text and rules, light and dark. */
export const THEME: string = `
:root {
  color-scheme: light dark;
  --ground: #f5f6f8; --card: #ffffff; --ink: #1b2430; --muted: #5d6978; --rule: #e3e7ec; --warn: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root { --ground: #10151c; --card: #182029; --ink: #e6ebf1; --muted: #96a3b3; --rule: #2a3542; --warn: #ff8a80; }
}
`;

/**
 * Line colours after Okabe and Ito, which people with any common colour blindness can tell apart;
 * lighter ones on dark ground.
 */
export const CHART_STYLE: string = `
.chart { display: block; width: 100%; height: auto; overflow: visible; font: 12px system-ui, sans-serif; }
.chart text { fill: var(--muted); font-variant-numeric: tabular-nums; }
.chart .name { fill: var(--ink); }
.chart .grid { stroke: var(--rule); stroke-width: 1; }
.chart .base { stroke: var(--muted); stroke-width: 1; }
.chart .mark { stroke: var(--warn); stroke-width: 1; stroke-dasharray: 2 3; }
.chart .line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.chart .raw { fill: none; stroke-width: 1; opacity: 0.28; stroke-linejoin: round; }
.chart .band { opacity: 0.18; stroke: none; }
.chart .edge { fill: none; stroke: #ffffff; stroke-width: 1.2; stroke-dasharray: 4 3; opacity: 0.85; }
.chart .ridge { fill: none; stroke: #ffffff; stroke-width: 1.6; }
.chart .on-map { fill: #ffffff; font-size: 11px; }
.chart .dot { stroke: var(--card); stroke-width: 1; }
:root { --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #aa4499; --c4: #b58900; --c5: #56b4e9; }
@media (prefers-color-scheme: dark) {
  :root { --c0: #56b4e9; --c1: #f0975a; --c2: #3fc79a; --c3: #dd8cc4; --c4: #f0c454; --c5: #8ab0ff; }
}
${Array.from({ length: SERIES_COLOURS }, (_, i) => `.chart .s${i} { stroke: var(--c${i}); } .chart .f${i} { fill: var(--c${i}); }`).join("\n")}
`;

/** Text that is safe within HTML, SVG and quoted attributes; control characters become visible. */
export function escapeText(text: string): string {
  return text
    .replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
    .replace(/[\p{Cc}]/gu, (char) => (char === "\n" || char === "\t" ? char : visible(char)));
}

/** The picture of a control character, such as ␀. */
function visible(char: string): string {
  const code = char.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? "\u2421" : "\ufffd";
}

/** A picture that scales to its container; `label` is what a screen reader says. */
export function svg(width: number, height: number, label: string, body: string): string {
  return (
    `<svg class="chart" viewBox="0 0 ${width} ${height}" role="img" ` +
    `aria-label="${escapeText(label)}">${body}</svg>`
  );
}

/**
 * A picture as a file of its own, with the colours that a page would give, on the ground of a card.
 *
 * @param picture - what {@link svg} made
 */
export function alone(picture: string): string {
  const [, width = "1", height = "1"] = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(picture) ?? [];
  const air = 12;
  const [w, h] = [Number(width) + 2 * air, Number(height) + 2 * air];
  const head =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}" ` +
    `viewBox="${-air} ${-air} ${w} ${h}" class="chart"`;
  const ground = `<rect x="${-air}" y="${-air}" width="${w}" height="${h}" fill="var(--card)"/>`;
  const start = picture.replace(/<svg class="chart" viewBox="[^"]*"([^>]*)>/, (_, rest: string) => {
    const style = `<style>${THEME}${CHART_STYLE}</style>`;
    return `${head}${rest}>${style}${ground}`;
  });
  return `${start}\n`;
}

/** At most one decimal: finer is invisible and makes files large. */
export function pixel(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** About how wide a text is at 12 px. */
export function textWidth(text: string): number {
  return text.length * 6.8;
}

/** Value to pixel, linear or logarithmic. */
export function scale([low, high]: Range, from: number, to: number, log = false): Axis["place"] {
  const position = log ? (value: number) => Math.log(value) : (value: number) => value;
  const start = position(low);
  const span = position(high) - start || 1;
  return (value) => from + ((position(value) - start) / span) * (to - from);
}

function tickText({ format = formatTick }: Axis, tick: number): string {
  return escapeText(format(tick));
}

/** Grid lines and labels left of the plot; the title stands above, where it needs no turning. */
export function yAxis(plot: Plot, axis: Axis): string {
  const lines = axis.ticks.map((tick) => {
    const y = axis.place(tick);
    return (
      `<path class="grid" d="M${plot.left} ${pixel(y)}h${pixel(plot.width)}"/>` +
      `<text x="${plot.left - 7}" y="${pixel(y + 4)}" text-anchor="end">${tickText(axis, tick)}</text>`
    );
  });
  return `${lines.join("")}<text x="0" y="11">${escapeText(axis.title)}</text>`;
}

/** The base line, its labels, and the title at the right end below them. */
export function xAxis(plot: Plot, axis: Axis): string {
  const bottom = plot.top + plot.height;
  const right = plot.left + plot.width;
  const labels = axis.ticks.map((tick) => {
    const x = axis.place(tick);
    return (
      `<path class="base" d="M${pixel(x)} ${bottom}v4"/>` +
      `<text x="${pixel(x)}" y="${bottom + 17}" text-anchor="middle">${tickText(axis, tick)}</text>`
    );
  });
  return (
    `<path class="base" d="M${plot.left} ${bottom}h${pixel(plot.width)}"/>${labels.join("")}` +
    `<text x="${pixel(right)}" y="${bottom + 32}" text-anchor="end">${escapeText(axis.title)}</text>`
  );
}
