/** @file `signal ntft`: amplitudes by time and period, peaks against red noise, ridges. */

import { SignalError } from "../../core/errors.ts";
import { fitRedNoise } from "../../signal/noise.ts";
import { ntft, type TimeFrequencyMap } from "../../signal/ntft.ts";
import { ridgeFigures } from "../../signal/report/lines.ts";
import { mapFigure, significanceFigure, spectrumFigures } from "../../signal/report/periods.ts";
import type { ReportPart } from "../../signal/report/report.ts";
import { type Peak, peakPeriods } from "../../signal/ridges.ts";
import { type Series, spanOf } from "../../signal/series.ts";
import { peakSignificance, type Significance } from "../../signal/significance.ts";
import { type Command, defineCommand } from "../command.ts";
import { formatTable } from "../table.ts";
import { drawn, drawsOption } from "./draws.ts";
import { noiseWords, reportOf, settingsOf } from "./head.ts";
import { KERNEL_OPTIONS, kernelOf } from "./kernel-options.ts";
import { logSpaced, parsePeriods } from "./numbers.ts";
import { type Prepared, prepare } from "./prepare.ts";
import { outOption, RECORD_OPTIONS, RECORD_POSITIONALS } from "./record-options.ts";
import { type CsvColumn, heading, sourceFacts, writeResults } from "./results.ts";
import {
  bandOf,
  everyFor,
  MAP_WORDS,
  type NamedRidge,
  namedRidges,
  ridgeColumns,
} from "./ridges.ts";
import { shown } from "./words.ts";

const NAME = "signal ntft";

export const command: Command = defineCommand({
  name: NAME,
  summary: "Map a record by time and period, and follow its ridges",
  positionals: RECORD_POSITIONALS,
  options: {
    ...RECORD_OPTIONS,
    periods: {
      type: "string",
      default: undefined,
      valueName: "range|list",
      help: "2..20, or 5.9,8.5, in time units; below 0 retrograde. All that the record can show when left out",
    },
    count: { type: "int", default: 200, min: 1, help: "periods in a range, by equal factors" },
    ...KERNEL_OPTIONS,
    every: {
      type: "int",
      default: undefined,
      min: 1,
      help: "samples from one time of the map to the next; up to 1,000 times when left out",
    },
    ridges: { type: "int", default: 3, min: 0, help: "ridges to follow, the strongest first" },
    surrogates: drawsOption("records of red noise that peaks are held against; 0 for none"),
    out: outOption("signal-ntft"),
  },
  examples: [
    "meshloom signal ntft eopc04.1962-now --prepare length-of-day --periods 2..20",
    "meshloom signal ntft record.csv --column lod_ms --periods 2..20 --detrend 6 --harmonics 1,0.5",
  ],

  async run(options, context) {
    const prepared = await prepare(options, NAME);
    const kernel = kernelOf(options);
    const asked = { command: NAME, option: "--periods" };
    const periods =
      options.periods === undefined
        ? logSpaced(...bandOf(prepared.residual, kernel), options.count)
        : parsePeriods(options.periods, options.count, asked);
    refuseDoubled(periods);
    const every = options.every ?? everyFor(prepared.residual);
    const senses: Sense[] = [];
    for (const sign of [1, -1] as const) {
      const own = periods.filter((period) => period * sign > 0);
      if (own.length === 0) continue;
      const wanted = { ...kernel, every, periods: own, gaps: options.gaps };
      const map = ntft(prepared.residual, wanted);
      const whole = own.length >= 3;
      const significance =
        whole && options.surrogates > 0
          ? drawn(
              context,
              { draws: options.surrogates, seed: options.seed },
              "surrogates",
              (drawing) =>
                peakSignificance(prepared.series, {
                  ...wanted,
                  every: Math.max(every, Math.ceil(prepared.residual.re.length / 250)),
                  ...(prepared.removed !== undefined && { detrend: prepared.removed.options }),
                  ...drawing,
                }),
            )
          : undefined;
      senses.push({
        ...{ sign, map, significance },
        peaks: whole ? peakPeriods(map) : [],
        ridges: whole && options.ridges > 0 ? namedRidges(map, options.ridges) : [],
      });
    }
    const summary = {
      command: NAME,
      ...sourceFacts(prepared),
      settings: settingsOf(options),
      seed: options.seed,
      noise: senses[0]?.significance?.noise ?? null,
      peaks: senses.flatMap(peaksOf),
      ridges: senses.flatMap(({ ridges }) =>
        ridges.map(({ period, amplitude }) => ({ period, amplitude })),
      ),
    };
    const files = await writeResults(options.out, {
      tables: tablesOf(prepared.residual, senses),
      numbers: { ...summary, maps: senses.map(mapNumbers) },
      report: reportOf(
        "Time-frequency map",
        prepared,
        options,
        peaksPart(prepared, senses),
        partsOf(prepared, senses),
      ),
    });
    if (context.json) {
      context.out(JSON.stringify({ ...summary, out: options.out, files }));
      return;
    }
    printSummary(prepared, senses, context.out);
    context.log(`${files.length} files in ${options.out}; look at ${options.out}/report.html`);
  },
});

/** Prograde or retrograde periods; of a real series the first alone. */
interface Sense {
  readonly sign: 1 | -1;
  readonly map: TimeFrequencyMap;
  readonly significance: Significance | undefined;
  readonly peaks: readonly Peak[];
  readonly ridges: readonly NamedRidge[];
}

function refuseDoubled(periods: readonly number[]): void {
  const twice = periods.find((period, i) => periods.indexOf(period) !== i);
  if (twice === undefined) return;
  throw new SignalError("SIGNAL-01", `${NAME}: the period ${twice} stands twice in --periods.`, [
    ["fix", "name each once"],
  ]);
}

