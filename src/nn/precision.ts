/** @file Mixed precision: what is stored, what is computed with, and what layers answer in. */

import { type DType, isFloat } from "../core/dtype.ts";
import { ConfigError } from "../core/errors.ts";
import { Tensor } from "../core/tensor.ts";
import { rebuildWith } from "../core/tree.ts";
import { isParamSpec } from "./param.ts";

type Float = Extract<DType, "float32" | "float16" | "bfloat16">;

export interface PrecisionOptions {
  /** Of parameters, and so of their gradients and of the optimiser's state; float32 when absent. */
  readonly params?: Float;
  /** Of the products inside layers; float32 when absent. */
  readonly compute?: Float;
  /** Of what layers answer, and so of the residual stream; float32 when absent. */
  readonly output?: Float;
}

export interface Precision extends Required<PrecisionOptions> {
  /** The same declarations in the dtype of parameters. */
  declare<T>(specs: T): T;
  /** A tree with its floats in the compute dtype; what is no tensor stays. */
  inward<T>(tree: T): T;
  /** A tree with its floats in the output dtype. */
  outward<T>(tree: T): T;
  /**
   * A layer whose arguments, parameters among them, are converted on the way in and its result on the way
   * out. Gradients come back through the conversions, in the dtype that each argument had.
   */
  layer<A extends readonly unknown[], R>(f: (...args: A) => R): (...args: A) => R;
}

const FLOATS: readonly string[] = ["float32", "float16", "bfloat16"];

/**
 * A policy: `precision({ compute: "bfloat16" })`. Wrap the layers whose time goes into products with
 * `layer`. Sums of many terms stay in float32 by themselves: norms, the softmax of attention. Leave
 * routers and the loss outside.
 *
 * @throws ConfigError for a dtype that is none of float32, float16, bfloat16
 * @see Micikevicius et al., arXiv:1710.03740
 */
export function precision(options: PrecisionOptions = {}): Precision {
  const { params = "float32", compute = "float32", output = "float32" } = options;
  for (const [name, dtype] of Object.entries({ params, compute, output })) {
    if (!FLOATS.includes(dtype)) {
      throw new ConfigError(
        "CONFIG-01",
        `precision: ${name} "${dtype}" is not one of ${FLOATS.join(", ")}`,
      );
    }
  }
  const inward = <T>(tree: T): T => converted(tree, compute);
  const outward = <T>(tree: T): T => converted(tree, output);
  return {
    params,
    compute,
    output,
    declare: <T>(specs: T) =>
      rebuildWith(specs, isParamSpec, (spec) => ({ ...spec, dtype: params })) as T,
    inward,
    outward,
    layer:
      <A extends readonly unknown[], R>(f: (...args: A) => R) =>
      (...args: A) =>
        outward(f(...inward(args))),
  };
}

/** Trees may hold configs beside tensors: numbers, words and functions pass. */
function converted<T>(tree: T, dtype: DType): T {
  const visit = (node: unknown): unknown => {
    if (node instanceof Tensor) return isFloat(node.dtype) ? node.astype(dtype) : node;
    if (Array.isArray(node)) return node.map(visit);
    if (typeof node !== "object" || node === null) return node;
    return Object.fromEntries(Object.entries(node).map(([key, child]) => [key, visit(child)]));
  };
  return visit(tree) as T;
}
