/** @file What can be said about a model before it runs: names, operators, versions. */

import { OnnxError } from "../../../core/errors.ts";
import type { FunctionFile, GraphFile, ModelFile, NodeFile, ValueFile } from "../model-file.ts";
import { elementName, elementOf } from "./elements.ts";
import { functionKey } from "./graph.ts";
import { missing, NEWEST_OPSET } from "./table.ts";

/** What is around a node. */
interface Around {
  readonly opsets: ReadonlyMap<string, number>;
  readonly functions: ReadonlyMap<string, FunctionFile>;
}

/**
 * Checks that every value is made before it is used, and that every operator is one of ours.
 *
 * @throws OnnxError with all operators that are missing, so that nobody learns them one by one
 */
export function checkModel(model: ModelFile, functions: ReadonlyMap<string, FunctionFile>): void {
  const lacking = new Map<string, string>();
  checkOpsets(model.opsets);
  checkGraph(model.graph, new Set(), { opsets: model.opsets, functions }, lacking);
  for (const one of functions.values()) {
    checkOpsets(one.opsets);
    const known = new Set(one.inputs);
    checkNodes(one.nodes, known, { opsets: one.opsets, functions }, lacking);
    const unmade = one.outputs.find((name) => !known.has(name));
    if (unmade !== undefined) throw notMade(unmade, `function "${one.name}"`);
  }
  if (lacking.size === 0) return;
  const [[first, node]] = [...lacking] as [[string, string], ...[string, string][]];
  throw new OnnxError("ONNX-02", `importOnnx: ${first}.`, [
    ["node", node],
    ...[...lacking.keys()].slice(1).map((why) => ["also", why] as const),
    ["fix", "export the model without it; docs/onnx.md lists what is there"],
  ]);
}

function checkOpsets(opsets: ReadonlyMap<string, number>): void {
  for (const [domain, version] of opsets) {
    if (domain !== "" || (version >= 1 && version <= NEWEST_OPSET)) continue;
    throw new OnnxError("ONNX-02", `importOnnx: opset ${version} is not supported.`, [
      ["supported", `1 to ${NEWEST_OPSET}`],
      ["fix", `export the model with opset ${NEWEST_OPSET} or lower`],
    ]);
  }
}

function checkGraph(
  graph: GraphFile,
  outer: ReadonlySet<string>,
  around: Around,
  lacking: Map<string, string>,
): void {
  const [sparse] = graph.sparse;
  if (sparse !== undefined) {
    throw new OnnxError("ONNX-02", `importOnnx: initializer "${sparse}" is sparse.`, [
      ["fix", "store it as a dense tensor"],
    ]);
  }
  const known = new Set(outer);
  for (const { name } of graph.initializers) known.add(name);
  for (const { name } of graph.inputs) known.add(name);
  checkNodes(graph.nodes, known, around, lacking);
  const unmade = graph.outputs.find(({ name }) => !known.has(name));
  if (unmade !== undefined) throw notMade(unmade.name, `an output of graph "${graph.name}"`);
}

function checkNodes(
  nodes: readonly NodeFile[],
  known: Set<string>,
  around: Around,
  lacking: Map<string, string>,
): void {
  for (const node of nodes) {
    const shown = `"${node.name}" (${node.op})`;
    for (const name of node.inputs) {
      if (name !== "" && !known.has(name)) throw notMade(name, `node ${shown}`);
    }
    if (!around.functions.has(functionKey({ ...node, name: node.op }))) {
      const opset = around.opsets.get(node.domain);
      if (opset === undefined) {
        throw new OnnxError(
          "ONNX-01",
          `importOnnx: the model does not say which version of domain "${node.domain}" it uses.`,
          [["node", shown]],
        );
      }
      const why = missing(node, opset);
      if (why !== undefined && !lacking.has(why)) lacking.set(why, shown);
    }
    for (const attribute of node.attributes.values()) {
      const graphs = attribute.kind === "graph" ? [attribute.graph] : [];
      for (const graph of attribute.kind === "graphs" ? attribute.graphs : graphs) {
        checkGraph(graph, known, around, lacking);
      }
    }
    for (const name of node.outputs) {
      if (name === "") continue;
      if (known.has(name)) {
        throw new OnnxError("ONNX-01", `importOnnx: the value "${name}" is made twice.`, [
          ["node", shown],
        ]);
      }
      known.add(name);
    }
  }
}

function notMade(name: string, user: string): OnnxError {
  return new OnnxError("ONNX-01", `importOnnx: nothing makes the value "${name}".`, [
    ["used by", user],
    ["fix", "nodes must stand in an order in which every value is made before it is used"],
  ]);
}

/** @throws OnnxError when an input or output is of a type that is not carried */
export function checkType({ name, type }: ValueFile, side: "input" | "output"): void {
  let at = type;
  while (at?.kind === "sequence" || at?.kind === "optional") at = at.of;
  if (at === undefined) return; // not said: the values will tell
  if (at.kind === "tensor" && (at.element === 0 || elementOf(at.element) !== undefined)) return;
  const what = at.kind === "tensor" ? elementName(at.element) : at.kind;
  throw new OnnxError(
    "ONNX-02",
    `importOnnx: ${side} "${name}" is of type ${what}, which is not supported.`,
  );
}
