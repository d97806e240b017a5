/** @file Maps of time to the right and period upwards, colour for amplitude: with ridges, and where the ends reach. */

import { cells, colourScale } from "./cells.ts";
import type { Point } from "./line-chart.ts";
import {
  type Axis,
  escapeText,
  type Plot,
  pixel,
  scale,
  svg,
  textWidth,
  xAxis,
  yAxis,
} from "./svg.ts";
import { formatTick, formatValue, logTicks, niceTicks, type Range } from "./ticks.ts";

export interface PeriodMap {
  readonly label: string;
  /** Pixels at scale 1. */
  readonly width: number;
  readonly height: number;
  /** "year", or another time with its unit. */
  readonly xTitle: string;
  /** With its unit. */
  readonly yTitle: string;
  /** Of the colours, with its unit. */
  readonly valueTitle: string;
  /** Rising, evenly spaced. */
  readonly times: readonly number[];
  /** Rising, above 0; the axis is logarithmic. */
  readonly periods: readonly number[];
  /** `[period, time]` */
  readonly values: readonly ArrayLike<number>[];
  /** Lines over the map: period against time. */
  readonly ridges?: readonly (readonly Point[])[];
  /** `[period, time]` share of a line's amplitude that the ends leave, with the levels to draw. */
  readonly edge?: {
    readonly share: readonly ArrayLike<number>[];
    readonly levels: readonly number[];
  };
}

const MOST_COLUMNS = 240;
const MOST_ROWS = 120;

export function periodMap(map: PeriodMap): string {
  const { times, periods, width, height } = map;
  const yRange: Range = [periods[0] ?? 1, Math.max(periods.at(-1) ?? 2, (periods[0] ?? 1) * 1.01)];
  const yTicks = logTicks(yRange);
  const left = Math.max(...yTicks.map((tick) => textWidth(formatTick(tick)))) + 10;
  const plot: Plot = { left, top: 24, width: width - left - 72, height: height - 62 };
  const xRange: Range = [times[0] ?? 0, Math.max(times.at(-1) ?? 1, (times[0] ?? 0) + 1e-9)];
  const x: Axis = {
    title: map.xTitle,
    ticks: niceTicks(xRange, plot.width / 90),
    place: scale(xRange, plot.left, plot.left + plot.width),
    ...(map.xTitle === "year" && { format: String }),
  };
  const y: Axis = {
    title: map.yTitle,
    ticks: yTicks,
    place: scale(yRange, plot.top + plot.height, plot.top, true),
  };
  const columns = runs(times.length, MOST_COLUMNS);
  const rows = runs(periods.length, MOST_ROWS);
  const values = rows.map((r) => columns.map((c) => highest(map.values, r, c)));
  const brightest = Math.max(0, ...values.flat().filter(Number.isFinite));
  const edges = {
    x: between(columns.map((c) => x.place(middle(times, c)))),
    y: between(rows.map((r) => y.place(middle(periods, r)))),
  };
  const inside = clamped(edges, plot);
  const body = [
    // Below the cells: rules over them would look like ridges.
    yAxis(plot, y),
    cells(values, inside, brightest),
    xAxis(plot, x),
    ...edgeLines(map, x, y),
    ...(map.ridges ?? []).map((ridge) => ridgeLine(ridge, x, y)),
    colourScale(plot, {
      title: map.valueTitle,
      brightest,
      labels: [0, 0.5, 1].map((part) => [part * brightest, formatValue(part * brightest)]),
    }),
  ].join("");
  return svg(width, height, map.label, body);
}

type Run = readonly [from: number, to: number];

/** `count` places in at most `most` runs of nearly equal length. */
function runs(count: number, most: number): Run[] {
  const kept = Math.min(count, most);
  const at = (i: number) => Math.floor((i * count) / kept);
  return Array.from({ length: kept }, (_, i) => [at(i), at(i + 1)]);
}

/** So that no peak is lost between two cells. */
function highest(values: PeriodMap["values"], [top, bottom]: Run, [left, right]: Run): number {
  let best = Number.NaN;
  for (let r = top; r < bottom; r++) {
    for (let c = left; c < right; c++) {
      const value = values[r]?.[c] ?? Number.NaN;
      if (!(value <= best)) best = Number.isFinite(value) ? value : best;
    }
  }
  return best;
}

function middle(places: readonly number[], [from, to]: Run): number {
  return ((places[from] ?? 0) + (places[to - 1] ?? 0)) / 2;
}

/** Edges halfway between centres; the outer ones as far out as the next is in. */
function between(centres: readonly number[]): number[] {
  const half = ((centres[1] ?? 1) - (centres[0] ?? 0)) / 2;
  const end = ((centres.at(-1) ?? 1) - (centres.at(-2) ?? 0)) / 2;
  const inner = centres.slice(1).map((centre, i) => (centre + (centres[i] ?? 0)) / 2);
  return [(centres[0] ?? 0) - half, ...inner, (centres.at(-1) ?? 0) + end];
}

function clamped(edges: { readonly x: number[]; readonly y: number[] }, plot: Plot) {
  const within = (value: number, low: number, size: number) =>
    Math.min(low + size, Math.max(low, value));
  return {
    x: edges.x.map((value) => within(value, plot.left, plot.width)),
    y: edges.y.map((value) => within(value, plot.top, plot.height)),
  };
}

/** The lines of all levels, each with its name at the top of its arch, none over another. */
function edgeLines(map: PeriodMap, x: Axis, y: Axis): string[] {
  let free = y.place(map.periods.at(-1) ?? 1) + 13;
  return (map.edge?.levels ?? [])
    .toSorted((a, b) => a - b)
    .map((level) => {
      const sides = sidesOf(map, level);
      const [longest, from, to] = sides.at(-1) ?? [];
      if (longest === undefined || from === undefined || to === undefined) return "";
      const top = Math.max(y.place(longest) - 5, free);
      free = top + 13;
      const name = `<text class="on-map" x="${pixel(x.place((from + to) / 2))}" y="${pixel(top)}" text-anchor="middle">${escapeText(`F = ${formatValue(level)}`)}</text>`;
      const place = (at: number, period: number) =>
        `${pixel(x.place(at))} ${pixel(y.place(period))}`;
      const start = sides.map(([period, first]) => place(first, period));
      const end = sides.map(([period, , last]) => place(last, period)).toReversed();
      return `<path class="edge" d="M${[...start, ...end].join("L")}"/>${name}`;
    });
}

/** First and last time at which the share reaches the level, by rising period, as far as it does. */
function sidesOf({ edge, times, periods }: PeriodMap, level: number): [number, number, number][] {
  const sides: [number, number, number][] = [];
  for (const [r] of runs(periods.length, MOST_ROWS)) {
    const share = Array.from(edge?.share[r] ?? []);
    const first = share.findIndex((value) => value >= level);
    const last = share.findLastIndex((value) => value >= level);
    if (first >= 0) sides.push([periods[r] ?? 1, times[first] ?? 0, times[last] ?? 0]);
  }
  return sides;
}

function ridgeLine(ridge: readonly Point[], x: Axis, y: Axis): string {
  let open = false;
  const parts = ridge.map((point) => {
    const move = open ? "L" : "M";
    open = Number.isFinite(point.value);
    return open ? `${move}${pixel(x.place(point.x))} ${pixel(y.place(point.value))}` : "";
  });
  return `<path class="ridge" d="${parts.join("")}"/>`;
}
