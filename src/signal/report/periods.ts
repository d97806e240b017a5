/** @file Plots by period: the time-frequency map, mean amplitudes with levels of chance, spectra. */

import { type Line, lineChart } from "../../plot/line-chart.ts";
import { periodMap } from "../../plot/period-map.ts";
import type { RedNoise } from "../noise.ts";
import type { TimeFrequencyMap } from "../ntft.ts";
import type { Ridge } from "../ridges.ts";
import type { Series } from "../series.ts";
import type { Significance } from "../significance.ts";
import { excessOf, periodogram, redSpectrum } from "../spectrum.ts";
import { type Figure, timeTitle, valueTitle } from "./figure.ts";

/** Shares of a line's amplitude at which the map shows what the ends take. */
const LEVELS = [0.5, 0.9, 0.999];

/** Amplitude by time and period. All periods of the map are of one sign. */
export function mapFigure(
  name: string,
  title: string,
  map: TimeFrequencyMap,
  ridges: readonly Ridge[],
): Figure {
  const order = [...map.periods.keys()].sort(
    (a, b) => Math.abs(map.periods[a] ?? 0) - Math.abs(map.periods[b] ?? 0),
  );
  const factor = map.series.im === undefined ? 2 : 1;
  const rows = <T>(list: readonly T[]): T[] =>
    order.flatMap((k) => (list[k] === undefined ? [] : [list[k]]));
  const amplitude = map.re.map((re, k) =>
    re.map((x, n) => factor * Math.hypot(x, map.im[k]?.[n] ?? 0)),
  );
  const { unit, timeUnit, im } = map.series;
  const sense = im === undefined ? "" : (map.periods[0] ?? 1) > 0 ? "prograde " : "retrograde ";
  return {
    ...{ name, title, wide: true, tall: 1.2 },
    draw: (width, height) =>
      periodMap({
        label: `Amplitude in ${unit} by time and ${sense}period`,
        ...{ width, height },
        xTitle: timeTitle(timeUnit),
        yTitle: `${sense}period, ${timeUnit}`,
        valueTitle: unit === "" ? "amplitude" : unit,
        times: [...map.times],
        periods: rows(map.periods).map(Math.abs),
        values: rows(amplitude),
        ridges: ridges.map((ridge) =>
          Array.from(ridge.periods, (period, n) => ({
            x: map.times[n] ?? 0,
            value: Math.abs(period),
          })),
        ),
        edge: { share: rows(map.edge), levels: LEVELS },
      }),
  };
}

/** Mean amplitude of the middle half by period, with what red noise exceeds in 5 % of the surrogates. */
export function significanceFigure(
  name: string,
  { unit, timeUnit }: Series,
  { periods, amplitude, level, levelAnywhere }: Significance,
): Figure {
  const order = [...periods.keys()].sort((a, b) => (periods[a] ?? 0) - (periods[b] ?? 0));
  const line = (lineName: string, values: Float64Array): Line => ({
    name: lineName,
    points: order
      .map((k) => ({ x: Math.abs(periods[k] ?? 0), value: values[k] ?? Number.NaN }))
      .sort((a, b) => a.x - b.x),
    style: "plain",
  });
  const sizes = periods.map(Math.abs);
  return {
    ...{ name, title: "Mean amplitude in the middle half of the record", wide: true },
    draw: (width, height) =>
      lineChart({
        label: `Mean amplitude by period, ${unit}, with levels of red noise`,
        ...{ width, height },
        range: [Math.min(...sizes), Math.max(...sizes)],
        xLog: true,
        xTitle: `period, ${timeUnit}, logarithmic`,
        yTitle: valueTitle("amplitude", unit),
        lines: [
          line("record", amplitude),
          line("95 % at this period", level),
          line("95 % anywhere", levelAnywhere),
        ],
      }),
  };
}

/** What is left, by period, beside the AR(1) noise that was fitted to it. Nothing for a series with gaps. */
export function spectrumFigures(
  name: string,
  title: string,
  series: Series,
  noise: RedNoise,
): Figure[] {
  if (series.observed?.includes(0) === true || noise.sd === 0) return [];
  const { frequencies, power } = periodogram(series);
  const red = redSpectrum(series, noise, frequencies);
  const { unit, timeUnit, step, re } = series;
  const density = `${unit === "" ? "unit" : unit}² · ${timeUnit}`;
  const sense = (sign: 1 | -1): Figure => {
    const kept = [...frequencies.keys()].filter((k) => (frequencies[k] ?? 0) * sign > 0);
    const points = (values: Float64Array, factor = 1) =>
      kept
        .map((k) => ({
          x: Math.abs(1 / (frequencies[k] ?? 1)),
          value: factor * (values[k] ?? 0),
        }))
        .sort((a, b) => a.x - b.x);
    const which = series.im === undefined ? "" : sign > 0 ? ", prograde" : ", retrograde";
    return {
      ...{ name: sign > 0 ? name : `${name}-retrograde`, title: `${title}${which}`, wide: true },
      draw: (width, height) =>
        lineChart({
          label: `${title}${which}: power density in ${density} by period`,
          ...{ width, height, log: true, xLog: true },
          range: [2 * step, re.length * step],
          xTitle: `period, ${timeUnit}, logarithmic`,
          yTitle: `power, ${density}`,
          lines: [
            { name: "what is left", points: points(power), style: "plain" },
            { name: `AR(1), φ ${noise.phi.toFixed(3)}`, points: points(red), style: "plain" },
            { name: "95 %", points: points(red, excessOf(0.95)), style: "plain" },
          ],
        }),
    };
  };
  return series.im === undefined ? [sense(1)] : [sense(1), sense(-1)];
}
