/**
 * @file Reverse derivatives: linearise, then transpose.
 *
 * Linearising runs the forward rule with tangents in a builder of their own. What depends on a
 * tangent stays there, all else goes to the program around: partial evaluation by where a value lives.
 * The linear program is then walked backwards, each op by its transpose.
 */

import { Builder, onBehalfOf, writing } from "../core/builder.ts";
import { isFloat } from "../core/dtype.ts";
import { GradError } from "../core/errors.ts";
import { LinearOperand, type MaybeZero } from "../core/op.ts";
import type { Program, Variable } from "../core/program.ts";
import { sameDims, showAval } from "../core/shape.ts";
import { showSource } from "../core/source.ts";
import type { Tensor } from "../core/tensor.ts";
import { leaves, namedLeaves, withLeaves } from "../core/tree.ts";
import { add } from "../ops/arithmetic.ts";
import { fullLike } from "../ops/creation.ts";
import { reshape } from "../ops/layout.ts";
import { stopGradient as stopGradientOf } from "../ops/stop-gradient.ts";
import { pushForward } from "./jvp.ts";
import { inline, refill, trace } from "./trace.ts";

/** Takes cotangents of the result, gives cotangents of each differentiated argument. */
export type Pullback<A, R> = (cotangents: R) => A;

/**
 * The value of `f` and its pullback: the transpose of the derivative at `args`.
 *
 * Integer and bool leaves get zero cotangents of their own form.
 */
export function vjp<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  ...args: A
): readonly [result: R, pullback: Pullback<A, R>] {
  const { program, captured, result } = trace("vjp", f, args);
  const inputs = leaves(args, "vjp: arguments");
  const linear = new Builder("linear", { kind: "linear" });
  const outputs = writing(linear, () => {
    const tangents = inputs.map((x) => (isFloat(x.dtype) ? linear.input(x.aval) : null));
    return {
      tangents,
      duals: pushForward(
        program,
        [...inputs, ...captured],
        [...tangents, ...captured.map(() => null)],
      ),
    };
  });
  const pullback: Pullback<A, R> = (cotangents) => {
    const cts = leaves(cotangents, "vjp: cotangents");
    const seeds = outputs.duals.map(({ primal, tangent }, i): Seed => {
      const ct = cts[i];
      if (ct === undefined || ct.dtype !== primal.dtype || !sameDims(ct.dims, primal.dims)) {
        throw new GradError(
          "GRAD-01",
          `vjp: cotangent ${i} is ${ct === undefined ? "missing" : showAval(ct.aval)}, the result is ${showAval(primal.aval)}`,
        );
      }
      return { tangent, cotangent: ct };
    });
    const back = pullThrough(linear, seeds);
    return withLeaves(
      args,
      inputs.map((x, i) => {
        const tangent = outputs.tangents[i] ?? null;
        const ct = tangent === null ? null : back(tangent);
        return ct === null ? fullLike(x, 0) : reshape(ct, x.dims, x.names);
      }),
    );
  };
  return [
    refill(
      result,
      outputs.duals.map(({ primal }) => primal),
    ),
    pullback,
  ];
}

interface Seed {
  readonly tangent: MaybeZero;
  readonly cotangent: Tensor;
}

/** Walks a linear program backwards; answers with the cotangent of any of its inputs. */
function pullThrough(linear: Builder, seeds: readonly Seed[]): (tangent: Tensor) => MaybeZero {
  const cotangents = new Map<Variable, Tensor>();
  const accumulate = (v: Variable, ct: Tensor) => {
    const known = cotangents.get(v);
    cotangents.set(v, known === undefined ? ct : add(known, ct));
  };
  for (const { tangent, cotangent } of seeds) {
    if (tangent !== null) accumulate(linear.use(tangent), cotangent);
  }
  const outside = new Map(
    [...linear.captured.values()].map(({ tensor, variable }) => [variable, tensor]),
  );
  for (let i = linear.equations.length - 1; i >= 0; i--) {
    const equation = linear.equations[i];
    if (equation === undefined) continue;
    const cts = equation.outputs.map((v) => cotangents.get(v) ?? null);
    if (cts.every((ct) => ct === null)) continue;
    const { op, params, source } = equation;
    const rule = op.transpose;
    if (rule.kind !== "rule") {
      throw new GradError("GRAD-01", `grad: ${op.name} has no transpose: ${rule.reason}.`, [
        ["where", showSource(source)],
      ]);
    }
    onBehalfOf(source, () => {
      const operands = equation.inputs.map((v) => outside.get(v) ?? new LinearOperand(v.aval));
      const back = rule.apply(cts, operands, params);
      equation.inputs.forEach((v, j) => {
        const ct = back[j] ?? null;
        if (ct !== null && !outside.has(v)) accumulate(v, ct);
      });
    });
    for (const v of equation.outputs) cotangents.delete(v);
  }
  return (tangent) => cotangents.get(linear.use(tangent)) ?? null;
}

