/** @file The report of `repro length-of-day`: verdicts first, then the plots and tables that they rest on. */

import { type Line as ChartLine, lineChart, type Point } from "../../plot/line-chart.ts";
import { card, cards, facts, grid, page, section } from "../../plot/page.ts";
import { periodMap } from "../../plot/period-map.ts";
import { escapeText } from "../../plot/svg.ts";
import type { TimeFrequencyMap } from "../../signal/ntft.ts";
import type { Restoration } from "../../signal/restore.ts";
import { type Series, timesOf } from "../../signal/series.ts";
import type { LineFinding, RealRecord } from "./real-record.ts";
import type { LengthOfDayResult } from "./reproduce.ts";
import { CASES, LINES, NOISES, type SimulatedResult } from "./simulated.ts";

const WIDTH = 1100;
/** F at 1.25 and 3.09 standard deviations of the window from an end. */
const LEVELS = [0.894, 0.999];
const NOISE_NAMES = {
  none: "no noise",
  white: "white, 0.1 ms",
  red: "AR(1) 0.9, 0.05 ms",
} as const;

export function lengthOfDayPage(result: LengthOfDayResult): string {
  const { records, draws, seed, sigma, source } = result;
  const [whole] = records;
  const head = facts([
    ["record", source === undefined ? "none" : (source.file.split("/").at(-1) ?? "")],
    ["years", whole === undefined ? "" : whole.years.map((year) => year.toFixed(1)).join(" to ")],
    ["window σ", `${sigma} rad`],
    ["draws", `${draws}, seed ${seed}`],
    ["atmosphere, ocean", whole?.excitationRemoved ? "removed" : "not removed"],
  ]);
  const body = [
    `<h1>Length of day: what six and eight and a half years are made of</h1>`,
    head,
    section("Claims", verdicts(result)),
    section("Simulated records", simulatedTable(result.simulated)),
    section("Free oscillations", modes(result)),
    ...records.map(recordSection),
  ];
  return page("Length of day", body.join("\n"));
}

