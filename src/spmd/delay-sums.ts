/**
 * @file Sums over devices are taken as late as they can: Σa + Σb is Σ(a + b), one exchange for two. So the gradients
 * that several products send back to one value are added on each device, and only their sum travels.
 */

import { Builder, replay, writing } from "../core/builder.ts";
import type { Groups } from "../core/collective.ts";
import { type Equation, mapPrograms, type Program, type Variable } from "../core/program.ts";
import type { Tensor } from "../core/tensor.ts";
import { addOp, negOp, subOp } from "../ops/arithmetic.ts";
import { type AllReduceParams, allReduce, allReduceOp } from "../ops/collectives.ts";
import { reshapeOp, transposeOp } from "../ops/layout.ts";
import { sumOp } from "../ops/sum.ts";

/** A value, or what it is before its sum over devices. */
interface Value {
  readonly tensor: Tensor;
  /** Whose summands the tensor holds; null for the value itself. */
  readonly groups: Groups | null;
}

/** Linear ops of one operand that a sum over devices passes. */
const PASSES: ReadonlySet<unknown> = new Set([reshapeOp, transposeOp, negOp, sumOp]);
const JOINS: ReadonlySet<unknown> = new Set([addOp, subOp]);

/** The same program with fewer sums over devices. */
export function delaySums(program: Program): Program {
  const uses = new Map<Variable, number>();
  const use = (v: Variable) => uses.set(v, (uses.get(v) ?? 0) + 1);
  for (const { inputs } of program.equations) inputs.forEach(use);
  program.outputs.forEach(use);

  const builder = new Builder(program.name);
  const values = new Map<Variable, Value>();
  const once = (v: Variable) => uses.get(v) === 1;
  return writing(builder, () => {
    for (const v of program.inputs) values.set(v, { tensor: builder.input(v.aval), groups: null });
    /** The value with its sum taken; taken once for all who ask. */
    const settled = (v: Variable): Tensor => {
      const value = values.get(v);
      if (value === undefined) throw new RangeError("a value is used before it is made");
      if (value.groups === null) return value.tensor;
      const tensor = allReduce(value.tensor, value.groups);
      values.set(v, { tensor, groups: null });
      return tensor;
    };
    for (const equation of program.equations) {
      const { op, params, inputs, outputs } = equation;
      const [y] = outputs;
      const delayed = y === undefined ? undefined : delay(equation, values, once);
      if (y !== undefined && delayed !== undefined) {
        const operands = inputs.map((v) => values.get(v)?.tensor as Tensor);
        const tensor =
          (op as unknown) === allReduceOp ? operands[0] : replay(equation, operands)[0];
        values.set(y, { tensor: tensor as Tensor, groups: delayed });
        continue;
      }
      const inner = mapPrograms(params, delaySums);
      const results = replay({ ...equation, params: inner }, inputs.map(settled));
      outputs.forEach((v, i) => {
        values.set(v, { tensor: results[i] as Tensor, groups: null });
      });
    }
    return builder.finish(program.outputs.map(settled)).program;
  });
}

/** The devices over whose summands the equation's result is still to be summed; undefined for none. */
function delay(
  { op, params, inputs }: Equation,
  values: ReadonlyMap<Variable, Value>,
  once: (v: Variable) => boolean,
): Groups | undefined {
  if ((op as unknown) === allReduceOp) {
    const { groups, reduction } = params as AllReduceParams;
    const [x] = inputs;
    return reduction === "sum" && x !== undefined && values.get(x)?.groups === null
      ? groups
      : undefined;
  }
  if (!PASSES.has(op) && !JOINS.has(op)) return undefined;
  const [first] = inputs;
  const groups = first === undefined ? null : (values.get(first)?.groups ?? null);
  // The same list stands for the same groups.
  const alike = inputs.every((v) => values.get(v)?.groups === groups && once(v));
  const distinct = new Set(inputs).size === inputs.length;
  return groups !== null && alike && distinct ? groups : undefined;
}
