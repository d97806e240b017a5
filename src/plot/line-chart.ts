/** @file Line charts. Long series are thinned so that no spike is lost. */

import {
  type Axis,
  escapeText,
  type Plot,
  pixel,
  SERIES_COLOURS,
  scale,
  svg,
  textWidth,
  xAxis,
  yAxis,
} from "./svg.ts";
import { formatTick, formatValue, logTicks, niceTicks, paddedRange, type Range } from "./ticks.ts";

export interface Point {
  /** Place along the x axis, for example a training step. */
  readonly x: number;
  /** A value that is not finite leaves a gap. */
  readonly value: number;
}

export interface Line {
  readonly name: string;
  /** By rising x. */
  readonly points: readonly Point[];
  /**
   * `smoothed`: raw points faint, a moving mean over them. `marked`: a dot on each point. `faint`: a thin line
   * behind the others, for what they are made from.
   */
  readonly style: "smoothed" | "plain" | "marked" | "faint";
  /** How sure the line is: filled in its colour, by rising x. */
  readonly band?: readonly BandPoint[];
}

export interface BandPoint {
  readonly x: number;
  readonly low: number;
  readonly high: number;
}

export interface LineChart {
  readonly label: string;
  /** Pixels at scale 1. */
  readonly width: number;
  readonly height: number;
  readonly yTitle: string;
  /** With its unit; "step" when absent. */
  readonly xTitle?: string;
  /** From the first to the last x, the same for all charts that stand side by side. */
  readonly range: Range;
  readonly lines: readonly Line[];
  /** Logarithmic y axis; only when all values are positive. */
  readonly log?: boolean;
  /** Logarithmic x axis, of a range above 0. */
  readonly xLog?: boolean;
  /** Places along x to mark with a vertical line. */
  readonly marks?: readonly number[];
  /** Names stand with the newest value of their line. */
  readonly newest?: boolean;
}

interface DrawnLine {
  readonly line: Line;
  /** What the line follows: the points themselves, or their moving mean. */
  readonly trend: readonly Point[];
  readonly colour: number;
}

/** Below this, powers of ten no longer fit a number. */
const LEAST_LOG = 1e-100;
/** Fewer points than this are shown as they are. */
const FEW_POINTS = 20;
/** At most this many dots stay readable on one line. */
const MOST_DOTS = 40;

export function lineChart(chart: LineChart): string {
  const values = chart.lines.flatMap(({ points, band = [] }) => [
    ...points.map(({ value }) => value),
    ...band.flatMap(({ low, high }) => [low, high]),
  ]);
  const log = chart.log === true && values.every((value) => !(value <= LEAST_LOG));
  const range = log ? logRange(values) : paddedRange(values, 0.05);
  const yTicks = log ? logTicks(range) : niceTicks(range, chart.height > 280 ? 6 : 4);
  const left = Math.max(...yTicks.map((tick) => textWidth(formatTick(tick)))) + 10;
  const title = log ? `${chart.yTitle}, logarithmic` : chart.yTitle;
  const down = LEGEND_ROW * namesBelow(chart.lines, chart.width, textWidth(title)).length;
  const plot: Plot = {
    ...{ left, top: 24 + down, width: chart.width - left - 8 },
    height: chart.height - 62 - down,
  };
  const y: Axis = {
    title,
    ticks: yTicks,
    place: scale(range, plot.top + plot.height, plot.top, log),
  };
  const x = xAxisOf(chart, plot);
  const marks = (chart.marks ?? []).map(
    (at) => `<path class="mark" d="M${pixel(x.place(at))} ${plot.top}v${plot.height}"/>`,
  );
  const drawn = chart.lines.map(
    (line, i): DrawnLine => ({ line, trend: trendOf(line, log), colour: i % SERIES_COLOURS }),
  );
  const lines = drawn.map((each) => drawLine(each, plot, x, y));
  const top = legend(drawn, chart, textWidth(title));
  const bands = drawn.map((each) => drawBand(each, plot, x, y));
  const body = [yAxis(plot, y), xAxis(plot, x), ...marks, ...bands, ...lines, top].join("");
  return svg(chart.width, chart.height, chart.label, body);
}

