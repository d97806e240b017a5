/**
 * @file The AR-z spectrum (after Ding & Chao 2015): damped lines read off the discrete Fourier transform near a
 * frequency, drawn over the complex plane of frequency and damping.
 *
 * One line x_n = c zⁿ obeys, on every bin of the transform over its own N samples,
 *
 *     X_k = z e^{−2πik/N} X_k + C,   C = c(1 − z^N),
 *
 * exactly, since z^N is the same for all k. Other lines and the mirror image of a real line change slowly from bin
 * to bin near f₀, so C becomes a polynomial of degree 2; of degree 0 neighbours bias z. Linear least squares on
 * 2m + 1 bins about f₀ gives z: f = arg z/2πΔ, α = −ln|z|/Δ.
 *
 * "Stabilised" is here: every estimate is spread by its own standard deviation, which the residuals of its bins
 * tell, so that one chance bin makes a faint broad spot and not a sharp peak. This form of it is ours.
 */

import { Matrix, QrDecomposition, solve } from "ml-matrix";
import { SignalError } from "../../core/errors.ts";
import { type Complex, fourier } from "../fourier.ts";
import { refuseGaps } from "../ntft.ts";
import { type Series, spanOf } from "../series.ts";

export interface ArOptions {
  /** Bins to each side of the middle one, m. Default 4. */
  readonly halfWidth?: number;
  /** Degree of the polynomial C. Default 2. */
  readonly degree?: number;
}

/** A line read off the bins about one frequency. */
export interface ArLine {
  readonly period: number;
  /** Cycles per time unit, signed. */
  readonly frequency: number;
  /** α per time unit; above 0 it decays. */
  readonly damping: number;
  /** π|f|/α; Infinity when it does not decay. */
  readonly quality: number;
  /** |c| at the first sample, in the unit of the series: of Re{c zⁿ} for a real one. */
  readonly amplitude: number;
  /** arg c, radians. */
  readonly phase: number;
  /** Of f and of α, from the residuals of the bins; noise that is white over these bins. */
  readonly sd: { readonly frequency: number; readonly damping: number };
  /** Largest value of the line's Lorentzian |C/(1 − z e^{−iωΔ})|² on these bins, (unit · samples)². */
  readonly power: number;
}

/**
 * The damped line nearest to a period.
 *
 * @param period in the time unit of the series; signed for a complex series
 * @throws SignalError for gaps, a record too short for the bins, and a period outside the transform
 */
export function arLine(series: Series, period: number, options: ArOptions = {}): ArLine {
  refuseGaps("AR line", series);
  const spectrum = fourier(series.re, series.im);
  return lineNear(series, spectrum, nearestBin(series, 1 / period), options);
}

export interface ArSpectrumOptions extends ArOptions {
  /** Frequencies scanned, cycles per time unit. */
  readonly band: readonly [low: number, high: number];
  /** Cells of the grid along frequency. Default 400. */
  readonly frequencies?: number;
  /** Dampings of the grid, per time unit. Default 0 to 10/record. */
  readonly dampings?: readonly [low: number, high: number];
  /** Cells of the grid along damping. Default 100. */
  readonly levels?: number;
}

/** Power over the complex plane; several records are multiplied, so only what all show remains. */
export interface ArSpectrum {
  /** Centres of the cells, cycles per time unit and per time unit. */
  readonly frequencies: Float64Array;
  readonly dampings: Float64Array;
  /** By damping, then frequency. Of one record: power per cell, (unit·samples)². Of several: their geometric mean. */
  readonly power: readonly Float64Array[];
  /** Highest cells that exceed all around them, strongest first. */
  readonly peaks: readonly { frequency: number; damping: number; quality: number; power: number }[];
}

/**
 * The AR-z spectrum of one record or of several on the same times scale.
 *
 * @throws SignalError as `arLine`, and for a band or grid that is none
 */
