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

function bytesOf(v: Variable): number {
  return sizeOf(v.aval.dims) * dtypeFacts(v.aval.dtype).bytes;
}

/** Every value is freed after its last use; broadcasts and constants are made where they are read. */
export function memoryUse(program: Program): MemoryUse {
  const inputs = program.inputs.reduce((sum, v) => sum + bytesOf(v), 0);
  return { inputs, peak: peakOf(program) };
}

function peakOf(program: Program): number {
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
    for (const y of outputs) if (made.has(y)) alive += bytesOf(y);
    const inside = programsIn(params).map(peakOf);
    peak = Math.max(peak, alive + Math.max(0, ...inside));
    for (const v of freed.get(i) ?? []) alive -= bytesOf(v);
    // Results that nobody reads.
    for (const y of outputs) if (made.has(y) && !lastUse.has(y)) alive -= bytesOf(y);
  });
  return peak;
}

function programsIn(params: unknown): Program[] {
  if (isProgram(params)) return [params];
  if (typeof params !== "object" || params === null || ArrayBuffer.isView(params)) return [];
  return Object.values(params).flatMap(programsIn);
}
