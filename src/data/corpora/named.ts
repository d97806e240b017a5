/** @file What a named corpus says of itself, and where shared data lies. */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { CorpusFacts, CorpusFile, FileDivision, FileForm } from "./entry.ts";

/** One record of the table of corpora. */
export interface NamedCorpus extends CorpusFacts {
  /** In the order of reading. Paths only: whether the files are there is asked when they are read. */
  files(): readonly CorpusFile[];
  /** What `name/part` chooses: some of the files, with facts of their own. */
  readonly parts?: Readonly<Record<string, CorpusPart>>;
}

export interface CorpusPart extends Partial<Omit<CorpusFacts, "name">> {
  files(): readonly CorpusFile[];
}

/** `MESHLOOM_DATA`, else `shared/data` beside the checkout. */
export function dataFolder(): string {
  const given = process.env["MESHLOOM_DATA"];
  if (given !== undefined && given !== "") return given;
  return fileURLToPath(new URL("../../../../shared/data", import.meta.url));
}

/** A file of the folder of shared data. */
export function sharedFile(
  folder: string,
  name: string,
  reads: FileForm,
  goes: FileDivision,
): CorpusFile {
  return { path: join(dataFolder(), folder, name), reads, goes };
}