export function arZ(series: Series | readonly Series[], options: ArSpectrumOptions): ArSpectrum {
  const all = "re" in series ? [series] : series;
  const [first] = all;
  const { band, frequencies: width = 400, levels = 100 } = options;
  if (first === undefined) throw wrong("no records.", "give one series at least");
  if (!(band[0] < band[1]) || !(width >= 3) || !(levels >= 3))
    throw wrong(
      `a band of ${band.join(" to ")} on ${width} × ${levels} cells.`,
      "give a band from low to high, three cells at least each way",
    );
  const range = options.dampings ?? [0, 10 / spanOf(first)];
  const grid: Grid = {
    frequencies: centres(band, width),
    dampings: centres(range, levels),
    cell: [(band[1] - band[0]) / width, (range[1] - range[0]) / levels],
  };
  const maps = all.map((each) => mapOf(each, grid, options));
  const power = grid.dampings.length === 0 ? [] : geometricMean(maps);
  return { ...grid, power, peaks: peaksOf(grid, power) };
}

interface Grid {
  readonly frequencies: Float64Array;
  readonly dampings: Float64Array;
  readonly cell: readonly [frequency: number, damping: number];
}

/** Scans every bin of the band, and spreads each estimate's power over the grid by its sds, a cell at least. */
function mapOf(series: Series, grid: Grid, options: ArSpectrumOptions): Float64Array[] {
  refuseGaps("AR-z spectrum", series);
  const spectrum = fourier(series.re, series.im);
  const map = Array.from(grid.dampings, () => new Float64Array(grid.frequencies.length));
  const [from, to] = options.band.map((frequency) => nearestBin(series, frequency));
  for (let bin = from ?? 0; bin <= (to ?? -1); bin++) {
    const line = lineNear(series, spectrum, bin, options);
    const { frequency, damping, sd, power } = line;
    const across = spread(grid.frequencies, frequency, Math.max(sd.frequency, grid.cell[0]));
    const along = spread(grid.dampings, damping, Math.max(sd.damping, grid.cell[1]));
    map.forEach((row, i) => {
      const share = power * (along[i] ?? 0);
      if (share === 0) return;
      for (let j = 0; j < row.length; j++) row[j] = (row[j] as number) + share * (across[j] ?? 0);
    });
  }
  return map;
}

/** Share of a normal distribution in every cell. */
function spread(centresOfCells: Float64Array, mean: number, sd: number): Float64Array {
  const cell = (centresOfCells[1] ?? 0) - (centresOfCells[0] ?? 0);
  const scale = cell / (sd * Math.sqrt(2 * Math.PI));
  return centresOfCells.map((centre) => scale * Math.exp(-0.5 * ((centre - mean) / sd) ** 2));
}

