/** @file A model of stochastic oscillators for a record of which little is known: from its own spread and noise. */

import { analytic, type CombinedOptions, cutOf } from "./combined.ts";
import { type DetrendOptions, detrend } from "./detrend.ts";
import { fitRedNoise } from "./noise.ts";
import type { Oscillator, OscillatorModel } from "./oscillators.ts";
import { type Series, spanOf } from "./series.ts";

export interface OscillatorModelOptions extends CombinedOptions {
  readonly periods: readonly number[];
  readonly detrend?: DetrendOptions;
}

/** A line keeps its phase for so many of its periods: 90 years at 5.9, 130 at 8.5. */
const MEMORY = 15;
/** White share of the noise's sd: enough for a covariance that can be factored. */
const WHITE = 0.1;

/**
 * Lines at the wanted periods and at `fit.beside`, each as large as the transform shows it in the middle of the
 * record, of memory 15 periods; a smooth trend no faster than the longest line, of the sd of the record; a straight
 * line and the seasons of `detrend` with wide priors; the noise AR(1), of the sd and φ that remain of the detrended
 * record without a running mean over the longest line.
 *
 * Better: a model told by someone who knows the record. Lines that are there and not told go into their neighbours.
 */
export function oscillatorModel(series: Series, options: OscillatorModelOptions): OscillatorModel {
  const trend: DetrendOptions = options.detrend ?? { legendre: 1 };
  const { residual } = detrend(series, trend);
  const longest = Math.max(...options.periods.map(Math.abs));
  const noise = fitRedNoise(residual, { without: Math.min(1.2 * longest, spanOf(series) / 2) });
  const spread = spreadOf(series);
  const wanted = [...options.periods, ...(options.fit?.beside ?? [])];
  const phi = Math.max(0, Math.min(0.999, noise.phi));
  return {
    lines: wanted.map((period): Oscillator => {
      const amplitude = middleAmplitude(residual, period, options);
      return { period, amplitude: amplitude || noise.sd || 1, memory: MEMORY * period };
    }),
    trend: { sd: spread, scale: longest },
    polynomial: { degree: 1, sd: 3 * spread },
    ...(trend.harmonics !== undefined && {
      harmonics: { periods: trend.harmonics, sd: 3 * spread },
    }),
    red: { sd: noise.sd, phi },
    white: (noise.sd || spread || 1) * WHITE,
  };
}

/** Rms of |s| between the cuts; of a record with gaps the noise's sd has to do. */
function middleAmplitude(series: Series, period: number, options: CombinedOptions): number {
  if (series.observed?.includes(0)) return 0;
  const { re, im } = analytic(series, period, options);
  const first = Math.ceil(cutOf(series, period, options) / series.step);
  let [sum, count] = [0, 0];
  for (let n = first; n < re.length - first; n++) {
    sum += (re[n] ?? 0) ** 2 + (im[n] ?? 0) ** 2;
    count++;
  }
  return Math.sqrt(sum / count);
}

function spreadOf({ re, observed }: Series): number {
  const seen = re.filter((_, n) => observed?.[n] !== 0);
  const mean = seen.reduce((sum, x) => sum + x, 0) / seen.length;
  return Math.sqrt(seen.reduce((sum, x) => sum + (x - mean) ** 2, 0) / seen.length);
}