function xAxisOf({ xTitle = "step", xLog = false, range }: LineChart, plot: Plot): Axis {
  const ticks = xLog ? logTicks(range) : niceTicks(range, plot.width / 90);
  return {
    title: xTitle,
    // Between whole steps there is nothing.
    ticks: xTitle === "step" ? ticks.filter(Number.isInteger) : ticks,
    place: scale(range, plot.left, plot.left + plot.width, xLog),
    // A year is a name, not a count of thousands.
    ...(xTitle === "year" && { format: String }),
  };
}

/**
 * Mean over a centred window, which has no lag.
 *
 * The window shrinks towards the start, where a loss falls steeply, and is cut off at the end,
 * where one last outlier must not look like the result.
 *
 * @param half - points to each side
 */
export function smooth(points: readonly Point[], half: number): Point[] {
  const finite = points.filter((point) => Number.isFinite(point.value));
  const sums = [0];
  for (const [i, { value }] of finite.entries()) sums.push((sums[i] ?? 0) + value);
  return finite.map(({ x }, i) => {
    const from = i - Math.min(half, i);
    const to = Math.min(finite.length, i + Math.min(half, i) + 1);
    return { x, value: ((sums[to] ?? 0) - (sums[from] ?? 0)) / (to - from) };
  });
}

/** The lowest and the highest point of each of `buckets` parts, and points that are not finite. */
export function thin(points: readonly Point[], buckets: number): Point[] {
  if (points.length <= 2 * buckets) return [...points];
  const size = points.length / buckets;
  return Array.from({ length: buckets }, (_, bucket) => {
    const part = points.slice(Math.floor(bucket * size), Math.floor((bucket + 1) * size));
    const low = part.reduce((a, b) => (b.value < a.value ? b : a));
    const high = part.reduce((a, b) => (b.value > a.value ? b : a));
    const gaps = part.filter((point) => !Number.isFinite(point.value));
    return [...new Set([low, high, ...gaps])].sort((a, b) => a.x - b.x);
  }).flat();
}

/** The line that stands for the points: on a logarithmic axis a mean of logarithms. */
function trendOf({ points, style }: Line, log: boolean): readonly Point[] {
  if (style !== "smoothed" || points.length <= FEW_POINTS) return points;
  const half = Math.round(points.length / 60);
  const turn = (turned: readonly Point[], by: (value: number) => number) =>
    turned.map(({ x, value }) => ({ x, value: by(value) }));
  return log ? turn(smooth(turn(points, Math.log), half), Math.exp) : smooth(points, half);
}

function drawLine(drawn: DrawnLine, plot: Plot, x: Axis, y: Axis): string {
  const { line, trend, colour } = drawn;
  const buckets = Math.ceil(plot.width / 1.5);
  const path = (points: readonly Point[], kind: string) =>
    `<path class="${kind} s${colour}" d="${pathOf(thin(points, buckets), x, y)}"/>`;
  if (line.style === "faint") return path(line.points, "raw");
  if (trend !== line.points) return path(line.points, "raw") + path(trend, "line");
  // One point has no line, so it needs its dot.
  const dotted = line.style === "marked" || line.points.length === 1;
  const dots = dotted && line.points.length <= MOST_DOTS ? dotsOf(line.points, colour, x, y) : "";
  return path(line.points, "line") + dots;
}

/** Along the upper edge and back along the lower one, in pieces where a gap is. */
function drawBand({ line, colour }: DrawnLine, plot: Plot, x: Axis, y: Axis): string {
  const pieces: BandPoint[][] = [[]];
  for (const point of every(line.band ?? [], Math.ceil(plot.width))) {
    if (Number.isFinite(point.low) && Number.isFinite(point.high)) pieces.at(-1)?.push(point);
    else pieces.push([]);
  }
  const place = (at: number, value: number) => `${pixel(x.place(at))} ${pixel(y.place(value))}`;
  const shapes = pieces
    .filter((piece) => piece.length > 1)
    .map((piece) => {
      const there = piece.map(({ x: at, high }) => place(at, high));
      const back = piece.toReversed().map(({ x: at, low }) => place(at, low));
      return `M${[...there, ...back].join("L")}z`;
    });
  return shapes.length === 0 ? "" : `<path class="band f${colour}" d="${shapes.join("")}"/>`;
}

