/** @file Heat maps of expert load: steps to the right, experts downwards, colour for the share. */

import { type CellEdges, type ColourScale, cells, colourScale } from "./cells.ts";
import { type Axis, type Plot, pixel, scale, svg, textWidth, xAxis } from "./svg.ts";
import { niceTicks, type Range } from "./ticks.ts";

export interface HeatMap {
  readonly label: string;
  /** Pixels at scale 1; the height follows from the number of rows. */
  readonly width: number;
  readonly steps: readonly number[];
  /** `[step, expert]` shares, 0 to 1. */
  readonly shares: readonly (readonly number[])[];
  /** The share of the brightest colour, the same for all maps that are compared. */
  readonly brightest: number;
}

const MOST_COLUMNS = 120;
const ROW_NAME = "expert";

export function heatMap(map: HeatMap): string {
  const experts = map.shares[0]?.length ?? 0;
  const rowHeight = Math.min(18, Math.max(3, Math.floor(220 / Math.max(1, experts))));
  const left = textWidth(String(experts)) + 10;
  const plot: Plot = { left, top: 24, width: map.width - left - 62, height: rowHeight * experts };
  const columns = joinColumns(map.shares, MOST_COLUMNS);
  const rows = Array.from({ length: experts }, (_, e) => columns.map((shares) => shares[e] ?? 0));
  const height = Math.max(plot.height, 90) + 62;
  const body = [
    cells(rows, edgesOf(columns.length, experts, plot), map.brightest),
    rowNames(experts, plot, rowHeight),
    xAxis(plot, stepAxis(map.steps, plot)),
    colourScale(plot, scaleOf(map.brightest, experts)),
  ].join("");
  return svg(map.width, height, map.label, body);
}

function edgesOf(columns: number, rows: number, plot: Plot): CellEdges {
  const along = (count: number, from: number, size: number) =>
    Array.from({ length: count + 1 }, (_, i) => from + (i / Math.max(1, count)) * size);
  return { x: along(columns, plot.left, plot.width), y: along(rows, plot.top, plot.height) };
}

/** Neighbouring steps averaged until there are at most `most` columns. */
function joinColumns(shares: HeatMap["shares"], most: number): number[][] {
  const count = Math.min(most, shares.length);
  return Array.from({ length: count }, (_, column) => {
    const from = Math.floor((column * shares.length) / count);
    const part = shares.slice(from, Math.floor(((column + 1) * shares.length) / count));
    return (part[0] ?? []).map((_, expert) => {
      return part.reduce((sum, row) => sum + (row[expert] ?? 0), 0) / part.length;
    });
  });
}

function rowNames(experts: number, plot: Plot, rowHeight: number): string {
  const every = Math.ceil(14 / rowHeight);
  const names = Array.from({ length: Math.ceil(experts / every) }, (_, i) => {
    const y = plot.top + (i * every + 0.5) * rowHeight + 4;
    return `<text x="${plot.left - 7}" y="${pixel(y)}" text-anchor="end">${i * every}</text>`;
  });
  return `${names.join("")}<text x="0" y="11">${ROW_NAME}</text>`;
}

function stepAxis(steps: readonly number[], plot: Plot): Axis {
  const first = steps[0] ?? 0;
  const range: Range = [first, Math.max(first + 1, steps.at(-1) ?? 1)];
  return {
    title: "step",
    ticks: niceTicks(range, plot.width / 90).filter(Number.isInteger),
    place: scale(range, plot.left, plot.left + plot.width),
  };
}

/** With the share that an even load would give each expert. */
function scaleOf(brightest: number, experts: number): ColourScale {
  const even = 1 / Math.max(1, experts);
  return {
    title: "share of the layer's tokens",
    brightest,
    labels: [
      [even, "even"],
      [0, "0 %"],
      [brightest, percent(brightest)],
    ],
  };
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
