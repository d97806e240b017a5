/** @file Writes an ONNX graph node by node, and carries broadcasts lazily. */

import { type DType, fromNumbers } from "../../core/dtype.ts";
import type {
  OnnxAttributeValue,
  OnnxEmitter,
  OnnxNodeSpec,
  OnnxValue,
} from "../../core/lowering.ts";
import type { Program } from "../../core/program.ts";
import { type Aval, sameDims, sizeOf } from "../../core/shape.ts";
import { CPU } from "./double-kernels.ts";
import { onnxTypeNumber } from "./element-types.ts";
import type { OnnxAttribute, OnnxGraph, OnnxNode, OnnxTensor } from "./proto.ts";

/** Nodes and constants of a graph under construction. */
export interface GraphParts {
  readonly emitter: OnnxEmitter;
  /** Lets a value leave the graph under a name of its own; it may be an input, or leave twice. */
  publish(x: OnnxValue, name: string): void;
  readonly nodes: readonly OnnxNode[];
  /** Names of nodes to keep off the accelerator. */
  readonly hostNodes: readonly string[];
  /** What every node's output is. */
  readonly values: ReadonlyMap<string, OnnxValue>;
  readonly initializers: readonly OnnxTensor[];
  /** Names of the nodes that follow begin with this text. */
  label(text: string): void;
}

/** ONNX Runtime's CPU kernels take float16 by casting around them, but for these; bfloat16 they never compute. */
const SINGLE_ONLY: ReadonlySet<string> = new Set([
  "ScatterND",
  "ScatterElements",
  "SimplifiedLayerNormalization",
  "LayerNormalization",
]);

function isHalf(dtype: DType | undefined): boolean {
  return dtype === "float16" || dtype === "bfloat16";
}

/**
 * Nodes of one graph, and its results that may be used again. Those of the graph around it are not: a
 * program that is computed a second time on purpose stands in a graph of its own.
 */
interface Scope {
  readonly nodes: OnnxNode[];
  readonly written: Map<string, readonly OnnxValue[]>;
}

/** Writes the nodes of a program; the emitter asks for it when a node holds one. */
export type Inline = (
  g: OnnxEmitter,
  program: Program,
  inputs: readonly OnnxValue[],
) => readonly OnnxValue[];

/**
 * Writes other nodes in the place of one whose kernel an execution provider has wrong; undefined where the node itself
 * will do.
 */
export type Substitute = (g: OnnxEmitter, spec: OnnxNodeSpec) => readonly OnnxValue[] | undefined;

/** By the operator's name. */
export type Substitutes = Readonly<Record<string, Substitute>>;

/** What a graph must know of the place where it will run. */
export interface Target {
  readonly substitutes?: Substitutes;
  /** Dtypes without kernels. */
  readonly lacks?: readonly DType[];
  /** Nodes to keep off the accelerator, where its kernel refuses them. */
  readonly onHost?: (spec: OnnxNodeSpec) => boolean;
}