function verdicts({ verdicts: all }: LengthOfDayResult): string {
  return cards(
    all.map(({ claim, answer, because }) =>
      card(sentence(claim), `<p><b>${escapeText(sentence(answer))}</b></p>${paragraph(because)}`),
    ),
  );
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function paragraph(text: string): string {
  return `<p>${escapeText(sentence(text))}</p>`;
}

function simulatedTable(all: readonly SimulatedResult[]): string {
  const methods = [...new Set(all.map(({ method }) => method))];
  const rows = CASES.flatMap((which) =>
    NOISES.flatMap((noise) =>
      LINES.flatMap((line) => {
        const own = all.filter(
          (each) => each.case === which && each.noise === noise && each.line === line,
        );
        if (own.length === 0) return [];
        const cell = (method: string): string => {
          const errors = own.find((each) => each.method === method)?.errors;
          return errors === undefined
            ? ""
            : [errors.ends, errors.inside, errors.last].map((e) => e.toFixed(0)).join(" / ");
        };
        return [[`${which}, ${NOISE_NAMES[noise]}`, line, ...methods.map(cell)]];
      }),
    ),
  );
  const said =
    "Rms errors in µs: first and last ten years / the rest / the last three years. A: two harmonics; B: one decays, one grows; C: both swing; lines of 7.3 and 4.9 years stand beside in B and C.";
  return `<p>${escapeText(said)}</p>${card("", grid(["case, noise", "line", ...methods], rows), "wide")}`;
}

function modes({ modes: found, observedModes }: LengthOfDayResult): string {
  const rows = found.map(({ name, published, fit, ar, endError }) => [
    name,
    `${published.milliHertz} mHz, Q ${published.quality}`,
    `${fit.milliHertz.median.toFixed(7)} ± ${fit.milliHertz.sd.toExponential(1)}`,
    `${fit.quality.median.toFixed(0)} ± ${fit.quality.sd.toFixed(0)}`,
    `${ar.milliHertz.median.toFixed(7)} ± ${ar.milliHertz.sd.toExponential(1)}`,
    `${ar.quality.median.toFixed(0)} ± ${ar.quality.sd.toFixed(0)}`,
    `${(100 * endError.fit).toFixed(1)} % / ${(100 * endError.ntft).toFixed(1)} %`,
  ]);
  const seen = observedModes.map(({ restoration: { line }, line: ar }, at) => [
    `${found[at]?.name ?? ""}, your record`,
    "",
    line === undefined ? "" : (1000 * line.frequency.value).toFixed(7),
    line === undefined ? "" : line.quality.value.toFixed(0),
    (1000 * ar.frequency).toFixed(7),
    ar.quality.toFixed(0),
    "",
  ]);
  const headings = ["mode", "put in", "fit: f, mHz", "fit: Q", "AR line: f, mHz", "AR line: Q"];
  return card("", grid([...headings, "error at the ends: fit / NTFT"], [...rows, ...seen]), "wide");
}

function recordSection(record: RealRecord): string {
  const { years, noise, drawn } = record;
  const title = `The record, ${years[0].toFixed(0)} to ${years[1].toFixed(1)}`;
  const said = `Noise that is left: ${noise.sd.toFixed(3)} ms, φ = ${noise.phi.toFixed(3)} from month to month.`;
  const body = cards([
    card(
      "ΔLOD, monthly, and what was removed as trend",
      trendChart(drawn.lod.means, drawn.lod.trend),
      "wide",
    ),
    card("Amplitude of ΔLOD by period and time", mapOf(drawn.map, "ms"), "wide"),
    card("Mean amplitude, and what red noise reaches", spectrum(record), "wide"),
    ...LINES.map((line, at) => card(`${line} restored, 95 % band`, restored(record, at), "wide")),
    card("Findings", findings(record.lines), "wide"),
    card(
      "Prograde amplitude of polar motion by period and time",
      mapOf(drawn.poleMap, "mas"),
      "wide",
    ),
    card("Length of day against polar motion", steps(record.lines), "wide"),
  ]);
  return section(title, `<p>${escapeText(said)}</p>${body}`);
}

function pointsOf(series: Series): Point[] {
  const times = timesOf(series);
  return Array.from(series.re, (value, n) => ({ x: times[n] ?? 0, value }));
}

function rangeOf(series: Series): readonly [number, number] {
  const times = timesOf(series);
  return [times[0] ?? 0, times.at(-1) ?? 1];
}

function trendChart(means: Series, trend: Series): string {
  return lineChart({
    ...{ label: "ΔLOD and its trend", width: WIDTH, height: 260 },
    ...{ yTitle: "ΔLOD, ms", xTitle: "year", range: rangeOf(means) },
    lines: [
      { name: "monthly", points: pointsOf(means), style: "faint" },
      { name: "trend and seasons", points: pointsOf(trend), style: "plain" },
    ],
  });
}

function mapOf(map: TimeFrequencyMap, unit: string): string {
  const factor = map.series.im === undefined ? 2 : 1;
  return periodMap({
    ...{ label: `Amplitude of ${map.series.name}`, width: WIDTH, height: 380 },
    ...{ xTitle: "year", yTitle: "period, years", valueTitle: `amplitude, ${unit}` },
    times: Array.from(map.times),
    periods: map.periods,
    values: map.re.map((row, r) => row.map((x, n) => factor * Math.hypot(x, map.im[r]?.[n] ?? 0))),
    edge: { share: map.edge, levels: LEVELS },
  });
}

function spectrum({ drawn: { significance } }: RealRecord): string {
  const { periods, amplitude, level, levelAnywhere } = significance;
  const line = (name: string, values: Float64Array): ChartLine => ({
    name,
    points: periods.map((x, k) => ({ x, value: values[k] ?? Number.NaN })),
    style: "plain",
  });
  return lineChart({
    ...{ label: "Mean amplitude by period", width: WIDTH, height: 260 },
    ...{ yTitle: "amplitude in the middle half, ms", xTitle: "period, years", xLog: true },
    range: [periods[0] ?? 1, periods.at(-1) ?? 2],
    lines: [
      line("record", amplitude),
      line("95 % of noise", level),
      line("95 %, anywhere", levelAnywhere),
    ],
  });
}

function restored({ drawn: { restorations, others } }: RealRecord, at: number): string {
  const own = restorations[at];
  if (own === undefined) return "";
  const times = timesOf(own.restored);
  const band = Array.from(times, (x, n) => ({
    x,
    low: own.band.low.re[n] ?? Number.NaN,
    high: own.band.high.re[n] ?? Number.NaN,
  }));
  const other = (name: string, each: Restoration | undefined): ChartLine[] =>
    each === undefined ? [] : [{ name, points: pointsOf(each.restored), style: "plain" }];
  return lineChart({
    ...{ label: "Restored oscillation", width: WIDTH, height: 260 },
    ...{ yTitle: "ΔLOD, ms", xTitle: "year", range: rangeOf(own.restored) },
    lines: [
      { name: "NTFT + fit", points: pointsOf(own.restored), style: "plain", band },
      ...other("oscillators", others.oscillators[at]),
      ...other("SSA", others.ssa[at]),
    ],
  });
}

function findings(lines: readonly LineFinding[]): string {
  const pm = ({ value, sd }: { readonly value: number; readonly sd: number }, digits: number) =>
    `${value.toFixed(digits)} ± ${sd.toFixed(digits)}`;
  const row = (name: string, of: (line: LineFinding) => string) => [name, ...lines.map(of)];
  const years = [...new Set(lines.flatMap(({ ridgeMs }) => Object.keys(ridgeMs)))];
  return grid(
    ["", ...lines.map(({ name }) => name)],
    [
      row("period, years", (line) => pm(line.periodYears, 3)),
      row("amplitude, ms", (line) => pm(line.amplitudeMs, 3)),
      row("damping, per year", (line) => pm(line.dampingPerYear, 3)),
      row("damping that would be seen, per year", (line) =>
        line.detectableDampingPerYear.toFixed(3),
      ),
      row(
        "p at this period / anywhere",
        (line) => `${line.p.toFixed(3)} / ${line.pAnywhere.toFixed(3)}`,
      ),
      row("oscillators, ms", (line) => pm(line.oscillatorMs, 3)),
      row("correlation with SSA / BEPME / oscillators", ({ agreement }) =>
        [agreement.ssa, agreement.bepme, agreement.oscillators]
          .map((r) => r.toFixed(2))
          .join(" / "),
      ),
      ...years.map((year) =>
        row(`on the ridge in ${year}, ms`, ({ ridgeMs }) =>
          (ridgeMs[year] ?? Number.NaN).toFixed(3),
        ),
      ),
      row(
        "polar motion, mas: prograde / retrograde",
        ({ polarMotionMas: { prograde, retrograde } }) =>
          `${prograde.toFixed(2)} / ${retrograde.toFixed(2)}`,
      ),
    ],
  );
}

function steps(lines: readonly LineFinding[]): string {
  const degrees = (angle: number) => `${((angle * 180) / Math.PI).toFixed(0)}°`;
  const rows = lines.flatMap(({ name, lodPolarMotionCorrelation }) =>
    (["x", "y"] as const).map((axis) => {
      const found = lodPolarMotionCorrelation[axis];
      return [
        `${name} with ${axis}`,
        found.coherence.toFixed(3),
        degrees(found.phase),
        degrees(found.derivativePhase),
        found.p.toFixed(3),
        found.independent.toFixed(1),
      ];
    }),
  );
  return grid(["", "coherence", "phase of ΔLOD", "of dΔLOD/dt", "p", "independent values"], rows);
}
