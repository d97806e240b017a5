/**
 * @file The law of partitioning: a program run in pieces on a mesh is the whole program. Meshes, annotations and the
 * choice for every equation are drawn at random; padding is NaN.
 */

import { apply } from "../../core/builder.ts";
import { interpret } from "../../core/interpret.ts";
import { type AxisPart, joinParts, type Mesh, makeMesh, showMesh } from "../../core/mesh.ts";
import { at, mapElements, type NdArray } from "../../core/ndarray.ts";
import type { Op } from "../../core/op.ts";
import type { Program, Variable } from "../../core/program.ts";
import { materialise, type Sample } from "../../core/samples.ts";
import { aval, sameDims, showAval } from "../../core/shape.ts";
import { factorsOfAxis } from "../../core/sharding-rule.ts";
import { verify } from "../../core/verify.ts";
import { hash32 } from "../../data/permutation.ts";
import { assignments } from "../../spmd/assignment.ts";
import { type Partitioned, partition } from "../../spmd/partition.ts";
import { propagate, type Seed } from "../../spmd/propagate.ts";
import { dimOn, type Sharding, showSharding } from "../../spmd/sharding.ts";
import { simulate } from "../../spmd/simulate.ts";
import { closedProgram } from "../../transforms/trace.ts";
import { withFloat } from "../../transforms/with-float.ts";

/** Sums of float32 in another order differ by so much. */
const ROUNDING = 1e-5;

/** With it as a second seed, draws of meshes and choices have nothing to do with those of programs. */
export const CHOICES = 1;

/** Whole numbers below a bound, the same for the same seeds, which are whole numbers. */
export type Draw = (bound: number) => number;

export function drawer(...seeds: readonly number[]): Draw {
  let count = 0;
  return (bound) => hash32(...seeds, count++) % bound;
}

/** One to three axes, one to eight devices. */
export function drawMesh(draw: Draw): Mesh {
  let left = 8;
  const sizes: Record<string, number> = {};
  for (const name of ["x", "y", "z"].slice(0, 1 + draw(3))) {
    // One device alone has nothing to show.
    const size = name === "x" ? 2 + draw(4) : 1 + draw(Math.min(5, left));
    sizes[name] = size;
    left = Math.floor(left / size);
  }
  return makeMesh(sizes);
}

/** Axes of the mesh, some of them cut in two, on dimensions in any order, some open. */
export function drawSharding(draw: Draw, mesh: Mesh, rank: number): Sharding {
  const parts = mesh.axes.flatMap(({ name, size }): AxisPart[] =>
    size === 4 && draw(3) === 0
      ? [
          { name, before: 1, size: 2 },
          { name, before: 2, size: 2 },
        ]
      : [{ name, before: 1, size }],
  );
  const order = parts
    .map((part) => [draw(1000), part] as const)
    .sort(([a], [b]) => a - b)
    .map(([, part]) => part);
  const places = order.map(() => draw(rank + 1) - 1);
  const dims = Array.from({ length: rank }, (_, dim) => {
    const axes = order.filter((_, i) => places[i] === dim);
    return dimOn(joinParts(axes), draw(2) === 0, draw(3) === 0 ? 1 : 0);
  });
  return { dims, whole: [], sum: [] };
}

/** What kinds of factors were split in an equation of an op. */
export type Split = "free" | "sum" | "extreme" | "moves";

export interface PartitionedCase {
  /** Why the pieces are not the whole; undefined when they are. */
  readonly mismatch: string | undefined;
  /** By op name. */
  readonly splits: readonly (readonly [op: string, split: Split])[];
}

/**
 * Annotates up to three values of a program at random, or all, partitions it, and compares it with the whole.
 *
 * @param everywhere - whether all are annotated
 */
