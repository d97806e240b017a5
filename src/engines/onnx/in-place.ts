/**
 * @file Outputs that may be written over an input: those that ScatterND makes of an input that nothing else
 * reads. A decoder's cache is such a one: with its memory donated, a step writes new rows and no more.
 *
 * ONNX Runtime copies the operand of ScatterND into the output's memory, unless both are the same memory.
 */

import { namesUsedBy } from "./memory.ts";
import type { OnnxAttribute, OnnxGraph, OnnxNode } from "./proto.ts";

/** Entry of a model's metadata: `output input` by index, a line for each such pair. */
const IN_PLACE = "meshloom.in_place";

/**
 * The graph with such outputs made by their ScatterND itself rather than by a copy of its result, and with
 * a note of them.
 */
export function withOutputsInPlace(graph: OnnxGraph): OnnxGraph {
  const makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((name) => [name, node])));
  const readers = new Map<string, number>();
  for (const name of graph.nodes.flatMap(namesUsedBy))
    readers.set(name, (readers.get(name) ?? 0) + 1);
  const renamed = new Map<string, string>();
  const pairs: string[] = [];
  graph.outputs.forEach(({ name }, output) => {
    const [value = ""] = makers.get(name)?.inputs ?? [];
    const maker = makers.get(value);
    const input = graph.inputs.findIndex((one) => one.name === maker?.inputs[0]);
    if (maker?.op !== "ScatterND" || input < 0 || renamed.has(value)) return;
    const reduction = maker.attributes["reduction"];
    if (reduction !== undefined && !("string" in reduction && reduction.string === "none")) return;
    if (readers.get(graph.inputs[input]?.name ?? "") !== 1) return;
    renamed.set(value, name);
    pairs.push(`${output} ${input}`);
  });
  if (pairs.length === 0) return graph;
  const copies = new Set(renamed.values());
  const nodes = graph.nodes.filter(({ outputs: [name = ""] }) => !copies.has(name));
  return {
    ...graph,
    nodes: nodes.map((node) => withNames(node, renamed)),
    metadata: { ...graph.metadata, [IN_PLACE]: pairs.join("\n") },
  };
}

/** A node with some values called otherwise, in its subgraphs too. */
function withNames(node: OnnxNode, names: ReadonlyMap<string, string>): OnnxNode {
  const called = (list: readonly string[]) => list.map((name) => names.get(name) ?? name);
  const attribute = (value: OnnxAttribute): OnnxAttribute =>
    "graph" in value
      ? {
          graph: {
            ...value.graph,
            nodes: value.graph.nodes.map((inner) => withNames(inner, names)),
          },
        }
      : value;
  return {
    ...node,
    inputs: called(node.inputs),
    outputs: called(node.outputs),
    attributes: Object.fromEntries(
      Object.entries(node.attributes).map(([key, value]) => [key, attribute(value)]),
    ),
  };
}

/** Which input each such output may be written over, by index. */
export function outputsInPlace(metadata: ReadonlyMap<string, string>): ReadonlyMap<number, number> {
  const lines = (metadata.get(IN_PLACE) ?? "").split("\n").filter((line) => line !== "");
  return new Map(
    lines.map((line) => {
      const [output = -1, input = -1] = line.split(" ").map(Number);
      return [output, input];
    }),
  );
}
