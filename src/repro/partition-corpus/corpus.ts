/** @file The agreement corpus: annotated programs of every kind, by theme. A new theme is one file and one row here. */

import { attending } from "./attending.ts";
import type { PartitionCase } from "./case.ts";
import { dense } from "./dense.ts";
import { einsums } from "./einsums.ts";
import { experts } from "./experts.ts";
import { layouts } from "./layouts.ts";
import { loops } from "./loops.ts";
import { meshes } from "./meshes.ts";
import { models } from "./models.ts";
import { reductions } from "./reductions.ts";
import { resharding } from "./resharding.ts";
import { rows } from "./rows.ts";
import { windows } from "./windows.ts";

export const CORPUS: readonly PartitionCase[] = [
  ...einsums,
  ...resharding,
  ...dense,
  ...attending,
  ...experts,
  ...reductions,
  ...layouts,
  ...rows,
  ...windows,
  ...loops,
  ...meshes,
  ...models,
];

/** @throws RangeError for a name that no case has */
export function caseNamed(name: string): PartitionCase {
  const found = CORPUS.find((one) => one.name === name);
  if (found === undefined) throw new RangeError(`the corpus has no program "${name}"`);
  return found;
}

/** Cases whose names have one of the words in them; all when there are none. */
export function casesLike(words: readonly string[]): readonly PartitionCase[] {
  return CORPUS.filter(
    ({ name }) => words.length === 0 || words.some((word) => name.includes(word)),
  );
}
