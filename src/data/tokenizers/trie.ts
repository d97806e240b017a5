/** @file Pieces by their symbols: all pieces that begin at a place are found in one walk. */

import { PairTable } from "./pair-table.ts";

/** The node where every walk starts. */
export const ROOT = 0;

export class PieceTrie {
  readonly #edges: PairTable;
  /** By node: the piece that ends there, −1 for none. */
  readonly #pieces: number[] = [-1];

  constructor(expected = 1024) {
    this.#edges = new PairTable(expected);
  }

  add(symbols: ArrayLike<number>, piece: number): void {
    let node = ROOT;
    for (let i = 0; i < symbols.length; i++) {
      node = this.#edges.add(node, symbols[i] as number) + 1;
      if (node === this.#pieces.length) this.#pieces.push(-1);
    }
    this.#pieces[node] = piece;
  }

  /** The node one symbol further, 0 when no piece goes on that way. */
  step(node: number, symbol: number): number {
    return this.#edges.find(node, symbol) + 1;
  }

  /** The piece that ends at a node, −1 for none. */
  pieceAt(node: number): number {
    return this.#pieces[node] as number;
  }
}

/** Code points of a text. */
export function codePoints(text: string): Int32Array {
  const points = new Int32Array(text.length);
  let length = 0;
  for (let at = 0; at < text.length; at++) {
    const point = text.codePointAt(at) as number;
    if (point > 0xffff) at++;
    points[length++] = point;
  }
  return points.subarray(0, length);
}

/** The text of code points; of any length, where spreading them into one call is not. */
export function textOf(points: Int32Array): string {
  const most = 8192;
  if (points.length <= most) return String.fromCodePoint(...points);
  let text = "";
  for (let at = 0; at < points.length; at += most) {
    text += String.fromCodePoint(...points.subarray(at, at + most));
  }
  return text;
}
