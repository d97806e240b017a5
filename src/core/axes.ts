/** @file Axis words: the names that axes carry through einsum strings, errors, docs and sharding. */

import { AxisError } from "./errors.ts";

/** The name of one axis, or null where nobody named it. */
export type AxisName = string | null;

const WORD = /^[a-z][a-zA-Z0-9_]*$/;

/**
 * The project's axis words with their meaning; `docs/axes.md` is printed from this list.
 * Users may use words of their own: the list is a convention, not a fence.
 */
export const AXIS_WORDS: Readonly<Record<string, string>> = {
  batch: "independent examples",
  pos: "positions of a sequence, those that ask",
  mem: "positions that are looked at, those that answer",
  embed: "width of the residual stream",
  head: "attention heads",
  kvHead: "heads of keys and values, where several heads of queries share one",
  dim: "width of one head",
  mlp: "hidden width of a feed-forward layer",
  vocab: "entries of the vocabulary",
  group: "routing groups; experts choose inside one group",
  token: "tokens of one routing group",
  expert: "experts of a sparse layer",
  slot: "places that one expert has in one group",
  choice: "experts that one token chooses, best first",
  bucket: "buckets of relative distance",
  distance: "places between two positions of a sequence",
  layer: "layers of a stack",
  time: "frames of a signal",
  label: "labels of a transcript",
  state: "states of an automaton, such as the places in a transcript",
  hidden: "width of a recurrent cell's state",
  gate: "gates of a recurrent cell",
  channel: "features of an image or a signal",
  filter: "channels that a convolution makes",
  height: "rows of an image",
  width: "columns of an image",
};

/**
 * Splits `"batch pos embed"` into words.
 *
 * @throws AxisError when a word is malformed or stands twice
 */
export function parseAxes(operation: string, text: string): readonly string[] {
  const words = text.split(/\s+/).filter((word) => word !== "");
  for (const word of words) {
    if (!WORD.test(word)) {
      throw new AxisError("AXIS-01", `${operation}: "${word}" is not an axis word.`, [
        ["given", `"${text}"`],
        ["fix", "letters, digits and _ only, starting with a small letter, separated by spaces"],
      ]);
    }
  }
  const twice = words.find((word, i) => words.indexOf(word) !== i);
  if (twice !== undefined) {
    throw new AxisError("AXIS-01", `${operation}: axis "${twice}" stands twice.`, [
      ["given", `"${text}"`],
      ["fix", `rename one of them, for example with .as("…")`],
    ]);
  }
  return words;
}

/** The name both sides agree on; null when neither has one. */
export function mergeName(
  operation: string,
  a: AxisName,
  b: AxisName,
  describe: () => readonly (readonly [string, string])[],
): AxisName {
  if (a === null) return b;
  if (b === null || a === b) return a;
  throw new AxisError("AXIS-01", `${operation}: axis "${a}" meets axis "${b}".`, [
    ...describe(),
    ["fix", `reorder one operand with .order("…"), or rename it on purpose with .as("…")`],
  ]);
}
