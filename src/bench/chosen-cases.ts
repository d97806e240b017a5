/** @file Cases of a timing, chosen by words in their names. */

import { ConfigError } from "../core/errors.ts";

/**
 * @param words - all cases when empty
 * @param short - names to show when no case has any of the words
 * @throws ConfigError when no case is left
 */
export function chosenCases<C extends { readonly name: string }>(
  bench: string,
  cases: readonly C[],
  words: readonly string[],
  short: readonly string[] = cases.map(({ name }) => name),
): readonly C[] {
  const chosen = cases.filter(
    ({ name }) => words.length === 0 || words.some((word) => name.includes(word)),
  );
  if (chosen.length > 0) return chosen;
  throw new ConfigError(
    "CONFIG-01",
    `${bench}: no case has "${words.join('" or "')}" in its name.`,
    [
      ["cases", short.join(", ")],
      ["fix", "give --only words of these, with commas between"],
    ],
  );
}
