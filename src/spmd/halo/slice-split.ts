/** @file Slicing and padding along a split dimension: windows of one tap. */

import { ShardingError } from "../../core/errors.ts";
import type { Mesh } from "../../core/mesh.ts";
import type { Tensor } from "../../core/tensor.ts";
import { pad, slice } from "../../ops/pieces.ts";
import { extent } from "../../ops/sliding-window.ts";
import type { Split } from "../mask.ts";
import { blocksOf, checkBlock, exchangePieces } from "./exchange.ts";
import { piecesOf, planExchange, planRounds } from "./exchange-plan.ts";
import { exchangeHalo, type Windowed } from "./halo.ts";
import { haloOf, PLAIN_WINDOW } from "./halo-window.ts";
import { cutHere, hereAlong } from "./place-numbers.ts";

/** `slice` along one dimension. */
export interface SliceAlong {
  readonly start: number;
  readonly limit: number;
  /** 1 where absent. */
  readonly stride?: number;
}

/**
 * Elements start, start + stride, … before limit of a split dimension, split likewise.
 *
 * @param x - local, blocks of ⌈size/shards⌉ along `at.dim`
 * @returns local, blocks of ⌈count/shards⌉
 * @throws ShardingError when the range leaves the dimension
 */
export function sliceSplit(
  mesh: Mesh,
  x: Tensor,
  at: Split,
  { start, limit, stride = 1 }: SliceAlong,
): Tensor {
  if (!(0 <= start && start <= limit && limit <= at.size && stride >= 1))
    throw new ShardingError(
      "SHARD-01",
      `sliceSplit: [${start}:${limit}:${stride}] is no slice of ${at.size} elements.`,
    );
  const window = { ...PLAIN_WINDOW, stride, low: -start, high: limit - at.size };
  const strided = stride > 1 ? keptFirst(mesh, x, at, start, stride, window) : null;
  return strided ?? oneTap(exchangeHalo(mesh, x, { ...at, window }, { outside: null }), at.dim, 0);
}

/** `pad` along one dimension. */
export interface PadAlong {
  /** Places before and after; negative ones are cut away. */
  readonly low: number;
  readonly high: number;
  /** Places between any two neighbours; 0 where absent. */
  readonly interior?: number;
  readonly value: number;
}

/**
 * A split dimension with `value` around and between its elements, split likewise.
 *
 * @param x - local, blocks of ⌈size/shards⌉ along `at.dim`
 * @throws ShardingError when more is cut away than there is
 */
export function padSplit(
  mesh: Mesh,
  x: Tensor,
  at: Split,
  { low, high, interior = 0, value }: PadAlong,
): Tensor {
  if (extent(at.size, interior + 1) + low + high < 0)
    throw new ShardingError(
      "SHARD-01",
      `padSplit: ${at.size} elements, padded by ${low} and ${high}, are less than nothing.`,
    );
  const window = { ...PLAIN_WINDOW, low, high, inputDilation: interior + 1 };
  return oneTap(exchangeHalo(mesh, x, { ...at, window }, { outside: value }), at.dim, value);
}

/** What a window of one tap reads. */
function oneTap({ tensor, window }: Windowed, dim: number, value: number): Tensor {
  const by = (count: number) => tensor.dims.map((_, i) => (i === dim ? count : 0));
  const { low, high, inputDilation, stride } = window;
  const still = low === 0 && high === 0 && inputDilation === 1;
  const places = still ? tensor : pad(tensor, by(low), by(high), by(inputDilation - 1), value);
  return everyFew(places, dim, stride);
}

function everyFew(x: Tensor, dim: number, stride: number): Tensor {
  if (stride === 1) return x;
  const steps = x.dims.map((_, i) => (i === dim ? stride : 1));
  return slice(
    x,
    x.dims.map(() => 0),
    x.dims,
    steps,
  );
}

/** The slice by senders that leave out what the stride skips; null where that sends no less. */
function keptFirst(
  mesh: Mesh,
  x: Tensor,
  at: Split,
  start: number,
  stride: number,
  window: typeof PLAIN_WINDOW,
): Tensor | null {
  const blocks = blocksOf(at);
  const { block, shards, size } = blocks;
  checkBlock("sliceSplit", x, at, block);
  const halo = haloOf(window, size, shards);
  const { outputs, perShard } = halo;
  // Outputs that lie on places before this one.
  const before = (place: number) =>
    Math.min(Math.max(Math.ceil((place * block - start) / stride), 0), outputs);
  const held = Array.from({ length: shards }, (_, i) => ({ from: before(i), to: before(i + 1) }));
  const runs = held.map((_, target) => ({
    target,
    from: perShard * target,
    count: Math.min(Math.max(outputs - perShard * target, 0), perShard),
    to: 0,
  }));
  const pieces = piecesOf(held, runs);
  if (planRounds(pieces, shards).sent >= planExchange(blocks, halo).sent) return null;
  const most = Math.max(...held.map(({ from, to }) => to - from));
  const reach = stride * (most - 1) + 1;
  const first = held.map(({ from, to }, i) =>
    from === to ? null : start + stride * from - i * block,
  );
  const over = Math.max(0, ...first.map((offset) => (offset ?? 0) + reach - block));
  const by = (count: number) => x.dims.map((_, i) => (i === at.dim ? count : 0));
  const room = pad(x, by(0), by(over), by(0), 0);
  const kept = cutHere(room, at.dim, hereAlong(mesh, at.axes), first, reach);
  return exchangePieces(mesh, everyFew(kept, at.dim, stride), at, pieces, perShard);
}
