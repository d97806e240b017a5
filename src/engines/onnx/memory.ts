/** @file How much memory a program takes, read off its lowered graph without running it. */

import { dtypeFacts } from "../../core/dtype.ts";
import type { OnnxValue } from "../../core/lowering.ts";
import type { Program } from "../../core/program.ts";
import { sizeOf } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { lowerWithValues } from "./lower.ts";

export function bytesOf({ dtype, dims }: Pick<OnnxValue, "dtype" | "dims">): number {
  return sizeOf(dims) * dtypeFacts(dtype).bytes;
}

/**
 * Largest sum of intermediate values alive at once, in bytes, with nodes run in order and each value
 * freed after its last use. A Reshape shares its operand's memory. Inputs, outputs and constants are
 * not counted.
 */
export function peakBytes(program: Program, constants: readonly Tensor[]): number {
  const { graph, values } = lowerWithValues(program, { constants });
  const roots = new Map<string, string>();
  const rootOf = (name: string) => roots.get(name) ?? name;
  const lastUse = new Map<string, number>();
  graph.nodes.forEach(({ op, inputs, outputs }, i) => {
    if (op === "Reshape") roots.set(outputs[0] ?? "", rootOf(inputs[0] ?? ""));
    for (const input of inputs) lastUse.set(rootOf(input), i);
  });
  const freed = new Map<number, string[]>();
  for (const [name, i] of lastUse) freed.set(i, [...(freed.get(i) ?? []), name]);
  const sizeOfValue = (name: string) => {
    const value = values.get(name);
    return value === undefined ? 0 : bytesOf(value);
  };
  let alive = 0;
  let peak = 0;
  graph.nodes.forEach(({ op, outputs }, i) => {
    if (op !== "Reshape") for (const output of outputs) alive += sizeOfValue(output);
    peak = Math.max(peak, alive);
    for (const name of freed.get(i) ?? []) alive -= sizeOfValue(name);
  });
  return peak;
}
