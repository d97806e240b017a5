/** @file Heat maps of expert load: steps to the right, experts downwards, colour for the share. */

import { type Axis, escapeText, type Plot, pixel, scale, svg, textWidth, xAxis } from "./svg.ts";
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

/** Viridis, which rises in brightness throughout and so survives colour blindness and grey print. */
const VIRIDIS = ["440154", "46327e", "365c8d", "277f8e", "1fa187", "4ac16d", "a0da39", "fde725"];
const LEVELS = 40;
const MOST_COLUMNS = 120;
/** Labels that are nearer than this would lie over one another. */
const LABEL_HEIGHT = 13;
const ROW_NAME = "expert";

export function heatMap(map: HeatMap): string {
  const experts = map.shares[0]?.length ?? 0;
  const rowHeight = Math.min(18, Math.max(3, Math.floor(220 / Math.max(1, experts))));
  const left = textWidth(String(experts)) + 10;
  const plot: Plot = { left, top: 24, width: map.width - left - 62, height: rowHeight * experts };
  const columns = joinColumns(map.shares, MOST_COLUMNS);
  const height = Math.max(plot.height, 90) + 62;
  const body = [
    ...cells(columns, plot, rowHeight, map.brightest),
    rowNames(experts, plot, rowHeight),
    xAxis(plot, stepAxis(map.steps, plot)),
    colourBar(plot, map.brightest, experts),
  ].join("");
  return svg(map.width, height, map.label, body);
}

/** The colour of a share, as `#rrggbb`. */
export function colourOf(share: number, brightest: number): string {
  const clamped = Math.min(1, Math.max(0, share / (brightest || 1)));
  const place = clamped * (VIRIDIS.length - 1);
  const index = Math.min(VIRIDIS.length - 2, Math.floor(place));
  const [from, to] = [channels(VIRIDIS[index]), channels(VIRIDIS[index + 1])];
  const mixed = from.map((value, i) => value + ((to[i] ?? 0) - value) * (place - index));
  return `#${mixed.map((value) => Math.round(value).toString(16).padStart(2, "0")).join("")}`;
}

function channels(hex = "000000"): number[] {
  return [0, 2, 4].map((i) => Number.parseInt(hex.slice(i, i + 2), 16));
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

/** One path per colour level: a rectangle per cell would make the file ten times as large. */
function cells(
  columns: readonly (readonly number[])[],
  plot: Plot,
  rowHeight: number,
  brightest: number,
): string[] {
  const paths = Array.from({ length: LEVELS + 1 }, () => "");
  const edge = (column: number) => plot.left + (column / columns.length) * plot.width;
  columns.forEach((shares, column) => {
    const [x, width] = [pixel(edge(column)), pixel(edge(column + 1) - edge(column) + 0.3)];
    shares.forEach((share, expert) => {
      const level = Math.round(Math.min(1, Math.max(0, share / (brightest || 1))) * LEVELS);
      const y = plot.top + expert * rowHeight;
      paths[level] += `M${x} ${y}h${width}v${rowHeight}h-${width}z`;
    });
  });
  return paths.flatMap((d, level) => (d === "" ? [] : [fillPath(d, level / LEVELS)]));
}

function fillPath(d: string, share: number): string {
  return `<path fill="${colourOf(share, 1)}" shape-rendering="crispEdges" d="${d}"/>`;
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

/** The scale at the right, with the share that an even load would give each expert. */
function colourBar(plot: Plot, brightest: number, experts: number): string {
  const height = Math.max(plot.height, 90);
  const left = plot.left + plot.width + 14;
  const place = (share: number) => plot.top + height * (1 - share / (brightest || 1));
  const steps = Array.from({ length: LEVELS }, (_, i) => {
    const y = pixel(plot.top + height * (1 - (i + 1) / LEVELS));
    const fill = colourOf((i + 0.5) / LEVELS, 1);
    return `<path fill="${fill}" d="M${left} ${y}h9v${pixel(height / LEVELS + 0.4)}h-9z"/>`;
  });
  const even = 1 / Math.max(1, experts);
  const labels = [
    [0, "0 %"],
    [brightest, percent(brightest)],
    [even, "even"],
  ] as const;
  const far = ([share, text]: readonly [number, string]) =>
    text === "even" || Math.abs(place(share) - place(even)) > LABEL_HEIGHT;
  const texts = labels.filter(far).map(([share, text]) => {
    const y = place(share);
    const mark = text === "even" ? `<path class="base" d="M${left - 2} ${pixel(y)}h13"/>` : "";
    return `${mark}<text x="${left + 14}" y="${pixel(y + 4)}">${escapeText(text)}</text>`;
  });
  const title = `<text x="${plot.left + plot.width}" y="11" text-anchor="end">share of the layer's tokens</text>`;
  return steps.join("") + texts.join("") + title;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
