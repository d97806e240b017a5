/** @file `signal fit`: damped sinusoids by least squares, with deviations in the noise that the record has. */

import { arLine } from "../../signal/fit/ar-z.ts";
import {
  type DampedLinesFit,
  type DampedLinesOptions,
  dampedLines,
} from "../../signal/fit/damped-lines.ts";
import { dampedLinesInRedNoise, type KnownLine } from "../../signal/fit/red-noise.ts";
import { fitRedNoise, type RedNoise } from "../../signal/noise.ts";
import { oscillationFigures } from "../../signal/report/lines.ts";
import { spectrumFigures } from "../../signal/report/periods.ts";
import type { ReportPart, ReportTable } from "../../signal/report/report.ts";
import { type Series, spanOf, timesOf } from "../../signal/series.ts";
import { type Command, defineCommand } from "../command.ts";
import { formatTable } from "../table.ts";
import { drawn, drawsOption } from "./draws.ts";
import {
  type Asked,
  estimateNumbers,
  estimateTable,
  qualityWords,
  verdictsOf,
} from "./estimates.ts";
import { noiseWords, reportOf, settingsOf } from "./head.ts";
import { KERNEL_OPTIONS, kernelOf } from "./kernel-options.ts";
import { linesOptions, variantOf } from "./lines-options.ts";
import { parsePeriods } from "./numbers.ts";
import { type Prepared, prepare } from "./prepare.ts";
import { outOption, RECORD_OPTIONS, RECORD_POSITIONALS } from "./record-options.ts";
import { heading, seriesColumns, sourceFacts, writeResults } from "./results.ts";
import { overviewPart } from "./ridges.ts";
import { shown } from "./words.ts";

const NAME = "signal fit";

export const command: Command = defineCommand({
  name: NAME,
  summary: "Fit damped sinusoids to a record: periods, amplitudes, dampings with confidence",
  positionals: RECORD_POSITIONALS,
  options: {
    ...RECORD_OPTIONS,
    ...linesOptions("near which lines are sought, in time units; below 0 retrograde: 5.9,8.5"),
    within: {
      type: "float",
      default: 0.15,
      above: 0,
      help: "how far a frequency may move from the asked one, relative",
    },
    search: {
      type: "flag",
      default: true,
      help: "try starts up to one over the record beside each frequency, and take the best",
    },
    ...KERNEL_OPTIONS,
    draws: drawsOption("simulated records that are fitted again, for deviations in red noise"),
    out: outOption("signal-fit"),
  },
  examples: [
    "meshloom signal fit eopc04.1962-now --prepare length-of-day --periods 3.7,4.9,5.9,8.5",
    "meshloom signal fit gravity.ggp --column gravity --time-unit hours --periods 0.341",
  ],

  async run(options, context) {
    const prepared = await prepare(options, NAME);
    const { residual, series, removed } = prepared;
    const periods = parsePeriods(options.periods, 1, { command: NAME, option: "--periods" });
    const variant = variantOf(options, NAME);
    const fitting: DampedLinesOptions = {
      lines: periods.map((period) => ({ period, ...variant })),
      ...{ search: options.search, confidence: options.confidence },
      within: options.within,
    };
    const found: Found =
      options.draws === 0
        ? fitAlone(residual, fitting)
        : drawn(context, options, "records", (drawing) =>
            dampedLinesInRedNoise(series, {
              ...fitting,
              ...drawing,
              ...(removed !== undefined && { detrend: removed.options }),
            }),
          );
    const asked = periods.map(
      (wanted, i): Asked => ({
        wanted,
        estimates: found.known?.[i] ?? found.fit.lines[i],
        drawn: found.known !== undefined,
      }),
    );
    const { fit, noise } = found;
    const summary = {
      command: NAME,
      ...sourceFacts(prepared),
      settings: settingsOf(options),
      ...{ seed: options.seed, draws: options.draws, confidence: options.confidence, noise },
      lines: asked.map(estimateNumbers),
      arLines: arNumbers(residual, periods),
      ...{ centre: fit.centre, residualSd: fit.residualSd, converged: fit.converged },
    };
    const files = await writeResults(options.out, {
      tables: {
        "fit.csv": [
          [heading("time", series.timeUnit), timesOf(series)],
          ...seriesColumns("record", series),
          ...seriesColumns("record without trend", residual),
          ...seriesColumns("fitted", fit.fitted),
          ...seriesColumns("what is left", fit.residual),
        ],
      },
      numbers: { ...summary, parameters: fit.parameters, covariance: fit.covariance },
      report: reportOf(
        "Damped lines",
        prepared,
        options,
        resultsPart(residual, found, asked, options),
        [
          {
            title: "The fit",
            figures: oscillationFigures(
              "fit",
              residual,
              {
                name: periods.length === 1 ? "The line" : "All lines together",
                ...{ line: "fitted", restored: fit.fitted },
              },
              true,
            ),
          },
          ...overviewPart(residual, periods, kernelOf(options)),
          arPart(residual, periods),
          {
            title: "What is left",
            figures: spectrumFigures(
              "residual-spectrum",
              "Power of what is left",
              fit.residual,
              noise,
            ),
          },
        ],
      ),
    });
    if (context.json) {
      context.out(JSON.stringify({ ...summary, out: options.out, files }));
      return;
    }
    printSummary(prepared, found, asked, context.out);
    context.log(`${files.length} files in ${options.out}; look at ${options.out}/report.html`);
  },
});