export function partitionedCase(
  program: Program,
  inputs: readonly NdArray[],
  draw: Draw,
  everywhere = false,
): PartitionedCase {
  const mesh = drawMesh(draw);
  const values = [
    ...new Set([...program.inputs, ...program.equations.flatMap((equation) => equation.outputs)]),
  ];
  const seeds = new Map<Variable, Seed>();
  const drawn = Array.from({ length: 1 + draw(3) }, () => values[draw(values.length)]);
  for (const v of everywhere ? values : drawn) {
    if (v === undefined) continue;
    const sharding = drawSharding(draw, mesh, v.aval.dims.length);
    seeds.set(v, { sharding, text: "drawn" });
  }
  const splits: (readonly [string, Split])[] = [];
  const found = propagate(mesh, program, seeds);
  const cheap = draw(3) === 0;
  const parted = partition(program, found, {
    ...(!cheap && {
      choose: (question) => {
        const all = assignments(question);
        // The first ones split the most.
        return (
          all[Math.min(draw(all.length), draw(all.length))] ?? (all[0] as (typeof all)[number])
        );
      },
    }),
    onChoice({ op }, { rule, factors }) {
      for (const factor of new Set(
        [...rule.operands, ...rule.results].flat().flatMap(factorsOfAxis),
      )) {
        if ((factors.get(factor) ?? []).length === 0) continue;
        const extreme = rule.max.includes(factor) || rule.min.includes(factor);
        const reduced = rule.sum.includes(factor) ? "sum" : extreme ? "extreme" : "free";
        splits.push([op.name, rule.moves.includes(factor) ? "moves" : reduced]);
      }
    },
  });
  const told = () =>
    [
      `mesh ${showMesh(mesh)}`,
      ...[...seeds].map(
        ([v, { sharding }]) => `${showAval(v.aval)} ${showSharding(sharding, mesh)}`,
      ),
    ].join("; ");
  verify(parted.program, program.name);
  const differences = (one: Program, pieces: Partitioned, values: readonly NdArray[]) => {
    const whole = interpret(one, values);
    const forms = one.outputs.map((v) => v.aval.dims);
    return simulate(pieces, values, forms, Number.NaN).flatMap((y, i) => {
      const why = difference(y, whole[i]);
      return why === undefined ? [] : [`result ${i}: ${why}`];
    });
  };
  let wrong = differences(program, parted, inputs);
  // Where terms nearly cancel, float32 rounds away more than `ROUNDING` in both: the same pieces in float64 tell.
  if (wrong.length > 0) {
    const local = withFloat(parted.program, "float64");
    wrong = differences(withFloat(program, "float64"), { ...parted, program: local }, inputs.map(doublesOf)); // biome-ignore format: one line
  }
  const mismatch = wrong.length === 0 ? undefined : `${wrong.join("; ")} (${told()})`;
  return { mismatch, splits };
}

/** One sample of an op; `everywhere` as above. */
export function partitionedSample(
  op: Op,
  sample: Sample,
  seed: number,
  everywhere = false,
): PartitionedCase {
  const inputs = sample.inputs.map((input, i) => materialise(input, i + 1, false));
  const forms = inputs.map((x, i) => aval(x.dtype, x.dims, sample.inputs[i]?.aval.names));
  const program = closedProgram(op.name, forms, (xs) => [...apply(op, xs, sample.params)]);
  const own = partitionedCase(program, inputs, drawer(seed, CHOICES), everywhere);
  if (own.mismatch === undefined) return own;
  const told = `${op.name}, ${sample.label}, seed ${seed}`;
  const params = everywhere
    ? ` ${forms.map(showAval).join(", ")} ${JSON.stringify(sample.params)}`
    : "";
  return { ...own, mismatch: `${told}${params}: ${own.mismatch}` };
}

function doublesOf(x: NdArray): NdArray {
  return x.dtype === "float32" ? mapElements(x, "float64", (value) => value) : x;
}

/** Why an array is not what it should be, but for rounding; NaN is itself. */
function difference(y: NdArray, wanted: NdArray | undefined): string | undefined {
  if (wanted === undefined || !sameDims(y.dims, wanted.dims)) return `dims [${y.dims}]`;
  for (let i = 0; i < wanted.data.length; i++) {
    const [a, b] = [at(y, i), at(wanted, i)];
    if (Object.is(a, b) || Math.abs(a - b) <= ROUNDING * (1 + Math.abs(b)) || a === b) continue;
    return `element ${i} is ${a}, of the whole ${b}`;
  }
  return undefined;
}
