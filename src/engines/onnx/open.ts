/** @file Chooses the way to reach ONNX Runtime, and says what is missing where there is none. */

import { createRequire } from "node:module";
import { EngineError, type Fact } from "../../core/errors.ts";
import { openBinding } from "./binding.ts";
import { openNative } from "./native.ts";
import { type OnnxTransport, ORT_VERSION } from "./transport.ts";

/** `auto` takes the C API, and the binding where that does not load. */
export type TransportPreference = "auto" | "c-api" | "binding";

/** One line of `doctor`. */
export interface TransportFinding {
  readonly name: OnnxTransport["name"];
  readonly ok: boolean;
  /** Version of ONNX Runtime; undefined when it did not load. */
  readonly version: string | undefined;
  readonly detail: string;
  /** What to do; undefined when all is well. */
  readonly fix: string | undefined;
}

const OPENERS = { "c-api": openNative, binding: openBinding } as const;
const INSTALL = `ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node@${ORT_VERSION}`;
const VARIABLE = "MESHLOOM_ONNX_TRANSPORT";

/**
 * Opens a transport. The environment variable `MESHLOOM_ONNX_TRANSPORT` overrides the preference.
 *
 * @throws EngineError saying how to get what is missing
 */
export async function openTransport(preference: TransportPreference): Promise<OnnxTransport> {
  const chosen = preferenceFrom(process.env[VARIABLE]) ?? preference;
  const names = chosen === "auto" ? (["c-api", "binding"] as const) : [chosen];
  const problems: Fact[] = [];
  for (const name of names) {
    try {
      return await OPENERS[name]();
    } catch (error) {
      problems.push([name, firstLine(error)]);
    }
  }
  throw new EngineError("ENGINE-01", "onnx engine: ONNX Runtime does not load.", [
    ...problems,
    ["fix", fixFor(names[0] ?? "binding")],
  ]);
}

/** Tries every transport; for `doctor`. */
export function describeTransports(): Promise<readonly TransportFinding[]> {
  return Promise.all((["c-api", "binding"] as const).map(describe));
}

async function describe(name: OnnxTransport["name"]): Promise<TransportFinding> {
  try {
    const { version } = await OPENERS[name]();
    return { name, ok: true, version, detail: `ONNX Runtime ${version}`, fix: undefined };
  } catch (error) {
    return { name, ok: false, version: undefined, detail: firstLine(error), fix: fixFor(name) };
  }
}

function preferenceFrom(text: string | undefined): TransportPreference | undefined {
  if (text === undefined || text === "") return undefined;
  if (text === "auto" || text === "c-api" || text === "binding") return text;
  throw new EngineError("ENGINE-01", `onnx engine: ${VARIABLE} is set to something unknown.`, [
    ["given", text],
    ["known", "auto, c-api, binding"],
  ]);
}

/** What stands in the way on this machine, as the one thing to do about it. */
function fixFor(name: OnnxTransport["name"]): string {
  const platform = platformProblem();
  if (platform !== undefined) return platform;
  if (!installed("onnxruntime-node")) return INSTALL;
  if (name === "c-api" && !installed("koffi")) return "npm install koffi";
  return `reinstall: ${INSTALL}`;
}

function platformProblem(): string | undefined {
  if (process.platform === "darwin" && process.arch === "x64") {
    return "onnxruntime-node has no binary for Intel Macs: use the reference engine, or another machine";
  }
  if (process.platform === "linux" && !hasGlibc()) {
    return "this system has musl instead of glibc: use a glibc image, for example node:20-slim";
  }
  return undefined;
}

/** Node's report names the C library's version when it is glibc, and no version otherwise. */
function hasGlibc(): boolean {
  // without excludeNetwork (not in the types of Node 20 yet) the report resolves the name of every open connection
  const reporter = process.report as typeof process.report & { excludeNetwork: boolean };
  const before = reporter.excludeNetwork;
  reporter.excludeNetwork = true;
  const report = reporter.getReport() as unknown as { header: Record<string, unknown> };
  reporter.excludeNetwork = before;
  return report.header["glibcVersionRuntime"] !== undefined;
}

function installed(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}
