/**
 * @file Sums that a loop only adds up: Σ over devices may wait until the loop has ended, one exchange for all its steps.
 *
 * A carry that a step reads only to add something to it may be a partial sum all the while. What is added comes from
 * where it is made through ops that are linear in it, out of inner loops as well, whose stacked results are then partial
 * sums. So the weights of a stage, which every tick uses, get their gradients summed over the batch's devices once.
 */

import type { Equation, Program, Variable } from "../core/program.ts";
import { addOp, negOp } from "../ops/arithmetic.ts";
import { type CheckpointParams, checkpointOp } from "../ops/control/checkpoint.ts";
import { rolesOf, type ScanParams, scanOp } from "../ops/control/scan.ts";
import { broadcastOp, type FullParams, fullOp } from "../ops/creation.ts";
import { scatterAddOp } from "../ops/indexing.ts";
import { reshapeOp, transposeOp } from "../ops/layout.ts";
import { selectOp } from "../ops/logic.ts";

export interface LateSums {
  /** Values that may stay partial sums until a loop around them has ended; each is used once. */
  readonly late: ReadonlySet<Variable>;
  /** Of equations that pass partial sums on: the operand that may be one. */
  readonly passes: ReadonlyMap<Equation, number>;
  /** Of additions to a carry: the carry, which is then a partial sum as well. */
  readonly carries: ReadonlyMap<Equation, Variable>;
  /** Constant zeros. */
  readonly zeros: ReadonlySet<Variable>;
}

/** Ops that are linear in their first operand, and give each element one place. */
const LINEAR: ReadonlySet<unknown> = new Set([reshapeOp, transposeOp, negOp, scatterAddOp]);

/** Looks at a program and at the loops inside it, through what is computed again. */
export function lateSumsOf(program: Program): LateSums {
  const found: Found = {
    ...{ late: new Set(), passes: new Map(), carries: new Map(), zeros: new Set() },
  };
  look(program, [], found);
  return found;
}

interface Found extends LateSums {
  readonly late: Set<Variable>;
  readonly passes: Map<Equation, number>;
  readonly carries: Map<Equation, Variable>;
  readonly zeros: Set<Variable>;
}

/** @param wanted - results of the program that may be partial */
function look(program: Program, wanted: readonly Variable[], found: Found): void {
  const { equations } = program;
  const uses = usesOf(program);
  const { late, passes, zeros } = found;
  const add = (v: Variable | undefined) => {
    if (v !== undefined && uses.get(v) === 1) late.add(v);
  };
  for (const equation of equations)
    if (isZero(equation, zeros)) equation.outputs.forEach((y) => void zeros.add(y));
  for (const v of wanted) add(v);
  for (const equation of equations) {
    const carry = found.carries.get(equation);
    if (carry !== undefined) add(equation.inputs[passes.get(equation) ?? 0]);
  }
  // Backward: a value comes before what it is made of.
  for (const equation of equations.toReversed()) {
    const [y] = equation.outputs;
    const at = summandOf(equation, zeros);
    if (y !== undefined && late.has(y) && at !== undefined) {
      add(equation.inputs[at]);
      passes.set(equation, at);
    }
    if ((equation.op as unknown) === checkpointOp) {
      const { program: again } = equation.params as CheckpointParams;
      look(again, again.outputs.filter((_, i) => late.has(equation.outputs[i] as Variable)), found); // biome-ignore format: one line
    }
    if ((equation.op as unknown) !== scanOp) continue;
    const { body, carries } = equation.params as ScanParams;
    const stacked = body.outputs.slice(carries);
    const results = equation.outputs.slice(carries);
    for (const [total, carry] of accumulators(equation)) {
      found.carries.set(total, carry);
      passes.set(total, total.inputs[0] === carry ? 1 : 0);
    }
    look(
      body,
      stacked.filter((_, i) => late.has(results[i] as Variable)),
      found,
    );
  }
}

function usesOf({ equations, outputs }: Program): ReadonlyMap<Variable, number> {
  const uses = new Map<Variable, number>();
  const use = (v: Variable) => uses.set(v, (uses.get(v) ?? 0) + 1);
  for (const { inputs } of equations) inputs.forEach(use);
  outputs.forEach(use);
  return uses;
}

function isZero({ op, params, inputs }: Equation, zeros: ReadonlySet<Variable>): boolean {
  if ((op as unknown) === fullOp) return (params as FullParams).value === 0;
  const [x] = inputs;
  return (op as unknown) === broadcastOp && x !== undefined && zeros.has(x);
}

/** The operand in which the op is linear, one element from one; undefined for other ops. */
function summandOf({ op, inputs }: Equation, zeros: ReadonlySet<Variable>): number | undefined {
  const record: unknown = op;
  if (LINEAR.has(record)) return 0;
  if (record !== selectOp) return undefined;
  // A mask with zeros beside it.
  if (zeros.has(inputs[2] as Variable)) return 1;
  return zeros.has(inputs[1] as Variable) ? 2 : undefined;
}

/** Additions to carries that are nothing but sums, with the carry. */
function accumulators({
  params,
}: Equation): readonly (readonly [total: Equation, carry: Variable])[] {
  const p = params as ScanParams;
  const { body } = p;
  const uses = usesOf(body);
  return rolesOf(body.inputs, p).carries.flatMap((carry, k) => {
    const y = body.outputs[k];
    const total = body.equations.find(({ outputs }) => outputs[0] === y);
    if (y === undefined || total === undefined || (total.op as unknown) !== addOp) return [];
    const [a, b] = total.inputs;
    const sums = (a === carry || b === carry) && a !== b;
    return sums && uses.get(carry) === 1 && uses.get(y) === 1 ? [[total, carry] as const] : [];
  });
}
