/** @file Broadcasting for people: by axis names where all axes are named, else by position from the right. */

import type { AxisName } from "../core/axes.ts";
import { AxisError, ShapeError } from "../core/errors.ts";
import { type Aval, aval, dimOf, sameDims, showAval } from "../core/shape.ts";
import { Tensor } from "../core/tensor.ts";
import { broadcast, full } from "../ops/creation.ts";
import { reshape, transpose } from "../ops/layout.ts";

/** What arithmetic takes: a tensor, or a number that becomes one of the other operand's dtype. */
export type TensorLike = Tensor | number;

/**
 * Operands in one common form.
 *
 * When every axis of every tensor is named, axes meet by name: the operand with most axes gives the
 * order, and the others must not have axes that it lacks. Otherwise axes meet from the right, and
 * axes of length 1 stretch, as in NumPy.
 *
 * @throws ShapeError or AxisError naming both operands
 */
export function align(operation: string, operands: readonly TensorLike[]): Tensor[] {
  const tensors = operands.filter((x) => x instanceof Tensor);
  const [widest] = [...tensors].sort((a, b) => b.rank - a.rank);
  if (widest === undefined) {
    throw new ShapeError(
      "SHAPE-01",
      `${operation}: needs at least one tensor; for plain numbers use plain arithmetic`,
    );
  }
  const named = tensors.every((x) => x.names.every((name) => name !== null));
  const target =
    named && widest.rank > 0 ? byName(operation, widest, tensors) : byPosition(operation, tensors);
  const numberDType = (tensors.find((x) => x.dtype !== "bool") ?? widest).dtype;
  return operands.map((x) => {
    if (!(x instanceof Tensor)) return full(x, { ...target, dtype: numberDType });
    return named && widest.rank > 0 ? spreadByName(x, target) : spreadByPosition(x, target);
  });
}

function facts(tensors: readonly Tensor[]) {
  return tensors.map((x, i) => [`operand ${i + 1}`, showAval(x.aval)] as const);
}

function byName(operation: string, widest: Tensor, tensors: readonly Tensor[]): Aval {
  for (const x of tensors) {
    x.names.forEach((name, i) => {
      const at = widest.names.indexOf(name);
      if (at < 0) {
        throw new AxisError("AXIS-01", `${operation}: axis "${name}" is on one operand only.`, [
          ...facts(tensors),
          [
            "fix",
            `add the axis to the other operand with .broadcastTo, or rename one with .as("…")`,
          ],
        ]);
      }
      if (dimOf(widest.aval, at) !== dimOf(x.aval, i)) {
        throw new ShapeError(
          "SHAPE-01",
          `${operation}: axis "${name}" has two sizes.`,
          facts(tensors),
        );
      }
    });
  }
  return widest.aval;
}

function spreadByName(x: Tensor, target: Aval): Tensor {
  const wanted = target.names.filter((name) => x.names.includes(name));
  const ordered = transpose(
    x,
    wanted.map((name) => x.names.indexOf(name)),
  );
  return broadcast(ordered, {
    dims: target.dims,
    axes: wanted.map((name) => target.names.indexOf(name)),
    names: target.names,
  });
}

function byPosition(operation: string, tensors: readonly Tensor[]): Aval {
  const rank = Math.max(...tensors.map((x) => x.rank));
  const dims: number[] = [];
  const names: AxisName[] = [];
  for (let axis = 0; axis < rank; axis++) {
    let size = 1;
    let name: AxisName = null;
    for (const x of tensors) {
      const own = axis - (rank - x.rank);
      if (own < 0) continue;
      const dim = dimOf(x.aval, own);
      if (dim !== 1 && size !== 1 && dim !== size) {
        throw new ShapeError(
          "SHAPE-01",
          `${operation}: sizes ${size} and ${dim} do not broadcast.`,
          [
            ...facts(tensors),
            ["rule", "axes meet from the right; sizes must be equal, or one of them 1"],
          ],
        );
      }
      size = dim === 1 ? size : dim;
      const other = x.names[own] ?? null;
      if (name !== null && other !== null && name !== other) {
        throw new AxisError("AXIS-01", `${operation}: axis "${name}" meets axis "${other}".`, [
          ...facts(tensors),
          ["fix", `reorder one operand with .order("…"), or rename it on purpose with .as("…")`],
        ]);
      }
      name ??= other;
    }
    dims.push(size);
    names.push(name);
  }
  return aval("float32", dims, names);
}

function spreadByPosition(x: Tensor, target: Aval): Tensor {
  const offset = target.dims.length - x.rank;
  const kept = x.dims.map((_, i) => i).filter((i) => x.dims[i] === target.dims[i + offset]);
  const squeezed = reshape(
    x,
    kept.map((i) => dimOf(x.aval, i)),
    kept.map((i) => x.names[i] ?? null),
  );
  return broadcast(squeezed, {
    dims: target.dims,
    axes: kept.map((i) => i + offset),
    names: target.names,
  });
}

/** x repeated along new axes so that it has the form of `like`; axes meet as in arithmetic. */
export function broadcastTo(x: Tensor, like: Tensor): Tensor {
  const named = [x, like].every((t) => t.names.every((name) => name !== null)) && x.rank > 0;
  const target = named
    ? byName("broadcastTo", like, [like, x])
    : byPosition("broadcastTo", [like, x]);
  if (!sameDims(target.dims, like.dims)) {
    throw new ShapeError(
      "SHAPE-01",
      `broadcastTo: ${showAval(x.aval)} does not fit into ${showAval(like.aval)}`,
    );
  }
  return named ? spreadByName(x, target) : spreadByPosition(x, target);
}
