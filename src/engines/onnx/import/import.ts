/** @file `importOnnx`: an `.onnx` file as a function of tensors that can be traced, differentiated and batched. */

import { asOneLine } from "../../../core/builder.ts";
import { type DType, isFloat } from "../../../core/dtype.ts";
import { DTypeError, OnnxError, ShapeError, TreeError } from "../../../core/errors.ts";
import { builtin } from "../../../core/host.ts";
import { aval, showAval } from "../../../core/shape.ts";
import { stored, Tensor } from "../../../core/tensor.ts";
import { reshape } from "../../../ops/layout.ts";
import type { DimFile, FunctionFile, GraphFile, ModelFile, TypeFile } from "../model-file.ts";
import { decodeModel } from "../proto-decode.ts";
import { WireError } from "../wire.ts";
import { checkModel, checkType } from "./check.ts";
import { carrierOf, type ElementType, elementOf } from "./elements.ts";
import { externalFiles, noFiles } from "./external.ts";
import { functionKey, Run } from "./graph.ts";
import { operatorOf } from "./table.ts";
import { type ExternalBytes, tensorData } from "./tensor-data.ts";
import { knownValue, NOTHING, tensorValue, type Value } from "./value.ts";

/** What an input takes: a tensor; for a sequence, tensors; for an optional, also null. */
export type OnnxArgument = Tensor | readonly Tensor[] | null;

/** Name and form of an input or output, as the model says it. */
export interface OnnxPort {
  readonly name: string;
  /** The model's own element type; integers narrower than int32 are given and returned as int32. */
  readonly type: ElementType | undefined;
  readonly kind: "tensor" | "sequence" | "optional";
  /** Sizes; a word is a symbol that may stand for any size, null is any size. Undefined: any rank. */
  readonly dims: readonly DimFile[] | undefined;
}

/** Weights by their name in the model. */
export type OnnxParameters = Readonly<Record<string, Tensor>>;

/** An imported model. */
export interface OnnxFunction {
  /**
   * The model's outputs, in order; the tensors of a sequence stand one after another.
   *
   * Arguments come in the order of `inputs`. Use it inside a traced function: `jit`, `grad`, `vmap`.
   * Sizes that the model leaves open are those of the arguments.
   *
   * @throws ShapeError or DTypeError when an argument has another form than its input, OnnxError when
   *   a node asks for what is not here, or when a form depends on values that are not known yet
   */
  (...args: readonly OnnxArgument[]): Tensor[];
  /** The same with other weights, so that they can be trained. */
  apply(parameters: OnnxParameters, args: readonly OnnxArgument[]): Tensor[];
  /** The float weights of the model. */
  readonly parameters: OnnxParameters;
  readonly inputs: readonly OnnxPort[];
  readonly outputs: readonly OnnxPort[];
  /** Versions of the operator sets, by domain; "" is the standard one. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads an ONNX model.
 *
 * @param source - path of an `.onnx` file, or its bytes. Weights beside the model are found by path only.
 * @returns a function of tensors; its derivative, like its value, is made of Meshloom's ops
 * @throws OnnxError when the file cannot be read, or holds operators that are not supported
 */
export async function importOnnx(source: string | URL | Uint8Array): Promise<OnnxFunction> {
  if (source instanceof Uint8Array) return named("", () => importModel(source, noFiles));
  if (builtin === undefined) {
    throw new OnnxError(
      "ONNX-01",
      `importOnnx: there are no files in a browser to read ${source}.`,
      [["fix", "pass the bytes, as fetch gives them"]],
    );
  }
  const [fs, path, url] = [builtin("node:fs"), builtin("node:path"), builtin("node:url")];
  const file = source instanceof URL ? url.fileURLToPath(source) : source;
  let bytes: Uint8Array;
  try {
    bytes = await fs.promises.readFile(file);
  } catch (error) {
    throw new OnnxError("ONNX-01", `importOnnx: ${file} cannot be read.`, [
      ["system", error instanceof Error ? error.message : String(error)],
    ]);
  }
  return named(file, () => importModel(bytes, externalFiles(path.dirname(file), fs, path), file));
}

/** Errors say which file they are about. */
function named<T>(file: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof OnnxError) error.tell("model", file);
    throw error;
  }
}

