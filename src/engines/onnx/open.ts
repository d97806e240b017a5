/** @file Chooses the way to reach ONNX Runtime, and says what is missing where there is none. */

import { EngineError, type Fact, MeshloomError } from "../../core/errors.ts";
import { builtin } from "../../core/host.ts";
import { fixFor } from "./install.ts";
import type { OnnxTransport, TransportName } from "./transport.ts";

/**
 * `auto` takes the C API in Node, and the binding where that does not load; in a browser it takes WebAssembly, which
 * starts faster than WebGPU and is faster on small models.
 */
export type TransportPreference = "auto" | TransportName;

/** One line of `doctor`. */
export interface TransportFinding {
  readonly name: TransportName;
  readonly ok: boolean;
  /** Version of ONNX Runtime; undefined when it did not load. */
  readonly version: string | undefined;
  readonly detail: string;
  /** What to do; undefined when all is well. */
  readonly fix: string | undefined;
}

/** Each loads its own code when it is chosen: a browser never sees the native ones. */
const OPENERS: Readonly<Record<TransportName, () => Promise<OnnxTransport>>> = {
  "c-api": async () => (await import("./native.ts")).openNative(),
  binding: async () => (await import("./binding.ts")).openBinding(),
  wasm: async () => (await import("./web.ts")).openWeb("wasm"),
  webgpu: async () => (await import("./web.ts")).openWeb("webgpu"),
};
const NAMES = Object.keys(OPENERS) as readonly TransportName[];
/** What `auto` tries, in this order. */
const AUTO: readonly TransportName[] = builtin === undefined ? ["wasm"] : ["c-api", "binding"];
const VARIABLE = "MESHLOOM_ONNX_TRANSPORT";

/**
 * Opens a transport. The environment variable `MESHLOOM_ONNX_TRANSPORT` overrides the preference.
 *
 * @throws EngineError saying how to get what is missing
 */
export async function openTransport(preference: TransportPreference): Promise<OnnxTransport> {
  const chosen = preferenceFrom(globalThis.process?.env[VARIABLE]) ?? preference;
  const names = chosen === "auto" ? AUTO : [chosen];
  const problems: Fact[] = [];
  const fixes: string[] = [];
  for (const name of names) {
    try {
      return await OPENERS[name]();
    } catch (error) {
      problems.push([name, firstLine(error)]);
      fixes.push(fixOf(error, name));
    }
  }
  const [fix = ""] = fixes; // the first is for the transport that is preferred
  throw new EngineError("ENGINE-01", "onnx engine: ONNX Runtime does not load.", [
    ...problems,
    ["fix", fix],
  ]);
}

/** Tries every transport that `auto` would; for `doctor`. */
export function describeTransports(): Promise<readonly TransportFinding[]> {
  return Promise.all(AUTO.map(describe));
}

async function describe(name: TransportName): Promise<TransportFinding> {
  try {
    const { version } = await OPENERS[name]();
    return { name, ok: true, version, detail: `ONNX Runtime ${version}`, fix: undefined };
  } catch (error) {
    return {
      name,
      ok: false,
      version: undefined,
      detail: firstLine(error),
      fix: fixOf(error, name),
    };
  }
}

function preferenceFrom(text: string | undefined): TransportPreference | undefined {
  if (text === undefined || text === "") return undefined;
  const known = (["auto", ...NAMES] as const).find((name) => name === text);
  if (known !== undefined) return known;
  throw new EngineError("ENGINE-01", `onnx engine: ${VARIABLE} is set to something unknown.`, [
    ["given", text],
    ["known", ["auto", ...NAMES].join(", ")],
  ]);
}

/** What the error itself says to do, else what is missing on this machine. */
function fixOf(error: unknown, name: TransportName): string {
  const facts = error instanceof MeshloomError ? error.facts : [];
  return facts.find(([fact]) => fact === "fix")?.[1] ?? fixFor(name);
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}
