/** @file `meshloom signal` on made records: known lines come back, all files are whole, mistakes are named. */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { meshloom } from "./command-line.ts";
import { first, type SignalResult } from "./signal-result.ts";
import { xmlError } from "./well-formed.ts";

const FOLDER = mkdtempSync(join(tmpdir(), "meshloom-signal-"));
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

let made = 0;
function file(text: string): string {
  const path = join(FOLDER, `record-${++made}.csv`);
  writeFileSync(path, text);
  return path;
}

/** Sixty years of months; `value` in ms at years since 1962. */
function monthly(value: (u: number) => number, header = "year,lod_ms"): string {
  const rows = Array.from({ length: 721 }, (_, n) => `${1962 + n / 12},${value(n / 12)}`);
  return `${header}\n${rows.join("\n")}\n`;
}

const AMPLITUDE = 0.12;
const PHASE = 0.6;
const HARMONIC = monthly((u) => AMPLITUDE * Math.cos((2 * Math.PI * u) / 5.9 + PHASE));
/** At the middle of the record, 30 years from its start, within half a turn. */
const MIDDLE = angle(PHASE + (2 * Math.PI * 30) / 5.9);

function angle(radians: number): number {
  return Math.atan2(Math.sin(radians), Math.cos(radians));
}

async function run(...words: string[]): Promise<SignalResult> {
  const { code, out, err } = await meshloom("signal", ...words, "--json");
  expect(err, out).not.toContain("error");
  expect(code, err + out).toBe(0);
  return JSON.parse(out) as SignalResult;
}

function checkFolder(folder: string, files: readonly string[]): void {
  expect(readdirSync(folder).toSorted()).toEqual(files.toSorted());
  for (const name of files) {
    const text = readFileSync(join(folder, name), "utf8");
    if (name.endsWith(".svg")) {
      expect(xmlError(text), name).toBeUndefined();
      expect(text).toContain('xmlns="http://www.w3.org/2000/svg"');
      expect(text).toContain("--c0:");
      expect(text).not.toMatch(/NaN|undefined|Infinity/);
    }
    if (name.endsWith(".html"))
      expect(text).not.toMatch(/NaN|undefined|https?:\/\/(?!www\.w3\.org)/);
    if (name.endsWith(".csv")) {
      const [head = "", ...rows] = text.trimEnd().split("\n");
      const cells = head.split(",").length;
      expect(rows.every((row) => row.split(",").length === cells)).toBe(true);
    }
  }
}

const PLAIN = ["--column", "lod", "--detrend", "none"] as const;

