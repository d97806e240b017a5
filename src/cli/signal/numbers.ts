/** @file Lists of numbers on the command line: `5.9,8.5`, ranges `2..20`, pairs `1.2:5`. */

import { UsageError } from "../../core/errors.ts";

/** Which option a text was given to, for errors. */
export interface Asked {
  readonly command: string;
  readonly option: string;
}

export function wrongList({ command, option }: Asked, text: string, expected: string): UsageError {
  return new UsageError("USAGE-01", `${command}: ${option} cannot be "${text}".`, [
    ["expected", expected],
  ]);
}

/** @throws UsageError for what is no number */
export function parseNumber(text: string, asked: Asked, whole: string, expected: string): number {
  const trimmed = text.trim();
  const value = Number(trimmed);
  if (trimmed === "" || !Number.isFinite(value)) throw wrongList(asked, whole, expected);
  return value;
}

/** @throws UsageError for what is no list of numbers */
export function parseFloats(text: string, asked: Asked, expected: string): number[] {
  return text.split(",").map((part) => parseNumber(part, asked, text, expected));
}

const PERIODS = "periods such as 5.9,8.5, or a range such as 2..20, in time units";

/**
 * Periods one by one and in ranges, which get `count` values evenly spaced by their logarithm.
 *
 * @throws UsageError for what is no list, for 0, and for a range from one sign to the other
 */
export function parsePeriods(text: string, count: number, asked: Asked): number[] {
  return text.split(",").flatMap((part) => {
    const ends = part.split("..");
    const [first = 0, last = first] = ends.map((end) => parseNumber(end, asked, text, PERIODS));
    if (ends.length > 2 || first * last <= 0) throw wrongList(asked, text, PERIODS);
    return ends.length === 1 ? [first] : logSpaced(first, last, count);
  });
}

/** From the first to the last, both of one sign, by equal factors. */
export function logSpaced(first: number, last: number, count: number): number[] {
  if (count < 2 || first === last) return [first];
  return Array.from({ length: count }, (_, k) =>
    k === count - 1 ? last : first * (last / first) ** (k / (count - 1)),
  );
}

/** `period:knots` pairs. @throws UsageError for what is none */
export function parsePairs(text: string, asked: Asked, expected: string): [number, number][] {
  return text.split(",").map((part) => {
    const [first, second, ...more] = part.split(":");
    if (first === undefined || second === undefined || more.length > 0)
      throw wrongList(asked, text, expected);
    return [parseNumber(first, asked, text, expected), parseNumber(second, asked, text, expected)];
  });
}
