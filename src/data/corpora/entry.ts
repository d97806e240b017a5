/** @file What a corpus is: its facts, its files, and how a record becomes text. */

import type { Boundary } from "../text/pieces.ts";
import type { Row } from "../text/row.ts";
import type { Conversation } from "./conversation.ts";

export const SPLITS = ["train", "validation", "test"] as const;
export type Split = (typeof SPLITS)[number];

export interface CorpusFacts {
  readonly name: string;
  /** Where the text is from, for people. */
  readonly source: string;
  readonly licence: string;
  /** BCP 47, several with commas; `und` where it is not known. */
  readonly language: string;
  /** How a record becomes a document. */
  readonly form: string;
  /** What is for training, what is held out. */
  readonly division: string;
  /** What a user must know before reading or using it. */
  readonly notice?: string;
}

export interface Corpus extends CorpusFacts {
  readonly files: readonly CorpusFile[];
}

export interface CorpusFile {
  readonly path: string;
  readonly reads: FileForm;
  readonly goes: FileDivision;
}

/** How a file is read. */
export type FileForm =
  | { readonly kind: "text"; readonly boundary: Boundary }
  | {
      readonly kind: "jsonl" | "array" | "tabs" | "table";
      readonly text: (row: Row) => string;
      /** Records of one group stand on the same side of a division; the text itself when absent. */
      readonly group?: (row: Row) => string;
      readonly conversation?: (row: Row) => Conversation;
    };

/** To which split a file's documents go. */
export type FileDivision =
  /** All to these. */
  | { readonly kind: "whole"; readonly splits: readonly Split[] }
  /** The last `share` of its bytes is held out, from the next line on, or (`exact`) to the character. */
  | { readonly kind: "tail"; readonly share: number; readonly exact?: boolean }
  /** A document is held out when the hash of its group falls below `share`. */
  | { readonly kind: "hash"; readonly share: number };

/** Held out where a corpus states no split of its own. */
export const HELD_OUT = 0.05;

export const BY_HASH: FileDivision = { kind: "hash", share: HELD_OUT };
export const BY_TAIL: FileDivision = { kind: "tail", share: HELD_OUT };