/** Peaks with their chances in red noise; null where none was drawn. */
function peaksOf({ peaks, significance }: Sense): object[] {
  return peaks.map(({ period, amplitude }, i) => ({
    ...{ period, amplitude },
    p: significance?.peaks[i]?.p ?? null,
    pAnywhere: significance?.peaks[i]?.pAnywhere ?? null,
  }));
}

function mapNumbers({ map, significance, ridges }: Sense): object {
  return {
    periods: map.periods,
    times: [...map.times],
    sigma: map.sigma,
    window: map.window,
    ...(significance !== undefined && {
      meanAmplitude: [...significance.amplitude],
      level: [...significance.level],
      levelAnywhere: [...significance.levelAnywhere],
    }),
    ridges: ridges.map(({ ridge }) => ({
      periods: [...ridge.periods],
      amplitude: [...ridge.amplitude],
      phase: [...ridge.phase],
      edge: [...ridge.edge],
    })),
  };
}

function tablesOf(series: Series, senses: readonly Sense[]): Record<string, readonly CsvColumn[]> {
  const { unit, timeUnit } = series;
  const factor = series.im === undefined ? 2 : 1;
  const times = senses[0]?.map.times ?? new Float64Array(0);
  const rows = senses.flatMap(({ map }) =>
    map.periods.flatMap((period, k) =>
      Array.from(map.times, (time, n) => {
        const [re, im] = [map.re[k]?.[n] ?? 0, map.im[k]?.[n] ?? 0];
        return {
          ...{ period, time, edge: map.edge[k]?.[n] ?? 0 },
          amplitude: brief(factor * Math.hypot(re, im)),
          phase: brief(Math.atan2(im, re)),
        };
      }),
    ),
  );
  const column = (pick: (row: (typeof rows)[number]) => number) => Float64Array.from(rows, pick);
  return {
    "map.csv": [
      [heading("period", timeUnit), column(({ period }) => brief(period))],
      [heading("time", timeUnit), column(({ time }) => Number(time.toPrecision(10)))],
      [heading("amplitude", unit), column(({ amplitude }) => amplitude)],
      [heading("phase", "rad"), column(({ phase }) => phase)],
      ["F", column(({ edge }) => brief(edge))],
    ],
    "ridges.csv": [
      [heading("time", timeUnit), times],
      ...ridgeColumns(
        series,
        senses.flatMap(({ ridges }) => ridges),
      ),
    ],
  };
}

/** A map is large, and nobody needs more digits of it. */
function brief(value: number): number {
  return Number(value.toPrecision(7));
}

function peaksPart({ residual }: Prepared, senses: readonly Sense[]): ReportPart {
  const { unit, timeUnit } = residual;
  const { noise, draws } = senses[0]?.significance ?? {};
  return {
    title: "Peaks",
    text: [
      "Amplitudes are means over the middle half of the record.",
      noise === undefined
        ? "No surrogates were drawn, so nothing is said of chance."
        : `Held against ${draws} records of ${noiseWords(noise, unit)}, treated as the record was. “Anywhere” counts that peaks were looked for at all periods of the map.`,
    ],
    tables: [
      {
        title: "",
        headings: [
          `period, ${timeUnit}`,
          `amplitude, ${unit || "in the file's unit"}`,
          "chance at this period",
          "chance anywhere",
        ],
        rows: senses.flatMap(peakRows),
      },
    ],
    figures: senses.flatMap(({ sign, significance }) =>
      significance === undefined
        ? []
        : [
            significanceFigure(
              sign > 0 ? "mean-amplitude" : "mean-amplitude-retrograde",
              residual,
              significance,
            ),
          ],
    ),
  };
}

function partsOf({ residual }: Prepared, senses: readonly Sense[]): ReportPart[] {
  const maps = senses.map(({ sign, map, ridges }) =>
    mapFigure(
      sign > 0 ? "map" : "map-retrograde",
      sign > 0 ? "Amplitude by time and period" : "Amplitude by time and retrograde period",
      map,
      ridges.map(({ ridge }) => ridge),
    ),
  );
  const all = senses.flatMap(({ map, ridges }) =>
    ridges.map(({ name, ridge }) => ({ name, ridge, full: map.normalised })),
  );
  const times = senses[0]?.map.times ?? new Float64Array(0);
  const noise = senses[0]?.significance?.noise;
  return [
    {
      title: "Time and period",
      text: [MAP_WORDS],
      figures: [...maps, ...(all.length === 0 ? [] : ridgeFigures(residual, times, all))],
    },
    {
      title: "Spectrum without trend",
      figures: spectrumFigures(
        "spectrum",
        "Power without trend",
        residual,
        noise ?? fitRedNoise(residual, { without: spanOf(residual) / 6 }),
      ),
    },
  ];
}

function peakRows({ peaks, significance }: Sense): string[][] {
  return peaks.map(({ period, amplitude }, i) => [
    shown(period),
    shown(amplitude),
    significance?.peaks[i]?.p.toFixed(3) ?? "",
    significance?.peaks[i]?.pAnywhere.toFixed(3) ?? "",
  ]);
}

function printSummary(
  { steps, notes, residual }: Prepared,
  senses: readonly Sense[],
  out: (line: string) => void,
): void {
  for (const [i, step] of steps.entries()) out(`${i + 1}. ${step}`);
  for (const note of notes) out(`Note: ${note}`);
  out("");
  const { unit, timeUnit } = residual;
  out(
    formatTable(
      [
        `peak, ${timeUnit}`,
        unit === "" ? "amplitude" : `amplitude, ${unit}`,
        "p here",
        "p anywhere",
      ],
      senses.flatMap(peakRows),
      { align: ["right", "right", "right", "right"] },
    ),
  );
}
