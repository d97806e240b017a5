/**
 * @file XLA in a Python process: modules go in as StableHLO text, results come back as arrays.
 *
 * Python is `MESHLOOM_PYTHON`, else `python3`.
 */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type DType, viewOf } from "../../src/core/dtype.ts";
import type { NdArray } from "../../src/core/ndarray.ts";
import type { Program } from "../../src/core/program.ts";
import { printStablehlo } from "../../src/engines/xla/stablehlo.ts";

export type Answer = { readonly outputs: readonly NdArray[] } | { readonly error: string };
/** Outputs of each partition. */
export type AnswerTogether =
  | { readonly devices: readonly (readonly NdArray[])[] }
  | { readonly error: string };

interface Encoded {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly data: string;
}

/** A running process, or why there is none. */
export type Started =
  | { readonly xla: XlaProcess; readonly version: string }
  | { readonly missing: string };

export class XlaProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting = new Map<number, (answer: AnswerTogether) => void>();
  #next = 0;

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
  }

  /** @returns the process once it has loaded jaxlib */
  static start(): Promise<Started> {
    const python = process.env["MESHLOOM_PYTHON"] ?? "python3";
    const child = spawn(python, [fileURLToPath(new URL("run_stablehlo.py", import.meta.url))]);
    const xla = new XlaProcess(child);
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      stderr += chunk;
    });
    child.stdin.on("error", () => undefined); // a process that ended early says why on stderr
    return new Promise((resolve) => {
      const missing = (why: string) => resolve({ missing: `${python} has no jaxlib: ${why}` });
      child.on("error", ({ message }) => missing(message));
      child.on("close", (status) => {
        missing(stderr.trim().split("\n").at(-1) ?? "");
        xla.#end(`${python} ended with ${status}:\n${stderr}`);
      });
      createInterface({ input: child.stdout }).on("line", (line) => {
        const report = JSON.parse(line);
        if ("version" in report) resolve({ xla, version: report.version });
        else xla.#receive(report);
      });
    });
  }

  /** Compiles and runs a program. */
  async run(program: Program, inputs: readonly NdArray[]): Promise<Answer> {
    const answer = await this.runTogether(program, [inputs]);
    return "error" in answer ? answer : { outputs: answer.devices[0] ?? [] };
  }

  /** Compiles a per-device program and runs it on as many devices as there are lists of inputs. */
  runTogether(program: Program, devices: readonly (readonly NdArray[])[]): Promise<AnswerTogether> {
    const id = this.#next++;
    const text = printStablehlo(program, { partitions: devices.length });
    const inputs = devices.map((own) => own.map(encode));
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.stdin.write(`${JSON.stringify({ id, text, devices: inputs })}\n`);
    });
  }

  stop(): void {
    this.#child.stdin.end();
  }

  #receive(report: { id: number; error?: string; devices?: Encoded[][] }): void {
    const { id, error, devices = [] } = report;
    const outputs = () => ({ devices: devices.map((own) => own.map(decode)) });
    this.#waiting.get(id)?.(error === undefined ? outputs() : { error });
    this.#waiting.delete(id);
  }

  #end(why: string): void {
    for (const resolve of this.#waiting.values()) resolve({ error: why });
    this.#waiting.clear();
  }
}

function encode(x: NdArray): Encoded {
  const { buffer, byteOffset, byteLength } = x.data;
  return {
    dtype: x.dtype,
    dims: x.dims,
    data: Buffer.from(buffer, byteOffset, byteLength).toString("base64"),
  };
}

function decode({ dtype, dims, data }: Encoded): NdArray {
  const bytes = new Uint8Array(Buffer.from(data, "base64"));
  const length = dims.reduce((size, dim) => size * dim, 1);
  return { dtype, dims, data: viewOf(dtype, bytes.buffer, 0, length) };
}
