/** @file Functions that become programs inside an op: what they close over becomes an operand. */

import { type Program, type Variable, variable } from "../core/program.ts";
import type { Tensor } from "../core/tensor.ts";
import { trace } from "./trace.ts";

/** Functions of the same arguments as programs with the same inputs: the arguments, then `captured`. */
export interface Closures<R> {
  readonly programs: readonly Program[];
  /** Tensors from outside that any of the functions uses. */
  readonly captured: readonly Tensor[];
  /** What each function returned, with tensors of its program as leaves. */
  readonly results: readonly R[];
}

/** Traces functions on stand-ins for the same arguments. @throws as `trace` does */
export function traceClosures<A extends readonly unknown[], R>(
  name: string,
  functions: readonly ((...args: A) => R)[],
  args: A,
): Closures<R> {
  const traced = functions.map((f) => trace(name, f, args));
  const captured = new Map<Tensor["origin"], Tensor>();
  for (const one of traced) for (const x of one.captured) captured.set(x.origin, x);
  const programs = traced.map(({ program, captured: own }): Program => {
    const count = program.inputs.length - own.length;
    const standIns = new Map<Tensor["origin"], Variable>();
    own.forEach((x, i) => {
      const v = program.inputs[count + i];
      if (v !== undefined) standIns.set(x.origin, v);
    });
    const rest = [...captured.values()].map((x) => standIns.get(x.origin) ?? variable(x.aval));
    return { ...program, inputs: [...program.inputs.slice(0, count), ...rest] };
  });
  return {
    programs,
    captured: [...captured.values()],
    results: traced.map(({ result }) => result),
  };
}
