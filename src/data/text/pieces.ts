/** @file A stream of text cut into documents, and long documents into pieces. */

/** A document, or a piece of one that is too long to be held at once. */
export interface Piece {
  readonly text: string;
  /** Whether the next piece goes on with the same document. */
  readonly continues: boolean;
  /** The line of the file on which it begins, from 1. */
  readonly line: number;
}

/** Finds where a document ends. `none`: the file is one document. */
export type Boundary =
  | { readonly kind: "none" }
  /** Between documents stands this text, of neither. */
  | { readonly kind: "separator"; readonly text: string }
  /** A document begins with a line that matches and follows an empty one. */
  | { readonly kind: "heading"; readonly line: RegExp };

export const WHOLE_FILE: Boundary = { kind: "none" };

/** UTF-16 units; large enough that cuts are rare, small enough that a corpus of any size passes through. */
export const PIECE_LENGTH: number = 2 ** 20;

const LONGEST_HEADING = 1000;

/** Pieces of text in order; concatenated with the separators they are the input again. */
export async function* cutPieces(
  chunks: AsyncIterable<string>,
  boundary: Boundary = WHOLE_FILE,
  pieceLength: number = PIECE_LENGTH,
): AsyncGenerator<Piece> {
  let held = "";
  let line = 1;
  let searched = 0;
  const take = (end: number, next: number, continues: boolean): Piece => {
    const piece = { text: held.slice(0, end), continues, line };
    line += newlinesIn(held, next);
    held = held.slice(next);
    searched = 0;
    return piece;
  };
  function* cut(final: boolean): Generator<Piece> {
    for (;;) {
      const found = findBoundary(held, boundary, searched, final);
      if (found.end >= 0 && found.end <= pieceLength) {
        yield take(found.end, found.next, false);
        continue;
      }
      searched = found.searched;
      if (held.length <= pieceLength + marginOf(boundary)) return;
      const end = goodCut(held, pieceLength);
      yield take(end, end, true);
    }
  }
  for await (const chunk of chunks) {
    held += chunk;
    // Without boundaries there is nothing to look for in a text that is short enough.
    if (boundary.kind !== "none" || held.length > pieceLength) yield* cut(false);
  }
  yield* cut(true);
  yield take(held.length, held.length, false);
}

/** What may still become a boundary at the end of what is held; a cut stays clear of it. */
function marginOf(boundary: Boundary): number {
  if (boundary.kind === "none") return 0;
  return boundary.kind === "separator" ? boundary.text.length : LONGEST_HEADING;
}

interface Found {
  /** Where the document ends; −1 when no boundary is seen. */
  readonly end: number;
  /** Where the next one begins. */
  readonly next: number;
  /** Nothing was found before this place. */
  readonly searched: number;
}

function findBoundary(text: string, boundary: Boundary, from: number, final: boolean): Found {
  if (boundary.kind === "none") return { end: -1, next: -1, searched: 0 };
  if (boundary.kind === "separator") {
    const end = text.indexOf(boundary.text, from);
    const searched = Math.max(from, text.length - boundary.text.length + 1);
    return { end, next: end + boundary.text.length, searched };
  }
  // Only whole lines are looked at: the last one may still grow.
  const until = final ? text.length : text.lastIndexOf("\n") + 1;
  let start = from === 0 ? text.indexOf("\n") + 1 || until : from;
  while (start < until) {
    const newline = text.indexOf("\n", start);
    const stop = newline < 0 ? text.length : newline;
    if (isBlankBefore(text, start) && boundary.line.test(text.slice(start, stop)))
      return { end: start, next: start, searched: start };
    start = stop + 1;
  }
  return { end: -1, next: -1, searched: Math.min(start, until) };
}

function isBlankBefore(text: string, start: number): boolean {
  const before = text.lastIndexOf("\n", start - 2);
  return text.slice(before + 1, start).trim() === "";
}

/**
 * A place to cut at or before `limit`: after a line end that something visible follows, where tokenizers cut as well;
 * else after a space; else between two characters.
 */
function goodCut(text: string, limit: number): number {
  for (let at = limit; at > limit / 2; at--) {
    if (text[at - 1] === "\n" && /\S/.test(text[at] ?? "")) return at;
  }
  const space = text.lastIndexOf(" ", limit);
  if (space > limit / 2) return space;
  const unit = text.charCodeAt(limit - 1);
  const opensPair = unit >= 0xd800 && unit < 0xdc00;
  return opensPair ? Math.max(limit - 1, 1) : limit;
}

function newlinesIn(text: string, end: number): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at >= 0 && at < end; at = text.indexOf("\n", at + 1)) count++;
  return count;
}
