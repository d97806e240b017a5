/** @file The default engine: one ONNX graph per program, run by ONNX Runtime over our own memory. */

import { allocate, dtypeFacts, type TypedArray } from "../../core/dtype.ts";
import { EngineError, TraceError } from "../../core/errors.ts";
import { builtin } from "../../core/host.ts";
import type { Program } from "../../core/program.ts";
import { printProgram } from "../../core/program-text.ts";
import { type Aval, showAval, sizeOf } from "../../core/shape.ts";
import { stored, type Tensor } from "../../core/tensor.ts";
import { simplify } from "../../transforms/simplify.ts";
import type { Compilation, CompileOptions, Engine, Executable } from "../engine.ts";
import type { Target } from "./emitter.ts";
import { outputsInPlace } from "./in-place.ts";
import { type InputView, inputViews, withInputViews } from "./input-views.ts";
import { lowerToOnnx } from "./lower.ts";
import type { ModelCache } from "./model-cache.ts";
import { openTransport, type TransportPreference } from "./open.ts";
import { explainMemory } from "./out-of-memory.ts";
import { encodeModel, type OnnxGraph } from "./proto.ts";
import { readSignature } from "./proto-decode.ts";
import type { HostTensor, OnnxSession, OnnxTransport } from "./transport.ts";

/** Frees sessions whose executable nobody holds any more. */
const forgotten = new FinalizationRegistry<OnnxSession>((session) => session.release());

export interface OnnxEngineOptions {
  /** `auto` takes the C API, and the package's own binding where that does not load; in a browser WebAssembly. */
  readonly transport?: TransportPreference;
  /** Writes ONNX Runtime's profile under this prefix. */
  readonly profilePrefix?: string;
  /** Where lowered models are kept between processes: in the user's cache folder when absent. */
  readonly cache?: ModelCache | "none";
}

/** The onnx engine with what is known about how it reaches ONNX Runtime. */
export interface OnnxEngine extends Engine {
  readonly transport: OnnxTransport;
}

/** @throws EngineError with the way out when ONNX Runtime is not installed */
export async function createOnnxEngine(engine: OnnxEngineOptions = {}): Promise<OnnxEngine> {
  const transport = await openTransport(engine.transport ?? "auto");
  const cache = engine.cache === "none" ? undefined : (engine.cache ?? (await userCache()));
  return {
    name: "onnx",
    transport,
    async compile(program: Program, options: CompileOptions): Promise<Executable> {
      const { constants, inputs } = divideConstants(options.constants);
      refuseDtypes(program, transport);
      const { model, from } = modelOf(program, constants, transport, cache);
      const session = await transport.load(model, {
        threads: options.threads,
        optimise: "all",
        profilePrefix: engine.profilePrefix,
      });
      const compilation = { equations: program.equations.length, from };
      const { metadata } = readSignature(model);
      return new OnnxExecutable(program, session, compilation, options.donated, inputs, {
        inPlace: donatedInPlace(metadata, options.donated),
        views: inputViews(metadata),
      });
    },
  };
}

/** Outputs that are written over a donated input, by index. */
function donatedInPlace(
  metadata: ReadonlyMap<string, string>,
  donated: readonly boolean[],
): ReadonlyMap<number, number> {
  return new Map([...outputsInPlace(metadata)].filter(([, input]) => donated[input] === true));
}

/** A browser has no files; there every page lowers anew. */
async function userCache(): Promise<ModelCache | undefined> {
  if (builtin === undefined) return undefined;
  return (await import("./model-cache.ts")).userModelCache();
}

/** The model of a traced program, from the cache where it is known. */
function modelOf(
  program: Program,
  constants: readonly Tensor[],
  { target, name }: OnnxTransport,
  cache: ModelCache | undefined,
): { readonly model: Uint8Array; readonly from: Compilation["from"] } {
  // Other ways copy what they are given, so a view would save nothing.
  const shaped = name === "c-api" ? withInputViews : (graph: OnnxGraph) => graph;
  const make = () => encodeModel(shaped(lowerToOnnx(simplify(program), { constants, target })));
  if (cache === undefined) return { model: make(), from: "compiler" };
  const bytes = constants.map((x) => {
    const { buffer, byteOffset, byteLength } = x.data();
    return new Uint8Array(buffer, byteOffset, byteLength);
  });
  const text = printProgram(program, { sources: false });
  const key = cache.key([text, describeTarget(target), shaped.name, ...bytes]);
  const known = cache.get(key);
  if (known !== undefined) return { model: known, from: "cache" };
  const model = make();
  cache.put(key, model);
  return { model, from: "compiler" };
}

/** Tells apart targets that get other graphs. */
function describeTarget({ substitutes = {}, lacks = [], onHost }: Target): string {
  return [...Object.keys(substitutes), ...lacks, onHost?.name ?? ""].join();
}

/** @throws EngineError naming the first value of a dtype that the transport lacks */
function refuseDtypes(program: Program, { name, target: { lacks = [] } }: OnnxTransport): void {
  const values = [...program.inputs, ...program.equations.flatMap(({ outputs }) => outputs)];
  const found = values.find(({ aval }) => lacks.includes(aval.dtype));
  if (found === undefined) return;
  const form = showAval(found.aval);
  throw new EngineError(
    "ENGINE-02",
    `onnx: ${program.name} has ${form}, a dtype that ${name} does not run on this machine.`,
    [["fix", 'use float32, or transport "wasm"']],
  );
}

/** Constants above this total stay inputs: a graph must not carry somebody's weights. */
const EMBED_LIMIT = 16 * 2 ** 20;

