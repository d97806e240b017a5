/** @file What stands in the way of ONNX Runtime on this machine, as the one thing to do about it. */

import { type NativePackage, pathOf } from "./packages.ts";
import { ORT_VERSION, type TransportName } from "./transport.ts";

const NATIVE = `ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node@${ORT_VERSION}`;
const WEB = `npm install onnxruntime-web@${ORT_VERSION}`;
const ANYWHERE = `${WEB} and set MESHLOOM_ONNX_TRANSPORT=wasm, which runs anywhere, some times slower`;

/** The way out where transport `name` does not load. */
export function fixFor(name: TransportName): string {
  if (name === "wasm" || name === "webgpu") return WEB;
  const platform = platformProblem();
  if (platform !== undefined) return `${platform} ${ANYWHERE}`;
  if (!installed("onnxruntime-node")) return NATIVE;
  if (name === "c-api" && !installed("koffi")) return "npm install koffi";
  return `reinstall: ${NATIVE}`;
}

function platformProblem(): string | undefined {
  if (process.platform === "darwin" && process.arch === "x64")
    return "onnxruntime-node has no binary for Intel Macs:";
  if (process.platform === "linux" && !hasGlibc())
    return "this system has musl instead of glibc; use a glibc image, for example node:20-slim, or";
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

function installed(name: NativePackage): boolean {
  try {
    pathOf(name);
    return true;
  } catch {
    return false;
  }
}