function importModel(bytes: Uint8Array, external: ExternalBytes, file = ""): OnnxFunction {
  const model = decoded(bytes);
  const { graph } = model;
  const functions = new Map(model.functions.map((one) => [functionKey(one), one]));
  checkModel(model, functions);
  for (const value of graph.inputs) checkType(value, "input");
  for (const value of graph.outputs) checkType(value, "output");

  const constants = new Map<string, Value>();
  const parameters: Record<string, Tensor> = Object.create(null);
  const forms = namesOfForms(model, functions);
  for (const initializer of graph.initializers) {
    const { type, array } = tensorData(initializer, external);
    const { name } = initializer;
    if (isFloat(array.dtype) && !forms.has(name)) {
      parameters[name] = stored(aval(array.dtype, array.dims), array.data);
    } else constants.set(name, knownValue(array, type));
  }
  const free = graph.inputs.filter(({ name }) => !(name in parameters) && !constants.has(name));
  const inputs = free.map(portOf);

  const apply: OnnxFunction["apply"] = (given, args) =>
    named(file, () =>
      asOneLine(() => {
        const values = new Map(constants);
        for (const [name, weight] of Object.entries(parameters)) {
          values.set(name, tensorValue(parameterOf(given, name, weight)));
        }
        bindArguments(inputs, args, values);
        const run = new Run({ functions, decode: (tensor) => tensorData(tensor, external) });
        const scope = { values, outer: undefined, opsets: model.opsets, attributes: undefined };
        return run.graph(graph, scope).flatMap(tensorsOf);
      }),
    );
  return Object.assign((...args: readonly OnnxArgument[]) => apply(parameters, args), {
    apply,
    parameters,
    inputs,
    outputs: graph.outputs.map(portOf),
    opsets: Object.fromEntries(model.opsets),
    metadata: Object.fromEntries(model.metadata),
  });
}

function decoded(bytes: Uint8Array): ModelFile {
  try {
    return decodeModel(bytes);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw new OnnxError("ONNX-01", "importOnnx: the bytes are no ONNX model.", [
      ["bytes", `${bytes.byteLength}`],
      ["reader", error.message],
      ["fix", "fetch or export the file again"],
    ]);
  }
}

/** Names of initializers that decide about forms; as parameters they could not change. */
function namesOfForms(
  model: ModelFile,
  functions: ReadonlyMap<string, FunctionFile>,
): ReadonlySet<string> {
  const names = new Set<string>();
  const visit = (graph: GraphFile) => {
    for (const node of graph.nodes) {
      if (!functions.has(functionKey({ ...node, name: node.op }))) {
        const operator = operatorOf(node, model.opsets.get(node.domain) ?? 1);
        for (const i of operator.forms) names.add(node.inputs[i] ?? "");
      }
      for (const attribute of node.attributes.values()) {
        if (attribute.kind === "graph") visit(attribute.graph);
      }
    }
  };
  visit(model.graph);
  return names;
}

function portOf({ name, type }: { name: string; type: TypeFile | undefined }): OnnxPort {
  let kind: OnnxPort["kind"] = "tensor";
  let at = type;
  // An optional sequence takes what either takes.
  while (at !== undefined && at.kind !== "tensor" && "of" in at) {
    kind = kind === "optional" ? kind : (at.kind as OnnxPort["kind"]);
    at = at.of;
  }
  if (at?.kind !== "tensor") return { name, type: undefined, kind, dims: undefined };
  return { name, type: elementOf(at.element), kind, dims: at.dims };
}

// ---- arguments ----------------------------------------------------------------------------------