/** A fresh graph. */
export function createEmitter(inlined: Inline, target: Target = CPU): GraphParts {
  const { substitutes = {}, lacks = [], onHost = () => false } = target;
  const hostNodes: string[] = [];
  const outermost: Scope = { nodes: [], written: new Map() };
  const scopes: Scope[] = [outermost];
  const scope = () => scopes[scopes.length - 1] ?? outermost;
  const initializers: OnnxTensor[] = [];
  const constants = new Map<string, OnnxValue>();
  const values = new Map<string, OnnxValue>();
  let count = 0;
  let nodeCount = 0;
  let prefix = "";
  const nodeName = (op: string) => `${prefix}${op}_${nodeCount++}`;

  /** Equal nodes are written once: lowerings may ask for the same building block twice. */
  const nodesOf = (spec: OnnxNodeSpec): readonly OnnxValue[] => {
    const attributes = Object.values(spec.attributes ?? {});
    if (attributes.some((value) => "graph" in value)) return append(spec);
    // Some kernels refuse to compute nothing.
    const forms = spec.outputs.filter((form) => form !== null);
    if (forms.every((form) => sizeOf(form.dims) === 0))
      return forms.map((form) => constant(form.dtype, form.dims, []));
    const wanted = spec.outputs.map((form) =>
      form === null ? "-" : `${form.dtype}[${form.dims}]`,
    );
    const key = `${spec.op} ${spec.inputs.map((x) => x?.name)} ${JSON.stringify(spec.attributes ?? {})} ${wanted}`;
    const { written } = scope();
    const results = written.get(key) ?? write(spec);
    written.set(key, results);
    return results;
  };

  /** Nodes without a kernel for their 16-bit floats compute in float32 and round their results. */
  const write = (spec: OnnxNodeSpec): readonly OnnxValue[] => {
    const half = [...spec.inputs, ...spec.outputs].find((form) => isHalf(form?.dtype))?.dtype;
    if (
      half === undefined ||
      spec.op === "Cast" ||
      (half === "float16" && !SINGLE_ONLY.has(spec.op))
    )
      return substitutes[spec.op]?.(emitter, spec) ?? append(spec);
    const inputs = spec.inputs.map((x) => (x !== null && isHalf(x.dtype) ? cast(x, "float32") : x));
    const outputs = spec.outputs.map((form) =>
      form !== null && isHalf(form.dtype) ? { ...form, dtype: "float32" as const } : form,
    );
    const wanted = spec.outputs.filter((form) => form !== null);
    return nodesOf({ ...spec, inputs, outputs }).map((y, i) =>
      isHalf(wanted[i]?.dtype) ? cast(y, half) : y,
    );
  };

  const cast = (x: OnnxValue, dtype: DType): OnnxValue =>
    node("Cast", [x], { dtype, dims: x.dims }, { to: { int: onnxTypeNumber(dtype) } });

  const append = (spec: OnnxNodeSpec): readonly OnnxValue[] => {
    const outputs = spec.outputs.map((form) => (form === null ? null : fresh(form)));
    const name = nodeName(spec.op);
    if (onHost(spec)) hostNodes.push(name);
    scope().nodes.push({
      op: spec.op,
      domain: spec.domain ?? "",
      name,
      inputs: spec.inputs.map((input) => input?.name ?? ""),
      outputs: outputs.map((output) => output?.name ?? ""),
      // A subgraph is a whole graph of the file format, made by `subgraph` below.
      attributes: (spec.attributes ?? {}) as Readonly<Record<string, OnnxAttribute>>,
    });
    return outputs.filter((output) => output !== null);
  };

  const node: OnnxEmitter["node"] = (op, inputs, output, attributes = {}, domain = "") => {
    const [value] = nodesOf({ op, inputs, outputs: [output], attributes, domain });
    if (value === undefined) throw new Error(`${op} has one output`);
    return value;
  };

  const constant = (
    dtype: DType,
    dims: readonly number[],
    values: ArrayLike<number>,
  ): OnnxValue => {
    const key = `${dtype}[${dims.join(",")}] ${Array.from(values)
      .map((v) => (Object.is(v, -0) ? "-0" : v))
      .join(" ")}`;
    const known = constants.get(key);
    if (known !== undefined) return known;
    const value = { name: `c${initializers.length}`, dtype, dims };
    initializers.push({ ...value, data: fromNumbers(dtype, values) });
    constants.set(key, value);
    return value;
  };

  const shapeConstant = (dims: readonly number[]) => constant("int64", [dims.length], dims);

  const reshape = (x: OnnxValue, dims: readonly number[]): OnnxValue => {
    if (sameDims(x.dims, dims)) return x;
    // 0 in a Reshape means "copy" unless told otherwise.
    const attributes: Record<string, OnnxAttributeValue> = dims.includes(0)
      ? { allowzero: { int: 1 } }
      : {};
    return node("Reshape", [x, shapeConstant(dims)], { dtype: x.dtype, dims }, attributes);
  };

  const transpose = (x: OnnxValue, order: readonly number[]): OnnxValue => {
    if (order.every((axis, i) => axis === i)) return x;
    const dims = order.map((axis) => x.dims[axis] ?? 1);
    // Moving only axes of length 1 changes no element's place.
    const moving = order.filter((axis) => x.dims[axis] !== 1);
    if (moving.every((axis, i) => axis > (moving[i - 1] ?? -1))) return reshape(x, dims);
    return node("Transpose", [x], { dtype: x.dtype, dims }, { perm: { ints: order } });
  };

  const exact = (x: OnnxValue, dims: readonly number[]): OnnxValue => {
    if (sameDims(x.dims, dims)) return x;
    if (sizeOf(x.dims) === sizeOf(dims)) return reshape(x, dims);
    return node("Expand", [x, shapeConstant(dims)], { dtype: x.dtype, dims });
  };

  const publish = (x: OnnxValue, name: string): void => {
    scope().nodes.push({
      op: "Identity",
      domain: "",
      name: nodeName("Identity"),
      inputs: [x.name],
      outputs: [name],
      attributes: {},
    });
  };

  const fresh = ({ dtype, dims }: Pick<Aval, "dtype" | "dims">): OnnxValue => {
    const value = { name: `v${count++}`, dtype, dims };
    values.set(value.name, value);
    return value;
  };

  const subgraph: OnnxEmitter["subgraph"] = (name, forms, build) => {
    const inputs = forms.map(fresh);
    const nodes: OnnxNode[] = [];
    scopes.push({ nodes, written: new Map() });
    try {
      // A result may come from outside, or be an input: it leaves under a name of its own.
      const outputs = build(inputs).map((result) => {
        const value = fresh(result);
        publish(result, value.name);
        return value;
      });
      const graph: OnnxGraph = { name, nodes, inputs, outputs, initializers: [], metadata: {} };
      return graph;
    } finally {
      scopes.pop();
    }
  };

  const emitter: OnnxEmitter = {
    runs: (dtype) => !lacks.includes(dtype),
    nodes: nodesOf,
    node,
    constant,
    exact,
    reshape,
    transpose,
    subgraph,
    inline: (program, inputs) => inlined(emitter, program, inputs),
  };
  const label = (text: string) => {
    prefix = text;
  };
  return { publish, values, emitter, nodes: outermost.nodes, hostNodes, initializers, label };
}
