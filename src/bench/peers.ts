/** @file Runners as child processes that answer one JSON line per request. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A started runner. */
export interface Runner {
  readonly name: string;
  /** @throws Error with the runner's own words when it cannot do what is asked */
  ask<T>(request: object): Promise<T>;
  stop(): void;
}

/** How to start a runner, or why it is left out. */
export interface RunnerSpec {
  readonly name: string;
  readonly command: readonly string[];
  readonly missing: string | undefined;
}

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PEERS = join(ROOT, "bench", "peers");

/** All runners, ours first; those that cannot start say why. */
export function runnerSpecs(python: string | undefined): readonly RunnerSpec[] {
  const withPython = (name: string, file: string, ...args: string[]): RunnerSpec => ({
    name,
    command: [python ?? "python3", join(PEERS, file), ...args],
    missing:
      python === undefined
        ? "needs --python PATH of a Python with bench/peers/requirements.txt"
        : undefined,
  });
  const withNode = (name: string, file: string): RunnerSpec => ({
    name,
    command: [process.execPath, join(PEERS, file)],
    missing: existsSync(join(PEERS, "node_modules"))
      ? undefined
      : "needs npm ci --prefix bench/peers",
  });
  return [
    {
      name: "meshloom",
      command: [process.execPath, join(ROOT, "bin", "meshloom.js"), "bench", "runner"],
      missing: undefined,
    },
    withPython("torch-eager", "torch_peer.py", "--mode", "eager"),
    withPython("torch-compile", "torch_peer.py", "--mode", "compile"),
    withPython("jax-jit", "jax_peer.py"),
    withNode("tfjs-wasm", "tfjs_peer.mjs"),
    withNode("jax-js", "jaxjs_peer.mjs"),
  ];
}

/** Starts a runner on a configuration file. */
export function startRunner({ name, command }: RunnerSpec, config: string): Runner {
  return startProcess(name, [...command, "--config", config]);
}

/** PyTorch and stock ONNX Runtime, one operation at a time. */
export function startOpsPeer(python: string): Runner {
  return startProcess("ops peer", [python, join(PEERS, "ops_peer.py")]);
}

/** A GLaM in PyTorch, on a configuration file. */
export function startGlamPeer(python: string, config: string): Runner {
  return startProcess("glam peer", [python, join(PEERS, "glam_peer.py"), "--config", config]);
}

/** The Rust `tokenizers` package. */
export function startTextPeer(python: string): Runner {
  return startProcess("text peer", [python, join(PEERS, "text_peer.py")]);
}

/** Singular spectrum analysis in numpy. */
export function startSsaPeer(python: string, threads: number): Runner {
  const command = [python, join(PEERS, "ssa_peer.py"), "--threads", String(threads)];
  return startProcess("ssa peer", command);
}

/** ssqueezepy's wavelet transform, and scipy's FFT. */
export function startNtftPeer(python: string): Runner {
  return startProcess("ntft peer", [python, join(PEERS, "ntft_peer.py")]);
}

/** XLA's GSPMD partitioner, and eight devices of its own in one process. */
export function startSpmdPeer(python: string): Runner {
  return startProcess("spmd peer", [python, join(PEERS, "spmd_peer.py")]);
}

/** GLaM's decoding in PyTorch, on a configuration file. */
export function startGeneratePeer(python: string, config: string): Runner {
  const command = [python, join(PEERS, "generate_peer.py"), "--config", config];
  return startProcess("generate peer", command);
}

/** Our own side of `bench generate`, on the same file. */
export function startGenerateRunner(config: string): Runner {
  const own = [process.execPath, join(ROOT, "bin", "meshloom.js"), "bench", "generate-runner"];
  return startProcess("meshloom", [...own, "--config", config]);
}

function startProcess(name: string, [program = "", ...args]: readonly string[]): Runner {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
  const errors: string[] = [];
  child.stderr.on("data", (chunk: Buffer) => errors.push(chunk.toString()));
  child.on("error", ({ message }) => errors.push(message));
  const lines = createInterface({ input: child.stdout });
  const answers = lineQueue(lines, child);
  return {
    name,
    async ask<T>(request: object): Promise<T> {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      const line = await answers();
      if (line === undefined)
        throw new Error(
          `${name} ended: ${errors.join("").trim().split("\n").at(-1) || "no message"}`,
        );
      const value = JSON.parse(line) as T & { readonly error?: string };
      if (value.error !== undefined) throw new Error(value.error);
      return value;
    },
    stop: () => {
      child.kill();
    },
  };
}

/** The next line of a process; undefined once it has ended. */
function lineQueue(lines: Interface, child: ChildProcess): () => Promise<string | undefined> {
  const ready: string[] = [];
  const waiting: ((line: string | undefined) => void)[] = [];
  let ended = false;
  lines.on("line", (line) => {
    const taker = waiting.shift();
    if (taker === undefined) ready.push(line);
    else taker(line);
  });
  const end = () => {
    ended = true;
    for (const taker of waiting.splice(0)) taker(undefined);
  };
  child.on("error", end);
  lines.on("close", end);
  child.stdin?.on("error", end);
  return () => {
    const line = ready.shift();
    if (line !== undefined || ended) return Promise.resolve(line);
    return new Promise((resolve) => waiting.push(resolve));
  };
}
