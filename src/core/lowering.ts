/** @file What an op's lowering may ask of an engine's emitter. Types only: ops load no engine. */

import type { DType } from "./dtype.ts";
import type { Program } from "./program.ts";
import type { Aval } from "./shape.ts";

/**
 * A value in an ONNX graph.
 *
 * Its `dims` may be *smaller* than the program's: a broadcast is carried lazily (ones, or missing
 * leading axes), because ONNX's element-wise ops broadcast by themselves. `OnnxEmitter.exact` expands.
 */
export interface OnnxValue {
  readonly name: string;
  readonly dtype: DType;
  readonly dims: readonly number[];
}

/** A graph inside a node: the body of a loop, a branch. It may use values of the graph around it. */
export interface OnnxSubgraph {
  readonly name: string;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

export type OnnxAttributeValue =
  | { readonly graph: OnnxSubgraph }
  | { readonly int: number }
  | { readonly float: number }
  | { readonly string: string }
  | { readonly ints: readonly number[] };

/** One ONNX node to be emitted. */
export interface OnnxNodeSpec {
  readonly op: string;
  readonly inputs: readonly (OnnxValue | null)[];
  readonly attributes?: Readonly<Record<string, OnnxAttributeValue>>;
  /** What each output is; null for an optional output that is not wanted. */
  readonly outputs: readonly (Pick<Aval, "dtype" | "dims"> | null)[];
  readonly domain?: "" | "com.microsoft";
}

/** Builds an ONNX graph node by node. */
export interface OnnxEmitter {
  /** Whether the place where the graph will run has kernels for this dtype. */
  runs(dtype: DType): boolean;
  /** Emits a node; a result per non-null output. */
  nodes(spec: OnnxNodeSpec): readonly OnnxValue[];
  /** Emits a node with one output. */
  node(
    op: string,
    inputs: readonly (OnnxValue | null)[],
    output: Pick<Aval, "dtype" | "dims">,
    attributes?: Readonly<Record<string, OnnxAttributeValue>>,
    domain?: "" | "com.microsoft",
  ): OnnxValue;
  /** A constant; equal ones are shared. */
  constant(dtype: DType, dims: readonly number[], values: ArrayLike<number>): OnnxValue;
  /** The value with a lazy broadcast carried out, so that its dims are exactly `dims`. */
  exact(x: OnnxValue, dims: readonly number[]): OnnxValue;
  /** The value under other dims of equal size. */
  reshape(x: OnnxValue, dims: readonly number[]): OnnxValue;
  /** The value with its axes in another order. */
  transpose(x: OnnxValue, order: readonly number[]): OnnxValue;
  /** A program's nodes in this graph; results have their exact dims. */
  inline(program: Program, inputs: readonly OnnxValue[]): readonly OnnxValue[];
  /** A graph inside a node, built by `build` from its inputs. Values made there stay there. */
  subgraph(
    name: string,
    inputs: readonly Pick<Aval, "dtype" | "dims">[],
    build: (inputs: readonly OnnxValue[]) => readonly OnnxValue[],
  ): OnnxSubgraph;
}

/** A value in StableHLO text. */
export interface HloValue {
  readonly name: string;
  readonly dtype: DType;
  readonly dims: readonly number[];
}

/** Builds a StableHLO function line by line. */
export interface HloEmitter {
  /** `%r = text`; in `text`, operands are written by their names, and types are written out. */
  line(text: string, output: Pick<Aval, "dtype" | "dims">): HloValue;
  /** A line with several results. */
  lines(text: string, outputs: readonly Pick<Aval, "dtype" | "dims">[]): HloValue[];
  /** Element-wise op in the short form; `chlo` ops of one operand too, which have a form of their own. */
  elementwise(
    op: string,
    inputs: readonly HloValue[],
    output: Pick<Aval, "dtype" | "dims">,
  ): HloValue;
  /** A splat constant. */
  splat(value: number, output: Pick<Aval, "dtype" | "dims">): HloValue;
  /** `stablehlo.reduce` over `axes` by a binary op from an initial value. */
  reduce(op: string, x: HloValue, initial: number, axes: readonly number[]): HloValue;
  /** `stablehlo.broadcast_in_dim`. */
  broadcast(x: HloValue, axes: readonly number[], dims: readonly number[]): HloValue;
  /** A program's lines in this place. */
  inline(program: Program, inputs: readonly HloValue[]): readonly HloValue[];
  /** The lines that `build` writes, closed by `stablehlo.return` of its results. */
  region(build: () => readonly HloValue[]): string;
  /** A name for an argument of a region. */
  argument(form: Pick<Aval, "dtype" | "dims">): HloValue;
  /** The type text: `tensor<2x3xf32>`. */
  type(x: Pick<Aval, "dtype" | "dims">): string;
}
