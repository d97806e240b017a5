/**
 * @file Patterns that a tokenizer.json brings along: translated, and tried out before they meet a text.
 *
 * A pattern can take time exponential in its input. Each unknown one is therefore run in a sandbox with a
 * time limit on texts that make backtracking expensive.
 */

import { createContext, Script } from "node:vm";
import { type Component, damaged, quoted } from "./file.ts";
import { SplitPreTokenizer } from "./package.ts";

/** Milliseconds for all texts together; sound patterns need less than one. */
const LIMIT_MS = 500;

/** Long runs of one kind, then something that does not belong to them. */
const HARD_TEXTS = [
  "a",
  " ",
  "1",
  "\n",
  "!",
  "é",
  "a1",
  "aA",
  "a ",
  "\r\n",
  "_",
  "ab!",
  "'s",
].flatMap((unit) =>
  [unit.repeat(40), unit.repeat(1500)].flatMap((run) => [`${run}\u0001`, `${run}é\u0001`]),
);

/**
 * JavaScript's form of a pattern.
 *
 * @throws DataError when it cannot be translated, or takes too long
 */
export function safePattern(source: string, name: string): RegExp {
  let pattern: RegExp | null;
  try {
    pattern = new SplitPreTokenizer({
      type: "Split",
      pattern: { Regex: source },
      behavior: "Isolated",
      invert: false,
    }).pattern;
  } catch (cause) {
    throw damaged(name, `has the pattern ${quoted(source)}, which cannot be read`, [
      ["it says", cause instanceof Error ? cause.message : String(cause)],
    ]);
  }
  if (pattern === null) throw damaged(name, `has no pattern but ${quoted(source)}`);
  checkSpeed(pattern, source, name);
  return pattern;
}

function checkSpeed(pattern: RegExp, source: string, name: string): void {
  const context = createContext({
    source: pattern.source,
    flags: pattern.flags,
    texts: HARD_TEXTS,
  });
  const script = new Script(
    "const re = new RegExp(source, flags); for (const text of texts) for (const _ of text.matchAll(re));",
  );
  try {
    script.runInContext(context, { timeout: LIMIT_MS });
  } catch (cause) {
    if ((cause as { readonly code?: string }).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw cause;
    throw damaged(name, `has the pattern ${quoted(source)}, which takes too long`, [
      [
        "tried on",
        `texts of up to ${HARD_TEXTS.reduce((n, text) => Math.max(n, text.length), 0)} characters, ${LIMIT_MS} ms in all`,
      ],
    ]);
  }
}

/** Sources of all patterns of a component and its parts. */
export function patternsOf(component: Component | undefined): string[] {
  if (component === undefined) return [];
  const source = (component["pattern"] as { readonly Regex?: unknown } | null | undefined)?.Regex;
  const parts = ["normalizers", "pretokenizers", "processors", "decoders"].flatMap((key) => {
    const list = component[key];
    return Array.isArray(list) ? (list as Component[]) : [];
  });
  return [...(typeof source === "string" ? [source] : []), ...parts.flatMap(patternsOf)];
}
