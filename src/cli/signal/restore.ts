/** @file `signal restore`: oscillations up to the ends of a record, with bands, verdicts, and what they are worth. */

import { residualNoise, type UncertainRestoration, uncertainty } from "../../signal/monte-carlo.ts";
import type { RedNoise } from "../../signal/noise.ts";
import { oscillationFigures, togetherFigure } from "../../signal/report/lines.ts";
import { spectrumFigures } from "../../signal/report/periods.ts";
import type { ReportPart } from "../../signal/report/report.ts";
import {
  METHODS,
  type Method,
  type Restoration,
  type RestoreOptions,
  restore,
} from "../../signal/restore.ts";
import { type Series, timesOf, withValues } from "../../signal/series.ts";
import { type Command, defineCommand } from "../command.ts";
import { formatTable } from "../table.ts";
import { drawn, drawsOption } from "./draws.ts";
import { type Asked, estimateNumbers, estimateTable, verdictsOf } from "./estimates.ts";
import { noiseWords, reportOf, settingsOf } from "./head.ts";
import { KERNEL_OPTIONS, kernelOf } from "./kernel-options.ts";
import { linesOptions, variantOf } from "./lines-options.ts";
import { parsePeriods } from "./numbers.ts";
import { type Prepared, prepare } from "./prepare.ts";
import { outOption, RECORD_OPTIONS, RECORD_POSITIONALS } from "./record-options.ts";
import { type CsvColumn, heading, seriesColumns, sourceFacts, writeResults } from "./results.ts";
import { overviewPart } from "./ridges.ts";
import { shown } from "./words.ts";

const NAME = "signal restore";

export const command: Command = defineCommand({
  name: NAME,
  summary: "Restore oscillations up to the ends of a record, with error bands",
  positionals: RECORD_POSITIONALS,
  options: {
    ...RECORD_OPTIONS,
    ...linesOptions("of the oscillations, in time units; below 0 retrograde: 5.9,8.5"),
    method: {
      type: "choice",
      choices: METHODS,
      default: "fit",
      help: "fit joins the transform with a damped curve at the ends; oscillators is a Gaussian process",
    },
    ...KERNEL_OPTIONS,
    cut: {
      type: "float",
      default: 1.25,
      min: 0,
      help: "from the ends, in standard deviations of the window, within which the curve takes over",
    },
    exactly: {
      type: "flag",
      default: false,
      help: "read at just these periods, instead of at the peaks within 8 % of them",
    },
    beside: {
      type: "string",
      default: undefined,
      valueName: "periods",
      help: "other lines that are there and not wanted, told to fit and oscillators: 7.3,4.9",
    },
    ssaWindow: {
      type: "float",
      default: undefined,
      above: 0,
      help: "ssa: length of the window in time units; half the record when left out",
    },
    draws: drawsOption(
      "simulated records that go through the same steps, for bands and deviations",
    ),
    out: outOption("signal-restore"),
  },
  examples: [
    "meshloom signal restore eopc04.1962-now --prepare length-of-day --periods 5.9,8.5",
    "meshloom signal restore record.csv --column lod_ms --periods 5.9,8.5 --method oscillators",
  ],

  async run(options, context) {
    const prepared = await prepare(options, NAME);
    const periods = parsePeriods(options.periods, 1, { command: NAME, option: "--periods" });
    const { confidence, method, beside, ssaWindow } = options;
    const asked = { command: NAME, option: "--beside" };
    const restoring: RestoreOptions = {
      ...kernelOf(options),
      ...{ periods, method, confidence, c: options.cut, exactly: options.exactly },
      fit: {
        ...variantOf(options, NAME),
        ...(beside !== undefined && { beside: parsePeriods(beside, 1, asked) }),
      },
      ...(prepared.removed !== undefined && { detrend: prepared.removed.options }),
      ...(ssaWindow !== undefined && { ssa: { window: ssaWindow } }),
    };
    const found = restored(prepared.series, restoring, options, (run) =>
      drawn(context, options, "records", run),
    );
    const left = without(prepared.residual, found.lines);
    const summary = {
      command: NAME,
      ...sourceFacts(prepared),
      settings: settingsOf(options),
      method,
      ...{ seed: options.seed, draws: options.draws, confidence, noise: found.noise },
      oscillations: found.lines.map(numbersOf),
    };
    const files = await writeResults(options.out, {
      tables: { "restored.csv": columnsOf(prepared, found.lines, left) },
      numbers: { ...summary, series: found.lines.map(seriesNumbers) },
      report: reportOf(
        "Restored oscillations",
        prepared,
        options,
        resultsPart(prepared, found, options),
        [
          restoredPart(prepared, found.lines),
          ...overviewPart(prepared.residual, periods, kernelOf(options)),
          {
            title: "What is left",
            text: [
              "The record without trend and without the restored oscillations, beside the noise that was fitted to it.",
            ],
            figures: spectrumFigures(
              "residual-spectrum",
              "Power of what is left",
              left,
              found.noise,
            ),
          },
        ],
      ),
    });
    if (context.json) {
      context.out(JSON.stringify({ ...summary, out: options.out, files }));
      return;
    }
    printSummary(prepared, found, context.out);
    context.log(`${files.length} files in ${options.out}; look at ${options.out}/report.html`);
  },
});

