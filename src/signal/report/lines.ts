/** @file Plots along time: the record and what was taken away, restored oscillations with bands, ridges. */

import { type BandPoint, type Line, lineChart, type Point } from "../../plot/line-chart.ts";
import type { Range } from "../../plot/ticks.ts";
import type { Ridge } from "../ridges.ts";
import { type Series, timesOf } from "../series.ts";
import { type Figure, type Part, partsOf, timeTitle, valueTitle } from "./figure.ts";

/** Nearest to the band that the plain transform keeps: below, a ridge is not shown. */
const LEAST_SHARE = 0.5;

/** Points of a line; a sample that was not observed is a gap. */
export function pointsOf(
  times: ArrayLike<number>,
  values: ArrayLike<number>,
  observed?: Uint8Array,
): Point[] {
  return Array.from({ length: times.length }, (_, n) => ({
    x: times[n] ?? 0,
    value: observed?.[n] === 0 ? Number.NaN : (values[n] ?? Number.NaN),
  }));
}

export function rangeOf(times: ArrayLike<number>): Range {
  return [times[0] ?? 0, times[times.length - 1] ?? 1];
}

/** The record, and what was taken away as a line through it. */
export function recordFigures(series: Series, trend?: Series): Figure[] {
  const times = timesOf(series);
  const away = trend === undefined ? [] : partsOf(trend);
  return partsOf(series).map((part, i) =>
    timeFigure(
      `record${suffix(series, part)}`,
      `${part.name}, and what was taken away`,
      series,
      part.name,
      [
        { name: "record", points: pointsOf(times, part.values, series.observed), style: "plain" },
        ...(away[i] === undefined
          ? []
          : [
              {
                name: "taken away",
                points: pointsOf(times, away[i].values),
                style: "plain" as const,
              },
            ]),
      ],
    ),
  );
}

/** A series alone. */
export function seriesFigures(name: string, title: string, series: Series): Figure[] {
  const times = timesOf(series);
  return partsOf(series).map((part) =>
    timeFigure(`${name}${suffix(series, part)}`, title.replace("%", part.name), series, part.name, [
      { name: "", points: pointsOf(times, part.values, series.observed), style: "plain" },
    ]),
  );
}

/** An oscillation over the series it was found in. */
export interface Shown {
  /** Above the plot: "5.9 years". */
  readonly name: string;
  /** Of the line, beside the record: "restored". */
  readonly line: string;
  readonly restored: Series;
  readonly band?: { readonly low: Series; readonly high: Series };
}

/**
 * One oscillation with its band.
 *
 * @param behind - whether the record it was found in stands behind it, at whose scale it may be small
 */
export function oscillationFigures(
  file: string,
  residual: Series,
  one: Shown,
  behind: boolean,
): Figure[] {
  const times = timesOf(residual);
  const record = partsOf(residual);
  const [low, high] = [one.band?.low, one.band?.high].map((side) => side && partsOf(side));
  return partsOf(one.restored).map((part, i) => {
    const band =
      low === undefined || high === undefined
        ? {}
        : { band: bandOf(times, low[i]?.values, high[i]?.values) };
    const title = residual.im === undefined ? one.name : `${one.name}, ${part.name}`;
    return timeFigure(`${file}${suffix(residual, part)}`, title, residual, part.name, [
      {
        name: behind ? one.line : "",
        points: pointsOf(times, part.values),
        style: "plain",
        ...band,
      },
      ...(behind
        ? [
            {
              name: "record without trend",
              points: pointsOf(times, record[i]?.values ?? [], residual.observed),
              style: "faint" as const,
            },
          ]
        : []),
    ]);
  });
}

/** y is −Im, so the upper edge of one is the lower of the other. */
function bandOf(
  times: Float64Array,
  one: Float64Array | undefined,
  other: Float64Array | undefined,
): BandPoint[] {
  return Array.from(times, (x, n) => {
    const [a, b] = [one?.[n] ?? Number.NaN, other?.[n] ?? Number.NaN];
    return { x, low: Math.min(a, b), high: Math.max(a, b) };
  });
}

/** Several lines in one plot, without the record. */
export function togetherFigure(
  name: string,
  title: string,
  quantity: string,
  series: Series,
  lines: readonly { readonly name: string; readonly values: ArrayLike<number> }[],
): Figure {
  const times = timesOf(series);
  return timeFigure(
    name,
    title,
    series,
    quantity,
    lines.map((line) => ({
      name: line.name,
      points: pointsOf(times, line.values),
      style: "plain",
    })),
  );
}

/** Amplitudes of ridges through time, with the losses at the ends and in gaps divided out where half is left. */
export function ridgeFigures(
  series: Series,
  times: Float64Array,
  ridges: readonly { readonly name: string; readonly ridge: Ridge; readonly full: boolean }[],
): Figure[] {
  const kept = ({ edge }: Ridge, n: number) => (edge[n] ?? 0) >= LEAST_SHARE;
  const lines = (value: (ridge: Ridge, full: boolean, n: number) => number): Line[] =>
    ridges.map(({ name, ridge, full }) => ({
      name,
      points: Array.from(times, (x, n) => ({
        x,
        value: kept(ridge, n) ? value(ridge, full, n) : Number.NaN,
      })),
      style: "plain",
    }));
  const { unit, timeUnit } = series;
  const x = { xTitle: timeTitle(timeUnit), range: rangeOf(times) };
  return [
    {
      name: "ridge-amplitudes",
      title: "Amplitude on the ridges, what the ends take away given back",
      wide: true,
      draw: (width, height) =>
        lineChart({
          label: `Amplitude of each ridge through time, ${unit}`,
          ...{ width, height, ...x },
          yTitle: valueTitle("amplitude", unit),
          lines: lines(
            ({ amplitude, edge }, full, n) => (amplitude[n] ?? 0) / (full ? 1 : (edge[n] ?? 1)),
          ),
        }),
    },
    {
      name: "ridge-periods",
      title: "Period of the ridges",
      wide: true,
      tall: 0.8,
      draw: (width, height) =>
        lineChart({
          label: `Period of each ridge through time, ${timeUnit}`,
          ...{ width, height, ...x },
          yTitle: `period, ${timeUnit}`,
          lines: lines(({ periods }, _, n) => Math.abs(periods[n] ?? Number.NaN)),
        }),
    },
  ];
}

function timeFigure(
  name: string,
  title: string,
  { unit, timeUnit, start, step, re }: Series,
  quantity: string,
  lines: readonly Line[],
): Figure {
  return {
    ...{ name, title, wide: true },
    draw: (width, height) =>
      lineChart({
        label: `${title}, ${unit}, by ${timeTitle(timeUnit)}`,
        ...{ width, height, lines },
        range: [start, start + (re.length - 1) * step],
        xTitle: timeTitle(timeUnit),
        yTitle: valueTitle(quantity, unit),
      }),
  };
}

function suffix({ im }: Series, { name }: Part): string {
  return im === undefined ? "" : `-${name}`;
}
