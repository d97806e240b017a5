/** @file What a record could have shown at all: verdicts on damping and amplitude with their power. */

import type { Estimate } from "../fit/damped-lines.ts";
import type { TimeUnit } from "../series.ts";

export interface Power {
  /** Damping is more than two standard deviations from 0. */
  readonly damped: "decays" | "grows" | "neither";
  /** The least damping that would have shown at two standard deviations, per time unit. */
  readonly leastDamping: number;
  /** Its quality factor, π/(αP): a larger one cannot be told from none. */
  readonly mostQuality: number;
  /** The least amplitude that stands out at two standard deviations, in the unit of the series. */
  readonly leastAmplitude: number;
  readonly amplitudeShows: boolean;
}

/** What an estimate is worth. */
export interface Judged {
  readonly period: Estimate;
  readonly damping: Estimate;
  readonly amplitude: Estimate;
}

/** Standard deviations that count as shown. */
const SHOWN = 2;

export function powerOf({ period, damping, amplitude }: Judged): Power {
  const leastDamping = SHOWN * damping.sd;
  const shown = Math.abs(damping.value) > leastDamping && damping.sd > 0;
  return {
    damped: shown ? (damping.value > 0 ? "decays" : "grows") : "neither",
    leastDamping,
    mostQuality: Math.PI / (leastDamping * Math.abs(period.value)),
    leastAmplitude: SHOWN * amplitude.sd,
    amplitudeShows: amplitude.value > SHOWN * amplitude.sd,
  };
}

/** The same in a sentence or two, for one line. */
export function powerWords(judged: Judged, unit: string, timeUnit: TimeUnit): string {
  const power = powerOf(judged);
  const { period, damping, amplitude } = judged;
  const one = timeUnit.slice(0, -1);
  const sense = period.value < 0 ? "retrograde " : "";
  const name = `${sense}${digits(Math.abs(period.value))} ${timeUnit}`;
  if (!(damping.sd > 0))
    return `${name}: the damping was held at ${digits(damping.value)} per ${one}, so nothing is said of it.${amplitudeWords(power, amplitude, unit)}`;
  const verdict = {
    decays: `decays by ${digits(damping.value)} per ${one}, more than two standard deviations`,
    grows: `grows by ${digits(-damping.value)} per ${one}, more than two standard deviations`,
    neither: `shows neither decay nor growth at two standard deviations`,
  }[power.damped];
  return (
    `${name}: ${verdict}. This record could have shown a damping of ${digits(power.leastDamping)} per ${one} ` +
    `or more, a Q of ${digits(power.mostQuality)} or less; it does not test a weaker one.` +
    amplitudeWords(power, amplitude, unit)
  );
}

function amplitudeWords(power: Power, { value }: Estimate, unit: string): string {
  if (!(power.leastAmplitude > 0)) return "";
  const [own, least] = [
    `${digits(value)} ${unit}`.trim(),
    `${digits(power.leastAmplitude)} ${unit}`.trim(),
  ];
  return power.amplitudeShows
    ? ` Its amplitude of ${own} stands out of the noise, in which two standard deviations are ${least}.`
    : ` Its amplitude of ${own} does not stand out of the noise, in which two standard deviations are ${least}.`;
}

function digits(value: number): string {
  return String(Number(value.toPrecision(3)));
}
