import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { DataError } from "../../core/errors.ts";
import { openRecord } from "./open.ts";
import { type ParseOptions, parseRecord } from "./parse.ts";
import { columnOf, dateOf, mjdOf, mjdOfYears, yearsOf } from "./record.ts";
import { poleSeries, samplesFrom, seriesOf } from "./series-of.ts";

/** Two days in each form; figures of the IERS. */
const C04_20 = [
  "# EARTH ORIENTATION PARAMETER (EOP) 20 C04",
  "1962   1   1   0  37665.00   -0.012700    0.213000   0.0326338    0.000000    0.000000    0.000000    0.000000   0.0017230    0.030000    0.030000   0.0020000    0.004774    0.002000    0.000000    0.000000   0.0014000",
  "1962   1   2   0  37666.00   -0.015900    0.214100   0.0320547    0.000000    0.000000    0.000000    0.000000   0.0016690    0.030000    0.030000   0.0020000    0.004774    0.002000    0.000000    0.000000   0.0014000",
  "",
].join("\n");
const C04_14 = [
  "                EARTH ORIENTATION PARAMETER (EOP) PRODUCT CENTER",
  "  EOP (IERS) 14 C04 TIME SERIES",
  "      Date      MJD      x          y        UT1-UTC       LOD         dX        dY  ...",
  "",
  "1962   1   1  37665  -0.012700   0.213000   0.0326338   0.0017230   0.000000   0.000000   0.030000   0.030000  0.0020000  0.0014000    0.004774    0.002000",
  "1962   1   2  37666  -0.015900   0.214100   0.0320547   0.0016690   0.000000   0.000000   0.030000   0.030000  0.0020000  0.0014000    0.004774    0.002000",
].join("\n");
const FINALS = [
  "73 1 2 41684.00 I  0.120733 0.009786  0.136966 0.015902  I 0.8084178 0.0002710  2.9000 0.1916  P    -0.766    0.199    -0.720    0.300   .143000   .137000   .8075000   -18.637    -3.667  ",
  "73 1 3 41685.00 I  0.118980 0.011039  0.135656 0.013616  I 0.8056163 0.0002710  3.5563 0.1916  P    -0.751    0.199    -0.701    0.300   .141000   .134000   .8044000   -18.636    -3.571  ",
  "73 1 4 41686.00 I  0.117227 0.011039  0.134348 0.013616  I 0.8027895 0.0002710                 P    -0.738    0.199    -0.662    0.300                                                     ",
  "73 1 5 41687.00 P  0.115473 0.009743  0.133044 0.015898  P 0.7998729 0.0002710                 P    -0.726    0.199    -0.605    0.300                                                     ",
  `${"73 1 6 41688.00".padEnd(187)}`,
].join("\n");
const HAM = [
  "Effective Hydrological Angular Momentum Functions (HAM)",
  "",
  "Temporal domain              : 01.01.2005 through 31.12.2005 (00:00 UTC)",
  "Version number               : v1.2",
  "YYYY MM DD HH   MJD           HAM mass term                      HAM motion term",
  "                              x-component   y-component",
  "",
  "2005 01 01 12 53371.500\t -2.782870705973369e-08  -2.812926608974003e-08  -6.104371975651415e-10  -1.610675946703170e-11  -3.684317262854020e-11   1.959786837011870e-13",
  "2005 01 02 12 53372.500\t -2.605882683103269e-08  -2.659343479755012e-08  -5.905746752944413e-10  -1.668784199033270e-11  -3.709588004809970e-11   1.968658981963860e-13",
].join("\n");
const GGP = [
  "Filename            : ST041200.GGP",
  "Station             : Strasbourg, France",
  "Gravity Cal. (nm.s-2 / V) :  -792.0   0.1 measured",
  "yyyymmdd hhmmss gravity(V) pressure(hPa)",
  "C***************************************",
  "77777777               0.000     0.000",
  "20041226 005800   1.234500 1001.100",
  "20041226 005900   1.234600 1001.200",
  "20041226 010000 99999.999  1001.200",
  "88888888",
  "77777777               0.010     0.000",
  "20041226 010300   1.234900 1001.300",
  "99999999",
].join("\n");
const TABLE = "mjd,lod_ms,note\n37665,1.723,\n37666,1.669,b\n37667,1.582,c\n";

const parse = (text: string, options: ParseOptions = {}) => parseRecord(text, "FILE", options);

