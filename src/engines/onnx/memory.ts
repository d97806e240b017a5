/** @file How much memory a program takes, read off its lowered graph without running it. */

import { dtypeFacts } from "../../core/dtype.ts";
import type { OnnxValue } from "../../core/lowering.ts";
import type { Program } from "../../core/program.ts";
import { sizeOf } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { lowerWithValues } from "./lower.ts";
import type { OnnxGraph, OnnxNode } from "./proto.ts";

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
  return peakOfNodes(graph.nodes, (name) => {
    const value = values.get(name);
    return value === undefined ? 0 : bytesOf(value);
  });
}

function peakOfNodes(nodes: readonly OnnxNode[], sizeOfValue: (name: string) => number): number {
  const roots = new Map<string, string>();
  const rootOf = (name: string) => roots.get(name) ?? name;
  const lastUse = new Map<string, number>();
  nodes.forEach((node, i) => {
    if (node.op === "Reshape") roots.set(node.outputs[0] ?? "", rootOf(node.inputs[0] ?? ""));
    for (const name of namesUsedBy(node)) lastUse.set(rootOf(name), i);
  });
  const freed = new Map<number, string[]>();
  for (const [name, i] of lastUse) freed.set(i, [...(freed.get(i) ?? []), name]);
  const made = new Set(nodes.flatMap(({ outputs }) => outputs));
  let alive = 0;
  let peak = 0;
  nodes.forEach((node, i) => {
    if (node.op !== "Reshape") for (const output of node.outputs) alive += sizeOfValue(output);
    const inside = graphsOf(node).map((graph) => peakOfNodes(graph.nodes, sizeOfValue));
    peak = Math.max(peak, alive + Math.max(0, ...inside));
    for (const name of freed.get(i) ?? []) if (made.has(name)) alive -= sizeOfValue(name);
  });
  return peak;
}

function graphsOf(node: OnnxNode): readonly OnnxGraph[] {
  return Object.values(node.attributes).flatMap((value) => ("graph" in value ? [value.graph] : []));
}

/** Inputs of a node and what its subgraphs take from outside. */
export function namesUsedBy(node: OnnxNode): readonly string[] {
  const inside = graphsOf(node).flatMap((graph) => graph.nodes.flatMap(namesUsedBy));
  return [...node.inputs, ...inside];
}
