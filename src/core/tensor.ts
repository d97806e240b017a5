/** @file Tensors: a value of a program being traced, or data that an engine holds. */

import { type AxisName, parseAxes } from "./axes.ts";
import type { Builder } from "./builder.ts";
import { type DType, fromNumbers, readElement, type TypedArray } from "./dtype.ts";
import { ShapeError, TraceError } from "./errors.ts";
import type { Variable } from "./program.ts";
import { type Aval, aval, axisOf, dimOf, showAval, sizeOf } from "./shape.ts";

/** Data on the host, in place for the engines that compute there. */
export interface Stored {
  readonly data: TypedArray;
  /** Who took the memory over, once it has been donated. */
  consumedBy: string | undefined;
}

export type Origin =
  | { readonly kind: "traced"; readonly builder: Builder; readonly variable: Variable }
  | { readonly kind: "stored"; readonly stored: Stored };

/**
 * An array of numbers with dtype, static sizes and axis names.
 *
 * Inside a traced function it stands for a value to be computed; outside it holds data. Its
 * arithmetic methods (`add`, `mul`, `sum` …) are installed by `numpy/methods.ts`.
 */
export class Tensor {
  readonly aval: Aval;
  readonly origin: Origin;

  constructor(aval: Aval, origin: Origin) {
    this.aval = aval;
    this.origin = origin;
  }

  get dtype(): DType {
    return this.aval.dtype;
  }

  get dims(): readonly number[] {
    return this.aval.dims;
  }

  get names(): readonly AxisName[] {
    return this.aval.names;
  }

  get rank(): number {
    return this.aval.dims.length;
  }

  /** Length of the axis called `axis`. @throws AxisError when there is none */
  size(axis: string | number): number {
    return dimOf(this.aval, axisOf("size", this.aval, axis));
  }

  /**
   * The elements, row-major, as the engine holds them: 16-bit floats as bit patterns (see `numbers`).
   *
   * @throws TraceError inside a traced function, where there is no data yet, and after donation
   */
  data(): TypedArray {
    if (this.origin.kind === "traced") {
      throw new TraceError("TRACE-01", "data: a traced tensor has no data yet.", [
        ["tensor", showAval(this.aval)],
        ["fix", "return it from the function and read the result of the call"],
      ]);
    }
    const { stored } = this.origin;
    if (stored.consumedBy !== undefined) {
      throw new TraceError(
        "TRACE-02",
        `data: the memory of this tensor was donated to ${stored.consumedBy}.`,
        [
          ["tensor", showAval(this.aval)],
          ["fix", "use the tensor that the call returned, or do not donate this argument"],
        ],
      );
    }
    return stored.data;
  }

  /** The one number of a scalar (or of a one-element tensor). @throws ShapeError for more elements */
  item(): number {
    if (sizeOf(this.dims) !== 1) {
      throw new ShapeError(
        "SHAPE-01",
        `item: ${showAval(this.aval)} has ${sizeOf(this.dims)} elements, not 1`,
      );
    }
    return readElement(this.dtype, this.data(), 0);
  }

  /** The elements as numbers, row-major, whatever the dtype. @throws TraceError as `data` does */
  numbers(): number[] {
    const data = this.data();
    return Array.from({ length: data.length }, (_, i) => readElement(this.dtype, data, i));
  }

  toString(): string {
    return showAval(this.aval);
  }
}

export type NestedNumbers = number | boolean | readonly NestedNumbers[];

/**
 * A tensor from nested arrays of numbers.
 *
 * @param axes - axis words, `"batch embed"`; unnamed when absent
 * @throws ShapeError when rows have unequal lengths
 */
export function tensor(nested: NestedNumbers, dtype: DType = "float32", axes?: string): Tensor {
  const dims = dimsOf(nested);
  const flat: number[] = [];
  flatten(nested, dims, 0, flat);
  return stored(aval(dtype, dims, namesFor(dims, axes)), fromNumbers(dtype, flat));
}

/** A tensor over a typed array, which it shares; `axes` as in `tensor`. */
export function fromData(
  dtype: DType,
  dims: readonly number[],
  data: TypedArray,
  axes?: string,
): Tensor {
  if (data.length !== sizeOf(dims)) {
    throw new ShapeError(
      "SHAPE-01",
      `fromData: ${data.length} elements do not fill ${showAval(aval(dtype, dims))}, which holds ${sizeOf(dims)}`,
    );
  }
  return stored(aval(dtype, dims, namesFor(dims, axes)), data);
}

/** A tensor that holds data. */
export function stored(form: Aval, data: TypedArray): Tensor {
  return new Tensor(form, { kind: "stored", stored: { data, consumedBy: undefined } });
}

function namesFor(dims: readonly number[], axes: string | undefined): readonly AxisName[] {
  if (axes === undefined) return dims.map(() => null);
  const names = parseAxes("tensor", axes);
  if (names.length === dims.length) return names;
  throw new ShapeError(
    "SHAPE-01",
    `tensor: "${axes}" names ${names.length} axes, but the data has ${dims.length}: [${dims.join(", ")}]`,
  );
}

function dimsOf(nested: NestedNumbers): number[] {
  if (!Array.isArray(nested)) return [];
  const first: NestedNumbers | undefined = nested[0];
  return [nested.length, ...(first === undefined ? [] : dimsOf(first))];
}

function flatten(
  nested: NestedNumbers,
  dims: readonly number[],
  depth: number,
  out: number[],
): void {
  const length = Array.isArray(nested) ? nested.length : undefined;
  if (length !== dims[depth]) {
    throw new ShapeError(
      "SHAPE-01",
      `tensor: a row at depth ${depth} has ${length ?? "no"} elements, the first one has ${dims[depth] ?? "none"}`,
    );
  }
  if (typeof nested === "number" || typeof nested === "boolean") out.push(Number(nested));
  else for (const row of nested) flatten(row, dims, depth + 1, out);
}
