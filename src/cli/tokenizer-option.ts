/** @file What `--tokenizer` names. */

import { DataError } from "../core/errors.ts";
import { byteTokenizer, type Tokenizer } from "../data/tokenizer.ts";

/** @throws DataError when it is not known */
export async function openTokenizer(given: string): Promise<Tokenizer> {
  if (given === "byte") return byteTokenizer;
  throw new DataError("DATA-01", `tokenizer: "${given}" is not a known tokenizer.`, [
    ["fix", "give byte"],
  ]);
}