describe("a harmonic of known amplitude and phase", () => {
  const record = file(HARMONIC);

  test("is a peak of signal ntft, and its map", async () => {
    const out = join(FOLDER, "ntft");
    const words = ["--periods", "3..9", "--count", "60", "--surrogates", "0", "--ridges", "1"];
    const result = await run("ntft", record, ...PLAIN, ...words, "--out", out);
    // What the ends cut off makes small peaks beside it.
    const peak = first(result.peaks.toSorted((a, b) => b.amplitude - a.amplitude));
    expect(peak.period).toBeCloseTo(5.9, 2);
    // The window at 5.9 years is 9.4 years wide: in the middle half the ends still take up to 5 %.
    expect(Math.abs(peak.amplitude / AMPLITUDE - 1)).toBeLessThan(0.02);
    expect(result.source.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(result.units).toEqual({ value: "ms", time: "years" });
    checkFolder(out, result.files);
    const middle = readFileSync(join(out, "map.csv"), "utf8")
      .split("\n")
      .map((row) => row.split(",").map(Number))
      .filter(([period = 0, time]) => Math.abs(period - 5.9) < 0.06 && time === 1992);
    const [, , amplitude = 0, phase = 0, share] = middle[0] ?? [];
    expect(share).toBeCloseTo(0.9986, 3);
    // On a grid of 60 periods none is 5.9 itself.
    expect(Math.abs(amplitude / AMPLITUDE - 1)).toBeLessThan(0.01);
    expect(Math.abs(angle(phase - MIDDLE))).toBeLessThan(0.02);
  });

  test.each([
    // At c = 3.18 in the very middle F is 0.9986: the plain transform gives so much of the amplitude.
    ["ntft", 0.03],
    ["renormalised", 0.01],
    // Fitted to the middle, where F is 0.9 at its ends.
    ["fit", 0.03],
    ["ssa", 0.001],
  ])("comes back from signal restore --method %s", async (method, tolerance) => {
    const out = join(FOLDER, `restore-${method}`);
    const words = ["--periods", "5.9", "--method", method, "--draws", "0"];
    const result = await run("restore", record, ...PLAIN, ...words, "--out", out);
    const line = first(result.oscillations);
    expect(Math.abs(line.amplitude.value / AMPLITUDE - 1)).toBeLessThan(tolerance);
    expect(line.period.value).toBeCloseTo(5.9, 2);
    expect(Math.abs(angle(line.phase.value - MIDDLE))).toBeLessThan(0.02);
    expect(Math.abs(line.damping.value)).toBeLessThan(1e-3);
    checkFolder(out, result.files);
  });

  test("is fitted exactly by signal fit", async () => {
    const out = join(FOLDER, "fit");
    const words = ["--periods", "5.7", "--draws", "0", "--out", out];
    const result = await run("fit", record, ...PLAIN, ...words);
    const line = first(result.lines);
    expect(line.amplitude.value).toBeCloseTo(AMPLITUDE, 8);
    expect(line.period.value).toBeCloseTo(5.9, 7);
    expect(angle(line.phase.value - MIDDLE)).toBeCloseTo(0, 6);
    expect(first(result.arLines).period).toBeCloseTo(5.9, 3); // a window of nine bins cuts its tails
    checkFolder(out, result.files);
  });

  test("is two triples of signal ssa, and goes on", async () => {
    const out = join(FOLDER, "ssa");
    const words = ["--group", "1-2", "--surrogates", "0", "--forecast", "2", "--count", "6"];
    const result = await run("ssa", record, ...PLAIN, ...words, "--out", out);
    const group = first(result.groups);
    expect(group.share).toBeCloseTo(1, 9);
    expect(first(group.lines).period).toBeCloseTo(5.9, 8);
    checkFolder(out, result.files);
    const rows = readFileSync(join(out, "forecast.csv"), "utf8").trimEnd().split("\n").slice(1);
    expect(rows).toHaveLength(24);
    for (const row of rows) {
      const [time = 0, value] = row.split(",").map(Number);
      const truth = AMPLITUDE * Math.cos((2 * Math.PI * (time - 1962)) / 5.9 + PHASE);
      expect(value).toBeCloseTo(truth, 7);
    }
  });
});

test("bands hold the true line, and the same seed gives the same numbers", async () => {
  let state = 7;
  const noise = () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647 - 0.5;
  };
  const truth = (u: number) => AMPLITUDE * Math.cos((2 * Math.PI * u) / 5.9 + PHASE);
  const record = file(monthly((u) => 1 + 0.02 * u + truth(u) + 0.1 * noise()));
  const words = ["--column", "lod", "--detrend", "1", "--periods", "5.9", "--draws", "25"];
  const outs = ["one", "two"].map((name) => join(FOLDER, `seeded-${name}`));
  const results = [];
  for (const out of outs) results.push(await run("restore", record, ...words, "--out", out));
  const [one, two] = results;
  expect(one?.oscillations).toEqual(two?.oscillations);
  const line = first(one?.oscillations);
  expect(Math.abs(line.amplitude.value - AMPLITUDE)).toBeLessThan(4 * line.amplitude.sd);
  expect(line.power.damped).toBe("neither");
  expect(line.power.leastDamping).toBeGreaterThan(0);
  const { series } = JSON.parse(readFileSync(join(outs[0] ?? "", "result.json"), "utf8"));
  const inside = series[0].low.filter(
    (low: number, n: number) => low <= truth(n / 12) && truth(n / 12) <= series[0].high[n],
  );
  // One record of one seed: of neighbouring samples all are in or out together.
  expect(inside.length / 721).toBeGreaterThan(0.8);
  checkFolder(outs[0] ?? "", one?.files ?? []);
  const report = readFileSync(join(outs[0] ?? "", "report.html"), "utf8");
  expect(report).toContain("could have shown a damping of");
  expect(report).toContain("Took away, fitted together by least squares: a straight line.");
});

