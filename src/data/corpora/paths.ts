/** @file A user's own texts: a file, a folder, or a glob. */

import { readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { DataError } from "../../core/errors.ts";
import { errnoOf } from "../../files/disk.ts";
import { unpackedName, unreadable } from "../text/bytes.ts";
import { WHOLE_FILE } from "../text/pieces.ts";
import { conversationText, ownConversation } from "./conversation.ts";
import { BY_HASH, BY_TAIL, type Corpus, type FileForm } from "./entry.ts";

/** How a user's own files are read. */
export interface ReadOptions {
  /** The field of a record that holds the text; `text` when absent. Into objects by dots. */
  readonly field?: string | undefined;
  /** What stands between two documents of a text file; each file is one document when absent. */
  readonly separator?: string | undefined;
}

/** In a folder; `.json` is left out there, since most are settings. A glob or a name takes it. */
const FOLDER_ENDING = /\.(txt|md|jsonl|ndjson)(\.gz)?$/i;
const GLOB = /[*?{[]/;
/** With few files, each one's end is held out; with many, whole files are. */
const FEW_FILES = 64;

/**
 * The corpus at a path.
 *
 * @returns undefined when nothing is at a path that is no glob
 * @throws DataError when a glob matches nothing, or a folder holds no text
 */
export async function corpusAtPath(
  path: string,
  options: ReadOptions,
): Promise<Corpus | undefined> {
  const kind = await kindOf(path);
  if (kind === undefined && !GLOB.test(path)) return undefined;
  const paths = kind === "file" ? [path] : kind === "folder" ? await list(path) : await glob(path);
  const forms = paths.map((file) => formOf(file, options));
  const few = paths.length <= FEW_FILES && options.separator === undefined;
  const files = paths.map((file, i) => {
    const reads = forms[i] ?? formOf(file, options);
    return { path: file, reads, goes: few && reads.kind === "text" ? BY_TAIL : BY_HASH };
  });
  return {
    name: path,
    source: resolve(path),
    licence: "not stated (your own text)",
    language: "und",
    form: formWords(forms, options),
    division: files.some(({ goes }) => goes === BY_TAIL)
      ? "the last 5 % of each text file and 5 % of all records are held out"
      : "5 % of the documents are held out, by the hash of the text",
    files,
  };
}

function formOf(path: string, { field = "text", separator }: ReadOptions): FileForm {
  const name = unpackedName(path).toLowerCase();
  const kind = /\.(jsonl|ndjson)$/.test(name) ? "jsonl" : name.endsWith(".json") ? "array" : "text";
  if (kind === "text") {
    const boundary =
      separator === undefined ? WHOLE_FILE : { kind: "separator" as const, text: separator };
    return { kind, boundary };
  }
  return {
    kind,
    text: (row) => {
      // A record that is a text, rather than an object, is the document itself.
      if (typeof row.value === "string") return row.value;
      const talks = !row.has(field) && (row.has("turns") || row.has("messages"));
      return talks ? conversationText(ownConversation(row)) : row.text(field);
    },
    conversation: ownConversation,
  };
}

function formWords(forms: readonly FileForm[], { field = "text", separator }: ReadOptions): string {
  const records = forms.some(({ kind }) => kind !== "text");
  const texts = forms.some(({ kind }) => kind === "text");
  return [
    ...(texts && separator === undefined ? ["a document a file"] : []),
    ...(texts && separator !== undefined ? [`documents between ${JSON.stringify(separator)}`] : []),
    ...(records ? [`a document a record, its field "${field}"`] : []),
  ].join("; ");
}

/** Whether a path is a file or a folder; undefined when nothing is there. */
export async function kindOf(path: string): Promise<"file" | "folder" | undefined> {
  const found = await stat(path).catch((cause: unknown) => {
    const code = errnoOf(cause) ?? "";
    if (["ENOENT", "ENOTDIR", "ENAMETOOLONG"].includes(code)) return undefined;
    throw unreadable(path, cause);
  });
  if (found === undefined) return undefined;
  return found.isDirectory() ? "folder" : "file";
}

/** All files of text below a folder, sorted by path; hidden files and folders are left out. */
async function list(folder: string): Promise<string[]> {
  const paths = (await filesBelow(folder)).filter((path) => FOLDER_ENDING.test(path));
  if (paths.length > 0) return paths;
  throw new DataError("DATA-01", `corpus: the folder ${folder} has no text file.`, [
    ["looked for", ".txt, .md, .jsonl, and .gz of these"],
    ["fix", "put text files there, or give the path of one file"],
  ]);
}

async function glob(pattern: string): Promise<string[]> {
  // Walked from the last folder before the first special letter.
  const fixed = pattern.slice(0, pattern.search(GLOB)).replace(/[^/\\]*$/, "");
  const matches = globMatcher(pattern);
  const folder = fixed === "" ? "." : fixed;
  const found = (await kindOf(folder)) === "folder" ? await filesBelow(folder) : [];
  const paths = found.filter((path) => matches(path));
  if (paths.length > 0) return paths;
  throw new DataError("DATA-01", `corpus: no file matches ${pattern}.`, [
    ["looked in", resolve(folder)],
    [
      "fix",
      "* stands for part of a name, ** for folders; quote it, so that the shell leaves it alone",
    ],
  ]);
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(
    (cause: unknown) => {
      throw unreadable(folder, cause);
    },
  );
  const base = join(folder, ".");
  return (
    entries
      .filter((entry) => entry.isFile() || entry.isSymbolicLink())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => !/(^|[\\/])\.[^./\\]/.test(path.slice(base === "." ? 0 : base.length)))
      // By code unit, not by locale: the order must be the same on every machine.
      .sort((a, b) => (a < b ? -1 : 1))
  );
}

/** `*` and `?` stay inside a name, `**` crosses folders, `{a,b}` are choices, `[ab]` letters. */
export function globMatcher(pattern: string): (path: string) => boolean {
  const normal = pattern.replaceAll("\\", "/").replace(/^(\.\/)+/, "");
  let source = "";
  let choices = 0;
  for (let at = 0; at < normal.length; at++) {
    const rest = normal.slice(at);
    const set = /^\[!?[^\]/]+\]/.exec(rest)?.[0];
    if (rest.startsWith("**/")) {
      source += "(?:[^/]+/)*";
      at += 2;
    } else if (rest.startsWith("**")) {
      source += ".*";
      at += 1;
    } else if (rest[0] === "*") source += "[^/]*";
    else if (rest[0] === "?") source += "[^/]";
    else if (set !== undefined) {
      source += set.replace(/^\[!/, "[^").replaceAll("\\", "\\\\");
      at += set.length - 1;
    } else if (rest[0] === "{" && rest.includes("}")) {
      source += "(?:";
      choices++;
    } else if (rest[0] === "}" && choices > 0) {
      source += ")";
      choices--;
    } else if (rest[0] === "," && choices > 0) source += "|";
    else source += (rest[0] ?? "").replace(/[.+^${}()|[\]\\]/, "\\$&");
  }
  const tested = new RegExp(`^${source}${")".repeat(choices)}$`);
  return (path) => tested.test(path.replaceAll("\\", "/"));
}
