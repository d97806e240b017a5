/** @file Damaged JSONL files: read whole and right, or refused with a place; never silently taken for something else. */

import { writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { MeshloomError } from "../src/core/errors.ts";
import { documents } from "../src/data/corpora/documents.ts";
import { openCorpus } from "../src/data/corpora/table.ts";
import { drawBelow } from "../src/data/permutation.ts";

/** Lines with all that makes JSON hard: escapes, nesting, wide characters, pairs, empty texts. */
const LINES = [
  { text: "Call me Ishmael. Some years ago—never mind how long precisely" },
  { text: 'quotes " and \\ and \n line ends \r\n and tabs \t', more: [1, 2.5e-7, null, true] },
  { text: "日本語 Ünïcödé 🐋🐋 \u0000 \u2028", nested: { deep: { deeper: ["{", "}", "]"] } } },
  { text: "", label: 3 },
  { id: "x", text: "a".repeat(300) },
  { text: "{} [] , : \\u0041" },
];

export interface FuzzOutcome {
  readonly refused: number;
  readonly read: number;
}

/**
 * Writes `count` mutated files and reads each.
 *
 * @throws when one of them crashes the reader, or is read as something that its lines do not say
 */
export async function fuzzJsonLines(folder: string, count: number): Promise<FuzzOutcome> {
  let refused = 0;
  for (let round = 0; round < count; round++) {
    const packed = round % 4 === 3;
    const file = Buffer.from(LINES.map((line) => `${JSON.stringify(line)}\n`).join(""));
    const mutated = mutate(packed ? gzipSync(file) : file, round);
    const path = `${folder}/${round}.jsonl${packed ? ".gz" : ""}`;
    await writeFile(path, mutated);
    // gzip's checksum leaves no choice but the whole text; of a plain file each line must say what is read.
    const expected = expectedTexts(packed ? file : mutated);
    const found = await read(path);
    if (found === undefined) refused++;
    else if (expected === undefined || JSON.stringify(found) !== JSON.stringify(expected)) {
      throw new Error(`file ${round} was read as ${JSON.stringify(found)}, not ${expected}`);
    }
    if (found === undefined && Buffer.compare(mutated, file) === 0) {
      throw new Error(`file ${round} is whole, and was refused`);
    }
  }
  return { refused, read: count - refused };
}

/** The texts, or undefined where the file was refused in the house form. */
async function read(path: string): Promise<string[] | undefined> {
  const texts: string[] = [];
  try {
    for await (const { text } of documents(await openCorpus(path))) texts.push(text);
    return texts;
  } catch (error) {
    if (error instanceof MeshloomError && error.code === "DATA-01") return undefined;
    throw error;
  }
}

/** An oracle without streams: each line by itself; undefined where one is broken. */
function expectedTexts(file: Buffer): string[] | undefined {
  const texts: string[] = [];
  try {
    const whole = new TextDecoder("utf-8", { fatal: true }).decode(file);
    for (const line of whole.split("\n")) {
      if (line.trim() === "") continue;
      const value: unknown = JSON.parse(line);
      const text = typeof value === "string" ? value : (value as { text: unknown }).text;
      if (typeof text !== "string") return undefined;
      if (/\S/.test(text)) texts.push(text);
    }
    return texts;
  } catch {
    return undefined;
  }
}

function mutate(file: Uint8Array, round: number): Buffer {
  let bytes: Buffer = Buffer.from(file);
  const draw = (below: number, ...more: number[]) => drawBelow(Math.max(1, below), round, ...more);
  const times = 1 + draw(3, 0);
  for (let i = 0; i < times; i++) {
    const at = draw(bytes.length, 1, i);
    const length = 1 + draw(12, 2, i);
    const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)];
    const kind = draw(8, 3, i);
    if (kind === 0) bytes = Buffer.from(head);
    else if (kind === 1) bytes[at] = (bytes[at] ?? 0) ^ (1 << draw(8, 4, i));
    else if (kind === 2) bytes = Buffer.concat([head, tail.subarray(length)]);
    else if (kind === 3) bytes = Buffer.concat([head, Buffer.from([draw(256, 5, i)]), tail]);
    else if (kind === 4) bytes = Buffer.concat([head, tail.subarray(0, length), tail]);
    else if (kind === 5) bytes = withoutNewline(bytes, at);
    else if (kind === 6) bytes = Buffer.concat([head, Buffer.from("\n"), tail]);
    else bytes = Buffer.concat([head, Buffer.from('"}\n{"text":"'), tail]);
  }
  return bytes;
}

function withoutNewline(bytes: Buffer, from: number): Buffer {
  const at = bytes.indexOf(0x0a, from);
  return at < 0 ? bytes : Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]);
}
