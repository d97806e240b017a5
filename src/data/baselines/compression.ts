/** @file General compressors as language models: how few bytes held-out text takes when the training text is known. */

import { spawn } from "node:child_process";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

export const COMPRESSORS = ["gzip", "brotli", "xz"] as const;
export type Compressor = (typeof COMPRESSORS)[number];

export interface Compressed {
  readonly compressor: Compressor;
  /** Bits per byte of the held-out text by itself: 8·C(held)/|held|. */
  readonly alone: number;
  /** Bits per byte after the training text: 8·(C(train ‖ held) − C(train))/|held|. */
  readonly primed: number;
}

/**
 * C(x) is the size of x packed by the program at its strongest: `gzip -9` (it looks back 32 KiB), brotli quality 11 with
 * a window of up to 1 GiB, `xz -9e` with a dictionary as long as the text.
 *
 * @param signal - ends the work between two packings, and xz at once
 * @returns undefined when the program is not on this machine, as xz may be
 */
export async function compressionOf(
  compressor: Compressor,
  train: Uint8Array,
  held: Uint8Array,
  signal?: AbortSignal,
): Promise<Compressed | undefined> {
  const alone = await packedSize(compressor, held, signal);
  const known = await packedSize(compressor, train, signal);
  const both = await packedSize(compressor, Buffer.concat([train, held]), signal);
  if (alone === undefined || known === undefined || both === undefined) return undefined;
  return {
    compressor,
    alone: (8 * alone) / held.length,
    primed: (8 * (both - known)) / held.length,
  };
}

async function packedSize(
  compressor: Compressor,
  text: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  signal?.throwIfAborted();
  if (compressor === "gzip") return (await promisify(gzip)(text, { level: 9 })).length;
  if (compressor === "xz") return xzSize(text, signal);
  const window = Math.min(30, Math.max(16, Math.ceil(Math.log2(text.length + 1))));
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: 11,
    [constants.BROTLI_PARAM_LARGE_WINDOW]: 1,
    [constants.BROTLI_PARAM_LGWIN]: window,
    [constants.BROTLI_PARAM_SIZE_HINT]: Math.min(text.length, 2 ** 30),
  };
  return (await promisify(brotliCompress)(text, { params })).length;
}

/** zlib has no LZMA, so the program is asked; undefined when it is not there. */
function xzSize(text: Uint8Array, signal: AbortSignal | undefined): Promise<number | undefined> {
  const dictionary = Math.min(2 ** 30, Math.max(2 ** 16, text.length));
  return new Promise((done, fail) => {
    const filter = `--lzma2=preset=9e,dict=${dictionary}`;
    const xz = spawn("xz", ["--stdout", "--format=xz", filter], {
      stdio: ["pipe", "pipe", "ignore"],
      signal,
    });
    let size = 0;
    xz.on("error", (error) => (error.name === "AbortError" ? fail(error) : done(undefined)));
    xz.stdout.on("data", (chunk: Buffer) => {
      size += chunk.length;
    });
    xz.on("close", (code, killed) => {
      if (code === 0) done(size);
      // Ctrl-C reaches every process of the terminal: xz may hear of it before the signal here does.
      else if (killed !== null) fail(new DOMException(`xz was ended by ${killed}`, "AbortError"));
      else fail(new Error(`xz ended with ${code}`));
    });
    // A program that ends early is told of by its code.
    xz.stdin.on("error", () => {});
    xz.stdin.end(text);
  });
}
