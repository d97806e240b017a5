/** @file Forward derivatives: every equation is followed by the one for its tangents. */

import { apply, onBehalfOf, replay } from "../core/builder.ts";
import { isFloat } from "../core/dtype.ts";
import { GradError } from "../core/errors.ts";
import type { MaybeZero } from "../core/op.ts";
import type { Equation, Program, Variable } from "../core/program.ts";
import { sameDims, showAval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { leaves, structureOf, withLeaves } from "../core/tree.ts";
import { fullLike } from "../ops/creation.ts";
import { lookUp, refill, trace } from "./trace.ts";

/**
 * Values and directional derivatives of `f`.
 *
 * @param primals - where; one tree per argument
 * @param tangents - along which direction; the same trees, tensors of equal forms
 * @returns the result of f, and its derivative along the direction
 * @throws GradError when a tangent has another form than its primal
 */
export function jvp<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  primals: A,
  tangents: A,
): readonly [result: R, tangent: R] {
  const { program, captured, result } = trace("jvp", f, primals);
  const inputs = leaves(primals, "jvp: primals");
  const directions = leaves(tangents, "jvp: tangents");
  if (structureOf(primals) !== structureOf(tangents)) {
    throw new GradError("GRAD-01", "jvp: primals and tangents are different trees");
  }
  inputs.forEach((x, i) => {
    const dx = directions[i];
    if (dx === undefined || !sameDims(x.dims, dx.dims) || x.dtype !== dx.dtype) {
      throw new GradError(
        "GRAD-01",
        `jvp: tangent ${i} is ${dx === undefined ? "missing" : showAval(dx.aval)}, its primal is ${showAval(x.aval)}`,
      );
    }
  });
  const known = captured.map(() => null);
  const outputs = pushForward(program, [...inputs, ...captured], [...directions, ...known]);
  return [
    refill(
      result,
      outputs.map(({ primal }) => primal),
    ),
    withLeaves(
      refill(
        result,
        outputs.map(({ primal }) => primal),
      ),
      outputs.map(({ primal, tangent }) => tangent ?? fullLike(primal, 0)),
    ),
  ];
}

export interface Dual {
  readonly primal: Tensor;
  readonly tangent: MaybeZero;
}

/** Writes the program with tangents beside its values into the program being traced. */
export function pushForward(
  program: Program,
  primals: readonly Tensor[],
  tangents: readonly MaybeZero[],
): readonly Dual[] {
  const values = new Map<Variable, Dual>();
  program.inputs.forEach((v, i) => {
    const primal = primals[i];
    // Integers and truth values do not move.
    const tangent = isFloat(v.aval.dtype) ? (tangents[i] ?? null) : null;
    if (primal !== undefined) values.set(v, { primal, tangent });
  });
  for (const equation of program.equations) {
    const inputs = equation.inputs.map((v) => lookUp(values, v));
    const duals = pushThrough(equation, inputs);
    equation.outputs.forEach((v, i) => {
      const dual = duals[i];
      if (dual === undefined) return;
      values.set(v, isFloat(v.aval.dtype) ? dual : { primal: dual.primal, tangent: null });
    });
  }
  return program.outputs.map((v) => lookUp(values, v));
}

function pushThrough(equation: Equation, inputs: readonly Dual[]): readonly Dual[] {
  const { op, params, source } = equation;
  const primals = inputs.map(({ primal }) => primal);
  const tangents = inputs.map(({ tangent }) => tangent);
  const rule = op.jvp;
  const moves = rule.kind !== "none" && tangents.some((dx) => dx !== null);
  if (moves && rule.kind === "joint") {
    const joint = onBehalfOf(source, () => rule.apply(tangents, primals, params));
    return joint.outputs.map((primal, i) => ({ primal, tangent: joint.tangents[i] ?? null }));
  }
  const outputs = replay(equation, primals);
  const dots = moves
    ? onBehalfOf(source, () => tangentsOf(equation, tangents, primals, outputs))
    : [];
  return outputs.map((primal, i) => ({ primal, tangent: dots[i] ?? null }));
}

function tangentsOf(
  { op, params }: Equation,
  tangents: readonly MaybeZero[],
  primals: readonly Tensor[],
  outputs: readonly Tensor[],
): readonly MaybeZero[] {
  const rule = op.jvp;
  if (rule.kind === "rule") return rule.apply(tangents, primals, outputs, params);
  return apply(
    op,
    primals.map((x, i) => tangents[i] ?? fullLike(x, 0)),
    params,
  );
}