function lineNear(series: Series, spectrum: Complex, bin: number, options: ArOptions): ArLine {
  const { halfWidth = 4, degree = 2 } = options;
  const count = series.re.length;
  const [rows, width] = [2 * halfWidth + 1, degree + 2];
  if (rows < width + 1 || rows > count)
    throw wrong(
      `${rows} bins of ${series.name} for z and a polynomial of degree ${degree}.`,
      `give a half width from ${Math.ceil((width + 1) / 2)} to ${Math.floor((count - 1) / 2)}`,
    );

  // Unknowns z, C_0 … C_degree; the complex equations as real ones, [Re −Im; Im Re].
  const system = Matrix.zeros(2 * rows, 2 * width);
  const right = Matrix.zeros(2 * rows, 1);
  let largest = 0;
  for (let i = 0; i < rows; i++) {
    const k = bin + i - halfWidth;
    const at = ((k % count) + count) % count;
    const [re, im] = [spectrum.re[at] ?? 0, spectrum.im[at] ?? 0];
    const angle = (2 * Math.PI * at) / count;
    const [c, s] = [Math.cos(angle), -Math.sin(angle)];
    const put = (column: number, a: number, b: number) => {
      system.set(i, column, a);
      system.set(i, width + column, -b);
      system.set(rows + i, column, b);
      system.set(rows + i, width + column, a);
    };
    put(0, re * c - im * s, re * s + im * c);
    for (let d = 0; d <= degree; d++) put(1 + d, ((i - halfWidth) / halfWidth) ** d, 0);
    right.set(i, 0, re);
    right.set(rows + i, 0, im);
    largest = Math.max(largest, Math.hypot(re, im));
  }
  // A record of zeros has no line; its bins have no direction.
  if (largest === 0) return nothingAt(bin / (count * series.step));
  const decomposition = new QrDecomposition(system);
  const unknowns = decomposition.solve(right).to1DArray();
  const part = (column: number): readonly [number, number] => [
    unknowns[column] ?? 0,
    unknowns[width + column] ?? 0,
  ];
  const [zRe, zIm] = part(0);
  const size = Math.hypot(zRe, zIm);
  const misfit = right.clone().sub(system.mmul(Matrix.columnVector(unknowns)));
  // White noise E_k stands in equation k as (1 − z e^{−2πik/N})E_k, least on the line itself.
  const gaps = Float64Array.from({ length: 2 * rows }, (_, i) =>
    gapSquared(bin + (i % rows) - halfWidth, count, zRe, zIm),
  );
  const share = gaps.reduce((sum, gap) => sum + gap, 0) * ((rows - width) / rows);
  const variance = misfit.norm() ** 2 / share;
  const inverse = solve(decomposition.upperTriangularMatrix, Matrix.eye(2 * width));
  const row = inverse.mmul(decomposition.orthogonalMatrix.transpose()).getRow(0);
  const zVariance = row.reduce((sum, x, i) => sum + x * x * (gaps[i] ?? 0), 0) * variance;

  const { step } = series;
  const frequency = nearestTurn(
    Math.atan2(zIm, zRe) / (2 * Math.PI * step),
    bin,
    count * step,
    step,
  );
  const damping = -Math.log(size) / step;
  const relative = Math.sqrt(zVariance) / size;
  const strength = amplitudeOf(series, spectrum, { bin, zRe, zIm });
  return {
    period: 1 / frequency,
    ...{ frequency, damping, ...strength },
    quality: damping > 0 ? (Math.PI * Math.abs(frequency)) / damping : Infinity,
    sd: { frequency: relative / (2 * Math.PI * step), damping: relative / step },
    power: peakPower(part, { bin, halfWidth, degree, count }, zRe, zIm),
  };
}

const nothingAt = (frequency: number): ArLine => ({
  ...{ period: 1 / frequency, frequency, damping: 0, quality: Infinity, amplitude: 0, phase: 0 },
  ...{ sd: { frequency: Infinity, damping: Infinity }, power: 0 },
});

/** Frequencies are known but for multiples of 1/Δ: the one nearest to the bin's. */
function nearestTurn(frequency: number, bin: number, span: number, step: number): number {
  return frequency + Math.round((bin / span - frequency) * step) / step;
}

/** Largest |C_k/(1 − z e^{−2πik/N})|² on the bins. */
function peakPower(
  part: (column: number) => readonly [number, number],
  { bin, halfWidth, degree, count }: Record<"bin" | "halfWidth" | "degree" | "count", number>,
  zRe: number,
  zIm: number,
): number {
  let largest = 0;
  for (let i = -halfWidth; i <= halfWidth; i++) {
    let [re, im] = [0, 0];
    for (let d = degree; d >= 0; d--) {
      const [a, b] = part(1 + d);
      re = re * (i / halfWidth) + a;
      im = im * (i / halfWidth) + b;
    }
    largest = Math.max(largest, (re * re + im * im) / gapSquared(bin + i, count, zRe, zIm));
  }
  return largest;
}

