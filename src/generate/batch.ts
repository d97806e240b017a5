/** @file The rows that are written at once, in a batch that grows and shrinks with their number and length. */

import { type Cache, copyRow } from "./cache.ts";
import { placesFor, placesUpTo } from "./cache-pool.ts";
import type { Decoder, DecoderForm } from "./decoder.ts";
import type { Sequence } from "./sequence.ts";

export class Batch {
  readonly #decoder: Decoder;
  readonly #sizes: readonly number[];
  /** By row of the cache; undefined rows are idle. */
  #rows: (Sequence | undefined)[] = [];
  #cache: Cache | undefined;

  /** @param minRows - fewest rows of a program; the others double it up to `slots` */
  constructor(decoder: Decoder, slots: number, minRows: number) {
    this.#decoder = decoder;
    const sizes = [minRows];
    while ((sizes.at(-1) ?? slots) < slots) sizes.push((sizes.at(-1) ?? 1) * 2);
    this.#sizes = sizes;
  }

  get sequences(): readonly Sequence[] {
    return this.#rows.filter((row) => row !== undefined);
  }

  get size(): number {
    return this.sequences.length;
  }

  /** Takes a row in from the cache in which its prompt was read. */
  async add(sequence: Sequence): Promise<void> {
    if (sequence.cache === undefined) throw new Error("a sequence that joins has a cache");
    await this.#fit(this.size + 1, sequence.place + 1);
    const row = this.#rows.indexOf(undefined);
    if (this.#cache === undefined || row < 0) throw new Error("the batch has been made to fit");
    const from = { cache: sequence.cache, row: 0 };
    copyRow(this.#decoder.layout, from, { cache: this.#cache, row }, sequence.place);
    this.#rows[row] = sequence;
  }

  remove(sequence: Sequence): void {
    const row = this.#rows.indexOf(sequence);
    if (row >= 0) this.#rows[row] = undefined;
    if (this.size > 0 || this.#cache === undefined) return;
    this.#decoder.pool.give(this.#cache);
    this.clear();
  }

  /** Forgets all rows, and the cache, which a failed step may have lost. */
  clear(): void {
    this.#rows = [];
    this.#cache = undefined;
  }

  /** One token of every row: the logits `[vocab]` after it. */
  async step(): Promise<readonly (readonly [Sequence, Float32Array])[]> {
    const longest = Math.max(...this.sequences.map(({ place }) => place));
    await this.#fit(this.size, longest + 1);
    const cache = this.#cache;
    if (cache === undefined) throw new Error("a batch with rows has a cache");
    // Idle rows write to their first place, which nobody reads.
    const ids = Int32Array.from(this.#rows, (row) => row?.last ?? 0);
    const at = Int32Array.from(this.#rows, (row) => row?.place ?? 0);
    const result = await this.#decoder.forward(cache, ids, at);
    this.#cache = result.cache;
    const { vocab } = this.#decoder;
    return this.#rows.flatMap((sequence, row) =>
      sequence === undefined
        ? []
        : [[sequence, result.logits.subarray(row * vocab, (row + 1) * vocab)] as const],
    );
  }

  /** All programs for texts of a context. */
  forms(context: number): DecoderForm[] {
    return this.#sizes.flatMap((rows) =>
      placesUpTo(context).map((places) => ({ rows, tokens: 1, places })),
    );
  }

  /**
   * Moves the rows into a cache that holds `count` of them and `tokens` places.
   *
   * It grows when it must, and shrinks once a smaller one would do for a request more: not to and fro at
   * every request.
   */
  async #fit(count: number, tokens: number): Promise<void> {
    const old = this.#cache;
    const rowsFor = (wanted: number) => this.#sizes.find((size) => size >= wanted) ?? wanted;
    const rows = rowsFor(count);
    const longest = Math.max(tokens, ...this.sequences.map(({ place }) => place + 1));
    const places = placesFor(longest);
    const fits =
      old !== undefined &&
      old.rows >= rows &&
      old.places >= places &&
      old.rows <= rowsFor(count + 1) &&
      old.places < places * 4;
    if (fits) return;
    const cache = await this.#decoder.pool.take(rows, places);
    const sequences = this.sequences;
    if (old !== undefined) {
      sequences.forEach((sequence, row) => {
        const from = { cache: old, row: this.#rows.indexOf(sequence) };
        copyRow(this.#decoder.layout, from, { cache, row }, sequence.place);
      });
      this.#decoder.pool.give(old);
    }
    this.#rows = Array.from({ length: rows }, (_, row) => sequences[row]);
    this.#cache = cache;
  }
}
