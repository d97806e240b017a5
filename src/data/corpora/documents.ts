/** @file The document stream: a corpus, or one split of it, as texts in order. */

import { createHash } from "node:crypto";
import { DataError } from "../../core/errors.ts";
import { unpackedSize } from "../text/bytes.ts";
import { cutPieces, type Piece } from "../text/pieces.ts";
import { jsonArray, jsonLines, tabLines } from "../text/records.ts";
import type { Row } from "../text/row.ts";
import { fileText, type OnInvalid, type TextCounts } from "../text/utf8.ts";
import type { Conversation } from "./conversation.ts";
import type { Corpus, CorpusFile, FileDivision, FileForm, Split } from "./entry.ts";

/** A text with the place it is from. */
export interface Document {
  readonly text: string;
  /** Its file, and the line on which it begins. */
  readonly source: string;
  /** From 0, within what is read; a document in pieces has one index. */
  readonly index: number;
  /** Whether the next one is a further piece of the same document: of more than a million characters. */
  readonly continues: boolean;
}

/** Counted while reading. */
export interface DocumentCounts extends TextCounts {
  /** Documents of nothing but white space: skipped. */
  empty: number;
}

export interface DocumentOptions {
  /** All splits when absent. */
  readonly split?: Split | undefined;
  /** What happens at bytes that are no UTF-8; the run stops when absent. */
  readonly onInvalid?: OnInvalid | undefined;
  /** Added to while reading. */
  readonly counts?: DocumentCounts | undefined;
  /** UTF-16 units of a piece; for tests. */
  readonly pieceLength?: number | undefined;
}

export function noCounts(): DocumentCounts {
  return { empty: 0, replaced: 0, read: 0 };
}

/**
 * The documents of a corpus in the order of its files. Held at once: one piece of text.
 *
 * @throws DataError when a file is unreadable, damaged, no text, or a record is broken: with file and place
 */
export async function* documents(
  corpus: Corpus,
  options: DocumentOptions = {},
): AsyncGenerator<Document> {
  const { split, counts = noCounts() } = options;
  let index = 0;
  for (const file of corpus.files) {
    if (file.goes.kind === "whole" && split !== undefined && !file.goes.splits.includes(split)) {
      continue;
    }
    let open = false;
    for await (const piece of piecesOf(file, options, counts)) {
      // An empty piece of a longer document is none: only whole documents are skipped.
      if (!open && !piece.continues && !/\S/.test(piece.text)) {
        counts.empty++;
        continue;
      }
      open = piece.continues;
      const source = `${file.path} line ${piece.line}`;
      yield { text: piece.text, source, index, continues: piece.continues };
      if (!piece.continues) index++;
    }
  }
}

/** The texts of documents, pieces joined: for what must have them whole, such as a compressor. */
export async function documentTexts(corpus: Corpus, options?: DocumentOptions): Promise<string[]> {
  const texts: string[] = [];
  for await (const { text, index } of documents(corpus, options)) {
    texts[index] = (texts[index] ?? "") + text;
  }
  return texts;
}

/**
 * The conversations of a corpus of dialogs, or of a user's records with `turns` or `messages`.
 *
 * @throws DataError when the corpus holds no conversations
 */
export async function* conversations(
  corpus: Corpus,
  { split, onInvalid, counts = noCounts() }: DocumentOptions = {},
): AsyncGenerator<Conversation> {
  for (const { path, reads, goes } of corpus.files) {
    if (reads.kind === "text" || reads.conversation === undefined) {
      throw new DataError("DATA-01", `corpus: ${corpus.name} holds no conversations.`, [
        ["form", corpus.form],
        ["fix", "give a corpus of dialogs, or JSONL records with turns of role and text"],
      ]);
    }
    if (goes.kind === "whole" && split !== undefined && !goes.splits.includes(split)) continue;
    const { conversation } = reads;
    const side = sideOf(goes);
    for await (const row of rowsOf(path, reads, fileText(path, onInvalid, counts))) {
      const found = conversation(row);
      const group = reads.group?.(row) ?? reads.text(row);
      if (split === undefined || goes.kind === "whole" || side(group) === split) yield found;
    }
  }
}

