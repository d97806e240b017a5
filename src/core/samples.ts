/** @file Samples and rejections of ops: the registry is the test list. */

import { isFloat } from "./dtype.ts";
import { build, type NdArray } from "./ndarray.ts";
import { type Aval, aval } from "./shape.ts";

/** How the elements of a sample are chosen. */
export type Fill =
  | { readonly kind: "uniform"; readonly low: number; readonly high: number }
  | { readonly kind: "integers"; readonly low: number; readonly high: number }
  | { readonly kind: "values"; readonly values: readonly number[] };

export interface SampleInput {
  readonly aval: Aval;
  readonly fill: Fill;
}

export interface Sample<P = unknown> {
  readonly label: string;
  readonly inputs: readonly SampleInput[];
  readonly params: P;
  /** Whether derivatives are checked here; false at kinks, ties and integers. */
  readonly differentiable: boolean;
}

/** Inputs that the op must refuse, and a part of the text that it must say. */
export interface Rejection<P = unknown> {
  readonly label: string;
  readonly inputs: readonly Aval[];
  readonly params: P;
  readonly message: string;
}

export function sample<P>(
  label: string,
  inputs: readonly SampleInput[],
  params: P,
  differentiable = true,
): Sample<P> {
  return { label, inputs, params, differentiable };
}

export function rejects<P>(
  label: string,
  inputs: readonly Aval[],
  params: P,
  message: string,
): Rejection<P> {
  return { label, inputs, params, message };
}

/** float32 of the given sizes, uniform in ±2. */
export function random(...dims: number[]): SampleInput {
  return { aval: aval("float32", dims), fill: { kind: "uniform", low: -2, high: 2 } };
}

/** float32, uniform in [low, high). */
export function between(low: number, high: number, ...dims: number[]): SampleInput {
  return { aval: aval("float32", dims), fill: { kind: "uniform", low, high } };
}

/** int32 in [low, high). */
export function integers(low: number, high: number, ...dims: number[]): SampleInput {
  return { aval: aval("int32", dims), fill: { kind: "integers", low, high } };
}

/** int64 beyond the range of int32. */
export function longIntegers(...dims: number[]): SampleInput {
  return { aval: aval("int64", dims), fill: { kind: "integers", low: -(2 ** 40), high: 2 ** 40 } };
}

/** uint32 over its whole range. */
export function words(...dims: number[]): SampleInput {
  return { aval: aval("uint32", dims), fill: { kind: "integers", low: 0, high: 2 ** 32 } };
}

export function booleans(...dims: number[]): SampleInput {
  return { aval: aval("bool", dims), fill: { kind: "integers", low: 0, high: 2 } };
}

/** Elements written out. */
export function values(like: Aval, ...elements: number[]): SampleInput {
  return { aval: like, fill: { kind: "values", values: elements } };
}

/** float32 with one of every kind: NaN, both infinities, both zeros, tiny, ordinary; and `more`. */
export function specials(...more: number[]): SampleInput {
  const kinds = [
    NaN,
    Infinity,
    -Infinity,
    -0,
    0,
    1e-6,
    -1e-6,
    0.5,
    -0.5,
    1,
    -1,
    1.5,
    -2.5,
    ...more,
  ];
  return values(aval("float32", [kinds.length]), ...kinds);
}

/** Two lists in which every pair of `kinds` stands once. */
export function pairs(...kinds: number[]): readonly [SampleInput, SampleInput] {
  const form = aval("float32", [kinds.length ** 2]);
  return [
    values(form, ...kinds.flatMap((kind) => kinds.map(() => kind))),
    values(form, ...kinds.flatMap(() => kinds)),
  ];
}

/** The same sample input with axis names. */
export function named(input: SampleInput, ...names: string[]): SampleInput {
  return { ...input, aval: { ...input.aval, names } };
}

/** Small linear congruential generator; good enough for samples, equal on every machine. */
export function sampleStream(seed: number): () => number {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    const mixed = Math.imul(state ^ (state >>> 13), 0x297a2d39) >>> 0;
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
  };
}

/** The data of a sample input; float32 becomes float64 when `double` is set. */
export function materialise(input: SampleInput, seed: number, double: boolean): NdArray {
  const next = sampleStream(seed);
  const { fill } = input;
  const dtype = double && isFloat(input.aval.dtype) ? "float64" : input.aval.dtype;
  return build({ dtype, dims: input.aval.dims }, (_index, flat) => {
    if (fill.kind === "values") return fill.values[flat] ?? 0;
    const value = fill.low + next() * (fill.high - fill.low);
    return fill.kind === "integers" ? Math.floor(value) : value;
  });
}
