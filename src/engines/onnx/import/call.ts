/** @file One call of an operator: its inputs and attributes, read with checks that name the node. */

import { type Fact, OnnxError } from "../../../core/errors.ts";
import { at, type NdArray } from "../../../core/ndarray.ts";
import type { Tensor } from "../../../core/tensor.ts";
import type { AttributeFile, GraphFile, NodeFile, TensorFile } from "../model-file.ts";
import type { ElementType } from "./elements.ts";
import type { TypedData } from "./tensor-data.ts";
import { showValue, type TensorValue, type Value } from "./value.ts";

/** What a rule answers per output: a tensor, an array known already, a value, or nothing. */
export type Result = Tensor | NdArray | Value | undefined;
export type Results = Result | readonly Result[];

/** The rule of an operator: from a call to its results. */
export type Rule = (call: Call) => Results;

/** What a call may ask of the graph around it. */
export interface Surroundings {
  /** Runs a graph inside an attribute on values for its inputs. */
  run(graph: GraphFile, inputs: readonly Value[]): readonly Value[];
  decode(tensor: TensorFile): TypedData;
}

/** Attributes of one kind, by the name of the kind. */
type OfKind<K extends AttributeFile["kind"]> = Extract<AttributeFile, { readonly kind: K }>;

export class Call {
  readonly node: NodeFile;
  /** Version of the operator's domain. */
  readonly opset: number;
  readonly inputs: readonly (Value | undefined)[];
  readonly #around: Surroundings;

  constructor(
    node: NodeFile,
    opset: number,
    inputs: readonly (Value | undefined)[],
    around: Surroundings,
  ) {
    this.node = node;
    this.opset = opset;
    this.inputs = inputs;
    this.#around = around;
  }

  /** The same call with other values for its inputs. */
  with(inputs: readonly (Value | undefined)[]): Call {
    return new Call(this.node, this.opset, inputs, this.#around);
  }

  /** Results of a graph inside an attribute. */
  run(graph: GraphFile, inputs: readonly Value[]): readonly Value[] {
    return this.#around.run(graph, inputs);
  }

  // ---- inputs -----------------------------------------------------------------------------------

  has(i: number): boolean {
    return this.inputs[i] !== undefined;
  }

  /** Input `i` as a tensor value. @throws OnnxError when it is absent or something else */
  value(i: number): TensorValue {
    const value = this.inputs[i];
    if (value?.kind === "tensor") return value;
    throw this.wrong(`input ${i + 1} is ${showValue(value)}, where a tensor belongs`);
  }

  x(i: number): Tensor {
    return this.value(i).tensor();
  }

  maybe(i: number): Tensor | undefined {
    return this.has(i) ? this.x(i) : undefined;
  }

  /** All inputs as tensors. */
  all(): Tensor[] {
    return this.inputs.map((_, i) => this.x(i));
  }

  type(i: number): ElementType {
    return this.value(i).type;
  }

  dims(i: number): readonly number[] {
    return this.value(i).form.dims;
  }

  /** Input `i` on the host, because `what` depends on it. @throws OnnxError when it is not known */
  known(i: number, what: string): NdArray {
    const value = this.value(i);
    if (value.known !== undefined) return value.known;
    throw new OnnxError(
      "ONNX-03",
      `importOnnx: ${what} depends on input ${i + 1} of ${this.node.op}.`,
      [
        ["input", `"${this.node.inputs[i] ?? ""}": ${showValue(value)}`],
        ["fix", "close over a tensor with data for it, so that its values are known while tracing"],
      ],
    );
  }

  /** Elements of input `i` as numbers, because `what` depends on them. */
  numbers(i: number, what: string): number[] {
    const array = this.known(i, what);
    return Array.from({ length: array.data.length }, (_, j) => at(array, j));
  }

  /** The one element of input `i`. */
  number(i: number, what: string): number {
    const [first, ...rest] = this.numbers(i, what);
    if (first !== undefined && rest.length === 0) return first;
    throw this.wrong(
      `input ${i + 1} must hold one number, not ${rest.length + (first === undefined ? 0 : 1)}`,
    );
  }

  // ---- attributes -------------------------------------------------------------------------------

  #attribute<K extends AttributeFile["kind"]>(name: string, kind: K): OfKind<K> | undefined {
    const attribute = this.node.attributes.get(name);
    if (attribute === undefined) return undefined;
    if (attribute.kind === kind) return attribute as OfKind<K>;
    throw new OnnxError(
      "ONNX-01",
      `importOnnx: attribute "${name}" of ${this.node.op} is of kind ${attribute.kind}, not ${kind}.`,
    );
  }

  given(name: string): boolean {
    return this.node.attributes.has(name);
  }

  int(name: string, absent?: number): number {
    return this.#attribute(name, "int")?.int ?? absent ?? this.#missing(name);
  }

  flag(name: string, absent: boolean): boolean {
    return this.int(name, Number(absent)) !== 0;
  }

  float(name: string, absent?: number): number {
    return this.#attribute(name, "float")?.float ?? absent ?? this.#missing(name);
  }

  text(name: string, absent?: string): string {
    return this.#attribute(name, "string")?.string ?? absent ?? this.#missing(name);
  }

  ints(name: string): readonly number[] | undefined {
    return this.#attribute(name, "ints")?.ints;
  }

  floats(name: string): readonly number[] | undefined {
    return this.#attribute(name, "floats")?.floats;
  }

  texts(name: string): readonly string[] | undefined {
    return this.#attribute(name, "strings")?.strings;
  }

  tensor(name: string): TypedData | undefined {
    const attribute = this.#attribute(name, "tensor");
    return attribute === undefined ? undefined : this.#around.decode(attribute.tensor);
  }

  graph(name: string): GraphFile {
    return this.#attribute(name, "graph")?.graph ?? this.#missing(name);
  }

  /** One of a few words. @throws OnnxError naming them */
  oneOf<const T extends string>(name: string, words: readonly T[], absent: NoInfer<T>): T {
    const text = this.text(name, absent);
    const found = words.find((word) => word === text);
    if (found !== undefined) return found;
    throw this.unsupported(`${name} "${text}"`, [["known", words.join(", ")]]);
  }

  #missing(name: string): never {
    throw this.wrong(`attribute "${name}" is missing`);
  }

  // ---- places -----------------------------------------------------------------------------------

  /** `axis` counted from the front. @throws OnnxError when the rank is too small */
  axis(axis: number, rank: number): number {
    const front = axis < 0 ? axis + rank : axis;
    if (Number.isInteger(front) && front >= 0 && front < rank) return front;
    throw this.wrong(`axis ${axis} does not exist: there are ${rank} axes`);
  }

  axes(list: readonly number[], rank: number): number[] {
    const axes = list.map((axis) => this.axis(axis, rank));
    if (new Set(axes).size === axes.length) return axes;
    throw this.wrong(`axes ${list.join(", ")} name one axis twice`);
  }

  // ---- refusals ---------------------------------------------------------------------------------

  /** The model breaks a rule of the operator. */
  wrong(why: string): OnnxError {
    return new OnnxError("ONNX-01", `importOnnx: ${this.node.op}: ${why}.`, [
      ["inputs", this.inputs.map(showValue).join(", ")],
    ]);
  }

  /** The model is right, but asks for what is not here. */
  unsupported(what: string, facts: readonly Fact[] = []): OnnxError {
    return new OnnxError("ONNX-02", `importOnnx: ${this.node.op}: ${what} is not supported.`, [
      ...facts,
      ["inputs", this.inputs.map(showValue).join(", ")],
    ]);
  }
}