describe("records", () => {
  test("of C04 are told apart by their fields, and are the same in both", () => {
    const [a, b] = [parse(C04_14), parse(C04_20)];
    expect([a.format, b.format]).toEqual(["IERS EOP 14 C04", "IERS EOP 20 C04"]);
    for (const name of [
      "x",
      "y",
      "UT1-UTC",
      "LOD",
      "dX",
      "dY",
      "LOD error",
      "dX error",
      "dY error",
    ])
      expect(columnOf(a, name)).toEqual(columnOf(b, name));
    expect([...columnOf(a, "lod").values]).toEqual([0.001723, 0.001669]);
    expect(columnOf(b, "y rate").unit).toBe("arcsec/day");
    expect(columnOf(b, "LOD error").values[0]).toBe(0.0014);
    expect(a.mjd).toEqual(b.mjd);
    expect(a.lines[0]).toBe(5);
  });

  test("of finals2000A leave out predictions and blank rows, and know blanks", () => {
    const record = parse(FINALS);
    expect([...record.mjd]).toEqual([41684, 41685, 41686]);
    expect([...columnOf(record, "LOD").values]).toEqual([2.9, 3.5563, Number.NaN]);
    expect(columnOf(record, "LOD").unit).toBe("ms");
    expect(columnOf(record, "UT1-UTC").values[1]).toBe(0.8056163);
    expect(parse(FINALS, { predictions: true }).mjd).toHaveLength(4);
    // Beyond 2000 the two digits of the year begin anew.
    const late = FINALS.split("\n")[0]?.replace("73 1 2 41684.00", "23 1 2 59946.00") ?? "";
    expect(dateOf(parse(late).mjd[0] ?? 0)).toBe("2023-01-02");
  });

  test("of angular momenta have mass and motion; files may be joined", () => {
    const record = parse(HAM);
    expect(record.format).toBe("effective angular momentum");
    expect(columnOf(record, "mass z").values[0]).toBe(-6.104371975651415e-10);
    expect(columnOf(record, "motion x").values[1]).toBe(-1.66878419903327e-11);
    expect(record.facts.get("Version number")).toBe("v1.2");
    const next = HAM.replaceAll("2005 01 01 12 53371", "2005 01 03 12 53373").replaceAll(
      "2005 01 02 12 53372",
      "2005 01 04 12 53374",
    );
    expect(parse(`${HAM}\n${next}`).mjd).toHaveLength(4);
  });

  test("of gravimeters come in blocks, with what the head says", () => {
    const record = parse(GGP);
    expect(record.format).toBe("GGP");
    expect(record.facts.get("Station")).toBe("Strasbourg, France");
    expect(record.facts.get("offset at line 11")).toBe("0.010 0.000");
    expect(columnOf(record, "gravity")).toMatchObject({ unit: "V" });
    expect([...columnOf(record, "gravity").values]).toEqual([1.2345, 1.2346, Number.NaN, 1.2349]);
    const series = seriesOf(record, "gravity", { timeUnit: "seconds", gaps: "keep" });
    expect(series).toMatchObject({ unit: "V", start: 0 });
    expect(series.step).toBeCloseTo(60, 4);
    expect([...(series.observed ?? [])]).toEqual([1, 1, 0, 0, 0, 1]);
    expect(record.gaps).toMatchObject([{ missing: 2, line: 12 }]);
  });

  test("of tables take units from names, and columns of text for what they are", () => {
    const record = parse(TABLE);
    expect(columnOf(record, "LOD")).toMatchObject({ name: "LOD", unit: "ms" });
    expect(() => columnOf(record, "note")).toThrow(
      "FILE: line 2, column note: the number is missing.",
    );
    expect(() => columnOf(record, "lot")).toThrow('did you mean "LOD"?');
    const named = parse(
      "date;LOD [s];x (mas);sigma_x\n1962-01-01;0.001;12;1\n1962-01-02;0.002;13;1\n",
    );
    expect([...named.mjd]).toEqual([37665, 37666]);
    expect([...named.columns].map(([name, { unit }]) => [name, unit])).toEqual([
      ["LOD", "s"],
      ["x", "mas"],
      ["x error", "arcsec"],
    ]);
  });

  test.each([
    ["MJD", "mjd,v\n37665,1\n37666,2\n"],
    ["Julian dates", "jd\tv\n2437665.5\t1\n2437666.5\t2\n"],
    ["dates", '"date","v"\n"1962-01-01","1"\n"1962-01-02","2"\n'],
    ["dates with time", "time v\n1962-01-01T00:00:00Z 1\n1962-01-02T00:00:00Z 2\n"],
    ["days of the calendar", "year month day v\n1962 1 1 1\n1962 1 2 2\n"],
    ["decimal years", `year,v\n1962,1\n${1962 + 1 / 365.25},2\n`],
    ["names in a comment", "# mjd v\n37665 1\n37666 2\n"],
    ["a mark of bytes and of Windows", "\ufeffmjd,v\r\n37665,1\r\n37666,2\r\n"],
  ])("of tables have epochs by %s", (_, text) => {
    const record = parse(text);
    expect(record.mjd[0]).toBe(37665);
    expect(record.mjd[1]).toBeCloseTo(37666, 6);
    expect([...columnOf(record, "v").values]).toEqual([1, 2]);
  });

  test("of tables have epochs in seconds, and any column that is said to hold them", () => {
    const record = parse("time_s,a\n10,1\n20,2\n30,3\n");
    const { start, step } = seriesOf(record, "a", { timeUnit: "seconds" });
    expect([start, step].map((x) => Number(x.toFixed(9)))).toEqual([10, 10]);
    expect([...parse("when,a\n5,1\n6,2\n", { time: "when", timeForm: "days" }).mjd]).toEqual([
      5, 6,
    ]);
    expect(() => parse("when,a\n5,1\n6,2\n")).toThrow("FILE: no column of epochs.");
    expect(() => parse("when,a\n5,1\n", { time: "wen" })).toThrow('did you mean "when"?');
  });

  test("of the data centre's CSV are observed, in the units of their series", () => {
    const head =
      "MJD;Year;Month;Day;Type;x_pole;sigma_x_pole;y_pole;sigma_y_pole;Type;UT1-UTC;sigma_UT1-UTC;LOD;sigma_LOD";
    const c04 = parse(
      `${head}\n37665;1962;01;01;;-0.0127;0.03;0.213;0.03;;0.0326;0.002;0.001723;0.0014\n`,
    );
    expect(columnOf(c04, "LOD")).toMatchObject({ unit: "s" });
    expect(columnOf(c04, "LOD error").values[0]).toBe(0.0014);
    const finals = parse(
      [
        `${head};Type;bulB/x_pole;bulB/y_pole`,
        "61296;2026;09;13;final;0.194510;0.00009;0.331655;0.00009;final;-0.0050574;0.00003;1.1743;0.019;;0.19;0.33",
        "61297;2026;09;14;final;0.192933;0.00009;0.330554;0.00009;final;-0.0060574;0.00003;;",
        "61298;2026;09;15;prediction;0.192;0.00009;0.330;0.00009;prediction;-0.007;0.00003;;",
        "61299;2026;09;16;;;;;;;;;;",
      ].join("\n"),
    );
    expect([...columnOf(finals, "LOD").values]).toEqual([1.1743, Number.NaN]);
    expect(columnOf(finals, "LOD").unit).toBe("ms");
    expect(columnOf(finals, "x").values[1]).toBe(0.192933);
  });
});

