/**
 * @file Long chains of element-wise nodes on large values, computed tile by tile.
 *
 * ONNX Runtime runs node after node, so a chain over a value larger than the cache streams it from
 * memory once per node. Cut into tiles that fit, a chain streams it once: rows are split where they
 * enter the chain and put together where they leave it.
 */

import type { OnnxValue } from "../../core/lowering.ts";
import { sizeOf } from "../../core/shape.ts";
import type { OnnxGraph, OnnxNode, OnnxTensor } from "./proto.ts";

/** Nodes that compute each element of the result from the elements at the same place. */
const ELEMENTWISE: ReadonlySet<string> = new Set([
  "Add", "Sub", "Mul", "Div", "Neg", "Sigmoid", "Tanh", "Exp", "Sqrt", "Reciprocal", "Max", "Min", "Where",
]);
/** Values below this many elements stay in cache anyhow. */
const LARGE = 1 << 20;
/** Elements of one tile: 512 KiB of float32, of which a chain keeps a handful alive. */
const TILE = 1 << 17;
/** A split or a concatenation costs about as much as a node saves four times. */
const NODES_PER_BORDER = 2.5;

type Forms = ReadonlyMap<string, Pick<OnnxValue, "dtype" | "dims">>;

/** The same graph with long element-wise chains in tiles. */
export function tileElementwise(graph: OnnxGraph, values: ReadonlyMap<string, OnnxValue>): OnnxGraph {
  const forms: Forms = new Map([...values, ...[...graph.inputs, ...graph.initializers].map((x) => [x.name, x] as const)]);
  const chains = chainsOf(graph, forms);
  if (chains.size === 0) return graph;
  const writer = createWriter(graph, forms, chains);
  for (const node of graph.nodes) writer.write(node);
  return { ...graph, nodes: writer.nodes, initializers: [...graph.initializers, ...writer.constants] };
}

/** A chain: its nodes, and how its values are cut. */
interface Chain {
  readonly nodes: Set<OnnxNode>;
  readonly rows: number;
  readonly columns: number;
  readonly tiles: number;
}

/** Connected element-wise nodes of equal dims, where tiling pays. */
function chainsOf(graph: OnnxGraph, forms: Forms): ReadonlyMap<OnnxNode, Chain> {
  const makers = new Map<string, OnnxNode>();
  const chains = new Map<OnnxNode, Set<OnnxNode>>();
  for (const node of graph.nodes) {
    if (!isCandidate(node, forms)) continue;
    let chain = new Set([node]);
    for (const input of node.inputs) {
      const other = chains.get(makers.get(input) ?? node);
      if (other === undefined || other === chain || !sameDims(forms, input, node.outputs[0])) continue;
      const [small, large] = other.size < chain.size ? [other, chain] : [chain, other];
      for (const member of small) large.add(member);
      for (const member of large) chains.set(member, large);
      chain = large;
    }
    for (const member of chain) chains.set(member, chain);
    makers.set(node.outputs[0] ?? "", node);
  }
  const paying = new Map<OnnxNode, Chain>();
  for (const nodes of new Set(chains.values())) {
    const chain = { nodes, ...cut(forms, nodes) };
    if (chain.tiles < 2 || nodes.size < NODES_PER_BORDER * borders(graph, forms, nodes)) continue;
    for (const node of nodes) paying.set(node, chain);
  }
  return paying;
}

function dimsOf(forms: Forms, name: string | undefined): readonly number[] {
  return forms.get(name ?? "")?.dims ?? [];
}

function sameDims(forms: Forms, a: string, b: string | undefined): boolean {
  return `${dimsOf(forms, a)}` === `${dimsOf(forms, b)}`;
}

/** How an operand is cut with the rows: like the result, one column of it, or not at all. */
function operandKind(dims: readonly number[], result: readonly number[]): "rows" | "column" | "whole" | undefined {
  if (`${dims}` === `${result}`) return "rows";
  if (dims.length <= 1 && (sizeOf(dims) === 1 || dims[0] === result.at(-1))) return "whole";
  return `${dims}` === `${[...result.slice(0, -1), 1]}` ? "column" : undefined;
}

function isCandidate(node: OnnxNode, forms: Forms): boolean {
  const result = dimsOf(forms, node.outputs[0]);
  if (!ELEMENTWISE.has(node.op) || node.outputs.length !== 1 || sizeOf(result) < LARGE || result.length < 2) return false;
  return node.inputs.every((input) => operandKind(dimsOf(forms, input), result) !== undefined);
}

