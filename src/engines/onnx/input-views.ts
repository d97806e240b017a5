/**
 * @file Parts of inputs, and inputs under other dims, given to the graph as inputs of their own.
 *
 * ONNX Runtime's Split copies: a grouped product of few rows would copy the matrices of all groups first,
 * which takes longer than the product. Memory that is ours can be handed over piece by piece instead.
 */

import { sizeOf } from "../../core/shape.ts";
import { namesUsedBy } from "./memory.ts";
import type { OnnxGraph, OnnxNode, OnnxValueInfo } from "./proto.ts";

/** Entry of a model's metadata: `input offset dims` a line, for the graph's last inputs in their order. */
const VIEWS = "meshloom.views";

/** Elements of an input in a row, under dims of their own. */
export interface InputView {
  /** Index of the whole input. */
  readonly input: number;
  /** In elements. */
  readonly offset: number;
  readonly dims: readonly number[];
}

/** The graph with each Split along the first axis, and each Reshape, of an input made an input. */
export function withInputViews(graph: OnnxGraph): OnnxGraph {
  const constants = new Map(graph.initializers.map(({ name, data }) => [name, data]));
  const leaving = new Set(graph.outputs.map(({ name }) => name));
  const views = new Map<string, InputView>(
    graph.inputs.map(({ name, dims }, input) => [name, { input, offset: 0, dims }]),
  );
  const nodes = graph.nodes.filter((node) => {
    const parts = node.outputs.some((name) => leaving.has(name))
      ? undefined
      : partsOf(node, views, constants);
    for (const [i, part] of parts?.entries() ?? []) views.set(node.outputs[i] ?? "", part);
    return parts === undefined;
  });
  const given = new Set(graph.inputs.map(({ name }) => name));
  const used = new Set(nodes.flatMap(namesUsedBy));
  const added = [...views].filter(([name]) => used.has(name) && !given.has(name));
  if (added.length === 0) return graph;
  return {
    ...graph,
    nodes,
    inputs: [
      ...graph.inputs,
      ...added.map(
        ([name, { input, dims }]): OnnxValueInfo => ({
          name,
          dtype: graph.inputs[input]?.dtype ?? "float32",
          dims,
        }),
      ),
    ],
    metadata: {
      ...graph.metadata,
      [VIEWS]: added
        .map(([, { input, offset, dims }]) => `${input} ${offset} ${dims.join(",")}`)
        .join("\n"),
    },
  };
}

/** What a node's outputs are of an input; undefined where it does more than look at one. */
function partsOf(
  node: OnnxNode,
  views: ReadonlyMap<string, InputView>,
  constants: ReadonlyMap<string, ArrayLike<unknown>>,
): readonly InputView[] | undefined {
  const [whole, list] = [views.get(node.inputs[0] ?? ""), constants.get(node.inputs[1] ?? "")];
  if (whole === undefined || list === undefined) return undefined;
  const numbers = Array.from(list, Number);
  if (node.op === "Reshape") {
    const exact = sizeOf(numbers) === sizeOf(whole.dims) && numbers.every((dim) => dim > 0);
    return exact ? [{ ...whole, dims: numbers }] : undefined;
  }
  const axis = node.attributes["axis"];
  if (node.op !== "Split" || axis === undefined || !("int" in axis) || axis.int !== 0)
    return undefined;
  const [, ...rest] = whole.dims;
  let start = 0;
  return numbers.map((count) => {
    const part = { ...whole, offset: whole.offset + start * sizeOf(rest), dims: [count, ...rest] };
    start += count;
    return part;
  });
}

/** The views that a model wants after its other inputs. */
export function inputViews(metadata: ReadonlyMap<string, string>): readonly InputView[] {
  const lines = (metadata.get(VIEWS) ?? "").split("\n").filter((line) => line !== "");
  return lines.map((line) => {
    const [input = "", offset = "", dims = ""] = line.split(" ");
    return {
      input: Number(input),
      offset: Number(offset),
      dims: dims === "" ? [] : dims.split(",").map(Number),
    };
  });
}