/** At most `most` points, evenly taken, with the first and the last. */
function every<T>(points: readonly T[], most: number): readonly T[] {
  if (points.length <= most) return points;
  const step = (points.length - 1) / (most - 1);
  return Array.from({ length: most }, (_, i) => points[Math.round(i * step)]).filter(
    (point) => point !== undefined,
  );
}

function pathOf(points: readonly Point[], x: Axis, y: Axis): string {
  let open = false;
  const parts = points.map((point) => {
    const move = open ? "L" : "M";
    open = Number.isFinite(point.value);
    return open ? `${move}${pixel(x.place(point.x))} ${pixel(y.place(point.value))}` : "";
  });
  return parts.join("");
}

function dotsOf(points: readonly Point[], colour: number, x: Axis, y: Axis): string {
  return points
    .filter(({ value }) => Number.isFinite(value))
    .map((point) => {
      const place = `cx="${pixel(x.place(point.x))}" cy="${pixel(y.place(point.value))}"`;
      const title = `${x.title} ${formatValue(point.x)}: ${formatValue(point.value)}`;
      return `<circle class="dot f${colour}" ${place} r="3.5"><title>${title}</title></circle>`;
    })
    .join("");
}

/** A name's swatch and the room around it. */
const SWATCH = 34;
const LEGEND_ROW = 16;

function namesWidth(names: readonly string[]): number {
  return names.reduce((sum, name) => sum + (name === "" ? 0 : textWidth(name) + SWATCH), 0);
}

/** Names that would run into the title of the y axis stand in rows below it, as many as they need. */
function namesBelow<L extends { readonly name: string }>(
  lines: readonly L[],
  width: number,
  titleWidth: number,
): L[][] {
  const namesOf = (list: readonly L[]) => list.map(({ name }) => name);
  if (namesWidth(namesOf(lines)) + titleWidth <= width) return [];
  const rows: L[][] = [[]];
  for (const line of lines) {
    const row = rows.at(-1) ?? [];
    if (row.length > 0 && namesWidth(namesOf([...row, line])) > width) rows.push([line]);
    else row.push(line);
  }
  return rows;
}

/**
 * Names with the newest value of the drawn line, to the right end of the top line; names alone where the values
 * would run into the title of the y axis, or nobody asks for them.
 */
function legend(
  all: readonly DrawnLine[],
  { width, newest = false }: LineChart,
  titleWidth: number,
): string {
  const named = all.map((each) => ({ ...each, name: each.line.name }));
  const lines = newest ? named : named.filter(({ name }) => name !== "");
  const below = namesBelow(lines, width, titleWidth);
  if (below.length > 0)
    return below.map((row, i) => legendRow(row, width, LEGEND_ROW * (i + 1))).join("");
  const whole = lines.map(({ trend, name, ...rest }) => {
    const last = newest ? trend.findLast(({ value }) => Number.isFinite(value)) : undefined;
    return { ...rest, name: `${name} ${last === undefined ? "" : formatValue(last.value)}`.trim() };
  });
  const fits = namesWidth(whole.map(({ name }) => name)) + titleWidth <= width;
  return legendRow(fits ? whole : lines, width, 0);
}

function legendRow(
  lines: readonly { readonly name: string; readonly colour: number }[],
  width: number,
  down: number,
): string {
  let right = width - 8;
  const items = lines.toReversed().map(({ name, colour }) => {
    const swatch = right - textWidth(name) - 20;
    const item =
      `<path class="line s${colour}" d="M${pixel(swatch)} ${7 + down}h14"/>` +
      `<text class="name" x="${pixel(right)}" y="${11 + down}" text-anchor="end">${escapeText(name)}</text>`;
    right = swatch - 14;
    return item;
  });
  return items.join("");
}

function logRange(values: readonly number[]): Range {
  const [low, high] = paddedRange(values.map(Math.log10), 0);
  return [10 ** (low - 0.05), 10 ** (high + 0.05)];
}
