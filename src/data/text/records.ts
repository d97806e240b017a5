/** @file Files of records: JSONL, a JSON array, and tables with tabs. Read piece by piece, never whole. */

import { DataError } from "../../core/errors.ts";
import { createRow, type Row } from "./row.ts";

/** UTF-16 units of one record; a file without line ends would else fill the memory. */
export const LONGEST_RECORD: number = 2 ** 26;

interface Line {
  readonly text: string;
  /** From 1. */
  readonly number: number;
}

/** The records of a JSONL file. Lines of nothing but white space are passed over. */
export async function* jsonLines(
  path: string,
  chunks: AsyncIterable<string>,
  longest: number = LONGEST_RECORD,
): AsyncGenerator<Row> {
  for await (const { text, number } of linesOf(path, chunks, longest)) {
    if (!/\S/.test(text)) continue;
    yield createRow(parse(text, `${path} line ${number}`), `${path} line ${number}`);
  }
}

/** The rows of a table with tabs; with `header`, by its names, else by column from 0. */
export async function* tabLines(
  path: string,
  chunks: AsyncIterable<string>,
  header: boolean,
): AsyncGenerator<Row> {
  let names: readonly string[] | undefined;
  for await (const { text, number } of linesOf(path, chunks, LONGEST_RECORD)) {
    const cells = text.replace(/\r$/, "").split("\t");
    if (names === undefined) {
      names = header ? cells : cells.map((_, column) => String(column));
      if (header) continue;
    }
    if (text === "") continue;
    const at = `${path} line ${number}`;
    if (cells.length !== names.length) {
      throw new DataError("DATA-01", `corpus: ${at} has ${cells.length} columns.`, [
        ["before", `${names.length} columns`],
        ["fix", "the line is torn or has a tab too many: copy the file again"],
      ]);
    }
    yield createRow(Object.fromEntries(names.map((name, i) => [name, cells[i]])), at);
  }
}

async function* linesOf(
  path: string,
  chunks: AsyncIterable<string>,
  longest: number,
): AsyncGenerator<Line> {
  let held = "";
  let number = 1;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf("\n"); end >= 0; end = chunk.indexOf("\n", start)) {
      const text = held + chunk.slice(start, end);
      held = "";
      start = end + 1;
      yield { text, number: number++ };
    }
    held += chunk.slice(start);
    if (held.length > longest) throw tooLong(`${path} line ${number}`, longest);
  }
  if (held !== "") yield { text: held, number };
}

/**
 * The elements of a JSON file that holds one array.
 *
 * @throws DataError when it holds something else, or ends before the array does
 */
export async function* jsonArray(
  path: string,
  chunks: AsyncIterable<string>,
  longest: number = LONGEST_RECORD,
): AsyncGenerator<Row> {
  const scan = createScan(path, longest);
  for await (const chunk of chunks) {
    for (const { text, number } of scan.push(chunk)) {
      yield createRow(parse(text, `${path} line ${number}`), `${path} line ${number}`);
    }
  }
  scan.end();
}

/**
 * Cuts an array into the texts of its elements. Only brackets, quotes and commas are looked at: what stands in an element
 * is `JSON.parse`'s to judge.
 */
function createScan(
  path: string,
  longest: number,
): { push(chunk: string): Generator<Line>; end(): void } {
  let state: "before" | "inside" | "after" = "before";
  let depth = 0;
  let quoted = false;
  let escaped = false;
  let line = 1;
  let element = "";
  let elementLine = 0;
  let elements = 0;
  const torn = (what: string): DataError =>
    new DataError("DATA-01", `corpus: ${path} line ${line}: ${what}.`, [
      ["expected", "one JSON array of records: [{…}, {…}]"],
      ["fix", "correct the file; records one a line belong into a .jsonl file"],
    ]);
  function* push(chunk: string): Generator<Line> {
    let start = 0;
    for (let i = 0; i < chunk.length; i++) {
      const c = chunk.charCodeAt(i);
      if (c === 0x0a) line++;
      if (quoted) {
        if (escaped) escaped = false;
        else if (c === 0x5c) escaped = true;
        else if (c === 0x22) quoted = false;
        continue;
      }
      const blank = c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09;
      if (state !== "inside") {
        if (blank) continue;
        if (state === "after") throw torn("text follows the array");
        if (c !== 0x5b) throw torn("the file does not begin with an array");
        state = "inside";
        start = i + 1;
        continue;
      }
      const ends = depth === 0 && (c === 0x2c || c === 0x5d);
      if (ends) {
        const text = element + chunk.slice(start, i);
        element = "";
        start = i + 1;
        const empty = text.trim() === "";
        // `[]` is an array; `[1,]` and `[,1]` are not.
        if (empty && (c === 0x2c || elements > 0)) throw torn("an element is missing");
        if (c === 0x5d) state = "after";
        if (empty) continue;
        elements++;
        yield { text, number: elementLine };
        elementLine = 0;
        continue;
      }
      if (!blank && elementLine === 0) elementLine = line;
      if (c === 0x22) quoted = true;
      else if (c === 0x7b || c === 0x5b) depth++;
      else if (c === 0x7d || c === 0x5d) depth--;
    }
    if (state === "inside") element += chunk.slice(start);
    if (element.length > longest) throw tooLong(`${path} line ${elementLine}`, longest);
  }
  return {
    push,
    end: () => {
      if (state !== "after") throw torn("the file ends before its array does");
    },
  };
}

function parse(text: string, at: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new DataError("DATA-01", `corpus: ${at} is not JSON.`, [
      ["cause", cause instanceof Error ? cause.message : String(cause)],
      ["begins", JSON.stringify(text.slice(0, 40))],
      ["fix", "the line is torn or damaged: correct it, or copy the file again"],
    ]);
  }
}

function tooLong(at: string, longest: number): DataError {
  return new DataError("DATA-01", `corpus: ${at} is longer than ${longest} characters.`, [
    ["fix", "put each record on a line of its own; a long text belongs into a .txt file"],
  ]);
}
