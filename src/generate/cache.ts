/**
 * @file Caches of many rows, and moving rows between them.
 *
 * A decoder's cache is a tree of tensors whose first axis is the row. Where a leaf also grows with the
 * number of places, that axis is found by comparing the forms of two caches, so that no model has to
 * say how its cache is laid out. Rows are moved on the host, where the engine's memory is.
 */

import { EngineError } from "../core/errors.ts";
import { showAval, sizeOf } from "../core/shape.ts";
import { leaves } from "../core/tree.ts";
import { trace } from "../transforms/trace.ts";
import type { DecoderState, DecodingModel } from "./model.ts";

/** A cache of `rows` texts with `places` tokens each. */
export interface Cache {
  readonly rows: number;
  readonly places: number;
  readonly state: DecoderState;
}

/** Per leaf of a cache, the axis of places; undefined for state of a fixed size. */
export type CacheLayout = readonly (number | undefined)[];

/** @throws EngineError when a leaf's first axis is not the row */
export function cacheLayout(model: Pick<DecodingModel, "startDecoding">): CacheLayout {
  const forms = (batch: number, length: number) =>
    trace("startDecoding", () => model.startDecoding(batch, length), []).program.outputs.map(
      ({ aval }) => aval,
    );
  const [small, wide, long] = [forms(2, 4), forms(3, 4), forms(2, 5)];
  return small.map((form, i) => {
    const grown = (other: readonly { readonly dims: readonly number[] }[]) =>
      form.dims.flatMap((dim, axis) => (other[i]?.dims[axis] === dim ? [] : [axis]));
    const [row, place] = [grown(wide), grown(long)];
    if (row.length !== 1 || row[0] !== 0 || place.length > 1) {
      throw new EngineError(
        "ENGINE-02",
        `generate: a leaf of the model's cache is ${showAval(form)}, whose first axis is not the row.`,
        [
          [
            "fix",
            "let startDecoding answer tensors of [batch, …], with one axis of places at most",
          ],
        ],
      );
    }
    return place[0];
  });
}

/** A row of a cache. */
export interface Row {
  readonly cache: Cache;
  readonly row: number;
}

/**
 * Writes the first `places` places of one row over those of another, and all of what has a fixed size.
 *
 * @param places - at most the places of either cache
 */
export function copyRow(layout: CacheLayout, from: Row, to: Row, places: number): void {
  const targets = leaves(to.cache.state);
  leaves(from.cache.state).forEach((source, leaf) => {
    const target = targets[leaf];
    if (target === undefined) throw new Error("both caches are of one model");
    const axis = layout[leaf];
    const [a, b] = [source.data(), target.data()];
    const rowOf = (dims: readonly number[], row: number) => row * sizeOf(dims.slice(1));
    const [start, goal] = [rowOf(source.dims, from.row), rowOf(target.dims, to.row)];
    if (axis === undefined) {
      b.set(a.subarray(start, start + sizeOf(source.dims.slice(1))) as never, goal);
      return;
    }
    const outer = sizeOf(source.dims.slice(1, axis));
    const inner = sizeOf(source.dims.slice(axis + 1));
    for (let o = 0; o < outer; o++) {
      const at = start + o * from.cache.places * inner;
      b.set(a.subarray(at, at + places * inner) as never, goal + o * to.cache.places * inner);
    }
  });
}