describe("mistakes are named, and nothing is written", () => {
  const record = file(HARMONIC);
  const rows = HARMONIC.trimEnd().split("\n");

  test.each<[string, string[], number, RegExp]>([
    [
      "a column with a slip",
      ["ntft", record, "--column", "lode"],
      1,
      /no column "lode"[\s\S]*did you mean "LOD"/,
    ],
    [
      "a file that is none",
      ["fit", "nowhere.csv", "--periods", "5.9"],
      1,
      /nowhere\.csv: no such file/,
    ],
    [
      "a period above Nyquist",
      ["ntft", record, "--periods", "0.1,0.2,0.3"],
      1,
      /too short for samples 0\.08333 years apart[\s\S]*SIGNAL-02/,
    ],
    [
      "a period too long",
      ["restore", record, "--periods", "60"],
      1,
      /too long for a record of 60 years[\s\S]*shortest +\d+(\.\d+)? years/,
    ],
    [
      "a period that is none",
      ["restore", record, "--periods", "5.9,x"],
      2,
      /--periods cannot be "5\.9,x"/,
    ],
    ["no period", ["restore", record], 2, /--periods is missing/],
    ["a degree that is none", ["ntft", record, "--detrend", "six"], 2, /--detrend cannot be "six"/],
    [
      "a triple that is none",
      ["ssa", record, "--group", "1,99"],
      2,
      /--group cannot be "1,99"[\s\S]*from 1 to 30/,
    ],
    [
      "text among numbers",
      ["ntft", file(rows.with(9, "1962.67,many").join("\n")), "--column", "lod"],
      1,
      /line 10, column LOD: "many" is no number/,
    ],
    [
      "epochs that fall",
      ["ntft", file(rows.with(9, "1962.1,0.1").join("\n")), "--column", "lod"],
      1,
      /line 10: the epoch/,
    ],
    [
      "a gap",
      ["ntft", file(rows.toSpliced(100, 3).join("\n")), "--column", "lod"],
      1,
      /line 101, column LOD: 3 rows are missing/,
    ],
    [
      "mixed units",
      [
        "ntft",
        file(
          rows
            .map((row, n) =>
              n > 300 && n < 500 ? row.replace(/,(.*)/, (_, v) => `,${v / 1e6}`) : row,
            )
            .join("\n"),
        ),
        "--column",
        "lod",
      ],
      1,
      /line \d+, column LOD: [\s\S]*in ms/,
    ],
    [
      "tides of another column",
      ["ntft", file(monthly(() => 1, "year,height")), "--column", "height", "--zonal-tides"],
      2,
      /--zonal-tides is for the length of day, not for height/,
    ],
    [
      "steps that exclude one another",
      ["ntft", record, "--monthly", "--bin", "1"],
      2,
      /--monthly and --bin exclude/,
    ],
  ])("%s", async (_, words, code, message) => {
    const out = join(FOLDER, "nothing");
    const ended = await meshloom("signal", ...words, "--out", out);
    expect(ended.err).toMatch(message);
    expect(ended.code).toBe(code);
    expect(ended.out).toBe("");
    expect(existsSync(out)).toBe(false);
  });

  test("a table of several columns asks which", async () => {
    const two = file("year,a,b\n1962,1,2\n1963,2,3\n1964,1,2\n1965,2,3\n");
    const { err, code } = await meshloom("signal", "ntft", two);
    expect(err).toContain("--column is missing");
    expect(err).toContain("a, b");
    expect(code).toBe(2);
  });
});

