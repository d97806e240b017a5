/** @file Tokens that stand in a text as they are: found before anything else looks at it. */

import type { AddedToken } from "./file.ts";

/** A part of a text: one token, or text that is still to be read. */
export type Section =
  | { readonly id: number; readonly text?: undefined }
  | { readonly text: string; readonly id?: undefined };

/** Cuts a text at added tokens; the longest where several begin at one place. */
export type SectionsOf = (text: string) => readonly Section[];

export function sectionsBy(tokens: readonly AddedToken[]): SectionsOf {
  if (tokens.length === 0) return (text) => [{ text }];
  const byContent = new Map(tokens.map((token) => [token.content, token]));
  const longestFirst = [...byContent.keys()].sort((a, b) => b.length - a.length);
  const pattern = new RegExp(longestFirst.map(escaped).join("|"), "gu");
  return (text) => {
    const sections: Section[] = [];
    let start = 0;
    for (const match of text.matchAll(pattern)) {
      const token = byContent.get(match[0]);
      let from = match.index;
      let to = from + match[0].length;
      if (token === undefined || from < start) continue;
      if (
        token.singleWord &&
        (ENDS_IN_WORD.test(text.slice(0, from)) || BEGINS_WORD.test(text.slice(to)))
      ) {
        continue;
      }
      if (token.lstrip) from = start + text.slice(start, from).trimEnd().length;
      if (token.rstrip) to = text.length - text.slice(to).trimStart().length;
      if (from > start) sections.push({ text: text.slice(start, from) });
      sections.push({ id: token.id });
      start = to;
    }
    if (start < text.length) sections.push({ text: text.slice(start) });
    return sections;
  };
}

const ENDS_IN_WORD = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]$/u;
const BEGINS_WORD = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]/u;

function escaped(content: string): string {
  return content.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
