/**
 * @file Transport "c-api": ONNX Runtime called directly, reading and writing our own memory.
 *
 * No output is allocated or copied, and the event loop stays free while the runtime works.
 */

import { CPU } from "./double-kernels.ts";
import { onnxTypeNumber } from "./element-types.ts";
import { loadOrtApi, type OrtApi } from "./native-library.ts";
import { type OnnxSignature, readSignature } from "./proto-decode.ts";
import {
  checkValues,
  type HostTensor,
  type OnnxSession,
  type OnnxTransport,
  refuseReleased,
  type SessionOptions,
} from "./transport.ts";

const LEVELS = { none: 0, basic: 1, all: 99 } as const;
/** Fatal: errors come back as statuses, and must not be on stderr as well. */
const LOG_LEVEL = 4;
const SEQUENTIAL = 0;
/** `OrtArenaAllocator` and `OrtMemTypeDefault`; for memory that we own the kind of allocator has no effect. */
const CPU_MEMORY = [1, 0] as const;

const MAX_RANK = 64;
/** An empty array has no address, and the runtime wants one. */
const NOTHING = new Float64Array(1);

let opened: Promise<OnnxTransport> | undefined;

/** The transport; loads the library on the first call, once per thread. */
export function openNative(): Promise<OnnxTransport> {
  opened ??= loadOrtApi().then(nativeTransport);
  return opened;
}

function nativeTransport(api: OrtApi): OnnxTransport {
  const environment = new Environment(api);
  return {
    name: "c-api",
    target: CPU,
    version: api.version,
    load: async (model, options) => {
      const signature = readSignature(model);
      return new NativeSession(
        api,
        environment,
        signature,
        await environment.session(model, options),
        options,
      );
    },
  };
}

/** The process-wide state of ONNX Runtime: its environment, and the thread pool that our sessions share. */
class Environment {
  readonly #api: OrtApi;
  readonly #memory: bigint;
  /** Reused, since a new array per value would cost more than the call that makes the value. */
  readonly #dims = new BigInt64Array(MAX_RANK);
  #environment: { readonly pointer: bigint; readonly threads: number } | undefined;
  #sharedPool = true;

  constructor(api: OrtApi) {
    this.#api = api;
    this.#memory = api.make("CreateCpuMemoryInfo", ...CPU_MEMORY);
  }

  async session(model: Uint8Array, options: SessionOptions): Promise<bigint> {
    const environment = this.#open(options.threads);
    const share =
      this.#sharedPool && options.threads === environment.threads && options.threads !== 1;
    try {
      return await this.#create(environment.pointer, model, options, share);
    } catch (error) {
      // onnxruntime-node, or another thread, made the environment first: then it has no pool to share
      if (!share || !String(error).includes("CreateEnvWithGlobalThreadPools")) throw error;
      this.#sharedPool = false;
      return this.#create(environment.pointer, model, options, false);
    }
  }

  /** A native tensor over the memory of `tensor`; half a microsecond, so none are kept between runs. */
  value(tensor: HostTensor): bigint {
    const { data, dims, dtype } = tensor;
    if (dims.length > MAX_RANK) throw new RangeError(`rank ${dims.length} is over ${MAX_RANK}`);
    for (const [axis, dim] of dims.entries()) this.#dims[axis] = BigInt(dim);
    return this.#api.make(
      "CreateTensorWithDataAsOrtValue",
      this.#memory,
      data.byteLength === 0 ? NOTHING : data,
      data.byteLength,
      this.#dims,
      dims.length,
      onnxTypeNumber(dtype),
    );
  }

  /** The first session decides the size of the shared pool. */
  #open(threads: number): { readonly pointer: bigint; readonly threads: number } {
    if (this.#environment !== undefined) return this.#environment;
    const api = this.#api;
    const pools = api.make("CreateThreadingOptions");
    api.call("SetGlobalIntraOpNumThreads", pools, threads);
    api.call("SetGlobalInterOpNumThreads", pools, 1);
    const pointer = api.make("CreateEnvWithGlobalThreadPools", LOG_LEVEL, "meshloom", pools);
    api.release("ReleaseThreadingOptions", pools);
    this.#registerArena(pointer);
    this.#environment = { pointer, threads };
    return this.#environment;
  }

  /**
   * One arena for all sessions, growing by what is asked for instead of doubling. Together with no
   * memory pattern (a second copy of the arena, laid out in advance) a training step takes a third
   * less memory, in the same time (docs/log.md).
   */
  #registerArena(environment: bigint): void {
    const api = this.#api;
    const keys = cStrings(api, ["arena_extend_strategy"]);
    const values = BigUint64Array.of(1n);
    const arena = api.make("CreateArenaCfgV2", api.address(keys.pointers), api.address(values), 1);
    api.call("CreateAndRegisterAllocator", environment, this.#memory, arena);
    api.release("ReleaseArenaCfg", arena);
  }

  async #create(
    environment: bigint,
    model: Uint8Array,
    options: SessionOptions,
    share: boolean,
  ): Promise<bigint> {
    const api = this.#api;
    const settings = this.#settings(options, share);
    try {
      const place = new BigUint64Array(1);
      const [bytes, out] = [api.address(model), api.address(place)];
      await api.callAsync(
        "CreateSessionFromArray",
        [model, place],
        environment,
        bytes,
        model.byteLength,
        settings,
        out,
      );
      return place[0] ?? 0n;
    } finally {
      api.release("ReleaseSessionOptions", settings);
    }
  }

  /**
   * `session.set_denormal_as_zero` stays off. The runtime applies it to the thread that makes the first session: made
   * on the main thread it flushes denormals in all JavaScript arithmetic, made on libuv's pool it flushes only in runs
   * that happen to land on that thread, so results would differ from run to run.
   */
  #settings(options: SessionOptions, share: boolean): bigint {
    const api = this.#api;
    const settings = api.make("CreateSessionOptions");
    api.call("SetSessionLogSeverityLevel", settings, LOG_LEVEL);
    api.call("SetSessionGraphOptimizationLevel", settings, LEVELS[options.optimise]);
    api.call("SetSessionExecutionMode", settings, SEQUENTIAL);
    api.call("DisableMemPattern", settings);
    api.call("AddSessionConfigEntry", settings, "session.use_env_allocators", "1");
    api.call("SetIntraOpNumThreads", settings, options.threads);
    api.call("SetInterOpNumThreads", settings, 1);
    if (share) api.call("DisablePerSessionThreads", settings);
    if (options.profilePrefix !== undefined)
      api.call("EnableProfiling", settings, options.profilePrefix);
    return settings;
  }
}

