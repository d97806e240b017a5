/**
 * @file Sums over devices are taken as late as they can: Σa + Σb is Σ(a + b), one exchange for two. So the gradients
 * that several products send back to one value are added on each device, and only their sum travels. The same holds for
 * sums of which each device keeps a part.
 */

import { Builder, onBehalfOf, replay, writing } from "../core/builder.ts";
import type { Groups } from "../core/collective.ts";
import { type Equation, mapPrograms, type Program, type Variable } from "../core/program.ts";
import { sameDims } from "../core/shape.ts";
import type { SourceLine } from "../core/source.ts";
import type { Tensor } from "../core/tensor.ts";
import { addOp, negOp, subOp } from "../ops/arithmetic.ts";
import {
  type AllReduceParams,
  type AlongParams,
  allReduce,
  allReduceOp,
  reduceScatter,
  reduceScatterOp,
} from "../ops/collectives.ts";
import { reshapeOp, reshape as reshapeTo, transposeOp } from "../ops/layout.ts";
import { sumOp } from "../ops/sum.ts";

/** A value, or what it is before its sum over devices. */
interface Value {
  readonly tensor: Tensor;
  /** Whose summands the tensor holds; null for the value itself. */
  readonly sum: PendingSum | null;
}

interface PendingSum {
  readonly groups: Groups;
  /** Along which each device keeps its part of the sum; null where all keep all. */
  readonly axis: number | null;
  /** Where the sum was asked for. */
  readonly source: SourceLine;
}

/** Linear ops of one operand that a sum over devices passes. */
const PASSES: ReadonlySet<unknown> = new Set([reshapeOp, transposeOp, negOp, sumOp]);
const SUMS: ReadonlySet<unknown> = new Set([allReduceOp, reduceScatterOp]);
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
    for (const v of program.inputs) values.set(v, { tensor: builder.input(v.aval), sum: null });
    /** The value with its sum taken; taken once for all who ask. */
    const settled = (v: Variable): Tensor => {
      const value = values.get(v);
      if (value === undefined) throw new RangeError("a value is used before it is made");
      if (value.sum === null) return value.tensor;
      const { groups, axis, source } = value.sum;
      const tensor = onBehalfOf(source, () =>
        axis === null ? allReduce(value.tensor, groups) : reduceScatter(value.tensor, axis, groups),
      );
      values.set(v, { tensor, sum: null });
      return tensor;
    };
    for (const equation of program.equations) {
      const { params, inputs, outputs } = equation;
      const [y] = outputs;
      const delayed = y === undefined ? undefined : delay(equation, values, once);
      if (y !== undefined && delayed !== undefined) {
        const operands = inputs.map((v) => values.get(v)?.tensor as Tensor);
        values.set(y, { tensor: onSummands(equation, operands, delayed), sum: delayed });
        continue;
      }
      const inner = mapPrograms(params, delaySums);
      const results = replay({ ...equation, params: inner }, inputs.map(settled));
      outputs.forEach((v, i) => {
        values.set(v, { tensor: results[i] as Tensor, sum: null });
      });
    }
    return builder.finish(program.outputs.map(settled)).program;
  });
}

/** The equation on what is still to be summed. */
function onSummands(equation: Equation, operands: readonly Tensor[], { axis }: PendingSum): Tensor {
  const { op } = equation;
  const [x] = operands as [Tensor];
  if (SUMS.has(op)) return x;
  // The summands of a part have the whole's dims.
  const renames = axis !== null && (op as unknown) === reshapeOp;
  return renames
    ? reshapeTo(x, x.dims, equation.outputs[0]?.aval.names)
    : (replay(equation, operands)[0] as Tensor);
}

/** The sum over devices that is still to be taken of the equation's result; undefined for none. */
function delay(
  { op, params, inputs, outputs, source }: Equation,
  values: ReadonlyMap<Variable, Value>,
  once: (v: Variable) => boolean,
): PendingSum | undefined {
  const [first] = inputs;
  const own = first === undefined ? undefined : values.get(first);
  if (own === undefined) return undefined;
  if ((op as unknown) === allReduceOp) {
    const { groups, reduction } = params as AllReduceParams;
    return reduction === "sum" && own.sum === null ? { groups, axis: null, source } : undefined;
  }
  if ((op as unknown) === reduceScatterOp)
    return own.sum === null ? { ...(params as AlongParams), source } : undefined;
  if (own.sum === null || !(PASSES.has(op) || JOINS.has(op))) return undefined;
  const { groups, axis } = own.sum;
  if (axis !== null && !JOINS.has(op)) {
    const same = sameDims(first?.aval.dims ?? [], outputs[0]?.aval.dims ?? []);
    const passes = (op as unknown) === negOp || ((op as unknown) === reshapeOp && same);
    if (!passes) return undefined;
  }
  // The same list stands for the same groups.
  const alike = inputs.every((v) => {
    const sum = values.get(v)?.sum;
    return sum?.groups === groups && sum.axis === axis && once(v);
  });
  const distinct = new Set(inputs).size === inputs.length;
  return alike && distinct ? own.sum : undefined;
}
