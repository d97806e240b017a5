/** @file How much memory a per-device program holds at once, equation by equation. */

import { dtypeFacts } from "../core/dtype.ts";
import { type Equation, isProgram, type Program, type Variable } from "../core/program.ts";
import { sizeOf } from "../core/shape.ts";

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

/** Every value is freed after its last use; broadcasts and constants are made where they are read. */
export function memoryUse(
  program: Program,
  { width = 8, donated = 0 }: MemoryOptions = {},
): MemoryUse {
  const inputs = program.inputs.reduce((sum, v) => sum + bytesOf(v), 0);
  return { inputs, peak: peakOf(program, width, new Set(program.inputs.slice(0, donated))) };
}

/** @param given - arguments whose place is free after their last use */
function peakOf(program: Program, width: number, given: ReadonlySet<Variable>): number {
  const roots = new Map<Variable, Variable>();
  const rootOf = (v: Variable) => roots.get(v) ?? v;
  const lastUse = new Map<Variable, number>();
  const made = new Set<Variable>();
  program.equations.forEach(({ op, inputs, outputs }, i) => {
    const [x] = inputs;
    for (const v of inputs) lastUse.set(rootOf(v), i);
    for (const y of outputs) {
      if (VIEWS.has(op.name)) {
        if (x !== undefined) roots.set(y, rootOf(x));
      } else made.add(y);
    }
  });
  const results = new Set(program.outputs.map(rootOf));
  for (const v of results) lastUse.set(v, Infinity);
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
    const inside = programsIn(params).map((inner) => peakOf(inner, width, new Set()));
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

function programsIn(params: unknown): Program[] {
  if (isProgram(params)) return [params];
  if (typeof params !== "object" || params === null || ArrayBuffer.isView(params)) return [];
  return Object.values(params).flatMap(programsIn);
}