/** A restoration with whatever is known of its errors. */
interface Line extends Omit<Restoration, "band"> {
  readonly known?: UncertainRestoration["known"];
  readonly band?: Restoration["band"];
}

interface Found {
  readonly lines: readonly Line[];
  readonly noise: RedNoise;
}

function restored(
  series: Series,
  restoring: RestoreOptions,
  { draws }: { readonly draws: number },
  draw: (run: (drawing: { readonly draws: number; readonly seed: number }) => Found) => Found,
): Found {
  if (draws > 0)
    return draw((drawing) => {
      const { restorations, noise } = uncertainty(series, { ...restoring, ...drawing });
      return { lines: restorations, noise };
    });
  const lines = restore(series, restoring);
  return { lines, noise: residualNoise(series, lines, restoring) };
}

function sumOf(residual: Series, lines: readonly Line[]): Series {
  const { observed: _, ...whole } = residual;
  const sum = (part: (line: Line) => Float64Array | undefined) =>
    Float64Array.from(residual.re, (_, n) =>
      lines.reduce((total, line) => total + (part(line)?.[n] ?? 0), 0),
    );
  return withValues(
    whole,
    sum(({ restored: { re } }) => re),
    residual.im && sum(({ restored: { im } }) => im),
  );
}

function without(residual: Series, lines: readonly Line[]): Series {
  const less = (values: Float64Array, part: (line: Line) => Float64Array | undefined) =>
    values.map((x, n) =>
      residual.observed?.[n] === 0
        ? 0
        : lines.reduce((left, line) => left - (part(line)?.[n] ?? 0), x),
    );
  return withValues(
    residual,
    less(residual.re, ({ restored: { re } }) => re),
    residual.im && less(residual.im, ({ restored: { im } }) => im),
  );
}

function askedOf({ wanted, known, line }: Line): Asked {
  return { wanted, estimates: known ?? line, drawn: known !== undefined };
}

function numbersOf(line: Line): object {
  const { period, cut, centre, triples } = line;
  return {
    ...estimateNumbers(askedOf(line)),
    ...{ readAt: period, cut, centre },
    ...(triples !== undefined && { triples }),
  };
}

function seriesNumbers({ restored: one, band, amplitudeSeries, phaseSeries }: Line): object {
  return {
    restored: [...one.re],
    ...(one.im !== undefined && { restoredIm: [...one.im] }),
    ...(band !== undefined && {
      low: [...band.low.re],
      high: [...band.high.re],
      sd: [...band.sd],
    }),
    amplitude: [...amplitudeSeries],
    phase: [...phaseSeries],
  };
}