interface Found {
  readonly fit: DampedLinesFit;
  readonly noise: RedNoise;
  /** Absent when nothing was drawn. */
  readonly known?: readonly KnownLine[];
}

function fitAlone(residual: Series, options: DampedLinesOptions): Found {
  const fit = dampedLines(residual, options);
  return { fit, noise: fitRedNoise(fit.residual) };
}

function resultsPart(
  residual: Series,
  { fit, noise, known }: Found,
  asked: readonly Asked[],
  { draws, seed }: { readonly draws: number; readonly seed: number },
): ReportPart {
  const { unit, timeUnit } = residual;
  const how = fit.converged ? "" : " The search did not settle: other starts may end elsewhere.";
  return {
    title: "Results",
    text: [
      `Least squares of all lines at once, over ${shown(spanOf(residual))} ${timeUnit}; what is left has an sd of ${shown(fit.residualSd)} ${unit}.${how}`,
      known === undefined
        ? "No records were simulated, so nothing is said of errors."
        : `± is one standard deviation, from ${draws} simulated records (seed ${seed}): trend, these lines and ${noiseWords(noise, unit)}, fitted again.`,
      ...verdictsOf(residual, asked),
      "Phases are those of a cosine at the middle of the record.",
    ],
    tables: [estimateTable(residual, asked)],
  };
}

/** Of the lines read off a few bins of the spectrum; null for those too near to its ends. */
function arNumbers(residual: Series, periods: readonly number[]): (object | null)[] {
  return periods.map((period) => arOf(residual, period) ?? null);
}

function arOf(residual: Series, period: number): ReturnType<typeof arLine> | undefined {
  const bins = Math.round(spanOf(residual) / Math.abs(period));
  const gaps = residual.observed?.includes(0) ?? false;
  // Nine bins about the line must be there.
  return gaps || bins < 5 || bins > residual.re.length / 2 - 5
    ? undefined
    : arLine(residual, period);
}

function arPart(residual: Series, periods: readonly number[]): ReportPart {
  const { unit, timeUnit } = residual;
  const rows = periods.flatMap((wanted): string[][] => {
    const line = arOf(residual, wanted);
    if (line === undefined) return [];
    const { period, damping, quality, amplitude } = line;
    return [
      [shown(wanted), shown(period), shown(damping), qualityWords(quality), shown(amplitude)],
    ];
  });
  const table: ReportTable = {
    title: "",
    headings: [
      "wanted",
      `period, ${timeUnit}`,
      `damping per ${timeUnit.slice(0, -1)}`,
      "Q",
      unit === "" ? "amplitude at the start" : `amplitude at the start, ${unit}`,
    ],
    rows,
  };
  return {
    title: "The same lines in the frequency domain",
    text: [
      rows.length === 0
        ? "Too near to the ends of the spectrum, or gaps: a line needs nine bins about it."
        : "Each read by itself off nine bins of the spectrum (AR line): a check that knows nothing of the fit above.",
    ],
    tables: [table],
  };
}

function printSummary(
  { steps, notes, residual }: Prepared,
  { noise }: Found,
  asked: readonly Asked[],
  out: (line: string) => void,
): void {
  for (const [i, step] of steps.entries()) out(`${i + 1}. ${step}`);
  for (const note of notes) out(`Note: ${note}`);
  const { headings, rows } = estimateTable(residual, asked);
  out("");
  out(formatTable(headings, rows, { align: headings.map(() => "right") }));
  out("");
  for (const verdict of verdictsOf(residual, asked)) out(verdict);
  out(`Noise left: ${noiseWords(noise, residual.unit)}.`);
}
