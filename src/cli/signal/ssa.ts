/** @file `signal ssa`: the singular spectrum of a record, its groups, their lines, and what comes next. */

import { fitRedNoise } from "../../signal/noise.ts";
import { spectrumFigures } from "../../signal/report/periods.ts";
import { spanOf } from "../../signal/series.ts";
import { espritLines, forecast } from "../../signal/ssa/forecast.ts";
import { groupByCorrelation, groupByPeriod, wCorrelations } from "../../signal/ssa/grouping.ts";
import { monteCarloSsa } from "../../signal/ssa/monte-carlo.ts";
import { type Decomposition, ssa } from "../../signal/ssa/ssa.ts";
import { type Command, defineCommand } from "../command.ts";
import { drawn, drawsOption } from "./draws.ts";
import { reportOf, settingsOf } from "./head.ts";
import { parseNumber, parsePeriods, wrongList } from "./numbers.ts";
import { prepare } from "./prepare.ts";
import { outOption, RECORD_OPTIONS, RECORD_POSITIONALS } from "./record-options.ts";
import { sourceFacts, writeResults } from "./results.ts";
import { overviewPart } from "./ridges.ts";
import {
  type Found,
  type Group,
  groupFigures,
  groupNumbers,
  printGroups,
  tablesOf,
  triplesPart,
  without,
} from "./triples.ts";
import { shown } from "./words.ts";

const NAME = "signal ssa";
/** Triples whose correlations are looked at: among the weaker ones all hang together. */
const AMONG = 20;

export const command: Command = defineCommand({
  name: NAME,
  summary: "Decompose a record into its singular spectrum, grouped by hand or by itself",
  positionals: RECORD_POSITIONALS,
  options: {
    ...RECORD_OPTIONS,
    window: {
      type: "float",
      default: undefined,
      above: 0,
      help: "length of the window in time units; half the record when left out",
    },
    count: {
      type: "int",
      default: undefined,
      min: 1,
      help: "leading triples to compute; 30, or all there are, when left out",
    },
    variant: {
      type: "choice",
      choices: ["basic", "toeplitz"],
      default: "basic",
      help: "of the trajectory matrix, or of lag covariances that know no place in time",
    },
    group: {
      type: "list",
      default: [],
      valueName: "triples",
      help: "triples to add up, counted from 1: --group 1,2 --group 3-5",
    },
    periods: {
      type: "string",
      default: undefined,
      valueName: "list",
      help: "instead: for each of these periods all triples within 12 % of its frequency",
    },
    correlation: {
      type: "float",
      default: 0.6,
      above: 0,
      max: 1,
      help: "without either: triples that correlate by more than this hang together",
    },
    forecast: {
      type: "float",
      default: undefined,
      above: 0,
      help: "how far to carry each group on behind the record, in time units",
    },
    basis: {
      type: "choice",
      choices: ["data", "noise"],
      default: "data",
      help: "whose vectors are held against red noise: noise is the stricter test",
    },
    surrogates: drawsOption("records of red noise that the triples are held against; 0 for none"),
    out: outOption("signal-ssa"),
  },
  examples: [
    "meshloom signal ssa eopc04.1962-now --prepare length-of-day --periods 5.9,8.5",
    "meshloom signal ssa record.csv --column lod_ms --window 30 --group 1,2 --group 3-5",
  ],

  async run(options, context) {
    if (options.surrogates > 0 && options.surrogates < 20)
      throw wrongList(
        { command: NAME, option: "--surrogates" },
        String(options.surrogates),
        "0, or at least 20",
      );
    const prepared = await prepare(options, NAME);
    const { residual } = prepared;
    const decomposition = ssa(residual, {
      ...(options.window !== undefined && { window: options.window }),
      ...(options.count !== undefined && { count: options.count }),
      variant: options.variant,
    });
    const correlations = wCorrelations(
      decomposition,
      Math.min(AMONG, decomposition.eigenvalues.length),
    );
    const wanted =
      options.periods === undefined
        ? undefined
        : parsePeriods(options.periods, 1, { command: NAME, option: "--periods" });
    const groups = groupsOf(decomposition, correlations, options, wanted);
    const test =
      options.surrogates === 0
        ? undefined
        : drawn(
            context,
            { draws: options.surrogates, seed: options.seed },
            "surrogates",
            (drawing) =>
              monteCarloSsa(decomposition, {
                ...{ draws: drawing.draws, seed: drawing.seed, basis: options.basis },
                onDraw: (done) => drawing.onProgress(done, drawing.draws),
              }),
          );
    const steps =
      options.forecast === undefined
        ? 0
        : Math.max(1, Math.round(options.forecast / residual.step));
    const found = groups.map((group): Found => {
      const component = decomposition.reconstruct(group.triples);
      return {
        ...{ ...group, component },
        lines: group.triples.length === 0 ? [] : espritLines(decomposition, group.triples),
        ...(steps > 0 &&
          group.triples.length > 0 && { ahead: forecast(decomposition, group.triples, steps) }),
      };
    });
    const left = without(
      residual,
      found.map(({ component }) => component),
    );
    const summary = {
      command: NAME,
      ...sourceFacts(prepared),
      settings: settingsOf(options),
      seed: options.seed,
      window: { samples: decomposition.window, length: decomposition.window * residual.step },
      noise: test?.noise ?? null,
      groups: found.map((group) => groupNumbers(group, decomposition)),
    };
    const files = await writeResults(options.out, {
      tables: tablesOf(prepared, decomposition, found, left, test),
      numbers: {
        ...summary,
        singularValues: [...decomposition.singularValues],
        shares: [...decomposition.shares],
        eigenvalues: [...decomposition.eigenvalues],
        correlations: correlations.map((row) => [...row]),
        test: test?.rows ?? null,
      },
      report: reportOf(
        "Singular spectrum",
        prepared,
        options,
        triplesPart(decomposition, found, correlations, test),
        [
          { title: "Groups", figures: groupFigures(residual, found) },
          ...(wanted === undefined ? [] : overviewPart(residual, wanted, {})),
          {
            title: "What is left",
            text: ["The record without trend and without the groups above."],
            figures: spectrumFigures(
              "residual-spectrum",
              "Power of what is left",
              left,
              test?.noise ?? fitRedNoise(left, { without: spanOf(left) / 6 }),
            ),
          },
        ],
      ),
    });
    if (context.json) {
      context.out(JSON.stringify({ ...summary, out: options.out, files }));
      return;
    }
    printGroups(prepared, decomposition, found, test, context.out);
    context.log(`${files.length} files in ${options.out}; look at ${options.out}/report.html`);
  },
});