/**
 * Transposes a program that is linear in some of its inputs, into the program being traced.
 *
 * @param operands - the inputs that it is not linear in; null at the linear ones
 * @param cotangents - of its outputs
 * @returns cotangents of the linear inputs; null where they are zero, and at the others
 */
export function pullBack(
  program: Program,
  operands: readonly (Tensor | null)[],
  cotangents: readonly MaybeZero[],
): readonly MaybeZero[] {
  const linear = new Builder(program.name, { kind: "linear" });
  const inputs = program.inputs.map((v, i) => operands[i] ?? linear.input(v.aval));
  const outputs = writing(linear, () => inline(program, inputs));
  const seeds = outputs.flatMap((tangent, i): Seed[] => {
    const cotangent = cotangents[i] ?? null;
    return cotangent === null ? [] : [{ tangent, cotangent }];
  });
  const back = pullThrough(linear, seeds);
  return inputs.map((x, i) => (operands[i] == null ? back(x) : null));
}

/**
 * The value of `f` and its derivative there, as a function that is linear in the tangents and can be
 * applied many times without computing the value again.
 */
export function linearize<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  ...args: A
): readonly [result: R, derivative: (...tangents: A) => R] {
  const { program, captured, result } = trace("linearize", f, args);
  const inputs = leaves(args, "linearize: arguments");
  const linear = new Builder("linearize", { kind: "linear" });
  const duals = writing(linear, () => {
    const tangents = inputs.map((x) => (isFloat(x.dtype) ? linear.input(x.aval) : null));
    const known = captured.map(() => null);
    return pushForward(program, [...inputs, ...captured], [...tangents, ...known]);
  });
  const moving = duals.flatMap(({ tangent }) => tangent ?? []);
  const { program: derivative, captured: residuals } = linear.finish(moving);
  return [
    refill(
      result,
      duals.map(({ primal }) => primal),
    ),
    (...tangents) => {
      const ds = leaves(tangents, "linearize: tangents");
      const floats = ds.filter((dx) => isFloat(dx.dtype));
      const dots = inline(derivative, [...floats, ...residuals]).values();
      return refill(
        result,
        duals.map(({ primal, tangent }) =>
          tangent === null ? fullLike(primal, 0) : (dots.next().value ?? fullLike(primal, 0)),
        ),
      );
    },
  ];
}

/** A function's value beside the gradient of its first argument. */
export type ValueAndGrad<A extends readonly unknown[], R> = (
  ...args: A
) => readonly [value: R, gradient: A[0]];

/**
 * Value and gradient of a scalar function with respect to its first argument.
 *
 * @throws GradError when the value is not one float, or when the argument holds no float
 */
export function valueAndGrad<A extends readonly unknown[]>(
  f: (...args: A) => Tensor,
): ValueAndGrad<A, Tensor> {
  return (...args) => {
    const [[value], gradient] = valueAndGradAux((...inner: A) => [f(...inner), []] as const)(
      ...args,
    );
    return [value, gradient];
  };
}

/** As `valueAndGrad`, for a function that returns `[loss, extras]`: extras are passed through. */
export function valueAndGradAux<A extends readonly unknown[], X>(
  f: (...args: A) => readonly [loss: Tensor, extras: X],
): ValueAndGrad<A, readonly [loss: Tensor, extras: X]> {
  return (...args) => {
    const [first, ...rest] = args;
    checkArgument(first);
    const [[loss, extras], pullback] = vjp(
      (x: unknown) => f(...([x, ...rest] as unknown as A)),
      first,
    );
    if (loss.rank !== 0 || !isFloat(loss.dtype)) {
      throw new GradError(
        "GRAD-01",
        `grad: the function must return one float, not ${showAval(loss.aval)}.`,
        [["fix", "reduce it to a scalar, for example with .mean()"]],
      );
    }
    const seeds = withLeaves([loss, extras] as const, [
      fullLike(loss, 1),
      ...leaves(extras).map((x) => fullLike(x, 0)),
    ]);
    const [gradient] = pullback(seeds);
    return [[loss, extras], gradient as A[0]];
  };
}

function checkArgument(first: unknown): void {
  if (first === undefined)
    throw new GradError("GRAD-01", "grad: the function needs an argument to differentiate by");
  const wrong = namedLeaves(first, "grad: first argument").find(({ leaf }) => !isFloat(leaf.dtype));
  if (wrong === undefined) return;
  throw new GradError(
    "GRAD-01",
    `grad: the first argument holds ${showAval(wrong.leaf.aval)}, which has no gradient.`,
    [
      ["at", wrong.path === "" ? "(the whole argument)" : wrong.path],
      ["fix", "pass it as a later argument; gradients are taken by the first one"],
    ],
  );
}

/** The gradient of a scalar function with respect to its first argument. */
export function grad<A extends readonly unknown[]>(
  f: (...args: A) => Tensor,
): (...args: A) => A[0] {
  const both = valueAndGrad(f);
  return (...args) => both(...args)[1];
}

/** The values of a tree, with derivatives cut off. */
export function stopGradient<T>(tree: T): T {
  return withLeaves(tree, leaves(tree).map(stopGradientOf));
}
