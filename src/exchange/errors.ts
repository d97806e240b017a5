/** @file Complaints about folders in the Hub's form. */

import { CheckpointError, type Fact } from "../core/errors.ts";

/**
 * @param what - begins with the path it is about
 * @param fix - what the user can do
 */
export function hubError(what: string, facts: readonly Fact[], fix: string): CheckpointError {
  return new CheckpointError("CHECKPOINT-01", `hub: ${what}`, [...facts, ["fix", fix]]);
}

const SHOWN = 6;

/** `a, b, c and 5 more` */
export function some(names: readonly string[]): string {
  const rest = names.length - SHOWN;
  return names.slice(0, SHOWN).join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}

/** How to get a folder again that a copy left incomplete. */
export const COPY_AGAIN = "copy or download the folder again, whole";
