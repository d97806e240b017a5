/**
 * @file The C API of ONNX Runtime as callable functions.
 *
 * The shared library inside the onnxruntime-node package hands out one table of function pointers, `OrtApi`. koffi
 * decodes the entries that we use. An entry never moves between releases; new ones are added at the end.
 */

import { EngineError } from "../../core/errors.ts";
import { pathOf, requirePackage } from "./packages.ts";
import { ORT_VERSION, runtimeError } from "./transport.ts";

const { readdirSync } = process.getBuiltinModule("node:fs");
const { dirname, join } = process.getBuiltinModule("node:path");

/** What may be handed to native code: a pointer, a number, a string, memory of ours, or nothing. */
export type NativeArgument = bigint | number | string | ArrayBufferView | null;

/** The functions of the C API, by name. */
export interface OrtApi {
  readonly version: string;
  /** Address of the first byte; stays the same as long as the array is referenced and not transferred. */
  address(memory: ArrayBufferView): bigint;
  /** @throws EngineError when the function returns a status */
  call(name: OrtFunction, ...args: readonly NativeArgument[]): void;
  /**
   * Like `call`, on a thread of libuv's pool.
   *
   * @param keep - whatever owns the memory that `args` point to; it stays reachable until the call has ended
   */
  callAsync(name: OrtFunction, keep: object, ...args: readonly NativeArgument[]): Promise<void>;
  /** Calls a function whose last parameter is the place for a pointer, and returns that pointer. */
  make(name: OrtFunction, ...args: readonly NativeArgument[]): bigint;
  /** Calls one of the `Release…` functions, which return nothing. */
  release(name: ReleaseFunction, pointer: bigint): void;
  /** Reads a string that the runtime allocated, and frees it. */
  takeString(pointer: bigint): string;
}

/** Index in `OrtApi`, and the parameter types after which the status is returned. */
const STATUS_FUNCTIONS: Readonly<Record<OrtFunction, readonly [number, readonly string[]]>> = {
  CreateSessionFromArray: [8, ["void *", "void *", "size_t", "void *", "void *"]],
  Run: [9, ["void *", "void *", "void *", "void *", "size_t", "void *", "size_t", "void *"]],
  CreateSessionOptions: [10, ["void *"]],
  SetSessionExecutionMode: [13, ["void *", "int"]],
  // ORTCHAR_T is wchar_t on Windows
  EnableProfiling: [14, ["void *", process.platform === "win32" ? "str16" : "str"]],
  DisableMemPattern: [17, ["void *"]],
  SetSessionLogSeverityLevel: [22, ["void *", "int"]],
  SetSessionGraphOptimizationLevel: [23, ["void *", "int"]],
  SetIntraOpNumThreads: [24, ["void *", "int"]],
  SetInterOpNumThreads: [25, ["void *", "int"]],
  CreateTensorWithDataAsOrtValue: [
    49,
    ["void *", "void *", "size_t", "void *", "size_t", "int", "void *"],
  ],
  CreateCpuMemoryInfo: [69, ["int", "int", "void *"]],
  AllocatorFree: [76, ["void *", "void *"]],
  GetAllocatorWithDefaultOptions: [78, ["void *"]],
  SessionEndProfiling: [110, ["void *", "void *", "void *"]],
  CreateEnvWithGlobalThreadPools: [119, ["int", "str", "void *", "void *"]],
  DisablePerSessionThreads: [120, ["void *"]],
  CreateThreadingOptions: [121, ["void *"]],
  AddSessionConfigEntry: [130, ["void *", "str", "str"]],
  CreateAndRegisterAllocator: [144, ["void *", "void *", "void *"]],
  SetGlobalIntraOpNumThreads: [147, ["void *", "int"]],
  SetGlobalInterOpNumThreads: [148, ["void *", "int"]],
  CreateArenaCfgV2: [164, ["void *", "void *", "size_t", "void *"]],
};

const RELEASE_FUNCTIONS: Readonly<Record<ReleaseFunction, number>> = {
  ReleaseStatus: 93,
  ReleaseSession: 95,
  ReleaseValue: 96,
  ReleaseSessionOptions: 100,
  ReleaseThreadingOptions: 122,
  ReleaseArenaCfg: 157,
};

const GET_ERROR_MESSAGE = 2;
const TABLE_LENGTH = 166;
/** The version of the header that the indices above were taken from and checked against. */
const API_VERSION = 24;
/** A thread's usual size. MatMul crashes with 64 KiB, so koffi's default of 128 KiB for async calls has no margin. */
const STACK_BYTES = 8 << 20;

/** A function of the table that returns a status. */
export type OrtFunction =
  | "CreateSessionFromArray"
  | "Run"
  | "CreateSessionOptions"
  | "SetSessionExecutionMode"
  | "EnableProfiling"
  | "DisableMemPattern"
  | "SetSessionLogSeverityLevel"
  | "SetSessionGraphOptimizationLevel"
  | "SetIntraOpNumThreads"
  | "SetInterOpNumThreads"
  | "CreateTensorWithDataAsOrtValue"
  | "CreateCpuMemoryInfo"
  | "AllocatorFree"
  | "GetAllocatorWithDefaultOptions"
  | "SessionEndProfiling"
  | "CreateEnvWithGlobalThreadPools"
  | "DisablePerSessionThreads"
  | "CreateThreadingOptions"
  | "AddSessionConfigEntry"
  | "CreateAndRegisterAllocator"
  | "CreateArenaCfgV2"
  | "SetGlobalIntraOpNumThreads"
  | "SetGlobalInterOpNumThreads";
/** A function of the table that frees something. */
export type ReleaseFunction =
  | "ReleaseStatus"
  | "ReleaseSession"
  | "ReleaseValue"
  | "ReleaseSessionOptions"
  | "ReleaseThreadingOptions"
  | "ReleaseArenaCfg";

