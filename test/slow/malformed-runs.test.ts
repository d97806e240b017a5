/**
 * @file Damaged files of a run: each is refused with an error of ours, or holds what it held before. Nothing
 * else is thrown, nothing hangs, nothing takes memory that the file does not have.
 */

import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { viewOf } from "../../src/core/dtype.ts";
import { MeshloomError } from "../../src/core/errors.ts";
import { hash32 } from "../../src/data/permutation.ts";
import { loadCheckpoint, saveCheckpoint } from "../../src/train/checkpoint.ts";
import { checksumOf, parseManifest } from "../../src/train/manifest.ts";
import { appendMetrics, dropMetricsAfter, readMetrics } from "../../src/train/metrics.ts";
import { readRun } from "../../src/train/open-run.ts";
import { markBest, readBest } from "../../src/train/retention.ts";
import { readConfigFile, resolveConfig } from "../../src/train/run-config.ts";
import { openRun } from "../../src/train/run-folder.ts";
import {
  decodeSafetensors,
  encodeSafetensors,
  type NamedTensor,
} from "../../src/train/safetensors.ts";
import { meshloom } from "../command-line.ts";

const COUNT = 2500;
let base = "";
/** A run of four steps, made once. */
let run = "";
const counts = new Map<string, number>();

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), "meshloom-malformed-"));
  run = join(base, "run");
  const words = ["train", "glam-pico", "--steps", "4", "--save-every", "2", "--out", run];
  expect((await meshloom(...words)).code).toBe(0);
});
afterAll(async () => {
  await rm(base, { recursive: true, force: true });
  const list = [...counts].map(([name, count]) => `${name} ${count}`).join(", ");
  process.stdout.write(`malformed: ${list}\n`);
});

/** Numbers drawn from a seed. */
class Draw {
  readonly #seed: number;
  #count = 0;
  constructor(seed: number) {
    this.#seed = seed;
  }
  below(n: number): number {
    return Math.floor((n * hash32(77, this.#seed, this.#count++)) / 2 ** 32);
  }
  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

/** Bits flipped, bytes cut off, put in, taken out, moved or written over by others of the file. */
function damageBytes(given: Uint8Array, draw: Draw): Uint8Array {
  // Not a Buffer, whose slices share its memory.
  const bytes = new Uint8Array(given);
  const at = draw.below(bytes.length);
  const length = 1 + draw.below(Math.min(64, bytes.length - at));
  const piece = bytes.slice(at, at + length);
  const other = draw.below(bytes.length);
  switch (draw.below(6)) {
    case 0: {
      const out = bytes.slice();
      for (let i = 0; i <= draw.below(4); i++) out[draw.below(bytes.length)]! ^= 1 << draw.below(8);
      return out;
    }
    case 1:
      return bytes.slice(0, at);
    case 2:
      return join2(bytes.slice(0, at), bytes.slice(at + length));
    case 3:
      return join2(bytes.slice(0, other), piece, bytes.slice(other));
    case 4: {
      const out = bytes.slice();
      out.set(piece.subarray(0, bytes.length - other), other);
      return out;
    }
    default:
      return join2(bytes, piece);
  }
}

function join2(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

const ODD: readonly unknown[] = [
  null,
  -1,
  0,
  1.5,
  2 ** 31,
  2 ** 53,
  1e308,
  "",
  "F32",
  "F8_E4M3",
  "../../x",
  true,
  [],
  [-4, 4],
  [0, 2 ** 52],
  [1, 2, 3],
  {},
  { a: 1 },
];

/** A tree of JSON with one value replaced, left out, doubled under another name, or moved. */
function damageJson(value: unknown, draw: Draw): unknown {
  const paths = pathsOf(value);
  const copy = structuredClone(value);
  const path = draw.of(paths);
  const parent = path.slice(0, -1).reduce<never>((at, key) => at[key], copy as never) as Record<
    string,
    unknown
  >;
  const key = path.at(-1)!;
  switch (draw.below(5)) {
    case 0:
      if (Array.isArray(parent)) parent.splice(Number(key), 1);
      else delete parent[key];
      break;
    case 1:
      if (Array.isArray(parent)) parent.push(parent[Number(key)]);
      else
        parent[draw.of(["__proto__", "constructor", "x", "", "10", key.toUpperCase()])] =
          parent[key];
      break;
    case 2: {
      const from = draw.of(paths);
      parent[key] = from.reduce<unknown>((at, k) => (at as Record<string, unknown>)[k], value);
      break;
    }
    case 3:
      parent[key] =
        typeof parent[key] === "number" ? parent[key] + draw.of([-1, 1, 4, 4096]) : draw.of(ODD);
      break;
    default:
      parent[key] = draw.of(ODD);
  }
  return copy;
}

function pathsOf(value: unknown): string[][] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) => [
    [key],
    ...pathsOf(child).map((path) => [key, ...path]),
  ]);
}

/** What `work` gives, or undefined when it throws an error of ours. Any other error fails the test. */
async function attempt<T>(what: string, work: () => T | Promise<T>): Promise<T | undefined> {
  counts.set(what, (counts.get(what) ?? 0) + 1);
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof MeshloomError)) throw error;
    expect(error.headline.length).toBeGreaterThan(10);
    return undefined;
  }
}

