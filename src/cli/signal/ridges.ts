/** @file Time-frequency maps with their ridges, for a report: over a band, and about wanted periods. */

import { MeshloomError } from "../../core/errors.ts";
import { type KernelOptions, shortestPeriod, shortestRecord } from "../../signal/edge.ts";
import { ntft, type TimeFrequencyMap } from "../../signal/ntft.ts";
import { ridgeFigures } from "../../signal/report/lines.ts";
import { mapFigure } from "../../signal/report/periods.ts";
import type { ReportPart } from "../../signal/report/report.ts";
import { ridgeNear } from "../../signal/ridge-near.ts";
import { type Ridge, ridges } from "../../signal/ridges.ts";
import { type Series, spanOf } from "../../signal/series.ts";
import { logSpaced } from "./numbers.ts";
import type { CsvColumn } from "./results.ts";
import { heading } from "./results.ts";
import { shown } from "./words.ts";

/** Times of a map that more would not show. */
const MOST_TIMES = 1000;
/** Standard deviations of the window to the ends that a map's longest period keeps. */
const LEAST_CONE = 0.5;

export interface NamedRidge {
  /** Its mean period where more than half of an amplitude is left: "5.95 years". */
  readonly name: string;
  readonly period: number;
  /** Mean over the middle half, in the unit of the series. */
  readonly amplitude: number;
  readonly ridge: Ridge;
}

export function everyFor({ re }: Series): number {
  return Math.max(1, Math.ceil(re.length / MOST_TIMES));
}

/** Shortest and longest period that the record can show in a map. */
export function bandOf(series: Series, { sigma = 10 }: KernelOptions): [number, number] {
  const longest = spanOf(series) / shortestRecord(1, sigma, LEAST_CONE);
  return [1.001 * shortestPeriod(series.step, sigma), 0.999 * longest];
}

/** The strongest ridges of a map, by period. */
export function namedRidges(map: TimeFrequencyMap, count: number): NamedRidge[] {
  return ridges(map, { count })
    .map((ridge) => named(map, ridge))
    .sort((a, b) => a.period - b.period);
}

function named(map: TimeFrequencyMap, ridge: Ridge): NamedRidge {
  const count = map.times.length;
  const middle = (values: Float64Array) => {
    const part = values
      .subarray(Math.floor(count / 4), Math.ceil((3 * count) / 4))
      .filter(Number.isFinite);
    return part.reduce((sum, x) => sum + x, 0) / part.length;
  };
  const period = middle(ridge.periods);
  const amplitude = middle(ridge.amplitude);
  return { name: `${shown3(period)} ${map.series.timeUnit}`, period, amplitude, ridge };
}

/** The ridge within ±15 % of each wanted period, as far as there is one. */
function ridgesNear(
  series: Series,
  periods: readonly number[],
  kernel: KernelOptions,
): { readonly map: TimeFrequencyMap; readonly ridge: NamedRidge }[] {
  return periods.flatMap((wanted) => {
    const asked = {
      ...kernel,
      periods: logSpaced(wanted / 1.15, wanted * 1.15, 41),
      every: everyFor(series),
      gaps: "normalise" as const,
    };
    return possible(() => {
      const map = ntft(series, asked);
      const ridge = ridgeNear(map, wanted);
      return ridge.periods.some(Number.isFinite) ? [{ map, ridge: named(map, ridge) }] : [];
    });
  });
}

/**
 * A map over the periods and twice as far to both sides, with the ridges near them. Nothing where the record is
 * too short for a map.
 */
export function overviewPart(
  series: Series,
  periods: readonly number[],
  kernel: KernelOptions,
): ReportPart[] {
  const near = ridgesNear(series, periods, kernel);
  const senses = ([1, -1] as const).filter((sign) => periods.some((each) => each * sign > 0));
  const maps = senses.flatMap((sign) => {
    const sizes = periods.filter((each) => each * sign > 0).map(Math.abs);
    const [least, most] = bandOf(series, kernel);
    const band = [Math.max(least, Math.min(...sizes) / 2), Math.min(most, 2 * Math.max(...sizes))];
    const [low = 1, high = 1] = band;
    if (!(low < high)) return [];
    return possible(() => {
      const map = ntft(series, {
        ...kernel,
        periods: logSpaced(sign * low, sign * high, 120),
        every: everyFor(series),
        gaps: "normalise",
      });
      const shownRidges = near.filter(({ ridge }) => ridge.period * sign > 0);
      return [
        mapFigure(
          sign > 0 ? "map" : "map-retrograde",
          sign > 0 ? "Amplitude by time and period" : "Amplitude by time and retrograde period",
          map,
          shownRidges.map(({ ridge }) => ridge.ridge),
        ),
      ];
    });
  });
  const [first] = near;
  if (maps.length === 0 || first === undefined) return [];
  return [
    {
      title: "Time and period",
      text: [MAP_WORDS],
      figures: [
        ...maps,
        ...ridgeFigures(
          series,
          first.map.times,
          near.map(({ map, ridge }) => ({
            name: ridge.name,
            ridge: ridge.ridge,
            full: map.normalised,
          })),
        ),
      ],
    },
  ];
}

export const MAP_WORDS: string =
  "White lines are ridges. Broken lines join places where the ends leave the share F of an amplitude: inside " +
  "F = 0.999 the map is true to a thousandth; below F = 0.5 nothing is shown as a ridge.";

/** What needs a longer record than there is: a plot less, no failure. */
function possible<T>(make: () => T[]): T[] {
  try {
    return make();
  } catch (cause) {
    if (cause instanceof MeshloomError && cause.code === "SIGNAL-02") return [];
    throw cause;
  }
}

/** Columns of a table for each ridge: period, amplitude, phase, share F. */
export function ridgeColumns({ unit, timeUnit }: Series, list: readonly NamedRidge[]): CsvColumn[] {
  return list.flatMap(({ ridge }, i): CsvColumn[] => [
    [heading(`period ${i + 1}`, timeUnit), ridge.periods],
    [heading(`amplitude ${i + 1}`, unit), ridge.amplitude],
    [heading(`phase ${i + 1}`, "rad"), ridge.phase],
    [`F ${i + 1}`, ridge.edge],
  ]);
}

function shown3(value: number): string {
  return shown(Number(value.toPrecision(3)));
}
