/** @file What a user says about derivatives: what to compute again, and rules of one's own. */

import { apply, asOneLine } from "../core/builder.ts";
import { GradError, TraceError } from "../core/errors.ts";
import type { Program } from "../core/program.ts";
import { showAval } from "../core/shape.ts";
import { leaves, structureOf, withLeaves } from "../core/tree.ts";
import { checkpointed } from "../ops/control/checkpoint.ts";
import { customJvpOp, customVjpOp } from "../ops/control/custom.ts";
import { traceClosures } from "../transforms/closure.ts";
import { abstract, refill, trace } from "../transforms/trace.ts";

/** Ops whose results a policy keeps, by the names that `meshloom ops` lists. */
export type CheckpointPolicy = readonly string[];

/** Computes everything again: the least memory. */
export const saveNothing: CheckpointPolicy = [];

/** Keeps the results of matrix products and convolutions, which cost most to compute again. */
export const saveProducts: CheckpointPolicy = ["contract", "convolve"];

/**
 * `f`, whose intermediate values are computed again when a derivative needs them, instead of kept.
 *
 * Around every layer of a deep model, memory falls from the sum of the layers to the largest of them,
 * for the time of one more forward pass.
 */
export function checkpoint<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  options: { readonly saves?: CheckpointPolicy } = {},
): (...args: A) => R {
  return (...args) =>
    asOneLine(() => {
      const { programs, captured, results } = traceClosures("checkpoint", [f], args);
      const [program] = programs as [Program];
      const [result] = results as [R];
      const operands = [...leaves(args), ...captured];
      const { saves = saveNothing } = options;
      return refill(result, checkpointed(operands, { program, saves, after: null }));
    });
}

/**
 * `f` with a forward derivative of its own, from which the reverse one follows by transposing.
 *
 * @param rule - `(primals, tangents) => [result, tangent of the result]`; linear in the tangents.
 *   Integers have tangents too, which are zero.
 * @throws GradError when the rule's results have other forms than f's
 * @throws TraceError when f or the rule closes over a tensor
 */
export function customJvp<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  rule: (primals: A, tangents: A) => readonly [result: R, tangent: R],
): (...args: A) => R {
  return (...args) =>
    asOneLine(() => {
      const value = closed("customJvp", f, args);
      const derived = closed("customJvp: the rule", rule, [args, args]);
      const [y, dy] = derived.result;
      checkForms("customJvp: the rule's result", value.result, y);
      checkForms("customJvp: the rule's tangent", value.result, dy);
      const params = { program: value.program, rule: derived.program };
      return refill(value.result, apply(customJvpOp, leaves(args), params));
    });
}

/**
 * `f` with a reverse derivative of its own.
 *
 * Forward derivatives transpose `backward`, which must then be linear in the cotangents.
 *
 * @param forward - the value, and a tree of what `backward` needs
 * @param backward - cotangents of the arguments from that tree and cotangents of the result
 * @throws GradError when results have other forms than f's, or cotangents others than the arguments
 * @throws TraceError when one of the functions closes over a tensor
 */
export function customVjp<A extends readonly unknown[], R, K>(
  f: (...args: A) => R,
  forward: (...args: A) => readonly [result: R, kept: K],
  backward: (kept: K, cotangents: R) => A,
): (...args: A) => R {
  return (...args) =>
    asOneLine(() => {
      const value = closed("customVjp", f, args);
      const first = closed("customVjp: forward", forward, args);
      const [y, kept] = first.result;
      checkForms("customVjp: the result of forward", value.result, y);
      const standIns = <T>(tree: T): T =>
        withLeaves(
          tree,
          leaves(tree).map((x) => abstract(x.aval)),
        );
      const back = closed("customVjp: backward", backward, [standIns(kept), standIns(y)]);
      checkForms("customVjp: the result of backward", args, back.result);
      const params = { program: value.program, forward: first.program, backward: back.program };
      return refill(value.result, apply(customVjpOp, leaves(args), params));
    });
}

/** Traces a function that may not use tensors from outside: its rule could not differentiate by them. */
function closed<A extends readonly unknown[], R>(
  name: string,
  f: (...args: A) => R,
  args: A,
): { readonly program: Program; readonly result: R } {
  const { program, captured, result } = trace(name, f, args);
  const [outer] = captured;
  if (outer === undefined) return { program, result };
  throw new TraceError("TRACE-01", `${name}: the function closes over a tensor.`, [
    ["tensor", showAval(outer.aval)],
    ["fix", "pass it as an argument, so that the rule says what its derivative is"],
  ]);
}

function checkForms(name: string, wanted: unknown, given: unknown): void {
  const show = (tree: unknown) => leaves(tree, name).map((x) => `${x.dtype}[${x.dims.join(", ")}]`);
  const [want, have] = [show(wanted).join(", "), show(given).join(", ")];
  if (structureOf(wanted) === structureOf(given) && want === have) return;
  throw new GradError("GRAD-01", `${name} has another form than it should.`, [
    ["wanted", `${want} as ${structureOf(wanted)}`],
    ["given", `${have} as ${structureOf(given)}`],
  ]);
}