const plain = (tensors: readonly NamedTensor[]) =>
  tensors
    .map(({ name, dtype, dims, data }) => ({
      ...{ name, dtype, dims },
      bytes: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64"),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));

/** A small file with every width of element, and its header. */
function sample(): {
  readonly file: Uint8Array;
  readonly header: unknown;
  readonly body: Uint8Array;
} {
  const tensors = (["float32", "int64", "bfloat16", "bool", "uint32"] as const).map(
    (dtype, i): NamedTensor => {
      const bytes = new Uint8Array(48).map((_, j) => (dtype === "bool" ? j % 2 : 17 * j + i));
      const count = { float32: 12, int64: 6, bfloat16: 24, bool: 48, uint32: 12 }[dtype];
      const data = viewOf(dtype, bytes.buffer, 0, count);
      return { name: `layers/${i}/w`, dtype, dims: [2, count / 2], data };
    },
  );
  const file = encodeSafetensors(tensors, { format: "meshloom", step: "4" });
  const length = Number(new DataView(file.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length))) as unknown;
  return { file, header, body: file.slice(8 + length) };
}

function fileOf(header: string, body: Uint8Array, pad = 0): Uint8Array {
  const text = new TextEncoder().encode(header + " ".repeat(pad));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(text.length), true);
  return join2(length, text, body);
}

it("safetensors: bytes and headers", async () => {
  const { file, header, body } = sample();
  const before = decodeSafetensors(file, "x");
  const headerEnd = file.length - body.length;
  let taken = 0;
  for (let i = 0; i < COUNT; i++) {
    const draw = new Draw(i);
    const bytesOnly = i % 2 === 0;
    const damaged = bytesOnly
      ? damageBytes(file, draw)
      : fileOf(doubleKeys(JSON.stringify(damageJson(header, draw)), draw), body, draw.below(9));
    const found = await attempt("safetensors", () => decodeSafetensors(damaged, "x"));
    if (found === undefined) continue;
    taken++;
    // Format and coverage are all that this file form can tell: what it accepts holds every byte once.
    const bytes = found.tensors.reduce((total, { data }) => total + data.byteLength, 0);
    const length = Number(new DataView(damaged.buffer).getBigUint64(0, true));
    expect(bytes).toBe(damaged.length - 8 - length);
    // Where the header is untouched, so are names and forms.
    if (Buffer.compare(damaged.subarray(0, headerEnd), file.subarray(0, headerEnd)) === 0) {
      const forms = (list: readonly NamedTensor[]) => list.map(({ name, dims }) => [name, dims]);
      expect(forms(found.tensors)).toEqual(forms(before.tensors));
    }
  }
  expect(taken).toBeLessThan(COUNT);
});

/** Sometimes a key stands twice in the text, which a parsed tree cannot hold. */
function doubleKeys(json: string, draw: Draw): string {
  if (draw.below(4) > 0) return json;
  const entry = /"[^"]*":(\{[^{}]*\}|\[[^[\]]*\]|"[^"]*")/.exec(json)?.[0] ?? "";
  return entry === "" ? json : json.replace("{", `{${entry},`);
}

