/** @file What the Rust `tokenizers` package trained and encoded, and how it is held against ours. */

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { type FileTokenizer, openTokenizerJson } from "../src/data/tokenizers/open-json.ts";
import type { Splitting } from "../src/data/tokenizers/splitting.ts";
import { trainTokenizer } from "../src/data/tokenizers/training.ts";

export interface TrainingRecord {
  readonly text: string;
  readonly splitting: Splitting;
  readonly vocab: number;
  readonly options: { readonly min_frequency?: number; readonly max_token_length?: number };
  readonly pieces: number;
  readonly merges: number;
  /** Of the first 64, 128 … merges. */
  readonly digests: readonly string[];
}

interface Recorded {
  readonly training: readonly TrainingRecord[];
  readonly unigram: readonly {
    readonly text: string;
    readonly vocab: number;
    readonly pieces: number;
    readonly tokens: number;
    readonly nats: number;
  }[];
  readonly files: Readonly<Record<string, string>>;
  readonly hard: readonly string[];
  readonly ids: Readonly<Record<string, readonly string[]>>;
  readonly around: Readonly<Record<string, string>>;
  readonly decoded: Readonly<Record<string, readonly (readonly [string, string])[]>>;
  readonly most: number;
  readonly sets: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export const recorded: Recorded = JSON.parse(
  readFileSync(here("recorded/tokenizers.json"), "utf8"),
) as Recorded;

/** A text in many languages that is ours. */
export const LANGUAGES: string = readFileSync(here("recorded/tokenizers/languages.txt"), "utf8");

/** The folder with the shared data; undefined where it is not. */
export const SHARED: string | undefined = [
  process.env["MESHLOOM_DATA"] ?? "",
  here("../../shared/data"),
].find((folder) => folder !== "" && existsSync(folder));

export function sharedText(path: string): string {
  const raw = readFileSync(join(SHARED ?? "", path));
  return (path.endsWith(".gz") ? gunzipSync(raw) : raw).toString("utf8");
}

/** The texts that something was trained on. */
export function trainingText(name: string): string {
  if (name === "languages") return LANGUAGES;
  if (name === "tinyshakespeare") return sharedText("tinyshakespeare/input.txt.gz");
  const files = readdirSync(join(SHARED ?? "", name)).filter((file) => file.endsWith(".tsv"));
  return files
    .sort()
    .map((file) => sharedText(join(name, file)))
    .join("");
}

export const openRecorded = (name: string): FileTokenizer =>
  openTokenizerJson(recorded.files[name] ?? "", name);

/** Digests of the merges that we learn under the same options. */
export async function mergeDigests({
  text,
  splitting,
  vocab,
  options,
}: TrainingRecord): Promise<Pick<TrainingRecord, "digests" | "merges" | "pieces">> {
  const tokenizer = await trainTokenizer([trainingText(text)], {
    kind: "bpe",
    vocab,
    splitting,
    minFrequency: options.min_frequency ?? 2,
    // The package takes pieces that are shorter than its maximum.
    ...(options.max_token_length === undefined
      ? {}
      : { longestPiece: options.max_token_length - 1 }),
  });
  const { merges } = JSON.parse(tokenizer.json()).model as { readonly merges: [string, string][] };
  const digest = createHash("sha256");
  const digests: string[] = [];
  for (const [i, pair] of merges.entries()) {
    digest.update(`${pair.join(" ")}\n`);
    if ((i + 1) % 64 === 0 || i + 1 === merges.length) {
      digests.push(digest.copy().digest("hex").slice(0, 16));
    }
  }
  return { digests, merges: merges.length, pieces: tokenizer.vocab };
}

/** Tokens of all lines, and a digest of their ids. */
export function idsOfLines(tokenizer: FileTokenizer, lines: readonly string[]): string {
  const digest = createHash("sha256");
  let count = 0;
  for (const line of lines) {
    const ids = tokenizer.encode(line, { parseSpecial: true });
    digest.update(new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength));
    count += ids.length;
  }
  return `${count} ${digest.digest("hex").slice(0, 16)}`;
}
