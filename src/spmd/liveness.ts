/** @file How much memory a per-device program holds at once, equation by equation. */

import { dtypeFacts } from "../core/dtype.ts";
import { type Equation, type Program, programsIn, type Variable } from "../core/program.ts";
import { sizeOf } from "../core/shape.ts";
import { rolesOf, type ScanParams, scanOp } from "../ops/control/scan.ts";

export interface MemoryUse {
  /** Arguments: weights, optimiser state, batch. */
  readonly inputs: number;
  /** The most that values made on the way take at once, results among them. */
  readonly peak: number;
}

/** Ops whose result is their operand under another name, or needs no memory of its own. */
const VIEWS = new Set(["reshape", "shard", "stopGradient", "full", "broadcast", "iota"]);

function bytesOf(v: Variable, width = 8): number {
  const { kind, bytes } = dtypeFacts(v.aval.dtype);
  return sizeOf(v.aval.dims) * (kind === "float" ? Math.min(width, bytes) : bytes);
}

export interface MemoryOptions {
  /**
   * Bytes of a float that is made on the way, 2 for 16-bit arithmetic; its own when absent. Arguments and results, the
   * weights among them, keep theirs.
   */
  readonly width?: number;
  /** How many arguments, the first ones, are given away: what is read of them last leaves its place. None when absent. */
  readonly donated?: number;
}

/**
 * Every value is freed after its last use; broadcasts and constants are made where they are read. A block is written in
 * place where nobody reads the old value any more, and a loop keeps one copy of what it carries: its sums are written
 * over a summand, its blocks into what they are blocks of.
 */
export function memoryUse(
  program: Program,
  { width = 8, donated = 0 }: MemoryOptions = {},
): MemoryUse {
  const inputs = program.inputs.reduce((sum, v) => sum + bytesOf(v), 0);
  return { inputs, peak: peakOf(program, width, new Set(program.inputs.slice(0, donated))) };
}

/**
 * @param given - arguments whose place is free after their last use
 * @param carried - inputs that may be overwritten: the state of a loop
 */
function peakOf(
  program: Program,
  width: number,
  given: ReadonlySet<Variable>,
  carried: readonly Variable[] = [],
): number {
  const { roots, made } = buffersOf(program, carried);
  const rootOf = (v: Variable) => roots.get(v) ?? v;
  const lastUse = lastUsesOf(program, rootOf);
  const results = new Set(program.outputs.map(rootOf));
  const sizeOfPlace = (v: Variable) =>
    given.has(v) || results.has(v) ? bytesOf(v) : bytesOf(v, width);
  const freed = new Map<number, Variable[]>();
  for (const [v, i] of lastUse)
    if (made.has(v) || given.has(v)) freed.set(i, [...(freed.get(i) ?? []), v]);
  let [alive, peak] = [0, 0];
  program.equations.forEach((equation, i) => {
    const { outputs, params } = equation;
    const places = outputs.filter((y) => made.has(y));
    const leaving = freed.get(i) ?? [];
    const after = leaving.reduce((sum, v) => sum + sizeOfPlace(v), 0);
    for (const y of places) alive += sizeOfPlace(y);
    // Element by element, a result is written over an argument that nobody reads again.
    const over = isElementwise(equation) ? leaving.filter((v) => given.has(v)) : [];
    const reused = Math.min(
      over.reduce((sum, v) => sum + sizeOfPlace(v), 0),
      places.reduce((sum, y) => sum + sizeOfPlace(y), 0),
    );
    const inside = programsIn(params).map((inner) =>
      peakOf(inner, width, new Set(), carriesOf(equation, inner)),
    );
    peak = Math.max(peak, alive - reused + Math.max(0, ...inside));
    alive -= after;
    // Results that nobody reads.
    for (const y of places) if (!lastUse.has(y)) alive -= sizeOfPlace(y);
  });
  return peak;
}

/** Whether element k of the results is made of the elements k of the operands, and of nothing else. */
function isElementwise({ op, inputs, outputs, params }: Equation): boolean {
  const [operands, results] = [inputs, outputs].map((list) => list.map((v) => v.aval));
  if (operands === undefined || results === undefined || programsIn(params).length > 0)
    return false;
  const rule = op.shard(operands, results, params);
  const [first] = rule.results.map(String);
  return [...rule.operands, ...rule.results].every((axes) => String(axes) === first);
}

/** Which values have memory of their own, and in whose memory the others lie. */
function buffersOf(
  program: Program,
  carried: readonly Variable[],
): { readonly roots: ReadonlyMap<Variable, Variable>; readonly made: ReadonlySet<Variable> } {
  const roots = new Map<Variable, Variable>();
  const rootOf = (v: Variable) => roots.get(v) ?? v;
  const made = new Set<Variable>();
  const state = new Set(carried);
  // A value under its names; views keep what they show.
  const views = new Map<Variable, Variable>();
  for (const { op, inputs, outputs } of program.equations) {
    const [x, y] = [inputs[0], outputs[0]];
    if (VIEWS.has(op.name) && x !== undefined && y !== undefined) views.set(y, views.get(x) ?? x);
  }
  const lastUse = lastUsesOf(program, (v) => views.get(v) ?? v);
  program.equations.forEach((equation, i) => {
    const { op, inputs, outputs } = equation;
    const dies = (v: Variable) => {
      const own = made.has(rootOf(v)) || state.has(rootOf(v));
      return own && lastUse.get(views.get(v) ?? v) === i;
    };
    outputs.forEach((y, k) => {
      if (VIEWS.has(op.name)) {
        const [x] = inputs;
        if (x !== undefined) roots.set(y, rootOf(x));
        return;
      }
      const over = overwritable(equation, k, state.size > 0).find(dies);
      if (over === undefined) made.add(y);
      else roots.set(y, rootOf(over));
    });
  });
  return { roots, made };
}

/** Operands whose memory the k-th result could take. */
function overwritable(
  { op, params, inputs }: Equation,
  k: number,
  inLoop: boolean,
): readonly Variable[] {
  if (op.name === "dynamicUpdateSlice") return inputs.slice(0, 1);
  if (op.name === "add") return inLoop ? inputs : [];
  if ((op as unknown) === scanOp)
    return rolesOf(inputs, params as ScanParams).carries.slice(k, k + 1);
  return [];
}

/** The last equation, by number, that reads a value under any of its names; Infinity for results. */
function lastUsesOf(
  { equations, outputs }: Program,
  rootOf: (v: Variable) => Variable,
): ReadonlyMap<Variable, number> {
  const lastUse = new Map<Variable, number>();
  equations.forEach(({ inputs }, i) => {
    for (const v of inputs) lastUse.set(rootOf(v), i);
  });
  for (const v of outputs) lastUse.set(rootOf(v), Infinity);
  return lastUse;
}

/** Inputs of a loop's body that hold its state. */
function carriesOf({ op, params }: Equation, body: Program): readonly Variable[] {
  return (op as unknown) === scanOp ? rolesOf(body.inputs, params as ScanParams).carries : [];
}
