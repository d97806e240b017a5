/**
 * @file What a window needs of a split dimension: the arithmetic of halo exchange, without a device.
 *
 * N elements stand `inputDilation` apart with `low` places before and `high` after them; output o reads the places
 * `o·stride + k·dilation − low`, k < taps. Inputs and outputs are split over the same n shards, in blocks of
 * S = ⌈N/n⌉ and pw = ⌈W/n⌉. Shard i needs the elements [start(i), limit(i)) for its outputs. GSPMD (arXiv 2105.04663)
 * section 4.3, with every negative padding allowed.
 */

import { extent } from "../../ops/sliding-window.ts";

/** A window along one dimension, as `WindowAxis` has it. */
export interface DimWindow {
  readonly taps: number;
  readonly stride: number;
  /** Places before and after the dilated input; negative ones cut off. */
  readonly low: number;
  readonly high: number;
  /** Distance between elements of the input. */
  readonly inputDilation: number;
  /** Distance between the window's own taps. */
  readonly dilation: number;
}

/** What every shard needs; lists are by shard. */
export interface Halo {
  readonly window: DimWindow;
  /** N, n and S. */
  readonly size: number;
  readonly shards: number;
  readonly block: number;
  /** W, and pw. The last shards may have less outputs, or none. */
  readonly outputs: number;
  readonly perShard: number;
  /** Shards 0 to this one, without it, have outputs. */
  readonly working: number;
  /** The first element that a full block of outputs needs, and the one after the last; may lie outside [0, N). */
  readonly starts: readonly number[];
  readonly limits: readonly number[];
  /** How many elements from `starts` on are needed for the outputs that exist. */
  readonly counts: readonly number[];
  /** Elements wanted from neighbours; negative where own ones are skipped. */
  readonly left: readonly number[];
  readonly right: readonly number[];
  /** Elements of the longest range. */
  readonly length: number;
  /** Place of element `starts[i]` in the window frame of shard i, from 0 to inputDilation − 1. */
  readonly offsets: readonly number[];
}

/** A window of one tap that moves by one over the bare input. */
export const PLAIN_WINDOW: DimWindow = {
  taps: 1,
  stride: 1,
  low: 0,
  high: 0,
  inputDilation: 1,
  dilation: 1,
};

/** How many outputs a window has over `size` elements. */
export function outputsOf(window: DimWindow, size: number): number {
  const { taps, stride, low, high, inputDilation, dilation } = window;
  const room = extent(size, inputDilation) + low + high - extent(taps, dilation);
  return room < 0 ? 0 : Math.floor(room / stride) + 1;
}

/** Places that `outputs` neighbouring windows reach over. */
export function reachOf({ taps, stride, dilation }: DimWindow, outputs: number): number {
  return outputs === 0 ? 0 : stride * (outputs - 1) + extent(taps, dilation);
}

/** @param shards - of the input and of the output, 1 at least */
export function haloOf(window: DimWindow, size: number, shards: number): Halo {
  const { stride, low, inputDilation: apart } = window;
  const outputs = outputsOf(window, size);
  const perShard = Math.ceil(outputs / shards);
  const block = Math.ceil(size / shards);
  // Element g stands at place g·apart, so those from place p on begin with ⌈p/apart⌉. What the literature
  // takes apart into an explicit padding, low div apart, and a rest for the local op, low mod apart, is one division.
  const elementsBefore = (place: number) => Math.ceil(place / apart) + 0;
  const frame = (i: number) => stride * perShard * i - low;
  const each = <T>(f: (i: number) => T) => Array.from({ length: shards }, (_, i) => f(i));
  const starts = each((i) => elementsBefore(frame(i)));
  const limits = each((i) => elementsBefore(frame(i) + reachOf(window, perShard)));
  const counts = each((i) => {
    const own = Math.min(Math.max(outputs - perShard * i, 0), perShard);
    const limit = elementsBefore(frame(i) + reachOf(window, own));
    return own === 0 ? 0 : limit - (starts[i] ?? 0);
  });
  const working = perShard === 0 ? 0 : Math.ceil(outputs / perShard);
  return {
    window,
    size,
    shards,
    block,
    outputs,
    perShard,
    working,
    starts,
    limits,
    counts,
    left: starts.map((start, i) => block * i - start),
    right: limits.map((limit, i) => limit - block * (i + 1)),
    length: Math.max(0, ...starts.slice(0, working).map((start, i) => (limits[i] ?? 0) - start)),
    offsets: starts.map((start, i) => start * apart - frame(i)),
  };
}

/** What is left for the local op once a shard holds its elements. */
export interface LocalWindow {
  /** Over `length` elements from `starts[i]` on, or over their places if `dilate` is set. */
  readonly window: DimWindow;
  /**
   * Where the first element's place depends on the shard, so that no static padding fits: elements are first put
   * at their places, and every shard cuts out `places` from its own offset on.
   */
  readonly dilate: { readonly places: number } | null;
}

export function localWindowOf({ window, perShard, working, length, offsets }: Halo): LocalWindow {
  const places = reachOf(window, perShard);
  const [first = 0] = offsets;
  const kept = { ...window, low: 0, high: 0 };
  if (offsets.slice(0, working).some((offset) => offset !== first))
    return { window: { ...kept, inputDilation: 1 }, dilate: { places } };
  const low = working === 0 ? 0 : first;
  const high = places - low - extent(length, window.inputDilation);
  return { window: { ...kept, low, high }, dilate: null };
}