function cut(forms: Forms, nodes: ReadonlySet<OnnxNode>): Omit<Chain, "nodes"> {
  const [first] = nodes;
  const dims = dimsOf(forms, first?.outputs[0]);
  const columns = dims.at(-1) ?? 1;
  const rows = sizeOf(dims) / columns;
  let tiles = 1;
  while (rows % (2 * tiles) === 0 && (rows * columns) / (2 * tiles) >= TILE) tiles *= 2;
  return { rows, columns, tiles };
}

/** Values that enter or leave a chain and have to be split or put together. */
function borders(graph: OnnxGraph, forms: Forms, nodes: ReadonlySet<OnnxNode>): number {
  const made = new Set([...nodes].flatMap(({ outputs }) => outputs));
  const entering = new Set([...nodes].flatMap((node) => node.inputs.filter((input) => !made.has(input) && operandKind(dimsOf(forms, input), dimsOf(forms, node.outputs[0])) === "rows")));
  return entering.size + leaving(graph, nodes).size;
}

function leaving(graph: OnnxGraph, nodes: ReadonlySet<OnnxNode>): ReadonlySet<string> {
  const made = new Set([...nodes].flatMap(({ outputs }) => outputs));
  const used = graph.nodes.filter((node) => !nodes.has(node)).flatMap(({ inputs }) => inputs);
  return new Set([...used, ...graph.outputs.map(({ name }) => name)].filter((name) => made.has(name)));
}

function createWriter(graph: OnnxGraph, forms: Forms, chains: ReadonlyMap<OnnxNode, Chain>) {
  const nodes: OnnxNode[] = [];
  const constants: OnnxTensor[] = [];
  const tilesOf = new Map<string, readonly string[]>();
  const leavers = new Map([...new Set(chains.values())].map((chain) => [chain, leaving(graph, chain.nodes)]));

  const int64 = (name: string, list: readonly number[]): string => {
    if (!constants.some((constant) => constant.name === name)) {
      constants.push({ name, dtype: "int64", dims: [list.length], data: BigInt64Array.from(list.map(BigInt)) });
    }
    return name;
  };
  const emit = (op: string, inputs: readonly string[], outputs: readonly string[], attributes: OnnxNode["attributes"] = {}): void => {
    nodes.push({ op, domain: "", name: `${op}_tiled_${nodes.length}`, inputs, outputs, attributes });
  };

  /** The tiles of an operand; split where it enters the chain. */
  const operand = (name: string, node: OnnxNode, { rows, columns, tiles }: Chain): readonly string[] => {
    const kind = operandKind(dimsOf(forms, name), dimsOf(forms, node.outputs[0]));
    if (kind === "whole") return Array<string>(tiles).fill(name);
    const width = kind === "column" ? 1 : columns;
    const key = `${name} ${tiles}`;
    const known = tilesOf.get(key);
    if (known !== undefined) return known;
    const names = Array.from({ length: tiles }, (_, i) => `${name}_tile${i}of${tiles}`);
    emit("Reshape", [name, int64(`shape_${rows}_${width}`, [rows, width])], [`${name}_rows${tiles}`]);
    emit("Split", [`${name}_rows${tiles}`, int64(`rows_${tiles}_of_${rows}`, Array<number>(tiles).fill(rows / tiles))], names, { axis: { int: 0 } });
    tilesOf.set(key, names);
    return names;
  };

  const join = (name: string, tiles: readonly string[]): void => {
    const dims = dimsOf(forms, name);
    emit("Concat", tiles, [`${name}_joined`], { axis: { int: 0 } });
    emit("Reshape", [`${name}_joined`, int64(`shape_${dims.join("_")}`, dims)], [name]);
  };

  return {
    nodes,
    constants,
    write(node: OnnxNode): void {
      const chain = chains.get(node);
      if (chain === undefined) {
        nodes.push(node);
        return;
      }
      const [output = ""] = node.outputs;
      const operands = node.inputs.map((input) => operand(input, node, chain));
      const names = Array.from({ length: chain.tiles }, (_, i) => `${output}_tile${i}of${chain.tiles}`);
      names.forEach((name, i) => {
        emit(node.op, operands.map((tiles) => tiles[i] ?? ""), [name], node.attributes);
      });
      tilesOf.set(`${output} ${chain.tiles}`, names);
      if (leavers.get(chain)?.has(output) === true) join(output, names);
    },
  };
}
