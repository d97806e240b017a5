/** @file TAI − UTC: what stands between the clocks of observers and the time of tables. */

/** Modified Julian date from which on TAI − UTC is so many seconds (IERS Bulletin C). */
const STEPS: readonly (readonly [mjd: number, seconds: number])[] = [
  [41_317, 10],
  [41_499, 11],
  [41_683, 12],
  [42_048, 13],
  [42_413, 14],
  [42_778, 15],
  [43_144, 16],
  [43_509, 17],
  [43_874, 18],
  [44_239, 19],
  [44_786, 20],
  [45_151, 21],
  [45_516, 22],
  [46_247, 23],
  [47_161, 24],
  [47_892, 25],
  [48_257, 26],
  [48_804, 27],
  [49_169, 28],
  [49_534, 29],
  [50_083, 30],
  [50_630, 31],
  [51_179, 32],
  [53_736, 33],
  [54_832, 34],
  [56_109, 35],
  [57_204, 36],
  [57_754, 37],
];

/**
 * TAI − UTC in seconds. Before 1972 UTC ran at a rate of its own; the line of 1968–1972 is carried back, which
 * is off by 1.4 s in 1962, enough for what changes over days.
 *
 * @param mjd - modified Julian date, UTC
 */
export function leapSeconds(mjd: number): number {
  if (mjd < 41_317) return 4.21317 + (mjd - 39_126) * 0.002592;
  return STEPS.findLast(([from]) => from <= mjd)?.[1] ?? 10;
}
