/**
 * @file A session of ONNX Runtime's JavaScript API, which onnxruntime-node and onnxruntime-web have in common.
 *
 * The API allocates every output itself; results are copied from there.
 */

import type { InferenceSession, Tensor } from "onnxruntime-node";
import type { TypedArray } from "../../core/dtype.ts";
import { EngineError } from "../../core/errors.ts";
import { typeText } from "./element-types.ts";
import type { OnnxSignature } from "./proto-decode.ts";
import {
  checkValues,
  type HostTensor,
  type OnnxSession,
  refuseReleased,
  runtimeError,
} from "./transport.ts";

/** What both packages export. */
export type Runtime = Pick<
  typeof import("onnxruntime-node"),
  "InferenceSession" | "Tensor" | "env"
>;

/** What is called of a session, once it is made. */
export interface ScriptCalls extends Pick<InferenceSession, "run" | "release"> {
  /** Ends profiling; the name of the profile where one was written. */
  endProfile(): string | undefined;
}

/** Levels of graph optimisation, by their names in the JavaScript API. */
export const LEVELS = { none: "disabled", basic: "basic", all: "all" } as const;

/** A loaded model. */
export class ScriptSession implements OnnxSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly #runtime: Runtime;
  readonly #session: ScriptCalls;
  readonly #signature: OnnxSignature;
  #running = 0;
  #released = false;
  #freed = false;

  constructor(runtime: Runtime, session: ScriptCalls, signature: OnnxSignature) {
    this.inputNames = signature.inputs.map((value) => value.name);
    this.outputNames = signature.outputs.map((value) => value.name);
    this.#runtime = runtime;
    this.#session = session;
    this.#signature = signature;
  }

  async run(inputs: readonly HostTensor[], outputs: readonly HostTensor[]): Promise<void> {
    if (this.#released) refuseReleased();
    checkValues("input", this.#signature.inputs, inputs);
    checkValues("output", this.#signature.outputs, outputs);
    this.#running++;
    try {
      const results = await reported("Run", () => this.#session.run(this.#feeds(inputs)));
      for (const [index, name] of this.outputNames.entries()) {
        const [result, output] = [results[name], outputs[index]];
        if (result !== undefined && output !== undefined) copyResult(name, result, output);
      }
    } finally {
      this.#running--;
      if (this.#released) this.#free();
    }
  }

  release(): void {
    this.#released = true;
    this.#free();
  }

  endProfiling(): string | undefined {
    return this.#released ? undefined : this.#session.endProfile();
  }

  #feeds(inputs: readonly HostTensor[]): Record<string, Tensor> {
    const tensors = inputs.map(({ dtype, dims, data }) => {
      // the API takes no shared memory; it compares by name, since a page that is not isolated lacks the class
      const owned = data.buffer.constructor.name === "SharedArrayBuffer" ? data.slice() : data;
      // no bfloat16 comes here: it was refused when the model was loaded
      return new this.#runtime.Tensor(dtype as "float32", owned as Float32Array, dims);
    });
    return Object.fromEntries(this.inputNames.map((name, i) => [name, tensors[i]])) as Record<
      string,
      Tensor
    >;
  }

  #free(): void {
    if (this.#running > 0 || this.#freed) return;
    this.#freed = true;
    void this.#session.release();
  }
}

function copyResult(name: string, result: Tensor, output: HostTensor): void {
  const data = result.data as TypedArray;
  if (data.length !== output.data.length || result.type !== output.dtype) {
    throw runtimeError("Run", `output "${name}" came as ${result.type}[${result.dims.join(", ")}]`);
  }
  bytesOf(output.data).set(bytesOf(data));
}

/** Copied as bytes: where JavaScript has Float16Array, results come in it, and our 16-bit floats are bit patterns. */
function bytesOf({ buffer, byteOffset, byteLength }: TypedArray): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** @throws EngineError for a bfloat16 among inputs or outputs: the JavaScript API has no name for it */
export function refuseBfloat16({ inputs, outputs }: OnnxSignature): void {
  const found = [...inputs, ...outputs].find(({ dtype }) => dtype === "bfloat16");
  if (found === undefined) return;
  throw new EngineError(
    "ENGINE-02",
    "onnx engine: the JavaScript API of ONNX Runtime passes no bfloat16.",
    [
      ["value", `${found.name} ${typeText(found.dtype, found.dims)}`],
      ["fix", 'take and return float32 and convert inside, or use transport "c-api"'],
    ],
  );
}

/** Turns what the runtime throws into our error. */
export async function reported<T>(operation: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw runtimeError(operation, error instanceof Error ? error.message : String(error));
  }
}