async function* piecesOf(
  file: CorpusFile,
  { split, onInvalid, pieceLength }: DocumentOptions,
  counts: DocumentCounts,
): AsyncGenerator<Piece> {
  const { path, reads, goes } = file;
  const chunks = fileText(path, onInvalid, counts);
  const wanted = (group: string): boolean =>
    split === undefined || goes.kind !== "hash" || sideOf(goes)(group) === split;
  if (reads.kind !== "text") {
    for await (const row of rowsOf(path, reads, chunks)) {
      const text = reads.text(row);
      if (!wanted(reads.group?.(row) ?? text)) continue;
      const line = Number(/ line (\d+)/.exec(row.at.slice(path.length))?.[1] ?? 1);
      yield { text, continues: false, line };
    }
    return;
  }
  const side =
    goes.kind === "tail" && split !== undefined
      ? tailSide(path, chunks, goes, split)
      : { chunks, line: () => 0 };
  let skips = false;
  let open = false;
  for await (const piece of cutPieces(side.chunks, reads.boundary, pieceLength)) {
    // A document in pieces goes where its first piece goes.
    if (!open) skips = !wanted(piece.text);
    open = piece.continues;
    if (!skips) yield { ...piece, line: piece.line + side.line() };
  }
}

function rowsOf(
  path: string,
  reads: Exclude<FileForm, { kind: "text" }>,
  chunks: AsyncIterable<string>,
): AsyncIterable<Row> {
  if (reads.kind === "jsonl") return jsonLines(path, chunks);
  if (reads.kind === "array") return jsonArray(path, chunks);
  return tabLines(path, chunks, reads.kind === "table");
}

/** The split of a group: a pure function of its text, so equal texts never stand on both sides. */
function sideOf(goes: FileDivision): (group: string) => Split {
  const share = goes.kind === "hash" ? goes.share : 0;
  return (group) => {
    const word = createHash("sha256").update(group).digest().readUInt32LE(0);
    return word / 2 ** 32 < share ? "validation" : "train";
  };
}

/** How far after its place a division looks for a line end, in characters. */
const LOOK_AHEAD = 2000;

/** One side of a text that is divided at a place: before it is for training. */
function tailSide(
  path: string,
  chunks: AsyncIterable<string>,
  { share, exact = false }: Extract<FileDivision, { kind: "tail" }>,
  split: Split,
): { readonly chunks: AsyncIterable<string>; line(): number } {
  let skippedLines = 0;
  async function* cut(): AsyncGenerator<string> {
    if (split === "test") return;
    const place = Math.floor((await unpackedSize(path)) * (1 - share));
    const side = (head: string): string => {
      if (split === "train") return head;
      skippedLines += head.split("\n").length - 1;
      return "";
    };
    let bytes = 0;
    let held = "";
    let reached = false;
    for await (const chunk of chunks) {
      if (reached) {
        yield chunk;
        continue;
      }
      held += chunk;
      const size = Buffer.byteLength(held);
      // The same cut whatever the chunks: all that it looks at is there before it is made.
      if (bytes + size < place + 4 * LOOK_AHEAD) {
        if (bytes + size >= place) continue;
        bytes += size;
        yield side(held);
        held = "";
        continue;
      }
      const at = cutIn(held, place - bytes, exact);
      yield side(held.slice(0, at));
      if (split === "train") return;
      reached = true;
      yield held.slice(at);
    }
    if (reached) return;
    const at = cutIn(held, place - bytes, exact);
    yield split === "train" ? held.slice(0, at) : side(held.slice(0, at)) + held.slice(at);
  }
  return { chunks: cut(), line: () => skippedLines };
}

/** Where the first `bytes` of a text end, and unless `exact` the line or at least the word around that place. */
function cutIn(text: string, bytes: number, exact: boolean): number {
  const encoded = Buffer.from(text);
  let place = Math.min(Math.max(0, bytes), encoded.length);
  // On to the start of a character.
  while (place < encoded.length && ((encoded[place] ?? 0) & 0xc0) === 0x80) place++;
  const at = encoded.toString("utf8", 0, place).length;
  if (exact || at === 0) return at;
  const near = text.slice(at - 1, at + LOOK_AHEAD);
  const end = near.indexOf("\n") >= 0 ? near.indexOf("\n") : near.search(/\s/);
  return end < 0 ? at : at + end;
}