function divideConstants(all: readonly Tensor[]): {
  readonly constants: readonly Tensor[];
  readonly inputs: readonly Tensor[];
} {
  const bytes = all.reduce((total, x) => total + sizeOf(x.dims) * dtypeFacts(x.dtype).bytes, 0);
  return bytes <= EMBED_LIMIT ? { constants: all, inputs: [] } : { constants: [], inputs: all };
}

/** Where inputs and outputs lie. */
interface MemoryPlan {
  /** Outputs in the memory of a donated input, by index. */
  readonly inPlace: ReadonlyMap<number, number>;
  /** Inputs in the memory of others. */
  readonly views: readonly InputView[];
}

function viewOf(inputs: readonly HostTensor[], { input, offset, dims }: InputView): HostTensor {
  const whole = inputs[input];
  if (whole === undefined) throw new EngineError("ENGINE-02", `onnx: there is no input ${input}`);
  const data = whole.data.subarray(offset, offset + sizeOf(dims));
  return { dtype: whole.dtype, dims, data };
}

/**
 * Runs a session with outputs bound to memory of ours.
 *
 * Memory of donated inputs becomes memory of outputs of the *next* call: while one call reads set A
 * and writes set B, nothing is allocated and nothing is overwritten that may still be read. Where an
 * output is a donated input with some rows replaced, it stays in that input's own memory.
 */
class OnnxExecutable implements Executable {
  readonly compilation: Compilation;
  readonly #program: Program;
  readonly #session: OnnxSession;
  readonly #donated: readonly boolean[];
  readonly #constants: readonly Tensor[];
  /** Outputs in the memory of an input. */
  readonly #inPlace: ReadonlyMap<number, number>;
  readonly #views: readonly InputView[];
  readonly #spare = new Map<string, TypedArray[]>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    program: Program,
    session: OnnxSession,
    compilation: Compilation,
    donated: readonly boolean[],
    constants: readonly Tensor[],
    { inPlace, views }: MemoryPlan,
  ) {
    this.#program = program;
    this.#session = session;
    this.compilation = compilation;
    this.#donated = donated;
    this.#constants = constants;
    this.#inPlace = inPlace;
    this.#views = views;
    forgotten.register(this, session, this);
  }

  run(inputs: readonly Tensor[]): Promise<readonly Tensor[]> {
    const result = this.#turn.then(() => this.#runNow(inputs));
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #runNow(inputs: readonly Tensor[]): Promise<readonly Tensor[]> {
    try {
      return await this.#runOnce(inputs);
    } catch (error) {
      throw explainMemory(error, this.#program);
    }
  }

  async #runOnce(inputs: readonly Tensor[]): Promise<readonly Tensor[]> {
    const arrays = [...inputs, ...this.#constants].map((x) => ({
      dtype: x.dtype,
      dims: x.dims,
      data: x.data(),
    }));
    const inPlace = this.#alone(arrays);
    const outputs = this.#program.outputs.map(({ aval }, i) => {
      const own = arrays[inPlace.get(i) ?? -1];
      const { dtype, dims } = aval;
      return { dtype, dims, data: own?.data ?? this.#take(aval) };
    });
    try {
      await this.#session.run(
        [...arrays, ...this.#views.map((view) => viewOf(arrays, view))],
        outputs,
      );
    } catch (error) {
      outputs.forEach(({ dtype, data }, i) => {
        if (!inPlace.has(i)) this.#give(dtype, data);
      });
      throw error;
    }
    this.#consume(inputs, new Set(inPlace.values()));
    return outputs.map(({ data }, i) => stored(this.#form(i), data));
  }

  #form(i: number): Aval {
    const output = this.#program.outputs[i];
    if (output === undefined)
      throw new TraceError("TRACE-01", `${this.#program.name}: output ${i} does not exist`);
    return output.aval;
  }

  #take({ dtype, dims }: Aval): TypedArray {
    const length = sizeOf(dims);
    return this.#spare.get(`${dtype} ${length}`)?.pop() ?? allocate(dtype, length);
  }

  #give(dtype: string, data: TypedArray): void {
    const key = `${dtype} ${data.length}`;
    const list = this.#spare.get(key);
    if (list === undefined) this.#spare.set(key, [data]);
    else list.push(data);
  }

  /** Outputs that may really be written over their input: no other argument lies in the same memory. */
  #alone(arrays: readonly { readonly data: TypedArray }[]): ReadonlyMap<number, number> {
    if (this.#inPlace.size === 0) return this.#inPlace;
    const users = new Map<ArrayBufferLike, number>();
    for (const { data } of arrays) users.set(data.buffer, (users.get(data.buffer) ?? 0) + 1);
    const alone = (input: number) => {
      const buffer = arrays[input]?.data.buffer;
      return buffer !== undefined && users.get(buffer) === 1;
    };
    return new Map([...this.#inPlace].filter(([, input]) => alone(input)));
  }

  /** @param kept - inputs whose memory carries results of this call */
  #consume(inputs: readonly Tensor[], kept: ReadonlySet<number>): void {
    inputs.forEach((x, i) => {
      if (this.#donated[i] !== true || x.origin.kind !== "stored") return;
      const { stored: memory } = x.origin;
      if (memory.consumedBy !== undefined) {
        throw new TraceError("TRACE-02", `${this.#program.name}: one tensor was donated twice.`, [
          ["tensor", showAval(x.aval)],
        ]);
      }
      memory.consumedBy = this.#program.name;
      if (!kept.has(i)) this.#give(x.dtype, memory.data);
    });
  }

  release(): void {
    forgotten.unregister(this);
    this.#session.release();
  }
}
