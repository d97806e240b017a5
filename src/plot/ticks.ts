/** @file Axis ticks at numbers people like, and how those numbers are written. */

import { formatCount } from "../core/text.ts";

/** Lowest and highest value of an axis. */
export type Range = readonly [low: number, high: number];

/**
 * Multiples of 1, 2 or 5 times a power of ten within the range.
 *
 * @param about - how many ticks are wanted; the result has up to half as many more
 */
export function niceTicks([low, high]: Range, about: number): number[] {
  const rough = (high - low) / Math.max(1, about);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10) * power;
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  // Multiplied, not added up, so that 0.3 stays 0.3; rounded for what is left of that.
  return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** From here on powers of ten, with their 2 and 5, are enough numbers for an axis. */
const WIDE = 20;

/** Ticks of a logarithmic axis: powers of ten within the range, with 2 and 5 times them when there are few; even steps in a narrow range, which would have only one or two of those. */
export function logTicks([low, high]: Range): number[] {
  if (high / low < WIDE) return niceTicks([low, high], 6);
  const first = Math.floor(Math.log10(low));
  const last = Math.ceil(Math.log10(high));
  const every = Math.max(1, Math.ceil((last - first) / 6));
  const factors = last - first <= 3 ? [1, 2, 5] : [1];
  const ticks: number[] = [];
  for (let power = first; power <= last; power += every) {
    // Divided for negative powers: 5 / 10 is 0.5, while 5 * 10 ** -1 can be off in the last digit.
    for (const factor of factors) {
      ticks.push(power < 0 ? factor / 10 ** -power : factor * 10 ** power);
    }
  }
  return ticks.filter((tick) => tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9));
}

/** The range of finite values with some air; a single value gets a range around it. */
export function paddedRange(values: readonly number[], air: number): Range {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return [0, 1];
  const size = Math.max(Math.abs(low), Math.abs(high));
  if (size < 1e-300) return [0, 1];
  // Rounding noise is no range; ticks would differ only in digits that nobody can read.
  if (high - low < 1e-9 * size) return [low - size / 2, high + size / 2];
  const pad = (high - low) * air;
  // Air must not open a negative part on an axis of counts or rates.
  return [low >= 0 ? Math.max(0, low - pad) : low - pad, high + pad];
}

/** `2000` → `2K`, `0.0003` → `3e-4`. */
export function formatTick(value: number): string {
  const size = Math.abs(value);
  if (size >= 1000) return formatCount(value);
  if (size !== 0 && size < 1e-3) return value.toExponential().replace("e+", "e");
  return String(Number(value.toPrecision(6)));
}

/** A measured value in four digits: `2.138`, `3.1e-5`, `12.4K`. */
export function formatValue(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const rounded = Number(value.toPrecision(4));
  return formatTick(rounded);
}