it("checkpoints: files and manifests, their checksums made to fit or not", async () => {
  const folder = join(base, "checkpoint");
  const tensors = decodeSafetensors(sample().file, "x").tensors;
  const expected = plain(tensors);
  await saveCheckpoint(folder, 1, tensors, { note: "first" });
  await saveCheckpoint(folder, 2, tensors, { note: "second", list: [1, { a: true }] });
  const path = (name: string) => join(folder, "checkpoints", "00000002", name);
  const files = ["manifest.json", "state.safetensors"];
  const whole = await Promise.all(files.map((name) => readFile(path(name))));
  const [manifest] = whole;
  let passedOver = 0;
  for (let i = 0; i < COUNT; i++) {
    const draw = new Draw(10_000 + i);
    const which = draw.below(3);
    const name = which === 2 ? "state.safetensors" : "manifest.json";
    const bytes =
      which === 1
        ? withChecksum(damageJson(JSON.parse(manifest!.toString()), draw))
        : damageBytes(whole[which === 2 ? 1 : 0]!, draw);
    await writeFile(path(name), bytes);
    const found = await attempt("checkpoints", () => loadCheckpoint(folder, "latest"));
    // The one before is whole, so there is always something to go on from, with the same numbers.
    expect(found).toBeDefined();
    expect(plain(found!.tensors)).toEqual(expected);
    if (found!.step === 1) {
      passedOver++;
      expect(found!.warnings).toHaveLength(1);
    } else expect(found!.step).toBe(2);
    await writeFile(path(name), whole[which === 2 ? 1 : 0]!);
  }
  expect(passedOver).toBeGreaterThan(COUNT / 2);
});

/** As a writer with a fault would make it: the content is wrong, the checksum right. */
function withChecksum(value: unknown): string {
  const { checksum: _, ...body } = value as Record<string, unknown>;
  return JSON.stringify({ ...body, checksum: checksumOf(body) });
}

it("manifests, as text", async () => {
  const text = await readFile(join(run, "checkpoints/00000004/manifest.json"));
  const before = parseManifest(text.toString(), "x");
  for (let i = 0; i < COUNT; i++) {
    const draw = new Draw(20_000 + i);
    const damaged =
      i % 2 === 0
        ? Buffer.from(damageBytes(text, draw)).toString()
        : withChecksum(damageJson(JSON.parse(text.toString()), draw));
    const found = await attempt("manifests", () => parseManifest(damaged, "x"));
    if (found !== undefined && i % 2 === 0) expect(found).toEqual(before);
  }
});

it("config.json: as a file for --config, and of a run to open and to sample", async () => {
  const folder = join(base, "config");
  await mkdir(folder, { recursive: true });
  const path = join(folder, "config.json");
  const text = await readFile(join(run, "config.json"));
  const config = JSON.parse(text.toString()) as Record<string, unknown>;
  for (let i = 0; i < COUNT; i++) {
    const draw = new Draw(30_000 + i);
    const damaged =
      i % 2 === 0 ? damageBytes(text, draw) : JSON.stringify(damageJson(config, draw), null, 1);
    await writeFile(path, damaged);
    await attempt("configs", async () => {
      const file = await readConfigFile(path);
      await resolveConfig(undefined, file, []);
    });
    if (i % 25 === 0) await attempt("runs read", () => readRun(folder));
    if (i % 5 > 0) continue;
    const opened = await attempt("runs opened", () => openRun(folder, { resume: true, config }));
    await opened?.close();
  }
});

it("metrics.jsonl: whole rows stay, others go", async () => {
  const path = join(base, "metrics.jsonl");
  const text = await readFile(join(run, "metrics.jsonl"));
  const lines = new Set(text.toString().trimEnd().split("\n"));
  for (let i = 0; i < COUNT; i++) {
    const damaged = damageBytes(text, new Draw(40_000 + i));
    await writeFile(path, damaged);
    await attempt("metrics", () => dropMetricsAfter(path, Infinity));
    const rows = await readMetrics(path);
    // Every line that was not touched is there, and every row has a step.
    const untouched = Buffer.from(damaged)
      .toString()
      .split("\n")
      .filter((line) => lines.has(line));
    const found = rows.map((row) => JSON.stringify(row));
    for (const line of untouched) expect(found).toContain(line);
    expect(rows.every(({ step }) => typeof step === "number")).toBe(true);
    await appendMetrics(path, [{ step: 3, time: "now", "train/loss": 1 }]);
    expect((await readMetrics(path)).at(-1)).toMatchObject({ step: 3, "train/loss": 1 });
  }
});

it("marks of the best: a good one or none", async () => {
  const folder = join(base, "best");
  await saveCheckpoint(folder, 1, [], {});
  await markBest(folder, { step: 1, loss: 2.5 });
  const path = join(folder, "checkpoints", "best.json");
  const text = await readFile(path);
  for (let i = 0; i < 500; i++) {
    await writeFile(path, damageBytes(text, new Draw(50_000 + i)));
    const found = await attempt("marks", () => readBest(folder));
    if (found !== undefined) expect(Number.isSafeInteger(found.step)).toBe(true);
  }
});