describe("series of records", () => {
  test("are in ms, mas and Julian years", () => {
    const record = parse(C04_20);
    const lod = seriesOf(record, "LOD");
    expect(lod).toMatchObject({ name: "ΔLOD", unit: "ms", timeUnit: "years", start: 1962 });
    expect(lod.step).toBeCloseTo(1 / 365.25, 9);
    expect(lod.re[0]).toBeCloseTo(1.723, 12);
    const pole = poleSeries(record, { timeUnit: "days" });
    expect(pole).toMatchObject({ unit: "mas", start: 37665, step: 1 });
    expect(pole.re[0]).toBeCloseTo(-12.7, 12);
    expect(pole.im?.[0]).toBeCloseTo(-213, 12);
    expect(seriesOf(record, "x", { unit: "arcsec" }).re[0]).toBe(-0.0127);
    expect(() => seriesOf(record, "x", { unit: "ms" })).toThrow("column x is in arcsec");
  });

  test("of decimal years with few digits are even", () => {
    const rows = Array.from({ length: 700 }, (_, k) => `${(1962 + k / 12).toFixed(4)},1`);
    const { step, re } = seriesOf(parse(`year,v\n${rows.join("\n")}`), "v");
    expect(step).toBeCloseTo(1 / 12, 6);
    expect(re).toHaveLength(700);
  });

  test("with gaps are refused by line and date, or keep them", () => {
    const record = parse("mjd,v\n43200,1\n43201,1\n43205,1\n43206,1\n43208,1\n");
    expect(record.gaps).toEqual([
      { after: 43201, before: 43205, missing: 3, line: 4 },
      { after: 43206, before: 43208, missing: 1, line: 6 },
    ]);
    expect(() => seriesOf(record, "v")).toThrow(
      "FILE: line 4, column v: 3 rows are missing before this one (1977-03-03), 4 in all.",
    );
    const kept = seriesOf(record, "v", { gaps: "keep", timeUnit: "days" });
    expect([...(kept.observed ?? [])]).toEqual([1, 1, 0, 0, 0, 1, 1, 0, 1]);
    expect(kept.re[2]).toBe(0);
  });

  test("with uneven epochs are refused; their samples are there", () => {
    const record = parse("mjd,v\n1,1\n2,2\n3.4,3\n4,4\n5,5\n6,6\n7,7\n");
    expect(() => seriesOf(record, "v")).toThrow("FILE: line 4: the epochs are not even");
    expect([...samplesFrom(record, "v", { timeUnit: "days" }).times]).toEqual([
      1, 2, 3.4, 4, 5, 6, 7,
    ]);
  });
});

