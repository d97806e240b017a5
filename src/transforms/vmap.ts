/** @file Batching: a function of one example becomes a function of many. */

import { apply, onBehalfOf } from "../core/builder.ts";
import { ShapeError } from "../core/errors.ts";
import type { Program, Variable } from "../core/program.ts";
import { aval, axisOf, dimOf, showAval, without } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { leaves, withLeaves } from "../core/tree.ts";
import { repeat } from "../ops/families.ts";
import { reshape, transpose } from "../ops/layout.ts";
import { abstract, lookUp, refill, trace } from "./trace.ts";

/** One axis, by index or name; null passes the argument whole. */
export type InAxis = number | string | null;

/** Which axis of each argument is mapped, or which axes, one after the other. */
export type InAxes = readonly (InAxis | readonly InAxis[])[];

/**
 * Maps `f` over one axis of its arguments, or over several.
 *
 * All leaves of one argument share its entry of `axes`; without `axes`, axis 0 of every argument is
 * mapped. Results carry the mapped axes first, in their order, under the names that arguments agree on.
 *
 *     vmap(dot, [["batch", "head"], ["batch", null]])
 *
 * @throws ShapeError when the mapped axes have different lengths or nothing is mapped
 */
export function vmap<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  axes?: InAxes,
): (...args: A) => R {
  const lists = axes?.map((entry) =>
    Array.isArray(entry) ? (entry as readonly InAxis[]) : [entry as InAxis],
  );
  const levels = Math.max(1, ...(lists ?? []).map((list) => list.length));
  if (lists === undefined || levels === 1)
    return mapOne(
      f,
      lists?.map(([axis = null]) => axis),
    );
  const outer = lists.map(([axis = null]) => axis);
  // Indices count the axes of the whole argument; inside, the first mapped axis is gone.
  const inner = lists.map(([first = null, ...rest]) =>
    rest.map((axis) =>
      typeof axis === "number" && typeof first === "number" && axis > first ? axis - 1 : axis,
    ),
  );
  return mapOne(
    vmap(
      f,
      inner.map((list) => (list.length === 0 ? null : list)),
    ),
    outer,
  );
}

function mapOne<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  axes: readonly InAxis[] | undefined,
): (...args: A) => R {
  return (...args) => {
    const flags = args.flatMap((arg, i) => {
      const axis = axes === undefined ? 0 : (axes[i] ?? null);
      return leaves(arg, "vmap: arguments").map((leaf) => ({
        leaf,
        axis: axis === null ? null : axisOf("vmap", leaf.aval, axis),
      }));
    });
    const size = commonSize(flags);
    const names = new Set(
      flags.flatMap(({ leaf, axis }) => (axis === null ? [] : [leaf.names[axis] ?? null])),
    );
    const name = names.size === 1 ? ([...names][0] ?? null) : null;
    const inner = flags.map(({ leaf, axis }) =>
      axis === null
        ? leaf
        : abstract(aval(leaf.dtype, without(leaf.dims, axis), without(leaf.names, axis))),
    );
    const { program, captured, result } = trace("vmap", f, withLeaves(args, inner));
    const inputs = flags.map(({ leaf, axis }) => (axis === null ? leaf : leading(leaf, axis)));
    const outputs = batched(
      program,
      [...inputs, ...captured],
      [...flags.map(({ axis }) => axis !== null), ...captured.map(() => false)],
      size,
    );
    return refill(
      result,
      outputs.map((y) =>
        reshape(y, y.dims, [y.names.includes(name) ? null : name, ...y.names.slice(1)]),
      ),
    );
  };
}

function commonSize(
  flags: readonly { readonly leaf: Tensor; readonly axis: number | null }[],
): number {
  const sizes = flags.flatMap(({ leaf, axis }) => (axis === null ? [] : [dimOf(leaf.aval, axis)]));
  const [size] = sizes;
  if (size === undefined)
    throw new ShapeError(
      "SHAPE-01",
      "vmap: no argument has a mapped axis; pass at least one index or name",
    );
  if (sizes.every((other) => other === size)) return size;
  throw new ShapeError(
    "SHAPE-01",
    "vmap: mapped axes have different lengths.",
    flags.map(({ leaf, axis }, i) => [
      `leaf ${i + 1}`,
      `${showAval(leaf.aval)}, ${axis === null ? "not mapped" : `axis ${axis}`}`,
    ]),
  );
}

/** The mapped axis first and unnamed. */
function leading(x: Tensor, axis: number): Tensor {
  const moved = transpose(x, [axis, ...x.dims.map((_, i) => i).filter((i) => i !== axis)]);
  return reshape(moved, moved.dims, [null, ...moved.names.slice(1)]);
}

/** A value of a batched program: with the batch axis first, or the same for every example. */
export interface MaybeMapped {
  readonly tensor: Tensor;
  readonly mapped: boolean;
}

/** Writes the batched program into the one being traced; every output carries the batch axis first. */
export function batched(
  program: Program,
  inputs: readonly Tensor[],
  mapped: readonly boolean[],
  size: number,
): readonly Tensor[] {
  return batchedWhereMapped(program, inputs, mapped, size).map((y) =>
    y.mapped ? y.tensor : repeat(y.tensor, size),
  );
}

/** As `batched`, but outputs that depend on no mapped input stay without the batch axis. */
export function batchedWhereMapped(
  program: Program,
  inputs: readonly Tensor[],
  mapped: readonly boolean[],
  size: number,
): readonly MaybeMapped[] {
  const values = new Map<Variable, MaybeMapped>();
  program.inputs.forEach((v, i) => {
    const tensor = inputs[i];
    if (tensor !== undefined) values.set(v, { tensor, mapped: mapped[i] === true });
  });
  for (const equation of program.equations) {
    const operands = equation.inputs.map((v) => lookUp(values, v));
    const any = operands.some((x) => x.mapped);
    const tensors = operands.map(({ tensor }) => tensor);
    const results = onBehalfOf(equation.source, () =>
      any
        ? equation.op.batch(
            tensors,
            operands.map((x) => x.mapped),
            equation.params,
            size,
          )
        : apply(equation.op, tensors, equation.params),
    );
    equation.outputs.forEach((v, i) => {
      const tensor = results[i];
      if (tensor !== undefined) values.set(v, { tensor, mapped: any });
    });
  }
  return program.outputs.map((v) => lookUp(values, v));
}
