/** @file A function as an `.onnx` file that stock ONNX Runtime opens. */

import { namedLeaves } from "../../core/tree.ts";
import { simplify } from "../../transforms/simplify.ts";
import { trace } from "../../transforms/trace.ts";
import { lowerToOnnx } from "./lower.ts";
import { encodeModel } from "./proto.ts";

/** Names for the inputs and outputs of an exported model. */
export interface ExportOptions {
  readonly name?: string;
  /** Name per argument; leaves of a tree get `name/path`. `arg0 …` when absent. */
  readonly inputs?: readonly string[];
  /** Name of the result; leaves of a tree get `name/path`. `output` when absent. */
  readonly output?: string;
}

/**
 * The bytes of an `.onnx` model that computes `f`.
 *
 * Arguments become inputs; tensors that f closes over, such as trained weights, are stored in the model.
 *
 * @param args - one tree per argument; only their forms matter
 * @throws EngineError when stored weights exceed protobuf's 2 GiB, or for a dtype that ONNX lacks here
 */
export function exportOnnx<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  args: A,
  options: ExportOptions = {},
): Uint8Array {
  const name = options.name ?? (f.name === "" ? "model" : f.name);
  const { program, captured, result } = trace(name, f, args);
  const label = (base: string, path: string) => (path === "" ? base : `${base}/${path}`);
  const inputs = args.flatMap((arg, i) =>
    namedLeaves(arg).map(({ path }) => label(options.inputs?.[i] ?? `arg${i}`, path)),
  );
  const outputs = namedLeaves(result).map(({ path }) => label(options.output ?? "output", path));
  return encodeModel(lowerToOnnx(simplify(program), { inputs, outputs, constants: captured }));
}
