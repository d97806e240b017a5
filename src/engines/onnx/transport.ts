/** @file What the engine asks of ONNX Runtime, and the checks that all ways of reaching it share. */

import { type DType, holds, type TypedArray } from "../../core/dtype.ts";
import { EngineError } from "../../core/errors.ts";
import { elementCount, typeText } from "./element-types.ts";
import type { Target } from "./emitter.ts";
import type { OnnxValueInfo } from "./proto.ts";

/** The release whose C API and behaviour the transports are written and tested against. */
export const ORT_VERSION = "1.30.0";

/** Entry of a model's metadata: names of the nodes to keep off the accelerator, a line each. */
export const HOST_NODES = "meshloom.host_nodes";

/**
 * Typed memory with a shape; the engine reads and writes it in place.
 *
 * While a run is under way the memory must not be transferred to another thread, and no output may overlap another
 * value of the same run, unless in-place.ts says of both that they may be one.
 */
export interface HostTensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly data: TypedArray;
}

/** How a session is made. */
export interface SessionOptions {
  /** Threads for one operator; 0 is the runtime's default, the number of physical cores. */
  readonly threads: number;
  /** Graph optimisation level. */
  readonly optimise: "all" | "basic" | "none";
  /** Start of the profile's file name; undefined when no profile is wanted. */
  readonly profilePrefix: string | undefined;
}

/** A loaded model. */
export interface OnnxSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /**
   * Runs the graph; every output is written into the tensor given for it. Calls may overlap.
   *
   * @param inputs - one per `inputNames`, in that order
   * @param outputs - one per `outputNames`, in that order
   * @throws EngineError for a wrong count, dtype, shape or length, naming the value; and for what the runtime reports
   */
  run(inputs: readonly HostTensor[], outputs: readonly HostTensor[]): Promise<void>;
  /** Frees the session once running calls have ended. May be called again. */
  release(): void;
  /** @returns the name of the profile that was written; undefined when none was asked for */
  endProfiling(): string | undefined;
}

/** `c-api` and `binding` are native code, in Node; `wasm` and `webgpu` are onnxruntime-web, in browsers and Node. */
export type TransportName = "c-api" | "binding" | "wasm" | "webgpu";

/** A way to reach ONNX Runtime. */
export interface OnnxTransport {
  readonly name: TransportName;
  /** Version of ONNX Runtime. */
  readonly version: string;
  /** What graphs must know of its kernels. */
  readonly target: Target;
  load(model: Uint8Array, options: SessionOptions): Promise<OnnxSession>;
}

/** @throws EngineError naming the first value that does not fit its declaration */
export function checkValues(
  role: "input" | "output",
  wanted: readonly OnnxValueInfo[],
  given: readonly HostTensor[],
): void {
  if (wanted.length !== given.length) {
    throw new EngineError("ENGINE-02", `onnx run: wrong number of ${role}s.`, [
      ["wants", `${wanted.length}: ${wanted.map((value) => value.name).join(", ")}`],
      ["given", `${given.length}`],
    ]);
  }
  for (const [index, value] of wanted.entries()) {
    const tensor = given[index];
    if (tensor !== undefined) checkValue(role, value, tensor);
  }
}

function checkValue(role: string, wanted: OnnxValueInfo, given: HostTensor): void {
  const problem = problemWith(wanted, given);
  if (problem === undefined) return;
  throw new EngineError(
    "ENGINE-02",
    `onnx run: ${role} "${wanted.name}" has the wrong ${problem}.`,
    [
      ["wants", typeText(wanted.dtype, wanted.dims)],
      ["given", typeText(given.dtype, given.dims)],
      ["in", `${given.data.constructor.name} of ${given.data.length} elements`],
    ],
  );
}

function problemWith(wanted: OnnxValueInfo, given: HostTensor): string | undefined {
  if (wanted.dtype !== given.dtype) return "dtype";
  if (!holds(given.dtype, given.data)) return "kind of array";
  const { dims } = given;
  const fits =
    dims.length === wanted.dims.length &&
    wanted.dims.every((dim, axis) => dim < 0 || dim === dims[axis]);
  if (!fits) return "shape";
  // also catches memory that was transferred away: its length is then 0
  return given.data.length === elementCount(dims) ? undefined : "length";
}

/** What the runtime reports, as our error; `operation` is the name of the failing call. */
export function runtimeError(operation: string, text: string): EngineError {
  const [first = "", ...rest] = text.trim().split("\n");
  return new EngineError("ENGINE-02", `onnx engine: ONNX Runtime refused ${operation}.`, [
    ["it says", first],
    ...rest.map((line) => ["", line] as const),
  ]);
}

/** @throws EngineError always: the session is gone */
export function refuseReleased(): never {
  throw new EngineError("ENGINE-02", "onnx run: the session has been released.");
}
