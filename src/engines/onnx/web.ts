/**
 * @file Transports "wasm" and "webgpu": onnxruntime-web, in a page, a worker, or Node.
 *
 * "wasm" computes on the calling thread and the threads that it starts, so that a page stays smooth only when it runs
 * this in a worker. "webgpu" computes on the GPU what has a kernel there and the rest as "wasm" does; every value still
 * comes from and goes to the host, so it pays for large matrices only. Both copy values into and out of memory of their
 * own, which never shrinks.
 */

import type { InferenceSession } from "onnxruntime-node";
import type { DType } from "../../core/dtype.ts";
import { EngineError } from "../../core/errors.ts";
import { CPU } from "./double-kernels.ts";
import type { Target } from "./emitter.ts";
import { type OnnxSignature, readSignature } from "./proto-decode.ts";
import {
  LEVELS,
  type Runtime,
  refuseBfloat16,
  reported,
  type ScriptCalls,
  ScriptSession,
} from "./script-session.ts";
import { HOST_NODES, type OnnxTransport, ORT_VERSION, type SessionOptions } from "./transport.ts";
import { WEBGPU } from "./webgpu-kernels.ts";

export type WebTransportName = "wasm" | "webgpu";

/** What browsers and workers have, and Node only in part. */
interface WebHost {
  readonly crossOriginIsolated?: boolean;
  readonly navigator?: { readonly hardwareConcurrency?: number; readonly gpu?: Gpu };
}
interface Gpu {
  requestAdapter(): Promise<{ readonly features: ReadonlySet<string> } | null>;
}
const host = globalThis as WebHost;

// Each is a build of its own: 14 MB of WebAssembly with every operator, and 26 MB with the kernels for GPUs as well.
const PACKAGES = {
  wasm: () => import("onnxruntime-web/wasm"),
  webgpu: () => import("onnxruntime-web/webgpu"),
} as const;

/** The runtime would undo what webgpu-kernels.ts does for padding. */
const WITHOUT_PAD_FUSION = {
  extra: { optimization: { disable_specified_optimizers: "Pad_Fusion" } },
} as const;

/** Fatal: errors come back as exceptions, and must not be in the console as well. */
const QUIET = { logSeverityLevel: 4 } as const;
/** The package's own choice, where none is made: half of the logical cores, and no more than these. */
const MOST_THREADS = 4;

const opened = new Map<WebTransportName, Promise<OnnxTransport>>();

/**
 * The transport; loads onnxruntime-web on the first call.
 *
 * @throws EngineError when it is not installed, or when "webgpu" is asked for where there is none
 */
export function openWeb(name: WebTransportName): Promise<OnnxTransport> {
  const known = opened.get(name) ?? load(name);
  opened.set(name, known);
  return known;
}

async function load(name: WebTransportName): Promise<OnnxTransport> {
  const target = name === "webgpu" ? await gpuTarget() : CPU;
  const runtime = await PACKAGES[name]().catch((error: unknown) => {
    throw new EngineError("ENGINE-01", "onnx engine: onnxruntime-web does not load.", [
      ["it says", String(error)],
      ["fix", `npm install onnxruntime-web@${ORT_VERSION}`],
    ]);
  });
  runtime.env.logLevel = "fatal";
  return webTransport(name, runtime, target);
}

/**
 * What graphs must know of this GPU. The build for GPUs lacks float64 on the CPU as well.
 *
 * @throws EngineError in Node, in browsers without WebGPU, and where no device is behind it
 */
async function gpuTarget(): Promise<Target> {
  const gpu = host.navigator?.gpu;
  const adapter = await gpu?.requestAdapter();
  if (adapter != null) {
    const halves: readonly DType[] = adapter.features.has("shader-f16") ? [] : ["float16"];
    return { ...WEBGPU, lacks: ["float64", ...halves] };
  }
  throw new EngineError("ENGINE-01", "onnx engine: there is no WebGPU here.", [
    ["found", gpu === undefined ? "no navigator.gpu" : "navigator.gpu without an adapter"],
    ["fix", 'use transport "wasm", or a browser with WebGPU and a page from https or localhost'],
  ]);
}

function webTransport(name: WebTransportName, runtime: Runtime, target: Target): OnnxTransport {
  // calls into the GPU's build are suspended while the GPU works, and must not meet
  const inTurn = name === "webgpu" ? oneAtATime() : atOnce;
  return {
    name,
    version: runtime.env.versions.web ?? "unknown",
    target,
    load: async (model, options) => {
      refuseProfile(name, options);
      runtime.env.wasm.numThreads ??= threadsFor(options.threads);
      const signature = readSignature(model);
      refuseBfloat16(signature);
      const session = await reported("CreateSession", () =>
        inTurn(() => runtime.InferenceSession.create(model, webOptions(name, options, signature))),
      );
      const calls: ScriptCalls = {
        run: (feeds) => inTurn(() => session.run(feeds, QUIET)),
        release: () => inTurn(() => session.release()),
        endProfile: () => undefined,
      };
      return new ScriptSession(runtime, calls, signature);
    },
  };
}

function webOptions(
  name: WebTransportName,
  options: SessionOptions,
  { metadata }: OnnxSignature,
): InferenceSession.SessionOptions {
  const hostNodes = metadata.get(HOST_NODES);
  const forced = hostNodes === undefined ? {} : { forceCpuNodeNames: hostNodes.split("\n") };
  return {
    executionProviders: [name === "webgpu" ? { name, ...forced } : name],
    graphOptimizationLevel: LEVELS[options.optimise],
    executionMode: "sequential",
    enableMemPattern: false, // a second copy of the arena: see native.ts
    ...QUIET,
    ...(name === "webgpu" ? WITHOUT_PAD_FUSION : {}),
  };
}

/** The first session decides for all; threads need shared memory, which a browser gives to isolated pages only. */
function threadsFor(wanted: number): number {
  if (host.crossOriginIsolated !== true) return 1;
  if (wanted > 0) return wanted;
  return Math.min(MOST_THREADS, Math.ceil((host.navigator?.hardwareConcurrency ?? 1) / 2));
}

function refuseProfile(name: WebTransportName, { profilePrefix }: SessionOptions): void {
  if (profilePrefix === undefined) return;
  throw new EngineError("ENGINE-02", `onnx engine: transport ${name} writes no profile.`, [
    ["fix", 'use transport "c-api", or the browser\'s own profiler'],
  ]);
}

const atOnce = <T>(act: () => Promise<T>): Promise<T> => act();

function oneAtATime(): <T>(act: () => Promise<T>) => Promise<T> {
  let turn: Promise<unknown> = Promise.resolve();
  return (act) => {
    const result = turn.then(act);
    turn = result.catch(() => undefined);
    return result;
  };
}
