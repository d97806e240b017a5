/** @file The words of `--data`: one corpus, or several with their weights. */

import { DataError } from "../core/errors.ts";

export interface NamedShare {
  readonly name: string;
  /** Share of the training sequences; undefined where no weights are given. */
  readonly weight?: number;
}

/** How far weights may be from 1 together: 0.33, 0.33 and 0.33 are meant to be thirds. */
const SUM_TOLERANCE = 0.011;

/**
 * `books`, `books,wikitext-2` or `books:0.7,wikitext-2:0.3`.
 *
 * A comma inside braces belongs to a glob. Weights that are a little off 1, as rounded thirds are, are scaled to it.
 *
 * @throws DataError when a name is missing, stands twice, or the weights do not make 1
 */
export function parseMixture(words: string): readonly NamedShare[] {
  const shares = splitOutsideBraces(words).map(parseShare);
  for (const [index, { name }] of shares.entries()) {
    if (name === "") throw wrong(words, "a name is missing");
    if (shares.findIndex((share) => share.name === name) < index) {
      throw wrong(words, `${name} stands in it twice`);
    }
  }
  const weights = shares.flatMap(({ weight }) => (weight === undefined ? [] : [weight]));
  if (weights.length === 0) return shares;
  if (weights.length < shares.length) {
    const without = shares.find(({ weight }) => weight === undefined);
    throw wrong(words, `${without?.name} has no weight, others have one`);
  }
  const zero = shares.find(({ weight = 0 }) => !(weight > 0));
  if (zero !== undefined) throw wrong(words, `the weight of ${zero.name} is not above 0`);
  const sum = weights.reduce((total, weight) => total + weight, 0);
  if (Math.abs(sum - 1) > SUM_TOLERANCE) {
    const scaled = shares.map(
      ({ name, weight = 0 }) => `${name}:${Number((weight / sum).toFixed(3))}`,
    );
    throw new DataError(
      "DATA-01",
      `data: the weights of ${words} add up to ${round(sum)}, not 1.`,
      [["fix", `give shares of 1: ${scaled.join(",")}`]],
    );
  }
  return shares.map(({ name, weight = 0 }) => ({ name, weight: weight / sum }));
}

function parseShare(word: string): NamedShare {
  // A colon elsewhere, as in C:\books, is part of the name.
  const match = /^(.*):(-?\d*\.?\d+(?:e-?\d+)?)$/s.exec(word);
  if (match === null) return { name: word.trim() };
  return { name: (match[1] ?? "").trim(), weight: Number(match[2]) };
}

function splitOutsideBraces(words: string): string[] {
  const parts = [""];
  let depth = 0;
  for (const letter of words) {
    if (letter === "{") depth++;
    if (letter === "}") depth = Math.max(0, depth - 1);
    if (letter === "," && depth === 0) parts.push("");
    else parts[parts.length - 1] += letter;
  }
  return parts;
}

function round(value: number): number {
  return Number(value.toFixed(4));
}

function wrong(words: string, what: string): DataError {
  return new DataError("DATA-01", `data: ${JSON.stringify(words)}: ${what}.`, [
    ["fix", "name one corpus, or several with weights: books:0.7,wikitext-2:0.3"],
  ]);
}