function parameterOf(given: OnnxParameters, name: string, weight: Tensor): Tensor {
  const own = given[name];
  if (!(own instanceof Tensor)) {
    throw new TreeError("TREE-01", `importOnnx: parameter "${name}" is missing.`, [
      ["fix", "give apply a tree like the function's own .parameters"],
    ]);
  }
  if (own.dtype === weight.dtype && `${own.dims}` === `${weight.dims}`) return plain(own);
  throw new ShapeError("SHAPE-01", `importOnnx: parameter "${name}" has another form.`, [
    ["model", showAval(weight.aval)],
    ["given", showAval(own.aval)],
  ]);
}

/** Names of axes end at the border: a model knows only places. */
function plain(x: Tensor): Tensor {
  if (x.names.every((name) => name === null)) return x;
  return x.origin.kind === "stored" ? stored(aval(x.dtype, x.dims), x.data()) : reshape(x, x.dims);
}

function bindArguments(
  inputs: readonly OnnxPort[],
  args: readonly OnnxArgument[],
  values: Map<string, Value>,
): void {
  if (args.length !== inputs.length) {
    throw new ShapeError(
      "SHAPE-01",
      `importOnnx: the model takes ${inputs.length} arguments, ${args.length} were given.`,
      inputs.map((port, i) => [`input ${i + 1}`, showPort(port)] as const),
    );
  }
  const symbols = new Map<string, number>();
  inputs.forEach((port, i) => {
    values.set(port.name, argumentOf(port, args[i] ?? null, symbols));
  });
}

function argumentOf(port: OnnxPort, arg: OnnxArgument, symbols: Map<string, number>): Value {
  if (arg instanceof Tensor) {
    checkForm(port, arg, port.kind === "tensor" ? symbols : undefined);
    return tensorValue(plain(arg), port.type);
  }
  if (arg === null && port.kind === "optional") return NOTHING;
  if (arg !== null && port.kind !== "tensor") {
    return {
      kind: "sequence",
      items: arg.map((x) => {
        checkForm(port, x, undefined);
        return tensorValue(plain(x), port.type);
      }),
    };
  }
  throw new TreeError("TREE-01", `importOnnx: input "${port.name}" needs a tensor.`, [
    ["input", showPort(port)],
  ]);
}

function checkForm(port: OnnxPort, x: Tensor, symbols: Map<string, number> | undefined): void {
  const facts = () => [["input", showPort(port)] as const, ["given", showAval(x.aval)] as const];
  const wanted: DType | undefined = port.type === undefined ? undefined : carrierOf(port.type);
  if (wanted !== undefined && wanted !== x.dtype) {
    throw new DTypeError(
      "DTYPE-01",
      `importOnnx: input "${port.name}" has another dtype.`,
      facts(),
    );
  }
  if (port.dims === undefined || symbols === undefined) return;
  const fits =
    port.dims.length === x.rank &&
    port.dims.every((dim, i) => {
      const size = x.dims[i] ?? 0;
      if (dim === null) return true;
      if (typeof dim === "number") return dim === size;
      const known = symbols.get(dim);
      if (known === undefined) symbols.set(dim, size);
      return known === undefined || known === size;
    });
  if (fits) return;
  throw new ShapeError("SHAPE-01", `importOnnx: input "${port.name}" has another form.`, [
    ...facts(),
    ...[...symbols].map(([symbol, size]) => [symbol, `${size}`] as const),
  ]);
}

function showPort({ type, dims, kind, name }: OnnxPort): string {
  const form = `${type ?? "any type"}[${dims?.map((dim) => dim ?? "any").join(", ") ?? "any rank"}]`;
  return `${name}: ${kind === "tensor" ? form : `${kind} of ${form}`}`;
}

function tensorsOf(value: Value): Tensor[] {
  if (value.kind === "tensor") return [value.tensor()];
  return value.kind === "sequence" ? value.items.flatMap(tensorsOf) : [];
}
