/** @file The intermediate language: a program is a list of equations over typed, named variables. */

import type { Op } from "./op.ts";
import type { Aval } from "./shape.ts";
import type { SourceLine } from "./source.ts";

/** A value of a program. Variables are compared by identity. */
export interface Variable {
  readonly aval: Aval;
}

/** `outputs = op(inputs) {params}`, written at `source`. */
export interface Equation {
  readonly op: Op;
  readonly params: unknown;
  readonly inputs: readonly Variable[];
  readonly outputs: readonly Variable[];
  readonly source: SourceLine;
}

/** Straight-line code in single assignment: every variable is an input or the output of one equation. */
export interface Program {
  readonly name: string;
  readonly inputs: readonly Variable[];
  readonly equations: readonly Equation[];
  readonly outputs: readonly Variable[];
}

export function variable(aval: Aval): Variable {
  return { aval };
}

/** The program with only the equations that its outputs need. */
export function withoutDeadCode(program: Program): Program {
  const needed = new Set<Variable>(program.outputs);
  const kept: Equation[] = [];
  for (let i = program.equations.length - 1; i >= 0; i--) {
    const equation = program.equations[i];
    if (equation === undefined || !equation.outputs.some((output) => needed.has(output))) continue;
    for (const input of equation.inputs) needed.add(input);
    kept.push(equation);
  }
  return { ...program, equations: kept.reverse() };
}

/** How often each variable is an operand or a result; none for those that are neither. */
export function usesOf({ equations, outputs }: Program): ReadonlyMap<Variable, number> {
  const uses = new Map<Variable, number>();
  const use = (v: Variable) => uses.set(v, (uses.get(v) ?? 0) + 1);
  for (const { inputs } of equations) inputs.forEach(use);
  outputs.forEach(use);
  return uses;
}

/** Variables that depend on the marked inputs. */
export function dependents(program: Program, marked: readonly boolean[]): ReadonlySet<Variable> {
  const reached = new Set(program.inputs.filter((_, i) => marked[i] === true));
  for (const { inputs, outputs } of program.equations) {
    if (inputs.some((v) => reached.has(v))) for (const v of outputs) reached.add(v);
  }
  return reached;
}

/** Whether a parameter of an op is a program: the body of a loop, a branch. */
export function isProgram(value: unknown): value is Program {
  return typeof value === "object" && value !== null && "equations" in value && "inputs" in value;
}

/** The programs in the params of an op: in records and lists of programs, never inside lists of numbers. */
export function programsIn(params: unknown): readonly Program[] {
  if (isProgram(params)) return [params];
  if (typeof params !== "object" || params === null || isPlainList(params)) return [];
  return Object.values(params).flatMap(programsIn);
}

/** Sizes, indices, groups of thousands of devices: looking into them for programs would take longer than all else. */
function isPlainList(value: object): boolean {
  return ArrayBuffer.isView(value) || (Array.isArray(value) && !isProgram(value[0]));
}

/** Params with every program in them replaced; the params themselves where there is none. */
export function mapPrograms<P>(params: P, f: (program: Program) => Program): P {
  if (isProgram(params)) return f(params) as P & Program;
  if (typeof params !== "object" || params === null || isPlainList(params)) return params;
  const children: readonly unknown[] = Object.values(params);
  const mapped = children.map((child) => mapPrograms(child, f));
  if (mapped.every((child, i) => child === children[i])) return params;
  if (Array.isArray(params)) return mapped as P & unknown[];
  return Object.fromEntries(Object.keys(params).map((key, i) => [key, mapped[i]])) as P;
}
