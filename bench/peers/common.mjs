/**
 * What the JavaScript peers share: the config, a safetensors reader and the JSON-lines loop.
 *
 * A peer is an object with `load()` (returns the fields of the load reply), `reset()` (puts the
 * initial weights back) and `step(index)` (trains on batch `index` and returns the loss, with the
 * new weights ready). `serve` answers requests on stdin with replies on stdout; see README.md.
 */

import { readFileSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

/** Reads the file that `--config` names. */
export function readConfig() {
  const { values } = parseArgs({ options: { config: { type: "string" } } });
  return JSON.parse(readFileSync(values.config, "utf8"));
}

/** Reads a safetensors file: 8 bytes of header length, a JSON header, then the data. */
export function readSafetensors(path) {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const { __metadata__, ...header } = JSON.parse(bytes.toString("utf8", 8, 8 + length));
  const arrays = { F32: Float32Array, I32: Int32Array };
  const tensors = {};
  for (const [name, entry] of Object.entries(header)) {
    const [begin, end] = entry.data_offsets.map((offset) => bytes.byteOffset + 8 + length + offset);
    const data = new arrays[entry.dtype](bytes.buffer.slice(begin, end));
    tensors[name] = { shape: entry.shape, data };
  }
  return tensors;
}

/** The batches of a [steps, batch, pos] tensor, each flat. */
export function batches({ shape, data }) {
  const size = data.length / shape[0];
  return Array.from({ length: shape[0] }, (_, step) =>
    data.subarray(step * size, (step + 1) * size),
  );
}

/** The largest resident size this process has had. */
function peakBytes() {
  const [, kilobytes] = /VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"));
  return Number(kilobytes) * 1024;
}

/** Answers requests until `quit` or the end of stdin. */
export async function serve(peer) {
  console.log = console.error; // whatever a library prints goes to stderr
  let position = 0;
  const answers = {
    async load() {
      const start = performance.now();
      const fields = await peer.load();
      await peer.reset();
      await peer.step(0); // compiles, where there is something to compile
      await peer.reset();
      fields.detail.loadMs = Math.round(performance.now() - start);
      return { ok: true, ...fields };
    },
    async losses({ steps }) {
      await peer.reset();
      const losses = [];
      for (position = 0; position < steps; position++) losses.push(await peer.step(position));
      return { losses };
    },
    async step({ count }) {
      const ms = [];
      for (let i = 0; i < count; i++) {
        const start = performance.now();
        await peer.step(position);
        ms.push(performance.now() - start);
        position++;
      }
      return { ms };
    },
    memory: async () => ({ peakBytes: peakBytes() }),
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    if (request.do === "quit") break;
    const answer =
      answers[request.do] ?? (async () => ({ error: `unknown request ${request.do}` }));
    const reply = await answer(request).catch((error) => ({ error: String(error) }));
    writeSync(1, `${JSON.stringify(reply)}\n`);
  }
  process.exit(0);
}
