/** @file A function on a mesh with given shardings: what its pieces send, and how far they are from the whole. */

import { interpret } from "../core/interpret.ts";
import type { Mesh } from "../core/mesh.ts";
import { at, type NdArray } from "../core/ndarray.ts";
import type { Variable } from "../core/program.ts";
import { materialise, type SampleInput } from "../core/samples.ts";
import type { Tensor } from "../core/tensor.ts";
import { type Exchange, exchangesOf, totalsOf } from "../spmd/exchanges.ts";
import { partition } from "../spmd/partition.ts";
import { propagate, type Seed } from "../spmd/propagate.ts";
import { parseSharding } from "../spmd/sharding.ts";
import { simulate } from "../spmd/simulate.ts";
import { abstract, trace } from "../transforms/trace.ts";

export interface OnMesh {
  readonly exchanges: readonly Exchange[];
  /** Bytes sent from each device by kind of collective. */
  readonly sent: Readonly<Record<string, number>>;
  /** The largest difference to the whole, as a share of a result's largest element, or of 1; padding was NaN. */
  error(): number;
}

/**
 * Partitions a function.
 *
 * @param operands - samples, each with its sharding as text
 * @param results - their shardings as text
 */
export function onMesh(
  mesh: Mesh,
  f: (...xs: readonly Tensor[]) => readonly Tensor[],
  operands: readonly (readonly [SampleInput, string])[],
  results: readonly string[],
): OnMesh {
  const forms = operands.map(([{ aval }]) => abstract(aval));
  const { program } = trace("onMesh", (...xs: Tensor[]) => [...f(...xs)], forms);
  const texts = [...operands.map(([, text]) => text), ...results];
  const seeds = new Map<Variable, Seed>(
    [...program.inputs, ...program.outputs].map((v, i) => [
      v,
      { sharding: parseSharding(mesh, texts[i] ?? ""), text: "test" },
    ]),
  );
  const parted = partition(program, propagate(mesh, program, seeds));
  const exchanges = exchangesOf(parted.program);
  return {
    exchanges,
    sent: Object.fromEntries(totalsOf(exchanges).map(({ kind, bytes }) => [kind, bytes])),
    error() {
      const inputs = operands.map(([sample], i) => materialise(sample, i + 1, false));
      const whole = interpret(program, inputs);
      const dims = program.outputs.map((v) => v.aval.dims);
      const pieces = simulate(parted, inputs, dims, Number.NaN);
      return Math.max(...whole.map((y, i) => farthest(y, pieces[i])));
    },
  };
}

function farthest(wanted: NdArray, given: NdArray | undefined): number {
  if (given === undefined || given.dims.join() !== wanted.dims.join()) return Infinity;
  let [worst, largest] = [0, 1];
  for (let i = 0; i < wanted.data.length; i++) {
    const [a, b] = [at(given, i), at(wanted, i)];
    if (Object.is(a, b)) continue;
    const off = Math.abs(a - b);
    worst = Math.max(worst, Number.isNaN(off) ? Infinity : off);
    largest = Math.max(largest, Math.abs(b));
  }
  return worst / largest;
}
