/** @file `repro length-of-day`: simulated tests, free oscillations, the observed record, and what they say of the claims. */

import type { TimeRecord } from "../../signal/records/record.ts";
import { seriesOf } from "../../signal/records/series-of.ts";
import type { Method } from "../../signal/restore.ts";
import {
  freeOscillations,
  MODES,
  type ModeFound,
  type ModeResult,
  readMode,
} from "./free-oscillations.ts";
import { type LineFinding, type RealRecord, realRecord } from "./real-record.ts";
import { LINES, type Line, type SimulatedResult, simulatedTests } from "./simulated.ts";
import { type Verdict, verdictsOf } from "./verdicts.ts";

export interface LengthOfDayOptions {
  /** With LOD, x and y; without one, the observed record is left out. */
  readonly record: TimeRecord | undefined;
  /** Angular momenta to take off it. */
  readonly excitation: readonly TimeRecord[];
  /** A gravimeter's record after a great earthquake, to read 0S0 and 1S0 from, too. */
  readonly gravity: TimeRecord | undefined;
  /** Of noise in the simulated tests and the Monte Carlos; a quarter of it, and eight at least, for the free oscillations. */
  readonly draws: number;
  readonly seed: number;
  /** Radians. */
  readonly sigma: number;
  /** Told where it stands. */
  onProgress(what: string, done: number, total: number): void;
}

export interface LengthOfDayResult {
  readonly seed: number;
  readonly draws: number;
  readonly sigma: number;
  readonly source: { readonly file: string; readonly sha256: string | undefined } | undefined;
  readonly simulated: readonly SimulatedResult[];
  /** Rms errors in µs in the first and last 10 years of case A with white noise, by line and method. */
  readonly endErrors: Readonly<Record<Line, Readonly<Record<Method, number>>>>;
  readonly modes: readonly ModeResult[];
  /** 0S0 and 1S0 in the record that was given. */
  readonly observedModes: readonly ModeFound[];
  /** The whole record, and it to 2020. */
  readonly records: readonly RealRecord[];
  readonly verdicts: readonly Verdict[];
}

/** Of fewer draws than this a spread says nothing. */
const LEAST = 8;
/** Where the record that the published studies had ends. */
const UNTIL = 2020;

/** @throws DataError, SignalError for records that cannot be used */
export function reproduceLengthOfDay(options: LengthOfDayOptions): LengthOfDayResult {
  const { record, excitation, gravity, draws, seed, sigma, onProgress } = options;
  const told = (what: string) => ({
    onProgress: (done: number, total: number) => onProgress(what, done, total),
  });
  const simulated = simulatedTests({ draws, seed, sigma, ...told("simulated records") });
  const modes = freeOscillations({
    ...{ draws: Math.max(LEAST, Math.ceil(draws / 4)), seed, ...told("free oscillations") },
  });
  const spans = record === undefined ? [] : [{}, { until: UNTIL }];
  const records = spans.map((span) => {
    const name = "until" in span ? `record to ${span.until}` : "whole record";
    return realRecord(record as TimeRecord, {
      ...{ ...span, draws, seed, sigma, excitation },
      onProgress: (what, done, total) => onProgress(`${name}: ${what}`, done, total),
    });
  });
  return {
    ...{ seed, draws, sigma, simulated, modes, records },
    source: record && { file: record.source, sha256: record.sha256 },
    endErrors: endErrorsOf(simulated),
    observedModes: gravity === undefined ? [] : observed(gravity),
    verdicts: verdictsOf({ simulated, modes, records, draws }),
  };
}

function endErrorsOf(simulated: readonly SimulatedResult[]): LengthOfDayResult["endErrors"] {
  const of = (line: Line) =>
    Object.fromEntries(
      simulated
        .filter((each) => each.case === "A" && each.noise === "white" && each.line === line)
        .map(({ method, errors }) => [method, errors.ends]),
    ) as Record<Method, number>;
  return { SYO: of("SYO"), EYO: of("EYO") };
}

function observed(gravity: TimeRecord): ModeFound[] {
  const series = seriesOf(gravity, "gravity", { timeUnit: "seconds" });
  return MODES.map((mode) => readMode(series, mode));
}

/** What `--json` prints: numbers without the series of the plots. */
export function summaryOf(result: LengthOfDayResult): object {
  const { records, observedModes, ...rest } = result;
  const line = (name: Line): LineFinding | undefined =>
    records[0]?.lines.find((each) => each.name === name);
  return {
    ...rest,
    ...Object.fromEntries(LINES.map((name) => [name, line(name) ?? null])),
    records: records.map(({ drawn: _, ...facts }) => facts),
    observedModes: observedModes.map(({ restoration: { line: found }, line: ar }, at) => ({
      name: MODES[at]?.name,
      fit: found && { milliHertz: 1000 * found.frequency.value, quality: found.quality.value },
      ar: { milliHertz: 1000 * ar.frequency, quality: ar.quality },
    })),
  };
}
