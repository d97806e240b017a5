/** @file Corpora by name or by path. A named corpus is one record of the lists below. */

import { resolve } from "node:path";
import { DataError } from "../../core/errors.ts";
import { closest } from "../../core/text.ts";
import { DIALOGS } from "./dialogs.ts";
import type { Corpus } from "./entry.ts";
import type { NamedCorpus } from "./named.ts";
import { corpusAtPath, kindOf, type ReadOptions } from "./paths.ts";
import { TASK_CORPORA } from "./tasks.ts";
import { TEXTS } from "./texts.ts";

const CORPORA: readonly NamedCorpus[] = [...TEXTS, ...TASK_CORPORA, ...DIALOGS];

/** The named corpora, whether or not their files are on this machine. */
export function listCorpora(): readonly NamedCorpus[] {
  return CORPORA;
}

/** Whether all files of a corpus are there; the first that is missing, otherwise. */
export async function missingFile(corpus: Pick<Corpus, "files">): Promise<string | undefined> {
  for (const { path } of corpus.files) if ((await kindOf(path)) !== "file") return path;
  return undefined;
}

/**
 * A corpus by name, by `name/part`, or the texts at a path: a file, a folder, a glob.
 *
 * A known name comes before a path; `./books` is always the path. No file of it is read yet.
 *
 * @throws DataError when there is no such corpus, or its files are not on this machine
 */
export async function openCorpus(name: string, options: ReadOptions = {}): Promise<Corpus> {
  const known = namedCorpus(name);
  if (known !== undefined) {
    const missing = await missingFile(known);
    if (missing !== undefined) throw notHere(name, missing);
    return known;
  }
  const corpus = await corpusAtPath(name, options);
  if (corpus === undefined) throw unknown(name);
  return corpus;
}

function namedCorpus(name: string): Corpus | undefined {
  const whole = CORPORA.find((corpus) => corpus.name === name);
  if (whole !== undefined) return opened(whole, whole.files());
  const [head = "", part = ""] = name.split(/\/(.*)/s);
  const entry = CORPORA.find((corpus) => corpus.name === head);
  const found = entry?.parts?.[part];
  if (entry === undefined || found === undefined) return undefined;
  return opened({ ...entry, ...found, name }, found.files());
}

function opened(facts: NamedCorpus, files: Corpus["files"]): Corpus {
  const { name, source, licence, language, form, division, notice } = facts;
  const corpus = { name, source, licence, language, form, division, files };
  return notice === undefined ? corpus : { ...corpus, notice };
}

function notHere(name: string, path: string): DataError {
  return new DataError("DATA-01", `corpus: "${name}" is not on this machine.`, [
    ["looked for", path],
    [
      "fix",
      `set MESHLOOM_DATA to a folder that holds ${name.split("/")[0]}/, or use moby-dick, which is installed`,
    ],
  ]);
}

function unknown(given: string): DataError {
  const names = CORPORA.map((corpus) => corpus.name);
  const [head = ""] = given.split("/");
  const parts = CORPORA.find((corpus) => corpus.name === head)?.parts;
  if (parts !== undefined) {
    const known = Object.keys(parts);
    const near = closest(given.slice(head.length + 1), known);
    return new DataError(
      "DATA-01",
      `corpus: ${head} has no part "${given.slice(head.length + 1)}".`,
      [
        ["parts", known.join(", ")],
        ["fix", near === undefined ? `give one of these, or ${head} for all` : `${head}/${near}`],
      ],
    );
  }
  if (/[\\/.~]/.test(given)) {
    return new DataError("DATA-01", `corpus: there is no file or folder ${given}.`, [
      ["looked at", resolve(given)],
      [
        "fix",
        "give the path of a text file or folder, a glob in quotes, or a name (meshloom data)",
      ],
    ]);
  }
  const near = closest(given, [...names, ...partNames()]);
  return new DataError("DATA-01", `corpus: "${given}" is not a known corpus.`, [
    ["known", names.join(", ")],
    [
      "fix",
      `${near === undefined ? "give one of these" : `"${fullName(near)}"`}, or a path to a text file or folder`,
    ],
  ]);
}

/** Parts whose bare name someone may try: `boolq` is `nlp-tasks/boolq`. */
function partNames(): string[] {
  return CORPORA.flatMap(({ parts = {} }) => Object.keys(parts)).filter((part) => part.length > 3);
}

function fullName(near: string): string {
  const owner = CORPORA.find(({ name, parts = {} }) => name !== near && near in parts);
  return owner === undefined ? near : `${owner.name}/${near}`;
}
