/** @file One line of the agreement tables, replayed: values and gradients in one program, held against a peer's. */

import { type DType, fromNumbers, isFloat } from "../../src/core/dtype.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { fromData, stored, type Tensor } from "../../src/core/tensor.ts";
import type * as np from "../../src/numpy/index.ts";
import { numbers } from "../../src/testing/tensors.ts";
import { vjp } from "../../src/transforms/vjp.ts";

/** Our counterpart of a peer's function. */
export type Call = (...xs: Tensor[]) => Tensor | readonly Tensor[];

/** A counterpart of which there is more to say. */
export interface Told {
  readonly call: Call;
  readonly because: string;
  /** What we give instead, by place of the result; a hole stands for what the peer gives. */
  readonly values?: readonly (readonly number[] | undefined)[];
  /** The same of gradients, by place among the float inputs. */
  readonly gradients?: readonly (readonly number[] | undefined)[];
  /** The call is an error of ours. */
  readonly refused?: boolean;
  /** Largest errors in double and single precision, where the usual ones cannot be. */
  readonly double?: number;
  readonly single?: number;
}

export type Table = Readonly<Record<string, Call | Told>>;

/** Where we give something else on purpose. */
export function differs(
  because: string,
  call: Call,
  ours: Pick<Told, "values" | "gradients" | "refused">,
): Told {
  return { call, because, ...ours };
}

/** Where rounding errors are larger than elsewhere. */
export function loosely(
  because: string,
  tolerance: Pick<Told, "double" | "single">,
  call: Call,
): Told {
  return { call, because, ...tolerance };
}

/** Why results of doubles may have single precision, for `loosely`. */
export const FOLDED = "the weights are constants, which simplification folds in single precision";

/** A line per item, for families of names. */
export function lines<T>(items: readonly T[], line: (item: T) => Table): Table {
  return Object.assign({}, ...items.map(line));
}

/** Real and imaginary part as two results. */
export function pair({ re, im }: np.fft.Complex): readonly Tensor[] {
  return [re, im];
}

/** An array as it is recorded; JSON has no word for NaN and infinities. */
export interface Recorded {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly data: readonly (number | "NaN" | "Infinity" | "-Infinity")[];
}

export interface RecordedCase {
  readonly name: string;
  readonly peer: "torch" | "jax";
  readonly inputs: readonly Recorded[];
  readonly values: readonly Recorded[];
  /** By float inputs; absent where the peer, or the function, has none. */
  readonly gradients?: readonly Recorded[];
}

/** What a replay gives, and what it is held against. */
export interface Replayed {
  readonly values: readonly Tensor[];
  readonly gradients: readonly Tensor[];
}

export function told(line: Call | Told): Told {
  return typeof line === "function" ? { call: line, because: "" } : line;
}

/** Inputs in single precision, or with doubles behind the word float32. */
export function inputsOf({ inputs }: RecordedCase, inDoubles: boolean): Tensor[] {
  return inputs.map(({ dtype, dims, data }) => {
    const values = data.map(Number);
    const x = fromData(dtype, dims, fromNumbers(dtype, values));
    return inDoubles && isFloat(dtype) ? stored(x.aval, Float64Array.from(values)) : x;
  });
}

/** The weights that a result's gradient is taken with: the same sequence as in recorded/agreement/cases.py. */
export function weights(output: number, length: number): number[] {
  let state = 7 + output;
  return Array.from({ length }, () => {
    state = (75 * state + 74) % 65537;
    return state / 32768 - 1;
  });
}

/** The first of the first result's weights. */
export const FIRST_WEIGHT: number = weights(0, 1)[0] ?? NaN;

function cotangent(y: Tensor, output: number, inDoubles: boolean): Tensor {
  const list = weights(output, sizeOf(y.dims));
  // Exact in single precision too.
  const data = inDoubles ? Float64Array.from(list) : Float32Array.from(list);
  return stored({ ...y.aval, names: y.names.map(() => null) }, data);
}

/** Values, and gradients where the peer has some; to be called inside a program. */
export function replay(
  one: RecordedCase,
  { call }: Told,
  inDoubles: boolean,
  xs: readonly Tensor[],
): Replayed {
  const unnamed = (ys: Tensor | readonly Tensor[]): readonly Tensor[] =>
    ("aval" in ys ? [ys] : ys).map((y) => y.reshape(y.dims));
  if (one.gradients === undefined) return { values: unnamed(call(...xs)), gradients: [] };
  let values: readonly Tensor[] = [];
  const floats = (...inputs: Tensor[]) => {
    values = unnamed(call(...inputs));
    return values.filter(({ dtype }) => isFloat(dtype));
  };
  const [results, pullback] = vjp(floats, ...xs);
  const places = values.flatMap(({ dtype }, i) => (isFloat(dtype) ? [i] : []));
  const cotangents = results.map((y, i) => cotangent(y, places[i] ?? 0, inDoubles));
  const gradients = pullback(cotangents).filter((_, i) => isFloat((xs[i] as Tensor).dtype));
  // Integers did not pass through the derivative, and are computed beside it.
  const all = places.length === values.length ? results : unnamed(call(...xs));
  return { values: all, gradients };
}

/** Largest error relative to the largest element or 1; ∞ where forms, NaN or infinities differ. */
export function errorOf(actual: Tensor, expected: Recorded, instead?: readonly number[]): number {
  const wanted = instead ?? expected.data.map(Number);
  const given = numbers(actual);
  const sameForm = `${actual.dims}` === `${expected.dims}` || instead !== undefined;
  if (!sameForm || given.length !== wanted.length) return Infinity;
  if (isFloat(actual.dtype) !== isFloat(expected.dtype)) return Infinity;
  let error = 0;
  let scale = 1;
  for (const [i, b] of wanted.entries()) {
    const a = given[i] as number;
    if (Object.is(a, b) || a === b) continue;
    if (!Number.isFinite(a) || !Number.isFinite(b)) return Infinity;
    error = Math.max(error, Math.abs(a - b));
    scale = Math.max(scale, Math.abs(b));
  }
  return error / scale;
}

/** Whether every zero has the sign that the peer gives it. */
export function sameZeros(actual: Tensor, expected: Recorded): boolean {
  const given = numbers(actual);
  return expected.data.every((b, i) => b !== 0 || Object.is(given[i], b));
}
