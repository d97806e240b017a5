/** @file Ten thousand damaged ONNX files: each loads, or is refused with an error of ours, in bounded memory. */

import { expect, test } from "vitest";
import { MeshloomError } from "../../src/core/errors.ts";
import { sampleStream } from "../../src/core/samples.ts";
import { aval } from "../../src/core/shape.ts";
import type { Tensor } from "../../src/core/tensor.ts";
import { carrierOf } from "../../src/engines/onnx/import/elements.ts";
import { importOnnx, type OnnxFunction } from "../../src/engines/onnx/import/import.ts";
import { exportOnnx } from "../../src/engines/onnx/index.ts";
import * as np from "../../src/numpy/index.ts";
import { drawn } from "../../src/testing/tensors.ts";
import { abstract, trace } from "../../src/transforms/trace.ts";
import { handmade } from "../onnx-files.ts";

const FILES = 10_000;
const MOST_MEMORY = 256 * 2 ** 20;

/** Exports of our own: weights, contractions, reductions, a loop. */
function exported(): Uint8Array[] {
  const x = drawn(1, { batch: 2, embed: 3 });
  const w = drawn(2, { embed: 3, mlp: 4 });
  return [
    exportOnnx((a: Tensor) => np.gelu(np.einsum("batch embed, embed mlp -> batch mlp", a, w)), [x]),
    exportOnnx((a: Tensor) => np.softmax(a, "embed"), [x]),
    exportOnnx((a: Tensor, b: Tensor) => np.where(np.less(a, 0), a, np.mul(a, b)), [x, x]),
    exportOnnx(
      (a: Tensor) =>
        np.scan((sum: Tensor, row: Tensor) => [sum.add(row), sum] as const, a.sum("batch"), a),
      [x],
    ),
  ];
}

type Draw = (below: number) => number;
type Mutation = (bytes: Uint8Array, draw: Draw, others: readonly Uint8Array[]) => Uint8Array;

const flipBits: Mutation = (bytes, draw) => {
  const out = bytes.slice();
  for (let i = 0; i <= draw(8); i++) {
    const at = draw(out.length);
    out[at] = (out[at] ?? 0) ^ (1 << draw(8));
  }
  return out;
};

const truncate: Mutation = (bytes, draw) => bytes.slice(0, draw(bytes.length));

/** A byte that may be a length becomes another one, of one byte or of many. */
const changeLength: Mutation = (bytes, draw) => {
  const at = draw(bytes.length);
  const huge = [[0xff, 0xff, 0xff, 0xff, 0x0f], [0x80, 0x80, 0x80, 0x80, 0x08], [0x7f], [0]];
  const length = huge[draw(huge.length)] ?? [];
  return Uint8Array.from([...bytes.slice(0, at), ...length, ...bytes.slice(at + 1)]);
};

const splice: Mutation = (bytes, draw, others) => {
  const other = others[draw(others.length)] ?? bytes;
  return Uint8Array.from([
    ...bytes.slice(0, draw(bytes.length)),
    ...other.slice(draw(other.length)),
  ]);
};

/** Field 20 of an attribute is its type: the bytes A0 01 and the number. */
const swapType: Mutation = (bytes, draw) => {
  const out = bytes.slice();
  const places = [...out.keys()].filter((i) => out[i] === 0xa0 && out[i + 1] === 0x01);
  const at = places[draw(places.length)];
  if (at !== undefined) out[at + 2] = draw(16);
  return out;
};

/** A small number, which may be an operator's version, an axis, a type or a size, becomes another one. */
const changeNumber: Mutation = (bytes, draw) => {
  const out = bytes.slice();
  const places = [...out.keys()].filter((i) => (out[i] ?? 0) < 16);
  const at = places[draw(places.length)];
  if (at !== undefined) out[at] = draw(128);
  return out;
};

const MUTATIONS = [flipBits, truncate, changeLength, splice, swapType, changeNumber];

/** The program of a model for arguments as it asks for them, symbols standing for 2. */
function traceModel(f: OnnxFunction): void {
  const args = f.inputs.map((port) => {
    const dims = (port.dims ?? []).map((dim) => (typeof dim === "number" ? Math.max(0, dim) : 2));
    const x = abstract(aval(carrierOf(port.type ?? "float32"), dims));
    return port.kind === "sequence" ? [x] : x;
  });
  trace("model", (...xs: Tensor[]) => f(...xs), args as Tensor[]);
}

test("every damaged file is a model or refused, and none takes much memory", async () => {
  const sources = [...exported(), ...handmade()];
  const next = sampleStream(2026);
  const draw: Draw = (below) => Math.floor(next() * below);
  const counts = { loaded: 0, traced: 0, refused: 0 };
  let most = 0;
  for (let i = 0; i < FILES; i++) {
    const source = sources[i % sources.length] as Uint8Array;
    const mutate = MUTATIONS[Math.floor(i / sources.length) % MUTATIONS.length] as Mutation;
    const bytes = mutate(source, draw, sources);
    const before = process.memoryUsage().rss;
    try {
      const f = await importOnnx(bytes);
      counts.loaded++;
      traceModel(f);
      counts.traced++;
    } catch (error) {
      if (!(error instanceof MeshloomError)) {
        throw new Error(`file ${i} (${mutate.name}): ${String(error)}`, { cause: error });
      }
      counts.refused++;
    }
    most = Math.max(most, process.memoryUsage().rss - before);
  }
  process.stdout.write(
    `damaged files: ${FILES}; loaded ${counts.loaded}, traced ${counts.traced}, refused ${counts.refused}; ` +
      `most memory for one ${Math.round(most / 2 ** 20)} MiB\n`,
  );
  expect(most).toBeLessThan(MOST_MEMORY);
  expect(counts.refused).toBeGreaterThan(FILES / 10);
  expect(counts.traced).toBeGreaterThan(FILES / 10);
});

test("the files themselves load and trace", async () => {
  const sources = [...exported(), ...handmade()];
  for (const source of sources.slice(0, -1)) traceModel(await importOnnx(source));
  // The last one keeps weights in another file, which bytes alone do not have.
  await expect(importOnnx(sources.at(-1) as Uint8Array)).rejects.toThrow(
    'keeps weights in "weights.bin"',
  );
});