test("gaps are kept as gaps when asked, and told", async () => {
  const rows = HARMONIC.trimEnd().split("\n").toSpliced(300, 12);
  const out = join(FOLDER, "gaps");
  const words = ["--periods", "4..8", "--count", "30", "--surrogates", "0", "--gaps", "normalise"];
  const result = await run("ntft", file(rows.join("\n")), ...PLAIN, ...words, "--out", out);
  expect(result.samples.missing).toBe(12);
  expect(result.notes.join()).toContain("nothing was filled in");
  expect(Math.abs(first(result.peaks).amplitude / AMPLITUDE - 1)).toBeLessThan(0.03); // the gap tilts what is left
  checkFolder(out, result.files);
});

test("seconds of a gravimeter are read in hours", async () => {
  const rows = Array.from({ length: 7200 }, (_, n) => {
    const hours = n / 60;
    return `${60 * n},${1.5 * Math.exp(-0.01 * hours) * Math.cos((2 * Math.PI * hours) / 0.341)}`;
  });
  const record = file(`seconds,gravity (nm/s²)\n${rows.join("\n")}\n`);
  const words = [
    "--time-unit",
    "hours",
    "--periods",
    "0.34",
    "--draws",
    "0",
    "--out",
    join(FOLDER, "hours"),
  ];
  const result = await run("fit", record, ...words);
  const line = first(result.lines);
  expect(result.units).toEqual({ value: "nm/s²", time: "hours" });
  expect(line.period.value).toBeCloseTo(0.341, 6);
  expect(line.damping.value).toBeCloseTo(0.01, 6);
  checkFolder(join(FOLDER, "hours"), result.files);
});

test("excitation is taken away in means over the same months", async () => {
  const days = Array.from({ length: 7305 }, (_, n) => 44_239 + n);
  const year = (mjd: number) => (mjd - 44_239) / 365.25;
  // In ms: ten times as large as the line, which has 2 years.
  const wind = (mjd: number) => 1.2 * Math.cos((2 * Math.PI * year(mjd)) / 1.7);
  const line = (mjd: number) => 0.12 * Math.cos((2 * Math.PI * year(mjd)) / 2 + 0.3);
  const record = file(
    `mjd,lod_ms\n${days.map((mjd) => `${mjd},${1 + wind(mjd) + line(mjd)}`).join("\n")}\n`,
  );
  const momentum = days.map((mjd) => {
    const [date = ""] = new Date((mjd - 40_587) * 86_400_000).toISOString().split("T");
    const [none, z] = ["0.0e+00", wind(mjd) / 86_400_000];
    return `${date.replaceAll("-", " ")} 00 ${mjd}.000 ${none} ${none} ${(0.25 * z).toExponential(12)} ${none} ${none} ${(0.75 * z).toExponential(12)}`;
  });
  const atmosphere = file(momentum.join("\n"));
  const words = ["--monthly", "--periods", "2", "--draws", "0", "--detrend", "0"];
  const out = ["--out", join(FOLDER, "excitation")];
  const result = await run(
    "fit",
    record,
    "--column",
    "lod",
    ...words,
    ...out,
    "--excitation",
    atmosphere,
  );
  // Means over a month of a line of two years: sinc(1/24) = 0.9971.
  expect(first(result.lines).amplitude.value / 0.12).toBeCloseTo(0.9971, 3);
  expect(result.steps.at(-2)).toContain("Took the excitation in");
  const alone = await meshloom(
    "signal",
    "fit",
    record,
    "--periods",
    "2",
    "--excitation",
    atmosphere,
  );
  expect(alone.err).toContain("--excitation goes with monthly means");
  expect(alone.code).toBe(2);
});

test("signal without a command lists the four", async () => {
  const { code, err } = await meshloom("signal");
  expect(code).toBe(2);
  for (const word of ["ntft", "ssa", "fit", "restore"]) expect(err).toContain(`  ${word} `);
});

test("xml that is not well-formed is told", () => {
  expect(xmlError("<a><b/></a>")).toBeUndefined();
  expect(xmlError("<a><b></a>")).toContain("</a> closes <b>");
  expect(xmlError("<a>1 & 2</a>")).toContain("bare &");
  expect(xmlError('<a x="1" x="2"/>')).toContain("twice");
  expect(xmlError("<a/><b/>")).toContain("root");
});