describe("bad input is named by line and column", () => {
  const days = (count: number, lod: (n: number) => number | string) =>
    `mjd,lod_s\n${Array.from({ length: count }, (_, n) => `${37665 + n},${lod(n)}`).join("\n")}\n`;
  test.each<[string, string, string]>([
    [
      "text in C04",
      C04_20.replace("0.0016690", "0.00A6690"),
      'line 3, column LOD: "0.00A6690" is no number',
    ],
    [
      "NaN in C04",
      C04_14.replace("0.0016690", "NaN      "),
      "line 6, column LOD: NaN is no number",
    ],
    ["a torn line of C04", C04_20.replace(/ 0\.0014000\n$/, "\n"), "line 3: 20 fields"],
    [
      "a date that is not its MJD",
      C04_20.replace("1962   1   2", "1962   1   3"),
      "line 3, column MJD: MJD 37666 is not the date 1962-1-3",
    ],
    [
      "text in finals2000A",
      FINALS.replace("3.5563", "3.x563"),
      'line 2, column LOD: "3.x563" is no number',
    ],
    [
      "a strange row in finals2000A",
      FINALS.replace("73 1 4 41686.00", "# a comment    "),
      "line 3: no row of finals2000A",
    ],
    [
      "text in angular momenta",
      HAM.replace("-2.605882683103269e-08", "********"),
      'line 9, column mass x: "********" is no number',
    ],
    [
      "a torn row of angular momenta",
      HAM.replace(/\s+1\.968658981963860e-13/, ""),
      "line 9: 10 fields",
    ],
    ["no row among angular momenta", `${HAM}\nhello`, 'line 10: "hello" is no row'],
    [
      "text in gravimeter rows",
      GGP.replace("1.234600", "1.2346OO"),
      'line 8, column gravity: "1.2346OO" is no number',
    ],
    [
      "no row among gravimeter rows",
      GGP.replace("88888888", "hello"),
      'line 10: "hello" is no row',
    ],
    [
      "a time that is none",
      GGP.replace("20041226 005900", "20041326 005900"),
      "line 8, column time: 20041326 005900 is no time",
    ],
    [
      "descending epochs",
      "mjd,v\n37665,1\n37667,1\n37666,1\n",
      "line 4: the epoch MJD 37666 (1962-01-02) follows MJD 37667 (1962-01-03)",
    ],
    [
      "an epoch twice",
      "mjd,v\n37665,1\n37665,1\n",
      "line 3: the epoch MJD 37665 (1962-01-01) stands twice",
    ],
    [
      "a date that is none",
      "date,v\n1962-02-30,1\n",
      'line 2, column date: "1962-02-30" is no date',
    ],
    ["a row with too many cells", "mjd,v\n37665,1,2\n", "line 2: 3 cells below 2 names"],
    [
      "a table without names",
      "37665,1\n37666,2\n",
      "line 1: 2 numbers where the names of columns should stand",
    ],
    ["an empty file", "\n", "no rows"],
  ])("%s", (_, text, message) => {
    expect(() => parse(text)).toThrow(`FILE: ${message}`);
  });

  test.each<[string, string, string]>([
    [
      "text",
      days(9, (n) => (n === 3 ? "1,7" : 0.0017)).replace("1,7", "1.7x"),
      'line 5, column LOD: "1.7x" is no number',
    ],
    ["NaN", days(9, (n) => (n === 3 ? "NaN" : 0.0017)), "line 5, column LOD: NaN is no number"],
    [
      "a blank",
      days(9, (n) => (n === 3 ? "" : 0.0017)),
      "line 5, column LOD: the number is missing",
    ],
    ["all in ms under s", days(9, () => 1.7), "line 2, column LOD: 1.7 s is too large for LOD"],
    [
      "some in ms under s",
      days(9, (n) => (n > 5 ? 1.7 : 0.0017)),
      "line 8, column LOD: 1.7 s is too large for LOD",
    ],
    [
      "all in another unit",
      days(9, () => 1.7e-8),
      "line 2, column LOD: the median 1.7e-8 s is too small for LOD",
    ],
    [
      "some in another unit",
      days(300, (n) => (n >= 128 ? 1.7e-8 : 0.0017)),
      "line 2, column LOD: the median",
    ],
    [
      "fewer in another unit",
      days(300, (n) => (n >= 128 && n < 200 ? 1.7e-8 : 0.0017)),
      "line 130, column LOD: up to line 193 all values are too small",
    ],
  ])("a column of a table with %s, once it is asked for", (_, text, message) => {
    const record = parse(text);
    expect(() => columnOf(record, "LOD")).toThrow(`FILE: ${message}`);
  });

  test("units are what the user says they are", () => {
    const text = days(9, () => 1.7).replace("lod_s", "lod");
    expect(() => columnOf(parse(text), "lod")).toThrow("is it ms?");
    expect(seriesOf(parse(text, { units: { LOD: "ms" } }), "LOD").re[0]).toBe(1.7);
  });

  test("values that are missing may be left out", () => {
    const text = days(5, (n) => (n === 2 ? "NaN" : 0.0017));
    const series = seriesOf(parse(text, { missing: "leave-out" }), "LOD", { gaps: "keep" });
    expect([...(series.observed ?? [])]).toEqual([1, 1, 0, 1, 1]);
  });
});

