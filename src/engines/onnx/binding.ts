/**
 * @file Transport "binding": the JavaScript API of onnxruntime-node, for where koffi does not load.
 *
 * The binding allocates and copies every output and blocks the event loop while it works; results are the same.
 */

import type { InferenceSession } from "onnxruntime-node";
import { CPU } from "./double-kernels.ts";
import { requirePackage } from "./packages.ts";
import { readSignature } from "./proto-decode.ts";
import {
  LEVELS,
  type Runtime,
  refuseBfloat16,
  reported,
  type ScriptCalls,
  ScriptSession,
} from "./script-session.ts";
import type { OnnxTransport, SessionOptions } from "./transport.ts";

const { readdirSync } = process.getBuiltinModule("node:fs");
const { basename, dirname, join } = process.getBuiltinModule("node:path");

/** Fatal: errors come back as statuses, and must not be on stderr as well. */
const LOG_LEVEL = 4;

let opened: Promise<OnnxTransport> | undefined;

/** The transport; loads onnxruntime-node on the first call. */
export function openBinding(): Promise<OnnxTransport> {
  opened ??= load();
  return opened;
}

async function load(): Promise<OnnxTransport> {
  return bindingTransport(requirePackage<Runtime>("onnxruntime-node"));
}

function bindingTransport(runtime: Runtime): OnnxTransport {
  runtime.env.logLevel = "fatal";
  return {
    name: "binding",
    target: CPU,
    version: runtime.env.versions.node ?? "unknown",
    load: async (model, options) => {
      const signature = readSignature(model);
      refuseBfloat16(signature);
      const session = await reported("CreateSession", () =>
        runtime.InferenceSession.create(model, bindingOptions(options)),
      );
      const prefix = options.profilePrefix;
      const calls: ScriptCalls = {
        run: (feeds) => session.run(feeds),
        release: () => session.release(),
        endProfile: () => (prefix === undefined ? undefined : endProfile(session, prefix)),
      };
      return new ScriptSession(runtime, calls, signature);
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

/** The binding keeps the profile's name for itself; it is the prefix with the time behind it. */
function endProfile(session: InferenceSession, prefix: string): string | undefined {
  session.endProfiling();
  const [folder, start] = [dirname(prefix), `${basename(prefix)}_`];
  const newest = readdirSync(folder)
    .filter((file) => file.startsWith(start))
    .sort()
    .at(-1);
  return newest === undefined ? undefined : join(folder, newest);
}