function groupsOf(
  decomposition: Decomposition,
  correlations: readonly Float64Array[],
  options: { readonly group: readonly string[]; readonly correlation: number },
  wanted: readonly number[] | undefined,
): Group[] {
  const { timeUnit } = decomposition.series;
  if (options.group.length > 0)
    return options.group.map((text) => {
      const triples = triplesOf(text, decomposition.eigenvalues.length);
      return { name: `triples ${text}`, triples };
    });
  if (wanted !== undefined)
    return groupByPeriod(decomposition, wanted).map((triples, i) => ({
      name: `${shown(wanted[i] ?? 0)} ${timeUnit}`,
      triples,
    }));
  return groupByCorrelation(correlations, options.correlation).map((triples) => ({
    name: `triples ${triples.map((k) => k + 1).join(",")}`,
    triples,
  }));
}

const TRIPLES = "triples such as 1,2 or 3-5";

/** `1,2` and `3-5`, counted from 1. */
function triplesOf(text: string, count: number): number[] {
  const asked = { command: NAME, option: "--group" };
  const expected = `${TRIPLES}, from 1 to ${count}`;
  const triples = text.split(",").flatMap((part) => {
    const ends = part.split("-").map((end) => parseNumber(end, asked, text, expected));
    const [first = 0, last = first] = ends;
    const whole = ends.every((end) => Number.isInteger(end) && end >= 1 && end <= count);
    if (!whole || ends.length > 2 || last < first) throw wrongList(asked, text, expected);
    return Array.from({ length: last - first + 1 }, (_, k) => first - 1 + k);
  });
  return [...new Set(triples)].sort((a, b) => a - b);
}
