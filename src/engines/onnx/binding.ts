/**
 * @file Transport "binding": the JavaScript API of onnxruntime-node, for where koffi does not load.
 *
 * The binding allocates and copies every output and blocks the event loop while it works; results are the same.
 */

import { readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { InferenceSession, Tensor } from "onnxruntime-node";
import { runtimeError } from "./native-library.ts";
import { type OnnxSignature, readSignature } from "./proto-decode.ts";
import {
  checkValues,
  type HostTensor,
  type OnnxSession,
  type OnnxTransport,
  refuseReleased,
  type SessionOptions,
} from "./transport.ts";

type Runtime = typeof import("onnxruntime-node");

const LEVELS = { none: "disabled", basic: "basic", all: "all" } as const;
/** Fatal: errors come back as statuses, and must not be on stderr as well. */
const LOG_LEVEL = 4;

let opened: Promise<OnnxTransport> | undefined;

/** The transport; loads onnxruntime-node on the first call. */
export function openBinding(): Promise<OnnxTransport> {
  opened ??= import("onnxruntime-node").then(bindingTransport);
  return opened;
}

function bindingTransport(runtime: Runtime): OnnxTransport {
  runtime.env.logLevel = "fatal";
  return {
    name: "binding",
    version: runtime.env.versions.node ?? "unknown",
    load: async (model, options) => {
      const signature = readSignature(model);
      const session = await reported("CreateSession", () =>
        runtime.InferenceSession.create(model, bindingOptions(options)),
      );
      return new BindingSession(runtime, session, signature, options);
    },
  };
}

function bindingOptions(options: SessionOptions): InferenceSession.SessionOptions {
  const profile =
    options.profilePrefix === undefined
      ? {}
      : { enableProfiling: true, profileFilePrefix: options.profilePrefix };
  return {
    executionProviders: ["cpu"],
    graphOptimizationLevel: LEVELS[options.optimise],
    executionMode: "sequential",
    enableMemPattern: false, // a second copy of the arena: see native.ts
    intraOpNumThreads: options.threads,
    interOpNumThreads: 1,
    logSeverityLevel: LOG_LEVEL,
    ...profile,
  };
}

class BindingSession implements OnnxSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly #runtime: Runtime;
  readonly #session: InferenceSession;
  readonly #signature: OnnxSignature;
  readonly #profilePrefix: string | undefined;
  #running = 0;
  #released = false;
  #freed = false;

  constructor(
    runtime: Runtime,
    session: InferenceSession,
    signature: OnnxSignature,
    options: SessionOptions,
  ) {
    this.inputNames = signature.inputs.map((value) => value.name);
    this.outputNames = signature.outputs.map((value) => value.name);
    this.#runtime = runtime;
    this.#session = session;
    this.#signature = signature;
    this.#profilePrefix = options.profilePrefix;
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
    const prefix = this.#profilePrefix;
    if (prefix === undefined || this.#released) return undefined;
    this.#session.endProfiling();
    // the binding keeps the name for itself; it is the prefix with the time behind it
    const [folder, start] = [dirname(prefix), `${basename(prefix)}_`];
    const newest = readdirSync(folder)
      .filter((file) => file.startsWith(start))
      .sort()
      .at(-1);
    return newest === undefined ? undefined : join(folder, newest);
  }

  #feeds(inputs: readonly HostTensor[]): Record<string, Tensor> {
    const tensors = inputs.map(({ dtype, dims, data }) => {
      if (dtype === "bfloat16")
        throw runtimeError("Run", "the package's binding passes no bfloat16; use the C API");
      // the binding takes no shared memory
      const owned = data.buffer instanceof SharedArrayBuffer ? data.slice() : data;
      return new this.#runtime.Tensor(dtype, owned as Float32Array, dims);
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
  const data = result.data as Float32Array;
  if (data.length !== output.data.length || result.type !== output.dtype) {
    throw runtimeError("Run", `output "${name}" came as ${result.type}[${result.dims.join(", ")}]`);
  }
  (output.data as Float32Array).set(data);
}

async function reported<T>(operation: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw runtimeError(operation, error instanceof Error ? error.message : String(error));
  }
}
