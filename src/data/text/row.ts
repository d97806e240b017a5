/** @file A record of a data file, read by field: what is missing or of another kind is named with its line. */

import { DataError } from "../../core/errors.ts";

/** Reads a record's fields. A path goes into objects by dots: `question.text`. */
export interface Row {
  /** The file and line, for people. */
  readonly at: string;
  readonly value: unknown;
  /** @throws DataError when the field is missing or no text */
  text(path: string): string;
  /** @throws DataError when the field is missing or no list of texts */
  texts(path: string): readonly string[];
  /** A number of the list at `path`, such as the index of the right choice. */
  index(path: string, below: number): number;
  /** @throws DataError when the field is missing or no list of records */
  rows(path: string): readonly Row[];
  has(path: string): boolean;
}

export function createRow(value: unknown, at: string): Row {
  const need = <T>(path: string, kind: string, is: (found: unknown) => found is T): T => {
    const found = fieldOf(value, path);
    if (is(found)) return found;
    throw found === undefined ? missing(at, value, path) : otherKind(at, path, kind, found);
  };
  const row: Row = {
    at,
    value,
    text: (path) => wellFormed(need(path, "a text", isText), at, path),
    texts: (path) =>
      need(path, "a list of texts", isTexts).map((text) => wellFormed(text, at, path)),
    index: (path, below) =>
      need(path, `a whole number from 0 to ${below - 1}`, (found): found is number => {
        return typeof found === "number" && Number.isInteger(found) && found >= 0 && found < below;
      }),
    rows: (path) =>
      need(path, "a list", (found): found is unknown[] => Array.isArray(found)).map((one, i) =>
        createRow(one, `${at}, ${path}[${i}]`),
      ),
    has: (path) => fieldOf(value, path) !== undefined && fieldOf(value, path) !== null,
  };
  return row;
}

function isText(found: unknown): found is string {
  return typeof found === "string";
}

function isTexts(found: unknown): found is string[] {
  return Array.isArray(found) && found.every(isText);
}

/** A field whose own name has dots comes before a path of the same letters. */
function fieldOf(value: unknown, path: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  if (Object.hasOwn(value, path)) return (value as Record<string, unknown>)[path];
  const dot = path.indexOf(".");
  if (dot < 0) return undefined;
  const [head, rest] = [path.slice(0, dot), path.slice(dot + 1)];
  return Object.hasOwn(value, head)
    ? fieldOf((value as Record<string, unknown>)[head], rest)
    : undefined;
}

/** JSON can say half of a character; no text holds one. */
function wellFormed(text: string, at: string, path: string): string {
  const lone = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.exec(text);
  if (lone === null) return text;
  const unit = text.charCodeAt(lone.index).toString(16);
  throw new DataError("DATA-01", `corpus: ${at}: "${path}" holds half of a character.`, [
    ["found", `\\u${unit} alone, at place ${lone.index}`],
    ["fix", "write the record again with whole characters (a surrogate pair is two \\u escapes)"],
  ]);
}

function missing(at: string, value: unknown, path: string): DataError {
  const isRecord = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isRecord) return otherKind(at, "", "an object", value);
  const fields = Object.keys(value);
  return new DataError("DATA-01", `corpus: ${at} has no field "${path}".`, [
    ["fields", fields.length === 0 ? "none" : fields.slice(0, 12).join(", ")],
    ["fix", `name the field that holds the text: --field ${fields[0] ?? "text"}`],
  ]);
}

function otherKind(at: string, path: string, kind: string, found: unknown): DataError {
  const what = path === "" ? "the record" : `"${path}"`;
  return new DataError("DATA-01", `corpus: ${at}: ${what} is not ${kind}.`, [
    ["found", (JSON.stringify(found) ?? "nothing").slice(0, 60)],
    ["fix", "correct the record, or name another field with --field"],
  ]);
}
