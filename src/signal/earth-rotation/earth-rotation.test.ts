import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import { dataFolder } from "../../data/corpora/named.ts";
import { leapSeconds } from "../leap-seconds.ts";
import { fitRedNoise } from "../noise.ts";
import { openRecord } from "../records/open.ts";
import { parseRecord } from "../records/parse.ts";
import { columnOf, mjdOf, type TimeRecord } from "../records/record.ts";
import { seriesOf } from "../records/series-of.ts";
import { type Series, timesOf } from "../series.ts";
import { zonalTides } from "../tides.ts";
import { ZONAL_TERMS } from "../zonal-terms.ts";
import {
  excitationOfPole,
  isExcitation,
  lengthOfDayExcitation,
  poleExcitation,
} from "./excitation.ts";
import { lengthOfDay, polarMotion } from "./preprocessing.ts";

const rms = (values: ArrayLike<number>): number =>
  Math.sqrt(Array.from(values).reduce((sum, x) => sum + x * x, 0) / values.length);
const farthest = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((most, x, n) => Math.max(most, Math.abs(x - (b[n] ?? Number.NaN))), 0);

describe("excitation", () => {
  const rows = Array.from({ length: 800 }, (_, day) => {
    const mjd = mjdOf(2005, 1, 1) + day;
    const date = new Date((mjd - 40_587) * 86_400_000)
      .toISOString()
      .slice(0, 10)
      .replaceAll("-", " ");
    const values = [1e-8, 2e-8, 3e-9, -4e-9, 5e-9, 7e-9].map((x) => x.toExponential(15));
    return `${date} 00 ${mjd.toFixed(3)} ${values.join(" ")}`;
  });
  const record = parseRecord(`Effective angular momentum\n\n${rows.join("\n")}`, "AAM");

  test("of the length of day is 86,400 s of the axial momentum, of the pole its two other parts", () => {
    expect(isExcitation(record)).toBe(true);
    const lod = lengthOfDayExcitation(record);
    expect(lod.unit).toBe("ms");
    expect(lod.re[3]).toBeCloseTo(86_400_000 * 1e-8, 12);
    const { re, im, unit } = poleExcitation(record);
    expect(unit).toBe("mas");
    expect(re[3]).toBeCloseTo(206_264_806.247 * 6e-9, 9);
    expect(im?.[3]).toBeCloseTo(206_264_806.247 * 2.5e-8, 9);
  });

  test("of a pole that turns is the transfer at its frequency, also at the ends", () => {
    const day = Array.from({ length: 400 }, (_, n) => n);
    const chi = (period: number): number => {
      const omega = (2 * Math.PI) / period;
      const pole: Series = {
        ...{ name: "p", unit: "mas", timeUnit: "days", start: 0, step: 1 },
        re: Float64Array.from(day, (n) => 100 * Math.cos(omega * n)),
        im: Float64Array.from(day, (n) => 100 * Math.sin(omega * n)),
      };
      const { re, im } = excitationOfPole(pole, { chandlerPeriod: 433, quality: 1e9 });
      // χ = p (1 − ω/σ): real for no damping.
      const factor = 1 - 433 / period;
      expect(
        farthest(
          re,
          pole.re.map((x) => factor * x),
        ),
      ).toBeLessThan(0.02 * Math.abs(100 / period));
      expect(
        farthest(
          im ?? [],
          (pole.im ?? []).map((y) => factor * y),
        ),
      ).toBeLessThan(0.02 * Math.abs(100 / period));
      return factor;
    };
    expect(chi(-365.25)).toBeCloseTo(2.1855, 4);
    expect(chi(433)).toBe(0);
    expect(chi(3000)).toBeGreaterThan(0.85);
  });

  test("of a pole in years is that of days", () => {
    const days: Series = {
      ...{ name: "p", unit: "mas", timeUnit: "days", start: 0, step: 1 },
      re: Float64Array.from({ length: 50 }, (_, n) => Math.sin(n / 9)),
      im: Float64Array.from({ length: 50 }, (_, n) => Math.cos(n / 7)),
    };
    const years: Series = { ...days, timeUnit: "years", step: 1 / 365.25 };
    expect(farthest(excitationOfPole(years).re, excitationOfPole(days).re)).toBeLessThan(1e-9);
  });

  test("needs a complex series of five samples", () => {
    const short: Series = {
      ...{ name: "p", unit: "mas", timeUnit: "days", start: 0, step: 1 },
      re: new Float64Array(4),
    };
    expect(() => excitationOfPole(short)).toThrow("the series is real");
    expect(() => excitationOfPole({ ...short, im: short.re })).toThrow("4 samples");
  });

  test("is taken from the months that it covers", () => {
    const days = Array.from({ length: 4000 }, (_, n) => {
      const mjd = mjdOf(2000, 1, 1) + n;
      return `${mjd},${0.001 + 1e-5 * Math.sin(n)}`;
    });
    const lod = parseRecord(`mjd,lod_s\n${days.join("\n")}`, "LOD");
    const [whole, less] = [
      lengthOfDay(lod, { trend: {} }),
      lengthOfDay(lod, { trend: {}, excitation: [record] }),
    ];
    // 800 days hold 25 whole twelfths of a year at least.
    expect(less.means.re.length).toBeGreaterThanOrEqual(25);
    expect(less.means.re.length).toBeLessThanOrEqual(27);
    const shift = Math.round((less.means.start - whole.means.start) * 12);
    expect(less.means.start).toBeGreaterThan(2004.9);
    expect(less.means.re[5]).toBeCloseTo((whole.means.re[shift + 5] ?? 0) - 0.864, 9);
    const old = parseRecord("mjd,lod_s\n37665,0.001\n37666,0.001\n", "OLD");
    expect(() => lengthOfDay(old, { minimumDays: 1, excitation: [record] })).toThrow(
      "no month in common",
    );
  });
});

