/**
 * @file Convolution of a record with band-limited kernels, by transforms no longer than the band is wide.
 *
 * The record is padded with zeros to M samples, more than it and the kernel take together, so that the
 * circular convolution equals the plain sum. Its loops take pairs apart by hand: an array in between takes more
 * time than the multiplication.
 */

import {
  type Complex,
  fourierPlan,
  interleaved,
  powerOfTwoAbove,
  powerOfTwoIn,
} from "./fourier.ts";

/** The spectrum of one record, padded to whatever lengths are asked for. */
export class PaddedSpectra {
  readonly #re: Float64Array;
  readonly #im: Float64Array | undefined;
  readonly #known = new Map<number, Float64Array>();

  constructor({ re, im }: { readonly re: Float64Array; readonly im?: Float64Array }) {
    this.#re = re;
    this.#im = im;
  }

  /** Samples of the record. */
  get count(): number {
    return this.#re.length;
  }

  /** `length` bins as re, im, re, im … */
  at(length: number): Float64Array {
    const known = this.#known.get(length);
    if (known !== undefined) return known;
    const out = new Float64Array(2 * length);
    fourierPlan(length).forward(out, interleaved(this.#re, this.#im, length));
    this.#known.set(length, out);
    return out;
  }
}

/** What a convolution does to the bins `first`, `first + 1` …; bins are signed and run around. */
export interface BandFilter {
  readonly first: number;
  /** As re, im, re, im … */
  readonly gains: Float64Array;
}

/** Turns are multiplied up for as many phases; then they are computed anew, before their errors show. */
const FRESH = 64;
/** Phases that are written together: neighbours in the output, a line of the cache. */
const TOGETHER = 8;

/**
 * out_m = (1/M) Σ_k X_k h_k e^{2πik·every·m/M}: each `every`-th sample of the filtered record.
 *
 * A band of up to L bins (a power of two) needs transforms of length L alone: samples m = Dj + r of one r come
 * from one of them, of X_k h_k e^{2πik·every·r/M}.
 *
 * @param spectrum M bins; `every` divides M
 * @param out as many samples as are wanted, M/every at most
 */
export function filterBand(
  spectrum: Float64Array,
  { first, gains }: BandFilter,
  every: number,
  out: Complex,
): void {
  const length = spectrum.length / 2;
  const outputs = length / every;
  const width = gains.length / 2;
  const short = powerOfTwoAbove(Math.max(2, width));
  const size = short <= powerOfTwoIn(outputs) ? short : outputs;
  const phases = Math.min(outputs / size, out.re.length);

  const bins = filtered(spectrum, first, gains);
  const step = turnsOf(first, width, every, length);
  const plan = fourierPlan(size);
  const { data, results } = workspaceOf(size);
  data.fill(0);
  let turned: Float64Array = bins.slice();
  for (let phase = 0; phase < phases; phase++) {
    if (phase > 0 && phase % FRESH === 0)
      turned = product(bins, turnsOf(first, width, phase * every, length));
    // The inverse transform is the forward one with bin k at −k.
    if (width > size) {
      data.fill(0);
      foldBins(data, turned, modulo(-first, size));
    } else placeBins(data, turned, step, modulo(-first, size));
    const lane = phase % TOGETHER;
    plan.forward(results[lane] ?? data, data);
    if (lane === TOGETHER - 1 || phase === phases - 1)
      writeLanes(out, results, phase - lane, lane + 1, outputs / size);
  }
}

interface Workspace {
  readonly data: Float64Array;
  readonly results: readonly Float64Array[];
}

const MOST_KEPT = 1 << 15;
const workspaces = new Map<number, Workspace>();

/** Buffers for transforms of `size`, kept unless they are large: those that come thousands of times are short. */
function workspaceOf(size: number): Workspace {
  const known = workspaces.get(size);
  if (known !== undefined) return known;
  const lanes = Array.from({ length: TOGETHER }, () => new Float64Array(2 * size));
  const fresh = { data: new Float64Array(2 * size), results: lanes };
  if (size <= MOST_KEPT && powerOfTwoIn(size) === size) workspaces.set(size, fresh);
  return fresh;
}

/** Bin k goes to −k; those that fall on one place add up. */
function foldBins(data: Float64Array, bins: Float64Array, start: number): void {
  for (let bin = 0, at = 2 * start; bin < bins.length; bin += 2) {
    data[at] = (data[at] ?? 0) + (bins[bin] ?? 0);
    data[at + 1] = (data[at + 1] ?? 0) + (bins[bin + 1] ?? 0);
    at = at === 0 ? data.length - 2 : at - 2;
  }
}

/** Bin k goes to −k, and is turned by a step for the next phase. */
function placeBins(
  data: Float64Array,
  bins: Float64Array,
  step: Float64Array,
  start: number,
): void {
  for (let bin = 0, at = 2 * start; bin < bins.length; bin += 2) {
    const re = bins[bin] ?? 0;
    const im = bins[bin + 1] ?? 0;
    data[at] = re;
    data[at + 1] = im;
    at = at === 0 ? data.length - 2 : at - 2;
    const c = step[bin] ?? 0;
    const s = step[bin + 1] ?? 0;
    bins[bin] = re * c - im * s;
    bins[bin + 1] = re * s + im * c;
  }
}

/** Value j of lane r goes to sample stride·j + phase + r. */
function writeLanes(
  { re, im }: Complex,
  results: readonly Float64Array[],
  phase: number,
  lanes: number,
  stride: number,
): void {
  const count = re.length;
  for (let lane = 0; lane < lanes; lane++) {
    const result = results[lane] ?? new Float64Array(0);
    for (let from = 0, to = phase + lane; to < count; from += 2, to += stride) {
      re[to] = result[from] ?? 0;
      im[to] = result[from + 1] ?? 0;
    }
  }
}

/** X_k h_k / M of the band's bins. */
function filtered(spectrum: Float64Array, first: number, gains: Float64Array): Float64Array {
  const out = new Float64Array(gains.length);
  const scale = 2 / spectrum.length;
  for (let bin = 0, at = 2 * modulo(first, spectrum.length / 2); bin < gains.length; bin += 2) {
    const re = spectrum[at] ?? 0;
    const im = spectrum[at + 1] ?? 0;
    const c = gains[bin] ?? 0;
    const s = gains[bin + 1] ?? 0;
    out[bin] = scale * (re * c - im * s);
    out[bin + 1] = scale * (re * s + im * c);
    at = at + 2 === spectrum.length ? 0 : at + 2;
  }
  return out;
}

/** e^{2πi·sample·k/length} of the bins k from `first` on; whole turns are taken off before they cost digits. */
function turnsOf(first: number, width: number, sample: number, length: number): Float64Array {
  const turns = new Float64Array(2 * width);
  for (let bin = 0; bin < width; bin++) {
    const angle = (2 * Math.PI * (((first + bin) * sample) % length)) / length;
    turns[2 * bin] = Math.cos(angle);
    turns[2 * bin + 1] = Math.sin(angle);
  }
  return turns;
}

function product(a: Float64Array, b: Float64Array): Float64Array {
  const out = new Float64Array(a.length);
  for (let at = 0; at < a.length; at += 2) {
    const re = a[at] ?? 0;
    const im = a[at + 1] ?? 0;
    const c = b[at] ?? 0;
    const s = b[at + 1] ?? 0;
    out[at] = re * c - im * s;
    out[at + 1] = re * s + im * c;
  }
  return out;
}

function modulo(value: number, length: number): number {
  return ((value % length) + length) % length;
}
