/** @file Writes an ONNX graph node by node, and carries broadcasts lazily. */

import { type DType, fromNumbers } from "../../core/dtype.ts";
import type {
  OnnxAttributeValue,
  OnnxEmitter,
  OnnxNodeSpec,
  OnnxValue,
} from "../../core/lowering.ts";
import { sameDims, sizeOf } from "../../core/shape.ts";
import type { OnnxNode, OnnxTensor } from "./proto.ts";

/** Nodes and constants of a graph under construction. */
export interface GraphParts {
  readonly emitter: OnnxEmitter;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
}

/** A fresh graph. */
export function createEmitter(): GraphParts {
  const nodes: OnnxNode[] = [];
  const initializers: OnnxTensor[] = [];
  const constants = new Map<string, OnnxValue>();
  /** Layout nodes by what they do, so that two consumers share one. */
  const layouts = new Map<string, OnnxValue>();
  let count = 0;

  const nodesOf = (spec: OnnxNodeSpec): OnnxValue[] => {
    const outputs = spec.outputs.map((form) =>
      form === null ? null : { ...form, name: `v${count++}` },
    );
    nodes.push({
      op: spec.op,
      domain: spec.domain ?? "",
      name: `${spec.op}_${nodes.length}`,
      inputs: spec.inputs.map((input) => input?.name ?? ""),
      outputs: outputs.map((output) => output?.name ?? ""),
      attributes: spec.attributes ?? {},
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

  const shared = (key: string, make: () => OnnxValue): OnnxValue => {
    const value = layouts.get(key) ?? make();
    layouts.set(key, value);
    return value;
  };

  const shapeConstant = (dims: readonly number[]) => constant("int64", [dims.length], dims);

  const reshape = (x: OnnxValue, dims: readonly number[]): OnnxValue => {
    if (sameDims(x.dims, dims)) return x;
    return shared(`reshape ${x.name} ${dims.join(",")}`, () => {
      // 0 in a Reshape means "copy" unless told otherwise.
      const attributes: Record<string, OnnxAttributeValue> = dims.includes(0)
        ? { allowzero: { int: 1 } }
        : {};
      return node("Reshape", [x, shapeConstant(dims)], { dtype: x.dtype, dims }, attributes);
    });
  };

  const transpose = (x: OnnxValue, order: readonly number[]): OnnxValue => {
    if (order.every((axis, i) => axis === i)) return x;
    const dims = order.map((axis) => x.dims[axis] ?? 1);
    // Moving only axes of length 1 changes no element's place.
    const moving = order.filter((axis) => x.dims[axis] !== 1);
    if (moving.every((axis, i) => axis > (moving[i - 1] ?? -1))) return reshape(x, dims);
    return shared(`transpose ${x.name} ${order.join(",")}`, () =>
      node("Transpose", [x], { dtype: x.dtype, dims }, { perm: { ints: order } }),
    );
  };

  const exact = (x: OnnxValue, dims: readonly number[]): OnnxValue => {
    if (sameDims(x.dims, dims)) return x;
    if (sizeOf(x.dims) === sizeOf(dims)) return reshape(x, dims);
    return shared(`expand ${x.name} ${dims.join(",")}`, () =>
      node("Expand", [x, shapeConstant(dims)], { dtype: x.dtype, dims }),
    );
  };

  return {
    emitter: { nodes: nodesOf, node, constant, exact, reshape, transpose },
    nodes,
    initializers,
  };
}