test("whatever is damaged in a file, it is read or refused by name, and nothing else", () => {
  const texts = [C04_20, C04_14, FINALS, HAM, GGP, TABLE];
  const damage = fc.tuple(fc.nat(), fc.nat({ max: 12 }), fc.string({ maxLength: 8 }));
  fc.assert(
    fc.property(fc.constantFrom(...texts), fc.array(damage, { maxLength: 3 }), (whole, damages) => {
      const text = damages.reduce((left, [place, length, put]) => {
        const at = place % (left.length + 1);
        return left.slice(0, at) + put + left.slice(at + length);
      }, whole);
      try {
        const { mjd } = parse(text);
        expect(mjd.every(Number.isFinite)).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(DataError);
        expect(String(error)).toContain("FILE: ");
      }
    }),
    { numRuns: 600, seed: 7 },
  );
});

describe("dates", () => {
  test("and modified Julian dates are each other's", () => {
    expect(mjdOf(1962, 1, 1)).toBe(37665);
    expect(mjdOf(2000, 2, 29)).toBe(51603);
    expect(mjdOf(1900, 2, 29)).toBeNaN();
    expect(dateOf(61312)).toBe("2026-09-29");
    expect(yearsOf(mjdOfYears(1999.25))).toBeCloseTo(1999.25, 12);
  });
});

describe("files", () => {
  const folder = mkdtempSync(join(tmpdir(), "meshloom-records-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = (name: string, content: string | Uint8Array) => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };

  test("are read packed or not, with their checksum", async () => {
    const [whole, packed] = [file("a.txt", C04_20), file("b.txt", gzipSync(C04_20))];
    const [a, b] = [await openRecord(whole), await openRecord(packed)];
    expect(a.columns).toEqual(b.columns);
    expect(a.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(a.sha256).not.toBe(b.sha256);
    expect(a.source).toBe(whole);
  });

  test("that are missing, damaged or folders are named", async () => {
    await expect(openRecord(join(folder, "none"))).rejects.toThrow("none: no such file.");
    await expect(openRecord(folder)).rejects.toThrow("no plain file");
    const torn = file("torn.gz", gzipSync(C04_20).subarray(0, 60));
    await expect(openRecord(torn)).rejects.toThrow("torn.gz: damaged gzip");
  });
});