/** |1 − z e^{−2πik/N}|² */
function gapSquared(k: number, count: number, zRe: number, zIm: number): number {
  const angle = (2 * Math.PI * k) / count;
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  return (1 - zRe * c - zIm * s) ** 2 + (zIm * c - zRe * s) ** 2 || Number.MIN_VALUE;
}

/** c by least squares of X_k on (1 − z^N)/(1 − z e^{−2πik/N}), on the three bins where the line is strongest. */
function amplitudeOf(
  series: Series,
  spectrum: Complex,
  { bin, zRe, zIm }: { readonly bin: number; readonly zRe: number; readonly zIm: number },
): { amplitude: number; phase: number } {
  const count = series.re.length;
  const [size, angle] = [Math.hypot(zRe, zIm) ** count, Math.atan2(zIm, zRe) * count];
  const [topRe, topIm] = [1 - size * Math.cos(angle), -size * Math.sin(angle)];
  let [re, im, weight] = [0, 0, 0];
  for (let k = bin - 1; k <= bin + 1; k++) {
    const turn = (2 * Math.PI * k) / count;
    const [c, s] = [Math.cos(turn), Math.sin(turn)];
    const [a, b] = [1 - zRe * c - zIm * s, -(zIm * c - zRe * s)];
    const square = a * a + b * b || Number.MIN_VALUE;
    // h = top/(a + ib)
    const [hRe, hIm] = [(topRe * a + topIm * b) / square, (topIm * a - topRe * b) / square];
    const at = ((k % count) + count) % count;
    const [x, y] = [spectrum.re[at] ?? 0, spectrum.im[at] ?? 0];
    re += hRe * x + hIm * y;
    im += hRe * y - hIm * x;
    weight += hRe * hRe + hIm * hIm;
  }
  const scale = series.im === undefined ? 2 : 1;
  return {
    amplitude: (scale * Math.hypot(re, im)) / (weight || 1),
    phase: Math.atan2(im, re),
  };
}

function nearestBin(series: Series, frequency: number): number {
  const { re, step, im, name, timeUnit } = series;
  const nyquist = 0.5 / step;
  const least = im === undefined ? 0 : -nyquist;
  if (!(frequency >= least && frequency <= nyquist))
    throw wrong(
      `a frequency of ${frequency} per ${timeUnit.slice(0, -1)} in ${name}.`,
      `ask from ${least} to ${nyquist}`,
    );
  return Math.round(frequency * re.length * step);
}

function centres([low, high]: readonly [number, number], cells: number): Float64Array {
  return Float64Array.from({ length: cells }, (_, i) => low + ((i + 0.5) * (high - low)) / cells);
}

function geometricMean(maps: readonly (readonly Float64Array[])[]): Float64Array[] {
  const [first = []] = maps;
  return first.map((row, i) =>
    row.map((_, j) => {
      const logs = maps.reduce((sum, map) => sum + Math.log(map[i]?.[j] ?? 0), 0);
      return Math.exp(logs / maps.length);
    }),
  );
}

function peaksOf(grid: Grid, power: readonly Float64Array[]): ArSpectrum["peaks"] {
  const at = (i: number, j: number) => power[i]?.[j] ?? 0;
  return power
    .flatMap((row, i) =>
      [...row.keys()].flatMap((j) => {
        const own = at(i, j);
        const around = [-1, 0, 1].flatMap((a) => [-1, 0, 1].map((b) => at(i + a, j + b)));
        if (own <= 0 || around.filter((other) => other >= own).length > 1) return [];
        const frequency = grid.frequencies[j] ?? 0;
        const damping = grid.dampings[i] ?? 0;
        const quality = damping > 0 ? (Math.PI * Math.abs(frequency)) / damping : Infinity;
        return [{ frequency, damping, quality, power: own }];
      }),
    )
    .sort((a, b) => b.power - a.power);
}

function wrong(what: string, fix: string): SignalError {
  return new SignalError("SIGNAL-01", `AR-z spectrum: ${what}`, [["fix", fix]]);
}