const iers = join(dataFolder(), "iers");
const here = existsSync(join(iers, "c04-daily.csv.gz"));

describe.skipIf(!here)(
  `with the record of the IERS (${here ? "" : "NOT HERE: set MESHLOOM_DATA"})`,
  () => {
    let c04: TimeRecord;
    let text: string;
    beforeAll(async () => {
      c04 = await openRecord(join(iers, "eopc04.1962-now.gz"));
      text = gunzipSync(readFileSync(join(iers, "eopc04.1962-now.gz"))).toString();
    });

    test("it is daily, without gaps, and says where it came from", () => {
      expect(c04.format).toBe("IERS EOP 20 C04");
      expect(c04.mjd).toHaveLength(23_648);
      expect([c04.mjd[0], c04.mjd.at(-1)]).toEqual([37_665, 61_312]);
      expect(c04.gaps).toEqual([]);
      expect(c04.sha256).toBe("42c9387ca3f7ad59dedf29befa154a2f4cc11d3c9f1036751fe1c48923bfac32");
    });

    test("the same rows read from 14 C04, 20 C04 and CSV give the same result", async () => {
      // format 3(I4),I7,2(F11.6),2(F12.7),2(F11.6),2(F11.6),2(F11.7),2(F12.6)
      const fourteen = text
        .split("\n")
        .filter((row) => /^\d/.test(row))
        .map((row) => {
          const f = row.trim().split(/\s+/);
          const at = (k: number, width: number, digits: number) =>
            Number(f[k]).toFixed(digits).padStart(width);
          return [
            ...[0, 1, 2].map((k) => (f[k] ?? "").padStart(4)),
            String(Number(f[4])).padStart(7),
            ...[
              at(5, 11, 6),
              at(6, 11, 6),
              at(7, 12, 7),
              at(12, 12, 7),
              at(8, 11, 6),
              at(9, 11, 6),
            ],
            ...[
              at(13, 11, 6),
              at(14, 11, 6),
              at(15, 11, 7),
              at(20, 11, 7),
              at(16, 12, 6),
              at(17, 12, 6),
            ],
          ].join("");
        });
      const old = parseRecord(
        `  EOP (IERS) 14 C04 TIME SERIES\n${fourteen.join("\n")}\n`,
        "14 C04",
      );
      expect(old.format).toBe("IERS EOP 14 C04");
      const csv = await openRecord(join(iers, "c04-daily.csv.gz"));
      const ours = lengthOfDay(c04).residual;
      for (const other of [old, csv]) {
        expect(other.mjd).toHaveLength(23_648);
        for (const column of ["LOD", "x", "y", "UT1-UTC", "LOD error"]) {
          const [a, b] = [columnOf(other, column), columnOf(c04, column)];
          expect([column, a.unit, farthest(a.values, b.values)]).toEqual([column, b.unit, 0]);
        }
        const [{ re, ...facts }, series] = [seriesOf(other, "LOD"), seriesOf(c04, "LOD")];
        expect({ ...facts, re: farthest(re, series.re) }).toEqual({ ...series, re: 0 });
        expect(farthest(lengthOfDay(other).residual.re, ours.re)).toBe(0);
      }
    });

    test("the length of day: 777 months, tides of 0.358 ms, a residual of red noise", () => {
      expect(rms(zonalTides(c04.mjd))).toBeCloseTo(0.358, 3);
      const { means, residual } = lengthOfDay(c04);
      expect(means.re).toHaveLength(777);
      expect(means.observed).toBeUndefined();
      expect(means.start).toBeCloseTo(1962 + 0.5 / 12, 12);
      expect(timesOf(means).at(-1)).toBeCloseTo(1962 + 776.5 / 12, 9);
      // 0.249 ms and 0.765 once the decade lines are fitted and taken away, which is not done here.
      const { sd, phi } = fitRedNoise(residual, { without: 10 });
      expect(sd).toBeGreaterThan(0.249);
      expect(sd).toBeLessThan(0.3);
      expect(phi).toBeGreaterThan(0.765);
      expect(phi).toBeLessThan(0.84);
      // Without tides away, the half-month ones fold into the months.
      const raw = lengthOfDay(c04, { zonalTides: false });
      expect(rms(raw.residual.re)).toBeGreaterThan(rms(residual.re));
      expect(lengthOfDay(c04, { until: 2020 }).means.re).toHaveLength(696);
    });

    test("polar motion: 180 mas before, 19 after the wobble and the seasons", () => {
      const { means, residual } = polarMotion(c04);
      const mean = (part: Float64Array) => part.reduce((sum, x) => sum + x, 0) / part.length;
      const size = ({ re, im = re }: Series) =>
        Math.hypot(rms(re.map((x) => x - mean(re))), rms(im.map((y) => y - mean(im))));
      expect(means.re).toHaveLength(777);
      expect(size(means)).toBeCloseTo(180, 0);
      // The knots' places are free within a step.
      expect(Math.abs(size(residual) - 19)).toBeLessThan(1);
    });

    test("finals2000A has the same days from 1973 on, to their errors", async () => {
      const finals = await openRecord(join(iers, "finals2000A.all.gz"));
      expect(finals.format).toBe("finals2000A");
      expect(finals.mjd[0]).toBe(41_684);
      const [ours, theirs] = [columnOf(c04, "LOD"), columnOf(finals, "LOD")];
      expect(theirs.unit).toBe("ms");
      const from = (finals.mjd[0] ?? 0) - 37_665;
      const apart = theirs.values
        .subarray(0, ours.values.length - from)
        .map((lod, n) => lod - 1000 * (ours.values[from + n] ?? 0))
        .subarray(8000)
        .filter((difference) => !Number.isNaN(difference));
      expect(apart.length).toBeGreaterThan(10_000);
      // Formal errors are 0.03 to 0.05 ms.
      expect(rms(apart)).toBeLessThan(0.05);
      expect(lengthOfDay(finals).means.re.length).toBeGreaterThan(640);
    });

    test("UT1 − UTC jumps by a second where the table of leap seconds does, and nowhere else", () => {
      const ut1 = columnOf(c04, "UT1-UTC").values;
      const [seen, listed]: [number[], number[]] = [[], []];
      for (let n = mjdOf(1972, 2, 1) - 37_665; n + 1 < ut1.length; n++) {
        const mjd = 37_665 + n;
        if (Math.round((ut1[n + 1] ?? 0) - (ut1[n] ?? 0)) !== 0) seen.push(mjd);
        if (leapSeconds(mjd + 1) !== leapSeconds(mjd)) listed.push(mjd);
      }
      expect(seen).toHaveLength(27);
      expect(seen).toEqual(listed);
    });

    test("the table of tides is that of the shared file", () => {
      const rows = readFileSync(join(iers, "zonal-tides-2010.csv"), "utf8")
        .trim()
        .split("\n")
        .filter((row) => /^-?\d/.test(row))
        .map((row) => row.split(",").map(Number));
      expect(ZONAL_TERMS.map((term) => [...term])).toEqual(
        rows.map((row) => [...row.slice(0, 5), ...row.slice(6)]),
      );
    });
  },
);