class NativeSession implements OnnxSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly #api: OrtApi;
  readonly #environment: Environment;
  readonly #signature: OnnxSignature;
  readonly #inputNames: CStrings;
  readonly #outputNames: CStrings;
  readonly #profiled: boolean;
  #pointer: bigint;
  #running = 0;
  #released = false;

  constructor(
    api: OrtApi,
    environment: Environment,
    signature: OnnxSignature,
    pointer: bigint,
    options: SessionOptions,
  ) {
    this.inputNames = signature.inputs.map((value) => value.name);
    this.outputNames = signature.outputs.map((value) => value.name);
    this.#api = api;
    this.#environment = environment;
    this.#signature = signature;
    this.#pointer = pointer;
    this.#inputNames = cStrings(api, this.inputNames);
    this.#outputNames = cStrings(api, this.outputNames);
    this.#profiled = options.profilePrefix !== undefined;
  }

  async run(inputs: readonly HostTensor[], outputs: readonly HostTensor[]): Promise<void> {
    if (this.#released) refuseReleased();
    checkValues("input", this.#signature.inputs, inputs);
    checkValues("output", this.#signature.outputs, outputs);
    const values = new RunValues(this.#api, this.#environment, inputs, outputs);
    this.#running++;
    try {
      await values.run(this.#pointer, this.#inputNames, this.#outputNames);
    } finally {
      values.release();
      this.#running--;
      if (this.#released) this.#free();
    }
  }

  release(): void {
    this.#released = true;
    this.#free();
  }

  endProfiling(): string | undefined {
    if (!this.#profiled || this.#released) return undefined;
    const allocator = this.#api.make("GetAllocatorWithDefaultOptions");
    return this.#api.takeString(this.#api.make("SessionEndProfiling", this.#pointer, allocator));
  }

  #free(): void {
    if (this.#running > 0 || this.#pointer === 0n) return;
    this.#api.release("ReleaseSession", this.#pointer);
    this.#pointer = 0n;
  }
}

/** A `char *[]` in memory of ours. */
interface CStrings {
  readonly pointers: BigUint64Array;
  /** Where the pointers point to; held so that it stays alive. */
  readonly bytes: readonly Uint8Array[];
}

function cStrings(api: OrtApi, texts: readonly string[]): CStrings {
  const bytes = texts.map((text) => new TextEncoder().encode(`${text}\0`));
  return { bytes, pointers: BigUint64Array.from(bytes, (text) => api.address(text)) };
}

/** The native values of one run, and the memory that they point to. */
class RunValues {
  readonly #api: OrtApi;
  readonly #tensors: readonly HostTensor[];
  readonly #inputs: BigUint64Array;
  readonly #outputs: BigUint64Array;

  constructor(
    api: OrtApi,
    environment: Environment,
    inputs: readonly HostTensor[],
    outputs: readonly HostTensor[],
  ) {
    this.#api = api;
    this.#tensors = [...inputs, ...outputs];
    this.#inputs = new BigUint64Array(inputs.length);
    this.#outputs = new BigUint64Array(outputs.length);
    try {
      for (const [i, tensor] of inputs.entries()) this.#inputs[i] = environment.value(tensor);
      for (const [i, tensor] of outputs.entries()) this.#outputs[i] = environment.value(tensor);
    } catch (error) {
      this.release();
      throw error;
    }
  }

  run(session: bigint, inputNames: CStrings, outputNames: CStrings): Promise<void> {
    const keep = [this.#tensors, this.#inputs, this.#outputs, inputNames, outputNames];
    const address = (memory: BigUint64Array): bigint => this.#api.address(memory);
    return this.#api.callAsync(
      "Run",
      keep,
      session,
      null,
      address(inputNames.pointers),
      address(this.#inputs),
      this.#inputs.length,
      address(outputNames.pointers),
      this.#outputs.length,
      address(this.#outputs),
    );
  }

  release(): void {
    for (const values of [this.#inputs, this.#outputs]) {
      for (const value of values) if (value !== 0n) this.#api.release("ReleaseValue", value);
    }
  }
}