type Koffi = typeof import("koffi");
type Native<R> = ((...args: readonly NativeArgument[]) => R) & {
  async(...args: readonly (NativeArgument | ((error: unknown, result: R) => void))[]): void;
};

/**
 * Loads the library and decodes the table.
 *
 * @throws EngineError when the library has another version than the one this table was checked for
 */
export async function loadOrtApi(): Promise<OrtApi> {
  const koffi = requirePackage<Koffi>("koffi");
  ensureStack(koffi);
  const path = libraryPath();
  const library = koffi.load(path);
  pin(koffi, path);
  const base = library.func("OrtGetApiBase", "void *", [])() as bigint;
  const entry = <R>(pointer: bigint | undefined, result: string, args: readonly string[]) =>
    koffi.decode(pointer, koffi.proto(result, [...args])) as Native<R>;

  const [getApi, getVersion] = koffi.decode(base, "void *", 2) as bigint[];
  const version = entry<string>(getVersion, "str", [])();
  if (version !== ORT_VERSION) {
    throw new EngineError("ENGINE-01", "onnx engine: the native library has another version.", [
      ["wants", ORT_VERSION],
      ["found", version],
      ["fix", `npm install onnxruntime-node@${ORT_VERSION}`],
    ]);
  }
  const api = entry<bigint>(getApi, "void *", ["uint32_t"])(API_VERSION);
  const table = koffi.decode(api, "void *", TABLE_LENGTH) as bigint[];
  return bindTable(koffi, version, (index, result, args) => entry(table[index], result, args));
}

/** koffi's settings are fixed once it has loaded any library, perhaps for another package. */
function ensureStack(koffi: Koffi): void {
  if ((koffi.config().async_stack_size ?? 0) >= STACK_BYTES) return;
  try {
    koffi.config({ async_stack_size: STACK_BYTES });
  } catch (error) {
    throw new EngineError("ENGINE-01", "onnx engine: koffi's stack for async calls is too small.", [
      ["wants", `${STACK_BYTES} bytes`],
      ["koffi says", String(error)],
      ["fix", "load the ONNX engine before other users of koffi, or use the binding transport"],
    ]);
  }
}

/**
 * Opens the library once more and forgets the handle, so that it stays for the life of the process: koffi unloads it
 * when its own handle is collected or a worker thread ends, while the runtime's threads still execute its code.
 */
function pin(koffi: Koffi, path: string): void {
  const RTLD_LAZY = 1;
  if (process.platform === "win32") {
    koffi.load("kernel32.dll").func("LoadLibraryW", "void *", ["str16"])(path);
  } else {
    koffi.load(null).func("dlopen", "void *", ["str", "int"])(path, RTLD_LAZY);
  }
}

function bindTable(
  koffi: Koffi,
  version: string,
  entry: <R>(index: number, result: string, args: readonly string[]) => Native<R>,
): OrtApi {
  const errorMessage = entry<string>(GET_ERROR_MESSAGE, "str", ["void *"]);
  const functions = Object.fromEntries(
    Object.entries(STATUS_FUNCTIONS).map(([name, [index, args]]) => [
      name,
      entry<bigint | null>(index, "void *", args),
    ]),
  ) as Record<OrtFunction, Native<bigint | null>>;
  const releases = Object.fromEntries(
    Object.entries(RELEASE_FUNCTIONS).map(([name, index]) => [
      name,
      entry<void>(index, "void", ["void *"]),
    ]),
  ) as Record<ReleaseFunction, Native<void>>;

  const check = (name: OrtFunction, status: bigint | null): void => {
    if (status === null) return;
    const text = errorMessage(status);
    releases.ReleaseStatus(status);
    throw runtimeError(name, text);
  };
  const call: OrtApi["call"] = (name, ...args) => check(name, functions[name](...args));
  // one place for all pointers that calls return: they are synchronous, and a new array each time would cost more than
  // the calls themselves
  const place = new BigUint64Array(1);
  const placeAddress = koffi.address(place);
  const make: OrtApi["make"] = (name, ...args) => {
    call(name, ...args, placeAddress);
    return place[0] ?? 0n;
  };
  const kept = new Map<object, object>();
  return {
    version,
    address: (memory) => koffi.address(memory),
    call,
    callAsync: (name, keep, ...args) =>
      new Promise((resolve, reject) => {
        const ticket = {};
        const finish = (error: unknown, status: bigint | null): void => {
          kept.delete(ticket);
          try {
            if (error) throw runtimeError(name, String(error));
            check(name, status);
            resolve();
          } catch (problem) {
            reject(problem);
          }
        };
        kept.set(ticket, keep);
        try {
          functions[name].async(...args, finish);
        } catch (error) {
          // koffi refuses more than 256 calls at a time
          finish(error, null);
        }
      }),
    make,
    release: (name, pointer) => releases[name](pointer),
    takeString: (pointer) => {
      const text = koffi.decode.string(pointer) as string;
      call("AllocatorFree", make("GetAllocatorWithDefaultOptions"), pointer);
      return text;
    },
  };
}

function libraryPath(): string {
  const folder = join(
    dirname(pathOf("onnxruntime-node")),
    "../bin/napi-v6",
    process.platform,
    process.arch,
  );
  // macOS has the library twice; the binding links to the shorter name, and both must share one environment
  const found = readdirSync(folder)
    .filter((name) => /^(libonnxruntime(\.\d+)*\.(so|dylib)|onnxruntime\.dll)/.test(name))
    .sort((a, b) => a.length - b.length)[0];
  if (found === undefined) throw new Error(`no ONNX Runtime library in ${folder}`);
  return join(folder, found);
}
