/** @file Functions become programs, and programs become equations of another program. */

import { Builder, replay, writing } from "../core/builder.ts";
import { MeshloomError, TraceError } from "../core/errors.ts";
import type { Program, Variable } from "../core/program.ts";
import type { Aval } from "../core/shape.ts";
import { showSource, sourceOfError } from "../core/source.ts";
import { Tensor } from "../core/tensor.ts";
import { leaves, rebuildWith, withLeaves } from "../core/tree.ts";

/** A traced function: its program, and the outer tensors that its last inputs stand for. */
export interface Traced<R> {
  readonly program: Program;
  readonly captured: readonly Tensor[];
  /** The result's tree, with tensors of the program as leaves. */
  readonly result: R;
}

/**
 * Runs `f` once on stand-ins for `args` and records what it computes.
 *
 * @param args - trees of tensors; only their forms matter
 * @throws TraceError when f returns a promise
 */
export function trace<A extends readonly unknown[], R>(
  name: string,
  f: (...args: A) => R,
  args: A,
): Traced<R> {
  const builder = new Builder(name);
  return writing(builder, () => {
    const inputs = leaves(args, name).map((leaf) => builder.input(leaf.aval));
    const result = withSource(() => f(...withLeaves(args, inputs)));
    if (result instanceof Promise) {
      throw new TraceError("TRACE-01", `${name}: a traced function must not be async.`, [
        ["fix", "await data before the call and pass it as an argument"],
      ]);
    }
    const { program, captured } = builder.finish(leaves(result, `${name}: result`));
    return { program, captured, result };
  });
}

/** Errors that no op reported get the user's line here. */
function withSource<R>(run: () => R): R {
  try {
    return run();
  } catch (error) {
    if (error instanceof MeshloomError) error.tell("where", showSource(sourceOfError(error)));
    throw error;
  }
}

/** Stand-ins that have a form and no data, for tracing without arguments at hand. */
export function abstract(form: Aval): Tensor {
  return new Builder("abstract").input(form);
}

/**
 * A program written by `write` on stand-ins of the given forms. Tensors from outside that it uses are
 * further inputs, at the end.
 */
export function programOf(
  name: string,
  forms: readonly Aval[],
  write: (inputs: readonly Tensor[]) => readonly Tensor[],
): { readonly program: Program; readonly captured: readonly Tensor[] } {
  const builder = new Builder(name);
  return writing(builder, () => builder.finish(write(forms.map((form) => builder.input(form)))));
}

/** As `programOf`, for what uses nothing from outside. */
export function closedProgram(
  name: string,
  forms: readonly Aval[],
  write: (inputs: readonly Tensor[]) => readonly Tensor[],
): Program {
  const { program, captured } = programOf(name, forms, write);
  if (captured.length > 0)
    throw new TraceError(
      "TRACE-01",
      `${name}: a closed program uses ${captured.length} outer tensors`,
    );
  return program;
}

/** Writes the equations of `program` into the one being traced. */
export function inline(program: Program, inputs: readonly Tensor[]): readonly Tensor[] {
  const values = new Map<Variable, Tensor>();
  program.inputs.forEach((v, i) => {
    const input = inputs[i];
    if (input !== undefined) values.set(v, input);
  });
  for (const equation of program.equations) {
    const results = replay(
      equation,
      equation.inputs.map((v) => lookUp(values, v)),
    );
    equation.outputs.forEach((v, i) => {
      const result = results[i];
      if (result !== undefined) values.set(v, result);
    });
  }
  return program.outputs.map((v) => lookUp(values, v));
}

export function lookUp<T>(values: ReadonlyMap<Variable, T>, v: Variable): T {
  const value = values.get(v);
  if (value === undefined)
    throw new TraceError("TRACE-01", "program: a variable is used before it is defined");
  return value;
}

/** The tree of `like` filled with `tensors`, in order. */
export function refill<R>(like: R, tensors: readonly Tensor[]): R {
  let i = 0;
  return rebuildWith(
    like,
    (node): node is Tensor => node instanceof Tensor,
    () => tensors[i++],
  ) as R;
}
