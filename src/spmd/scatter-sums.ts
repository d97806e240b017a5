/**
 * @file A sum over devices of which every device keeps only its own part is a reduce-scatter: half the bytes.
 *
 * Resharding may write such a sum as an all-reduce and a slice. Whether the slice takes the own part is not guessed from
 * its form: where it starts is computed for every device, from `partitionId` on.
 */

import { Builder, replay, writing } from "../core/builder.ts";
import type { Groups } from "../core/collective.ts";
import { type Equation, mapPrograms, type Program, type Variable } from "../core/program.ts";
import type { Tensor } from "../core/tensor.ts";
import { type AllReduceParams, reduceScatter } from "../ops/collectives.ts";

/** The same program, with an all-reduce and the slices of own parts as one exchange. */
export function scatterSums(program: Program): Program {
  const makers = new Map<Variable, Equation>();
  const uses = new Map<Variable, number>();
  for (const equation of program.equations) {
    for (const v of equation.outputs) makers.set(v, equation);
    for (const v of equation.inputs) uses.set(v, (uses.get(v) ?? 0) + 1);
  }
  for (const v of program.outputs) uses.set(v, (uses.get(v) ?? 0) + 1);
  const starts = new Map<Variable, Places | undefined>();

  const builder = new Builder(program.name);
  const tensors = new Map<Variable, Tensor>();
  const of = (v: Variable): Tensor => {
    const tensor = tensors.get(v);
    if (tensor === undefined) throw new RangeError("a value is used before it is made");
    return tensor;
  };
  return writing(builder, () => {
    for (const v of program.inputs) tensors.set(v, builder.input(v.aval));
    for (const equation of program.equations) {
      const scattered = scatterOf(equation, makers, uses, starts);
      if (scattered !== undefined) {
        const { summand, axis, groups } = scattered;
        const [y] = equation.outputs;
        if (y !== undefined) tensors.set(y, reduceScatter(of(summand), axis, groups));
        continue;
      }
      const params = mapPrograms(equation.params, scatterSums);
      const results = replay({ ...equation, params }, equation.inputs.map(of));
      equation.outputs.forEach((v, i) => {
        tensors.set(v, results[i] as Tensor);
      });
    }
    return builder.finish(program.outputs.map(of)).program;
  });
}

interface Scatter {
  /** What is summed. */
  readonly summand: Variable;
  readonly axis: number;
  readonly groups: Groups;
}

/** A slice that is the only use of an all-reduce and takes each device's own part of it. */
function scatterOf(
  { op, inputs, outputs }: Equation,
  makers: ReadonlyMap<Variable, Equation>,
  uses: ReadonlyMap<Variable, number>,
  starts: Map<Variable, Places | undefined>,
): Scatter | undefined {
  if (op.name !== "dynamicSlice") return undefined;
  const [x, start] = inputs;
  const sum = x === undefined ? undefined : makers.get(x);
  if (x === undefined || start === undefined || sum?.op.name !== "allReduce") return undefined;
  const { groups, reduction } = sum.params as AllReduceParams;
  const [summand] = sum.inputs;
  if (reduction !== "sum" || uses.get(x) !== 1 || summand === undefined) return undefined;
  const [whole, part] = [x.aval.dims, outputs[0]?.aval.dims ?? []];
  const cut = whole.flatMap((size, i) => (size === part[i] ? [] : [i]));
  const [axis] = cut;
  if (cut.length !== 1 || axis === undefined) return undefined;
  const size = part[axis] ?? 0;
  const count = groups[0]?.length ?? 0;
  if (groups.some(({ length }) => length !== count) || size * count !== whole[axis])
    return undefined;
  const places = placesOf(start, makers, starts, groups.flat().length);
  const own = groups.every((group) =>
    group.every((device, rank) =>
      whole.every((_, i) => places?.[i]?.[device] === (i === axis ? rank * size : 0)),
    ),
  );
  return own ? { summand, axis, groups } : undefined;
}

/** Elements of a small integer value, each as its number on every device. */
type Places = readonly Int32Array[];

/** The value on every device, as far as it depends on nothing but the device's number. */
function placesOf(
  v: Variable,
  makers: ReadonlyMap<Variable, Equation>,
  known: Map<Variable, Places | undefined>,
  devices: number,
): Places | undefined {
  if (known.has(v)) return known.get(v);
  const places = computed(v, makers, known, devices);
  known.set(v, places);
  return places;
}

const ARITHMETIC: Readonly<Record<string, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => Math.trunc(a / b),
  rem: (a, b) => a % b,
};

function computed(
  v: Variable,
  makers: ReadonlyMap<Variable, Equation>,
  known: Map<Variable, Places | undefined>,
  devices: number,
): Places | undefined {
  const equation = makers.get(v);
  if (equation === undefined || v.aval.dtype !== "int32" || v.aval.dims.length > 1)
    return undefined;
  const { op, params } = equation;
  const size = v.aval.dims[0] ?? 1;
  const each = (value: number) => new Int32Array(devices).fill(value);
  if (op.name === "partitionId") return [Int32Array.from({ length: devices }, (_, d) => d)];
  if (op.name === "full")
    return Array.from({ length: size }, () => each((params as { readonly value: number }).value));
  if (op.name === "literal")
    return [...(params as { readonly values: ArrayLike<number> & Iterable<number> }).values].map(
      each,
    );
  const operands = equation.inputs.map((x) => placesOf(x, makers, known, devices));
  if (operands.some((x) => x === undefined)) return undefined;
  const lists = operands as Places[];
  if (op.name === "reshape") return lists[0];
  if (op.name === "concatenate") return lists.flat();
  const f = ARITHMETIC[op.name];
  const [a, b] = lists;
  if (f === undefined || a === undefined || b === undefined) return undefined;
  return a.map((x, i) => x.map((value, d) => f(value, b[i]?.[d] ?? 0)));
}
