/**
 * @file Sums over devices that can wait: what is linear in a value can be done on its summands, and the sum be taken
 * where it is wanted, of all that goes into it at once and only as much of it as is wanted.
 *
 * In a loop it may wait until the loop has ended, one exchange for all its steps.
 * A carry that a step reads only to add something to it may be a partial sum all the while. What is added comes from
 * where it is made through ops that are linear in it, out of inner loops as well, whose stacked results are then partial
 * sums. So the weights of a stage, which every tick uses, get their gradients summed over the batch's devices once.
 */

import { type Equation, type Program, usesOf, type Variable } from "../core/program.ts";
import { sizeOf } from "../core/shape.ts";
import { addOp, mulOp, negOp, subOp } from "../ops/arithmetic.ts";
import { type CheckpointParams, checkpointOp } from "../ops/control/checkpoint.ts";
import { rolesOf, type ScanParams, scanOp } from "../ops/control/scan.ts";
import { broadcastOp, type FullParams, fullOp } from "../ops/creation.ts";
import { scatterAddOp } from "../ops/indexing.ts";
import { reshapeOp, transposeOp } from "../ops/layout.ts";
import { selectOp } from "../ops/logic.ts";
import { shardOp } from "../ops/shard.ts";
import { sumOp } from "../ops/sum.ts";

export interface LateSums {
  /** Values that may stay partial sums until a loop around them has ended; each is used once. */
  readonly late: ReadonlySet<Variable>;
  /** Of equations that pass partial sums on: operands of which one may be such a sum, used nowhere else. */
  readonly passes: ReadonlyMap<Equation, readonly number[]>;
  /** Sums and differences of values that are used nowhere else: of two partial sums they are one. */
  readonly joins: ReadonlySet<Equation>;
  /** Of additions to a carry: the carry, which is then a partial sum as well. */
  readonly carries: ReadonlyMap<Equation, Variable>;
  /** Constant zeros. */
  readonly zeros: ReadonlySet<Variable>;
}

/** Ops that are linear in their first operand, and give each element one place, or none of its own. */
const LINEAR: ReadonlySet<unknown> = new Set([
  reshapeOp,
  transposeOp,
  negOp,
  scatterAddOp,
  sumOp,
  shardOp,
]);
const JOINS: ReadonlySet<unknown> = new Set([addOp, subOp]);

/** Looks at a program and at the loops inside it, through what is computed again. */
export function lateSumsOf(program: Program): LateSums {
  const found: Found = {
    ...{ late: new Set(), passes: new Map(), joins: new Set(), carries: new Map() },
    zeros: new Set(),
  };
  look(program, [], found);
  return found;
}

interface Found extends LateSums {
  readonly late: Set<Variable>;
  readonly passes: Map<Equation, readonly number[]>;
  readonly joins: Set<Equation>;
  readonly carries: Map<Equation, Variable>;
  readonly zeros: Set<Variable>;
}

/** @param wanted - results of the program that may be partial */
function look(program: Program, wanted: readonly Variable[], found: Found): void {
  const { equations } = program;
  const uses = heavyUsesOf(program);
  const { late, passes, joins, zeros } = found;
  const once = (v: Variable) => (uses.get(v) ?? 0) <= 1;
  const add = (v: Variable | undefined) => {
    if (v !== undefined && once(v)) late.add(v);
  };
  for (const equation of equations)
    if (isZero(equation, zeros)) equation.outputs.forEach((y) => void zeros.add(y));
  for (const v of wanted) add(v);
  for (const equation of equations) {
    const carry = found.carries.get(equation);
    if (carry !== undefined) add(equation.inputs[passes.get(equation)?.[0] ?? 0]);
  }
  // Backward: a value comes before what it is made of.
  for (const equation of equations.toReversed()) {
    const [y] = equation.outputs;
    const at = summandOf(equation, zeros);
    if (at !== undefined && once(equation.inputs[at] as Variable)) {
      const waits = y !== undefined && late.has(y);
      if (waits) add(equation.inputs[at]);
      if (waits || !grows(equation)) passes.set(equation, [at]);
    } else if ((equation.op as unknown) === mulOp) {
      const alone = equation.inputs.flatMap((v, i) => (once(v) ? [i] : []));
      if (alone.length > 0) passes.set(equation, alone);
    } else if (JOINS.has(equation.op) && !found.carries.has(equation)) {
      if (equation.inputs.every(once)) joins.add(equation);
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
      passes.set(total, [total.inputs[0] === carry ? 1 : 0]);
    }
    look(
      body,
      stacked.filter((_, i) => late.has(results[i] as Variable)),
      found,
    );
  }
}

/** Whether the sum of the result is dearer than that of its summand. */
function grows({ inputs: [x], outputs: [y] }: Equation): boolean {
  return sizeOf(y?.aval.dims ?? []) > sizeOf(x?.aval.dims ?? []);
}

/** Without products of which only sums of rows are left: what these send is little. */
function heavyUsesOf(program: Program): ReadonlyMap<Variable, number> {
  const uses = usesOf(program);
  const shrunk = new Set(program.equations.flatMap((each) => (shrinks(each) ? each.inputs : [])));
  const heavy = new Map(uses);
  for (const { op, inputs, outputs } of program.equations) {
    const [y] = outputs;
    if ((op as unknown) !== mulOp || y === undefined || !shrunk.has(y) || uses.get(y) !== 1)
      continue;
    for (const v of inputs) heavy.set(v, (heavy.get(v) ?? 0) - 1);
  }
  return heavy;
}

/** Less than this share of its operand is left of a sum that sends little. */
const LITTLE = 1 / 64;

function shrinks({ op, inputs: [x], outputs: [y] }: Equation): boolean {
  return (
    (op as unknown) === sumOp && sizeOf(y?.aval.dims ?? []) <= LITTLE * sizeOf(x?.aval.dims ?? [])
  );
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
