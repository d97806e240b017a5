/** @file Parameters, declared once: axes with their sizes, and how they start. */

import { asOneLine } from "../core/builder.ts";
import type { DType } from "../core/dtype.ts";
import { aval, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { leavesWith, rebuildWith } from "../core/tree.ts";
import { full, random } from "../numpy/index.ts";
import { abstract } from "../transforms/trace.ts";

/** Values of a fresh parameter, drawn from a key of its own; in float32, they are converted to the spec's dtype. */
export type Initialiser = (key: random.Key, spec: ParamSpec) => Tensor;

/** A declared parameter. Its axis words are also its sharding names. */
export interface ParamSpec {
  readonly kind: "param";
  readonly dtype: DType;
  readonly dims: readonly number[];
  /** Axis words, separated by spaces. */
  readonly axes: string;
  readonly init: Initialiser;
}

/**
 * Declares a parameter: `param({ embed: 512, mlp: 2048 }, normal(512 ** -0.5))`.
 *
 * @param sizes - axis words and their sizes, in order
 */
export function param(sizes: Readonly<Record<string, number>>, init: Initialiser): ParamSpec {
  return {
    kind: "param",
    dtype: "float32",
    dims: Object.values(sizes),
    axes: Object.keys(sizes).join(" "),
    init,
  };
}

/** Gaussian with mean 0. */
export function normal(std: number): Initialiser {
  return (key, { dims, axes }) => random.normal(key, dims, { axes }).mul(std);
}

/** Uniform in ±√(3 / fanIn): variance 1 / fanIn. */
export function fanInUniform(fanIn: number): Initialiser {
  const limit = Math.sqrt(3 / fanIn);
  return (key, { dims, axes }) => random.uniform(key, dims, { low: -limit, high: limit, axes });
}

/** One value everywhere. */
export function constant(value: number): Initialiser {
  return (_key, { dims, axes }) => full(value, dims, axes);
}

export const ones: Initialiser = constant(1);
export const zeros: Initialiser = constant(0);

/** A tree of specs with its leaves replaced by tensors. Layers are written over either. */
export type Realised<T> = T extends ParamSpec
  ? Tensor
  : { readonly [K in keyof T]: Realised<T[K]> };

/** Whether a node of a tree of declarations is one itself. */
export function isParamSpec(node: unknown): node is ParamSpec {
  return typeof node === "object" && node !== null && "kind" in node && node.kind === "param";
}

/** Fresh parameters. Each draws from `key` folded with its own path, so adding one changes no other. */
export function initialise<T>(specs: T, key: random.Key): Realised<T> {
  return rebuildWith(specs, isParamSpec, (spec, path) =>
    asOneLine(() => spec.init(random.fold(key, path), spec).astype(spec.dtype)),
  ) as Realised<T>;
}

/** Stand-ins of the parameters' forms, for tracing without allocating anything. */
export function abstractParams<T>(specs: T): Realised<T> {
  return rebuildWith(specs, isParamSpec, ({ dtype, dims, axes }) =>
    abstract(aval(dtype, dims, axes.split(" "))),
  ) as Realised<T>;
}

/** Paths, specs and element counts of all parameters. */
export function listParams(
  specs: unknown,
): readonly { readonly path: string; readonly spec: ParamSpec; readonly count: number }[] {
  return leavesWith(specs, isParamSpec, "parameters").map(({ path, leaf }) => ({
    path,
    spec: leaf,
    count: sizeOf(leaf.dims),
  }));
}
