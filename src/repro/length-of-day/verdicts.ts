/** @file What the abstract claims, beside what was found here, each with the power of the test. */

import type { Method } from "../../signal/restore.ts";
import type { ModeResult } from "./free-oscillations.ts";
import type { LineFinding, RealRecord } from "./real-record.ts";
import { LINES, type SimulatedResult } from "./simulated.ts";

export type Answer =
  | "holds"
  | "holds in part"
  | "not contradicted"
  | "contradicted"
  | "not significant";

export interface Verdict {
  readonly claim: string;
  readonly answer: Answer;
  /** Numbers that decided, and what could have been seen at all. */
  readonly because: string;
}

const NOISE_NAMES = { none: "no noise", white: "white noise", red: "red noise" } as const;

/** The four methods that the paper compares; the others are ours. */
const COMPARED: readonly Method[] = ["ntft", "bepme", "fit", "ssa"];
const SURE = 0.05;

export interface Evidence {
  readonly simulated: readonly SimulatedResult[];
  readonly modes: readonly ModeResult[];
  /** The whole record, and shorter spans of it. */
  readonly records: readonly RealRecord[];
  /** Behind every standard deviation of these. */
  readonly draws: number;
}

/** Of fewer draws than this a standard deviation can be half of what it is. */
const ENOUGH_DRAWS = 40;

export function verdictsOf({ simulated, modes, records, draws }: Evidence): Verdict[] {
  const whole = records[0];
  return [
    bestAtEnds(simulated),
    ...(modes.length === 0 ? [] : [freeOscillations(modes)]),
    ...(whole === undefined
      ? []
      : [
          ...whole.lines.map((line) => isThere(line, whole)),
          damping(records, draws),
          ...whole.lines.map(phaseConsistency),
          prograde(whole),
        ]),
  ];
}

function bestAtEnds(simulated: readonly SimulatedResult[]): Verdict {
  const situations = new Map<string, SimulatedResult[]>();
  for (const each of simulated) {
    if (!COMPARED.includes(each.method)) continue;
    const key = `${each.line} in case ${each.case}, ${NOISE_NAMES[each.noise]}`;
    situations.set(key, [...(situations.get(key) ?? []), each]);
  }
  const best = [...situations].map(
    ([name, all]) =>
      [name, all.reduce((a, b) => (b.errors.ends < a.errors.ends ? b : a)).method] as const,
  );
  const won = best.filter(([, method]) => method === "fit").map(([name]) => name);
  const lost = best.filter(([, method]) => method !== "fit");
  const paper = LINES.every((line) =>
    best.every(
      ([name, method]) => name !== `${line} in case A, ${NOISE_NAMES.white}` || method === "fit",
    ),
  );
  const answer = lost.length === 0 ? "holds" : paper ? "holds in part" : ("contradicted" as const);
  return {
    claim:
      "NTFT with curve fitting restores best at the ends, before NTFT, NTFT with BEPME and SSA",
    answer,
    because:
      `least rms error in the first and last 10 years in ${won.length} of ${best.length} situations` +
      (lost.length === 0
        ? ""
        : `; elsewhere ${lost.map(([name, method]) => `${method} is best (${name})`).join(", ")}`),
  };
}

function freeOscillations(modes: readonly ModeResult[]): Verdict {
  const near = modes.every(
    ({ fit, published }) =>
      Math.abs(fit.milliHertz.median - published.milliHertz) < 3 * fit.milliHertz.sd &&
      Math.abs(fit.quality.median / published.quality - 1) < 0.02,
  );
  return {
    claim: "the scheme recovers the free oscillations 0S0 and 1S0",
    answer: near ? "holds" : "contradicted",
    because: modes
      .map(
        ({ name, fit, draws }) =>
          `${name}: ${fit.milliHertz.median.toFixed(7)} ± ${fit.milliHertz.sd.toExponential(1)} mHz, Q ${fit.quality.median.toFixed(0)} ± ${fit.quality.sd.toFixed(0)} (${draws} draws of a synthetic record)`,
      )
      .join("; "),
  };
}

