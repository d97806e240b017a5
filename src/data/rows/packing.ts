/** @file The packing plan: which documents share a row. Made from the documents' ends alone. */

import { lastAtMost } from "../store/read.ts";
import type { DocumentSource } from "../store/source.ts";

/** Tokens that are targets next to one another: a document, or a piece of one that is longer than a row. */
export interface PackedPiece {
  /** Place in the corpus of its first target; the token before it is its first input. */
  readonly from: number;
  readonly count: number;
}

export interface PackingPlan {
  /** Rows that hold every target once. */
  readonly rows: number;
  /** Targets in all. */
  readonly targets: number;
  /** Share of places that are padding. */
  readonly waste: number;
  /** The pieces of a row, the longest first. */
  row(index: number): readonly PackedPiece[];
}

/** A block has at least so many documents and rows' worth of targets, so that its last row's padding weighs little. */
const BLOCK_DOCUMENTS = 1024;
const BLOCK_ROWS = 64;
/** Pieces of blocks kept in memory, 12 bytes each. */
const KEPT_PIECES = 2 ** 22;
/** Ends that are read at once. */
const SCAN = 2 ** 14;

/**
 * Packs documents that are neighbours: block after block, in each the longest first into the fullest row that has room
 * (best fit, decreasing). Documents longer than a row are cut; only what is left after whole rows shares one.
 *
 * A document begins after an end-of-text token where there is such a token: then all of its tokens are targets, the
 * end-of-text at its own end too. Otherwise all but the first are, and nothing predicts that.
 *
 * Planning reads the ends of all documents once, and keeps two numbers a block: blocks are planned again when a row of
 * them is asked for and they are no longer kept.
 */
export function planPacking(source: DocumentSource, length: number): PackingPlan {
  const documentStarts = [0];
  const rowStarts = [0];
  let targets = 0;
  const kept = new Map<number, PackedBlock>();
  let keptPieces = 0;
  const packed = (block: number): PackedBlock => {
    let found = kept.get(block);
    if (found === undefined) {
      const [first = 0, last = 0] = [documentStarts[block], documentStarts[block + 1]];
      found = packBlock(source, { first, last }, length);
      keptPieces += found.count.length;
      for (const [old, { count }] of kept) {
        if (keptPieces <= KEPT_PIECES) break;
        kept.delete(old);
        keptPieces -= count.length;
      }
    } else kept.delete(block);
    // Last in the map's order: the first is the least recently used.
    kept.set(block, found);
    return found;
  };
  for (const block of blocksOf(source, length)) {
    targets += block.targets;
    documentStarts.push(block.last);
    rowStarts.push((rowStarts.at(-1) ?? 0) + packed(rowStarts.length - 1).rows);
  }
  const rows = rowStarts.at(-1) ?? 0;
  return {
    rows,
    targets,
    waste: rows === 0 ? 0 : 1 - targets / (rows * length),
    row: (index) => {
      const block = lastAtMost(rowStarts, index);
      const { starts, from, count } = packed(block);
      const within = index - (rowStarts[block] ?? 0);
      const [first = 0, last = 0] = [starts[within], starts[within + 1]];
      return Array.from({ length: last - first }, (_, i) => ({
        from: from[first + i] ?? 0,
        count: count[first + i] ?? 0,
      }));
    },
  };
}

interface Block {
  readonly first: number;
  /** One past the last document. */
  readonly last: number;
}

function* blocksOf(
  source: DocumentSource,
  length: number,
): Generator<Block & { readonly targets: number }> {
  const skipped = source.endOfText === undefined ? 1 : 0;
  let first = 0;
  let targets = 0;
  let start = 0;
  for (let at = 0; at < source.documents; at += SCAN) {
    const ends = source.ends(at, Math.min(source.documents, at + SCAN));
    for (let i = 0; i < ends.length; i++) {
      const end = ends[i] ?? 0;
      targets += Math.max(0, end - start - skipped);
      start = end;
      const last = at + i + 1;
      if (last - first < BLOCK_DOCUMENTS || targets < BLOCK_ROWS * length) continue;
      yield { first, last, targets };
      first = last;
      targets = 0;
    }
  }
  if (first < source.documents) yield { first, last: source.documents, targets };
}

/** Row `r` holds the pieces from `starts[r]` to `starts[r + 1]`. */
interface PackedBlock {
  readonly rows: number;
  readonly starts: Int32Array;
  readonly from: Float64Array;
  readonly count: Int32Array;
}

function packBlock(source: DocumentSource, { first, last }: Block, length: number): PackedBlock {
  const ends = source.ends(first, last);
  const skipped = source.endOfText === undefined ? 1 : 0;
  let start = first === 0 ? 0 : (source.ends(first - 1, first)[0] ?? 0);
  const whole: PackedPiece[] = [];
  const short: PackedPiece[] = [];
  for (const end of ends) {
    let from = start + skipped;
    start = end;
    for (; end - from >= length; from += length) whole.push({ from, count: length });
    if (end > from) short.push({ from, count: end - from });
  }
  // Equal lengths in the order of the corpus: sorting is stable.
  short.sort((a, b) => b.count - a.count);
  const rows: PackedPiece[][] = whole.map((piece) => [piece]);
  const byRoom: number[][] = Array.from({ length }, () => []);
  for (const piece of short) {
    let room = piece.count;
    while (room < length && (byRoom[room]?.length ?? 0) === 0) room++;
    const row = byRoom[room]?.pop() ?? rows.push([]) - 1;
    rows[row]?.push(piece);
    const left = room - piece.count;
    if (left > 0) byRoom[left]?.push(row);
  }
  return flatten(rows);
}

function flatten(rows: readonly (readonly PackedPiece[])[]): PackedBlock {
  const starts = new Int32Array(rows.length + 1);
  rows.forEach((pieces, row) => {
    starts[row + 1] = (starts[row] ?? 0) + pieces.length;
  });
  const pieces = rows.flat();
  return {
    rows: rows.length,
    starts,
    from: Float64Array.from(pieces, ({ from }) => from),
    count: Int32Array.from(pieces, ({ count }) => count),
  };
}
