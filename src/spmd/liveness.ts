/** @file How much memory a per-device program holds at once, equation by equation. */

import { dtypeFacts } from "../core/dtype.ts";
import { isProgram, type Program, type Variable } from "../core/program.ts";
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

/**
 * Every value is freed after its last use; broadcasts and constants are made where they are read. Results that take the
 * place of arguments (new weights for old ones) count as made on the way.
 *
 * @param width - bytes of a float that is made on the way, 2 for 16-bit arithmetic; its own when absent. Arguments, the
 * weights among them, keep theirs
 */
export function memoryUse(program: Program, width?: number): MemoryUse {
  const inputs = program.inputs.reduce((sum, v) => sum + bytesOf(v), 0);
  return { inputs, peak: peakOf(program, width) };
}

function peakOf(program: Program, width?: number): number {
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
  for (const v of program.outputs) lastUse.set(rootOf(v), Infinity);
  const freed = new Map<number, Variable[]>();
  for (const [v, i] of lastUse) if (made.has(v)) freed.set(i, [...(freed.get(i) ?? []), v]);
  let [alive, peak] = [0, 0];
  program.equations.forEach(({ outputs, params }, i) => {
    for (const y of outputs) if (made.has(y)) alive += bytesOf(y, width);
    const inside = programsIn(params).map((inner) => peakOf(inner, width));
    peak = Math.max(peak, alive + Math.max(0, ...inside));
    for (const v of freed.get(i) ?? []) alive -= bytesOf(v, width);
    // Results that nobody reads.
    for (const y of outputs) if (made.has(y) && !lastUse.has(y)) alive -= bytesOf(y, width);
  });
  return peak;
}

function programsIn(params: unknown): Program[] {
  if (isProgram(params)) return [params];
  if (typeof params !== "object" || params === null || ArrayBuffer.isView(params)) return [];
  return Object.values(params).flatMap(programsIn);
}
