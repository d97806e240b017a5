/** @file The form of a token store: a folder of shards and one index. Version 1. */

import { createHash } from "node:crypto";
import { z } from "zod";
import type { Tokenizer } from "../tokenizer.ts";

/** What a store needs of a tokenizer. */
export type StoreTokenizer = Pick<
  Tokenizer,
  "name" | "vocab" | "encode" | "endOfText" | "fingerprint"
>;

/** Raised when stores of before can no longer be read; they are then encoded anew. */
export const FORMAT = 1;
export const INDEX_FILE = "index.json";
/** What a killed process had finished: the next one goes on from there. */
export const PROGRESS_FILE = "progress.json";

/** Little-endian on disk, as on every machine that Node runs on. */
export type TokenBytes = 2 | 4;

export interface ShardIndex {
  readonly tokens: number;
  /** Documents that end in it. */
  readonly documents: number;
}

/** What is known of the text behind a store. */
export interface StoreFacts {
  readonly format: number;
  readonly corpus: string;
  readonly split: string;
  readonly tokenizer: { readonly name: string; readonly vocab: number; readonly sha256: string };
  readonly tokenBytes: TokenBytes;
  readonly endOfText: number | null;
  /** SHA-256 over the documents' texts, a zero byte after each. */
  readonly sha256: string;
  readonly tokens: number;
  readonly documents: number;
  /** UTF-8 bytes that were encoded; where no token ends a document, the empty lines between are among them. */
  readonly bytes: number;
  /** Documents without text. */
  readonly empty: number;
  /** Characters put in the place of broken bytes. */
  readonly replaced: number;
  /** Names, sizes and times of the files that were read. */
  readonly files: readonly string[];
  readonly shards: readonly ShardIndex[];
}

/** Where a killed process stood: all up to here is in finished shards. */
export interface StoreProgress {
  readonly format: number;
  readonly pieces: number;
  readonly documents: number;
  readonly tokens: number;
  readonly bytes: number;
  /** SHA-256 of the texts so far, as in the facts. */
  readonly sha256: string;
  readonly files: readonly string[];
  readonly shards: readonly ShardIndex[];
}

const whole = z.int().min(0);
const shards = z.array(z.strictObject({ tokens: whole, documents: whole }));

export const factsSchema: z.ZodType<StoreFacts> = z
  .strictObject({
    format: z.literal(FORMAT),
    corpus: z.string(),
    split: z.string(),
    tokenizer: z.strictObject({ name: z.string(), vocab: whole, sha256: z.string() }),
    tokenBytes: z.union([z.literal(2), z.literal(4)]),
    endOfText: whole.nullable(),
    sha256: z.string(),
    tokens: whole,
    documents: whole,
    bytes: whole,
    empty: whole,
    replaced: whole,
    files: z.array(z.string()),
    shards,
  })
  .refine((facts) => {
    const sum = (of: keyof ShardIndex) => facts.shards.reduce((total, one) => total + one[of], 0);
    return sum("tokens") === facts.tokens && sum("documents") === facts.documents;
  }, "its shards do not make up its tokens");

export const progressSchema: z.ZodType<StoreProgress> = z.strictObject({
  format: z.literal(FORMAT),
  pieces: whole,
  documents: whole,
  tokens: whole,
  bytes: whole,
  sha256: z.string(),
  files: z.array(z.string()),
  shards,
});

/** The fewest bytes that hold every id. */
export function tokenBytesFor(vocab: number): TokenBytes {
  return vocab <= 2 ** 16 ? 2 : 4;
}

/** The name of a shard's file: its tokens, the ends of its documents, or the checksums of both. */
export function shardFile(index: number, kind: "tokens" | "ends" | "crc"): string {
  return `${String(index).padStart(5, "0")}.${kind}`;
}

/** Tells stores of different tokens apart, whatever a tokenizer's file is called. */
export function fingerprint(tokenizer: StoreTokenizer): string {
  const { vocab, endOfText = null } = tokenizer;
  return createHash("sha256")
    .update(JSON.stringify([vocab, endOfText, tokenizer.fingerprint()]))
    .digest("hex");
}