function columnsOf(
  { series, residual, removed }: Prepared,
  lines: readonly Line[],
  left: Series,
): CsvColumn[] {
  const { unit, timeUnit } = series;
  return [
    [heading("time", timeUnit), timesOf(series)],
    ...seriesColumns("record", series),
    ...(removed === undefined ? [] : seriesColumns("trend", removed.trend)),
    ...seriesColumns("record without trend", residual),
    ...lines.flatMap((line): CsvColumn[] => {
      const name = (what: string) => `${what} ${shown(line.wanted)}`;
      return [
        ...seriesColumns(name("restored"), line.restored),
        ...(line.band === undefined
          ? []
          : [
              ...seriesColumns(name("low"), line.band.low),
              ...seriesColumns(name("high"), line.band.high),
            ]),
        [heading(name("amplitude"), unit), line.amplitudeSeries],
        [heading(name("phase"), "rad"), line.phaseSeries],
      ];
    }),
    ...seriesColumns("what is left", left),
  ];
}

interface Shown {
  readonly method: Method;
  readonly draws: number;
  readonly seed: number;
  readonly confidence: number;
}

function resultsPart({ residual }: Prepared, { lines, noise }: Found, options: Shown): ReportPart {
  const { method, draws, seed, confidence } = options;
  const told =
    draws === 0
      ? "No records were simulated, so nothing is said of errors."
      : `± is one standard deviation, from ${draws} simulated records (seed ${seed}): trend, these lines and ${noiseWords(noise, residual.unit)}, treated as the record was. Bands hold ${percent(confidence)} of them.`;
  return {
    title: "Results",
    text: [
      `Method: ${METHOD_WORDS[method]}`,
      told,
      ...verdictsOf(residual, lines.map(askedOf)),
      "Phases are those of a cosine at the middle of the record.",
    ],
    tables: [estimateTable(residual, lines.map(askedOf))],
  };
}

const METHOD_WORDS: Readonly<Record<Method, string>> = {
  ntft: "the transform as it is. It loses amplitude at the ends, by 1 − F.",
  renormalised: "the transform over the share F of an amplitude that the ends leave.",
  bepme: "the transform of the record mirrored about its outermost extrema.",
  fit: "the transform where it can be believed, joined at the ends with a damped curve fitted to it.",
  ssa: "singular spectrum analysis: all triples near the period.",
  oscillators: "the posterior of a Gaussian process of lines, trend, seasons and noise.",
};

function restoredPart({ residual }: Prepared, lines: readonly Line[]): ReportPart {
  const { timeUnit } = residual;
  const name = (line: Line) => `${shown(line.wanted)} ${timeUnit}`;
  return {
    title: "Restored oscillations",
    figures: [
      ...lines.flatMap((line) =>
        oscillationFigures(
          `restored-${fileName(line.wanted)}`,
          residual,
          {
            ...{ name: name(line), line: "restored", restored: line.restored },
            ...(line.band !== undefined && { band: line.band }),
          },
          false,
        ),
      ),
      ...oscillationFigures(
        "restored-sum",
        residual,
        { name: "All together", line: "sum of the restored", restored: sumOf(residual, lines) },
        true,
      ),
      togetherFigure(
        "amplitudes",
        "Amplitude through time",
        "amplitude",
        residual,
        lines.map((line) => ({ name: name(line), values: line.amplitudeSeries })),
      ),
    ],
  };
}

/** A file's name has no minus at its front and no point but that of its ending. */
function fileName(period: number): string {
  return `${shown(Math.abs(period)).replace(".", "p")}${period < 0 ? "-retrograde" : ""}`;
}

function percent(confidence: number): string {
  return `${shown(100 * confidence)} %`;
}

function printSummary(
  { steps, notes, residual }: Prepared,
  { lines, noise }: Found,
  out: (line: string) => void,
): void {
  for (const [i, step] of steps.entries()) out(`${i + 1}. ${step}`);
  for (const note of notes) out(`Note: ${note}`);
  const { headings, rows } = estimateTable(residual, lines.map(askedOf));
  out("");
  out(formatTable(headings, rows, { align: headings.map(() => "right") }));
  out("");
  for (const verdict of verdictsOf(residual, lines.map(askedOf))) out(verdict);
  out(`Noise left: ${noiseWords(noise, residual.unit)}.`);
}