function isThere(line: LineFinding, { excitationRemoved }: RealRecord): Verdict {
  const { name, periodYears, amplitudeMs, p, pAnywhere } = line;
  return {
    claim: `${name}: an oscillation of ${name === "SYO" ? "about 5.9" : "about 8.5"} years is in the length of day`,
    answer: pAnywhere < SURE ? "holds" : p < SURE ? "holds in part" : "not significant",
    because:
      `${show(periodYears.value, 2)} ± ${show(periodYears.sd, 2)} years, ${show(amplitudeMs.value, 3)} ± ${show(amplitudeMs.sd, 3)} ms; ` +
      `p = ${show(p, 3)} at this period, ${show(pAnywhere, 3)} anywhere` +
      (excitationRemoved ? "" : "; atmosphere and ocean are not removed, which hides part of it"),
  };
}

function damping(records: readonly RealRecord[], draws: number): Verdict {
  const all = records.flatMap(({ lines, years }) => lines.map((line) => ({ line, years })));
  const seen = all.filter(
    ({ line }) => Math.abs(line.dampingPerYear.value) > 2 * line.dampingPerYear.sd,
  );
  const whole = records[0]?.lines ?? [];
  // What stands out in one span and not in another is no stable trend.
  const stable =
    draws >= ENOUGH_DRAWS &&
    LINES.some((name) => seen.filter(({ line }) => line.name === name).length === records.length);
  return {
    claim: "neither oscillation shows a stable damping trend since 1962",
    answer: stable ? "contradicted" : "not contradicted",
    because:
      all
        .map(
          ({ line: { name, dampingPerYear }, years }) =>
            `${name} to ${years[1].toFixed(0)}: ${show(dampingPerYear.value, 3)} ± ${show(dampingPerYear.sd, 3)} per year`,
        )
        .join("; ") +
      ". Power: only " +
      whole
        .map(
          ({ name, detectableDampingPerYear, detectableQuality }) =>
            `${show(detectableDampingPerYear, 3)} per year (Q below ${detectableQuality.toFixed(0)}) of ${name}`,
        )
        .join(" and ") +
      " would have been seen in four of five such records, so the high Q that others publish is not tested",
  };
}

function phaseConsistency(line: LineFinding): Verdict {
  const { x, y } = line.lodPolarMotionCorrelation;
  const told = (["x", "y"] as const).map((axis) => {
    const { coherence, phase, p, derivativePhase } = line.lodPolarMotionCorrelation[axis];
    return `with ${axis}: coherence ${show(coherence, 2)}, phase ${degrees(phase)}° (of dΔLOD/dt ${degrees(derivativePhase)}°), p = ${show(p, 2)}`;
  });
  const sure = [x, y].filter(({ p }) => p < SURE).length;
  return {
    claim: `${line.name} keeps step between length of day and polar motion`,
    answer: sure === 2 ? "holds" : sure === 1 ? "holds in part" : "not contradicted",
    because: `${told.join("; ")}; but the ridges hold only ${show(x.independent, 1)} values that are independent, so that high coherence comes easily by chance`,
  };
}

function prograde({ lines }: RealRecord): Verdict {
  const { prograde = 0, retrograde = 0 } =
    lines.find(({ name }) => name === "EYO")?.polarMotionMas ?? {};
  return {
    claim: "EYO in polar motion is prograde, as a wobble of the inner core would be",
    answer: prograde > 1.5 * retrograde ? "holds" : "not significant",
    because: `${show(prograde, 2)} mas prograde against ${show(retrograde, 2)} mas retrograde`,
  };
}

function show(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : String(value);
}

function degrees(angle: number): string {
  return ((angle * 180) / Math.PI).toFixed(0);
}
