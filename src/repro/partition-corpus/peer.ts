/** @file XLA's partitioner and its devices in a Python process: modules as text, pieces of values both ways. */

import { type Runner, startSpmdPeer } from "../../bench/peers.ts";
import { type DType, viewOf } from "../../core/dtype.ts";
import { EngineError } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";

/** `gspmd`: cut a whole program with shardings; `manual`: run what each partition computes by itself. */
export type Partitioner = "gspmd" | "manual";

export type SpmdAnswer =
  | { readonly devices: readonly (readonly NdArray[])[]; readonly hlo: string }
  | { readonly error: string };

interface Encoded {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly data: string;
}

export class SpmdPeer {
  readonly #runner: Runner;
  /** `jax 0.10.2, jaxlib 0.10.2`. */
  readonly version: string;

  private constructor(runner: Runner, version: string) {
    this.#runner = runner;
    this.version = version;
  }

  /** @throws EngineError with the process's own words when this Python has no jax */
  static async start(python: string): Promise<SpmdPeer> {
    const runner = startSpmdPeer(python);
    try {
      const { version } = await runner.ask<{ version: string }>({ do: "hello" });
      return new SpmdPeer(runner, version);
    } catch (error) {
      runner.stop();
      throw new EngineError("ENGINE-01", `XLA: ${python} has no jax.`, [
        ["process", error instanceof Error ? error.message : String(error)],
        ["fix", "name one that has: --python PATH, or MESHLOOM_PYTHON"],
      ]);
    }
  }

  /** @param devices - pieces of the inputs, by device */
  async run(
    text: string,
    partitioner: Partitioner,
    devices: readonly (readonly NdArray[])[],
  ): Promise<SpmdAnswer> {
    try {
      const answer = await this.#runner.ask<{ devices: Encoded[][]; hlo: string }>({
        ...{ do: "run", text, partitioner },
        devices: devices.map((own) => own.map(encode)),
      });
      return { devices: answer.devices.map((own) => own.map(decode)), hlo: answer.hlo };
    } catch (error) {
      return { error: error instanceof Error ? error.message : String(error) };
    }
  }

  stop(): void {
    this.#runner.stop();
  }
}

function encode({ dtype, dims, data }: NdArray): Encoded {
  const { buffer, byteOffset, byteLength } = data;
  return { dtype, dims, data: Buffer.from(buffer, byteOffset, byteLength).toString("base64") };
}

function decode({ dtype, dims, data }: Encoded): NdArray {
  const bytes = new Uint8Array(Buffer.from(data, "base64"));
  const length = dims.reduce((size, dim) => size * dim, 1);
  return { dtype, dims, data: viewOf(dtype, bytes.buffer, 0, length) };
}
