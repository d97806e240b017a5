/** @file Laws of collectives, as functions of one sample on several devices. */

import { apply } from "../core/builder.ts";
import type { CollectiveOp } from "../core/collective.ts";
import { isFloat } from "../core/dtype.ts";
import { interpretTogether } from "../core/interpret-together.ts";
import { at, build, type NdArray } from "../core/ndarray.ts";
import type { Program } from "../core/program.ts";
import { materialise, type Sample } from "../core/samples.ts";
import { aval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { verify } from "../core/verify.ts";
import { jvp } from "../transforms/jvp.ts";
import { abstract, trace } from "../transforms/trace.ts";
import { vjp } from "../transforms/vjp.ts";
import { vmap } from "../transforms/vmap.ts";
import { directions, inner, stack } from "./laws.ts";

/** Values by device number, then by place. */
export type PerDevice = readonly (readonly NdArray[])[];

/** A function as a program for inputs like those of device 0, verified. */
export function programLike(
  name: string,
  f: (...xs: Tensor[]) => readonly Tensor[],
  inputs: PerDevice,
): Program {
  const forms = (inputs[0] ?? []).map((x) => abstract(aval(x.dtype, x.dims)));
  const { program } = trace(name, (...xs: Tensor[]) => [...f(...xs)], forms);
  return verify(program, name);
}

/** `f` on all devices, in lockstep. */
export function runTogether(
  name: string,
  f: (...xs: Tensor[]) => readonly Tensor[],
  inputs: PerDevice,
): PerDevice {
  return interpretTogether(programLike(name, f, inputs), inputs);
}

/** Each device's own inputs of a sample; draw `again` for others of the same form. */
export function inputsTogether(
  op: CollectiveOp,
  sample: Sample,
  double: boolean,
  again = 0,
): PerDevice {
  return eachDevice(op.devices(sample.params), (device) =>
    sample.inputs.map((input, i) => materialise(input, 1000 * again + 10 * device + i + 1, double)),
  );
}

function eachDevice<T>(count: number, f: (device: number) => T): readonly T[] {
  return Array.from({ length: count }, (_, device) => f(device));
}

const applied =
  (op: CollectiveOp, sample: Sample) =>
  (...xs: Tensor[]): readonly Tensor[] =>
    apply(op, xs, sample.params);

/** What the op's own record computes on all devices. */
export function forwardTogether(op: CollectiveOp, sample: Sample, double: boolean): PerDevice {
  return runTogether(op.name, applied(op, sample), inputsTogether(op, sample, double));
}

/** Random directions on each device, zeros for integers. */
export function directionsTogether(like: PerDevice, seed: number): PerDevice {
  return like.map((own, device) => directions(own, seed + 10 * device));
}

/** Value and tangent through `jvp`, in double precision. */
export function jvpTogether(
  op: CollectiveOp,
  sample: Sample,
): { readonly primal: PerDevice; readonly tangent: PerDevice; readonly direction: PerDevice } {
  const inputs = inputsTogether(op, sample, true);
  const direction = directionsTogether(inputs, 100);
  const n = sample.inputs.length;
  const f = (...xs: Tensor[]) =>
    jvp((...ys: Tensor[]) => [...applied(op, sample)(...ys)], xs.slice(0, n), xs.slice(n)).flat();
  const results = runTogether("jvp", f, zipped(inputs, direction));
  const half = (results[0]?.length ?? 0) / 2;
  return {
    primal: results.map((own) => own.slice(0, half)),
    tangent: results.map((own) => own.slice(half)),
    direction,
  };
}

/** Each device's list followed by its other list. */
export function zipped(a: PerDevice, b: PerDevice): PerDevice {
  return a.map((own, device) => [...own, ...(b[device] ?? [])]);
}

/** The slope along a direction in which all devices move at once, by central differences. */
export function slopeTogether(op: CollectiveOp, sample: Sample, direction: PerDevice): PerDevice {
  const step = 1e-5;
  const moved = (sign: number) => {
    const inputs = inputsTogether(op, sample, true).map((own, device) =>
      own.map((x, i) => {
        const dx = direction[device]?.[i];
        return dx === undefined || !isFloat(x.dtype)
          ? x
          : build(x, (_index, j) => at(x, j) + sign * step * at(dx, j));
      }),
    );
    return runTogether(op.name, applied(op, sample), inputs);
  };
  const [up, down] = [moved(1), moved(-1)];
  return up.map((own, device) =>
    own.map((y, i) => {
      const low = down[device]?.[i];
      return build(y, (_index, j) =>
        low === undefined || !isFloat(y.dtype) ? 0 : (at(y, j) - at(low, j)) / (2 * step),
      );
    }),
  );
}

/** Cotangents of the inputs from cotangents of the outputs, through `vjp`. */
export function pullbackTogether(
  op: CollectiveOp,
  sample: Sample,
  cotangents: PerDevice,
): PerDevice {
  const n = sample.inputs.length;
  const f = (...xs: Tensor[]) => {
    const [, back] = vjp((...ys: Tensor[]) => [...applied(op, sample)(...ys)], ...xs.slice(0, n));
    return back(xs.slice(n));
  };
  return runTogether("vjp", f, zipped(inputsTogether(op, sample, true), cotangents));
}

/** `Σ a·b` over devices and float arrays. */
export function innerTogether(a: PerDevice, b: PerDevice): number {
  return a.reduce((sum, own, device) => sum + inner(own, b[device] ?? []), 0);
}

/** The op batched over all its inputs, and the same in a loop. */
export function batchedAndLoopedTogether(
  op: CollectiveOp,
  sample: Sample,
  size = 2,
): readonly [PerDevice, PerDevice] {
  const draws = Array.from({ length: size }, (_, k) => inputsTogether(op, sample, true, k));
  const stacked = (runs: readonly PerDevice[]): PerDevice =>
    (runs[0] ?? []).map((own, device) =>
      own.map((_, i) => stack(runs.map((run) => run[device]?.[i] as NdArray))),
    );
  const f = (...xs: Tensor[]) => vmap((...ys: Tensor[]) => [...applied(op, sample)(...ys)])(...xs);
  const batched = runTogether("vmap", f, stacked(draws));
  return [batched, stacked(draws.map((draw) => runTogether("loop", applied(op, sample), draw)))];
}
