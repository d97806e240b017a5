/** @file What the zonal tides do to the Earth's rotation, so that it can be taken away. */

import { leapSeconds } from "./leap-seconds.ts";
import { ZONAL_TERMS } from "./zonal-terms.ts";

/** Add these to a tide-free rotation, or subtract them from an observed one. */
export interface ZonalTide {
  /** Of the length of day, in ms. */
  readonly lod: number;
  /** Of UT1 − UTC, in s. */
  readonly ut1: number;
  /** Of the Earth's rate of rotation, in rad/s. */
  readonly omega: number;
}

/** Rotations of the Earth: rad/s (IERS Conventions 2010, table 1.1). */
const OMEGA = 7.292115e-5;
const TURN = 2 * Math.PI;
const ARCSECOND = TURN / 1_296_000;

/**
 * The five arguments of nutation of IERS 2003, in arcseconds, as polynomials in T: the anomalies l of the Moon
 * and l' of the Sun, F = L − Ω, the elongation D of the Moon, and the node Ω of its orbit.
 */
const ARGUMENTS = [
  [485868.249036, 1717915923.2178, 31.8792, 0.051635, -0.0002447],
  [1287104.793048, 129596581.0481, -0.5532, 0.000136, -0.00001149],
  [335779.526232, 1739527262.8478, -12.7512, -0.001037, 0.00000417],
  [1072260.703692, 1602961601.209, -6.3706, 0.006593, -0.00003169],
  [450160.398036, -6962890.5431, 7.4722, 0.007702, -0.00005939],
] as const;

/** The terms in one row: nine numbers each. */
const TERMS = Float64Array.from(ZONAL_TERMS.flat());

/** The tide at a time of UTC: a modified Julian date. */
export function zonalTide(mjd: number): ZonalTide {
  const tt = mjd + (leapSeconds(mjd) + 32.184) / 86_400;
  return zonalTideAt((tt - 51_544.5) / 36_525);
}

/** The tide at T, centuries of terrestrial time since 2000-01-01 12 h. */
export function zonalTideAt(T: number): ZonalTide {
  const angles = ARGUMENTS.map(
    // Reduced to one turn before it becomes an angle: T³ and T⁴ keep all their digits.
    ([a, b, c, d, e]) => ((a + T * (b + T * (c + T * (d + T * e)))) % 1_296_000) * ARCSECOND,
  );
  const [l = 0, lp = 0, F = 0, D = 0, Om = 0] = angles;
  let [lod, ut1] = [0, 0];
  for (let k = 0; k < TERMS.length; k += 9) {
    const at = (n: number): number => TERMS[k + n] ?? 0;
    const a = (at(0) * l + at(1) * lp + at(2) * F + at(3) * D + at(4) * Om) % TURN;
    const [cos, sin] = [Math.cos(a), Math.sin(a)];
    lod += at(7) * cos + at(8) * sin;
    ut1 += at(5) * sin + at(6) * cos;
  }
  // 1e-5 s = 1e-2 ms. ω = 2π/(day + lod): δω = −ω lod/86,400 s.
  return { lod: lod * 1e-2, ut1: ut1 * 1e-4, omega: (-OMEGA * lod * 1e-5) / 86_400 };
}

/** The tides of the length of day at many times (modified Julian dates, UTC), in ms. */
export function zonalTides(mjd: Float64Array): Float64Array {
  return mjd.map((each) => zonalTide(each).lod);
}
