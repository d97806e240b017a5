/**
 * @file Writes exchanges along a split dimension: every device gets the run of elements that it wants.
 *
 * The plan comes from `exchange-plan.ts`. Whatever it is, the result is the same where a device wants something: the
 * elements of its run, and the fill where the run leaves the whole. The padding of uneven blocks never gets through.
 */

import { ShardingError } from "../../core/errors.ts";
import {
  type AxisPart,
  deviceCount,
  groupsAlong,
  type Mesh,
  sizeOfParts,
} from "../../core/mesh.ts";
import { dimOf, showAval } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { collectivePermute } from "../../ops/collectives.device.ts";
import { allGather } from "../../ops/collectives.ts";
import { fullLike } from "../../ops/creation.ts";
import { select } from "../../ops/logic.ts";
import { concatenate, pad } from "../../ops/pieces.ts";
import type { Split } from "../mask.ts";
import {
  type Blocks,
  type ExchangePlan,
  type NeighbourPiece,
  type Piece,
  planExchange,
  planRounds,
  type Round,
  type Wanted,
} from "./exchange-plan.ts";
import { cut, cutHere, type Here, hereAlong, insideHere, putHere } from "./place-numbers.ts";

/** The fill outside the whole; null where anything may stand there. */
export type Fill = number | null;

export function blocksOf({ axes, size }: Split): Blocks {
  const shards = sizeOfParts(axes);
  return { size, shards, block: Math.ceil(size / shards) };
}

/** @throws ShardingError unless x has blocks of this length along the dimension */
export function checkBlock(
  operation: string,
  x: Tensor,
  { dim, size }: Split,
  block: number,
): void {
  if (x.dims[dim] === block) return;
  throw new ShardingError(
    "SHARD-01",
    `${operation}: the piece on a device does not fit the whole.`,
    [
      ["piece", showAval(x.aval)],
      ["whole", `${size} elements along axis ${dim}`],
      ["fix", `give pieces of ${block}`],
    ],
  );
}

/**
 * The run of elements that each device wants.
 *
 * @param x - local, with `blocks.block` elements along `at.dim`
 * @param wanted - by place along `at.axes`
 * @returns local, with `wanted.length` elements along `at.dim`: element j is element `starts[i] + j` of the whole, or
 * the fill; from `counts[i]` on it may be anything
 * @throws ShardingError when x has other blocks
 */
export function exchange(
  mesh: Mesh,
  x: Tensor,
  at: Split,
  wanted: Wanted,
  fill: Fill = null,
  blocks: Blocks = blocksOf(at),
): Tensor {
  checkBlock("exchange", x, at, blocks.block);
  return writePlan({ mesh, at, here: hereAlong(mesh, at.axes), fill }, x, blocks, wanted);
}

/**
 * Pieces that each device wants at some positions of its result.
 *
 * @param x - local
 * @param pieces - by place along `axes`; those of one target do not overlap there
 * @returns local, `length` elements along `dim`; where no piece comes to, anything
 */
export function exchangePieces(
  mesh: Mesh,
  x: Tensor,
  { dim, axes }: Pick<Split, "dim" | "axes">,
  pieces: readonly Piece[],
  length: number,
): Tensor {
  const to: Writing = { mesh, at: { dim, axes }, here: hereAlong(mesh, axes), fill: null };
  return exchangeRounds(to, x, planRounds(pieces, sizeOfParts(axes)), length, false).y;
}

interface Writing {
  readonly mesh: Mesh;
  readonly at: Pick<Split, "dim" | "axes">;
  readonly here: Here;
  readonly fill: Fill;
}

function writePlan(to: Writing, x: Tensor, blocks: Blocks, wanted: Wanted): Tensor {
  const plan = planExchange(blocks, wanted);
  const { y, filled } = written(to, x, blocks, wanted, plan);
  return to.fill === null ? y : outsideFilled(to, y, blocks, wanted, to.fill, filled);
}

/** @returns the runs, and whether the fill stands already where they leave a whole without padding */
function written(
  to: Writing,
  x: Tensor,
  blocks: Blocks,
  wanted: Wanted,
  plan: ExchangePlan,
): { readonly y: Tensor; readonly filled: boolean } {
  switch (plan.kind) {
    case "neighbours": {
      const offsets = wanted.starts.map((start, i) =>
        wanted.counts[i] === 0 ? null : start - blocks.block * i + plan.lead,
      );
      const buffer = besideOwn(to, x, plan.pieces, plan.extent);
      // Who has no neighbour receives zeros.
      const filled = Object.is(to.fill, 0);
      return { y: cutHere(buffer, to.at.dim, to.here, offsets, wanted.length), filled };
    }
    case "gather":
      return { y: outOfAll(to, x, wanted), filled: true };
    case "rounds":
      return exchangeRounds(to, x, plan, wanted.length, true);
  }
}

/** The fill wherever a run leaves the whole. */
function outsideFilled(
  { at, here }: Writing,
  y: Tensor,
  { size, block, shards }: Blocks,
  { starts, counts }: Wanted,
  fill: number,
  filled: boolean,
): Tensor {
  if (filled && size === block * shards) return y;
  const needed = (f: (start: number) => number) =>
    starts.map((start, i) => (counts[i] === 0 ? null : f(start)));
  const inside = insideHere(
    y,
    at.dim,
    here,
    needed((start) => -start),
    needed((start) => size - start),
  );
  return inside === null ? y : select(inside, y, fullLike(y, fill));
}

// ---- neighbours ---------------------------------------------------------------------------------

/** What neighbours sent, left and right of what stays of the own block. */
function besideOwn(
  to: Writing,
  x: Tensor,
  pieces: readonly NeighbourPiece[],
  extent: number,
): Tensor {
  const { dim } = to.at;
  if (pieces.length === 0) return blank(x, dim, extent, to.fill);
  const row: (Tensor | number)[] = pieces.flatMap(({ distance, from, to: end, sent }) => {
    if (distance === 0) return [cut(x, dim, from, end)];
    if (sent === null) return [end - from];
    const received = permuteAlong(to.mesh, to.at.axes, cut(x, dim, sent.from, sent.to), sent.pairs);
    return [sent.from - from, received, end - sent.to];
  });
  return inARow(x, dim, row, to.fill);
}

/** Tensors one after the other, with blanks of some length between them. */
function inARow(like: Tensor, dim: number, row: readonly (Tensor | number)[], fill: Fill): Tensor {
  const parts: Tensor[] = [];
  let gap = 0;
  const close = () => {
    if (gap > 0) parts.push(blank(like, dim, gap, fill));
    gap = 0;
  };
  for (const part of row) {
    if (typeof part === "number") gap += part;
    else if (part.dims[dim] !== 0) {
      close();
      parts.push(part);
    }
  }
  close();
  return parts.length === 0 ? blank(like, dim, 0, fill) : concatenate(parts, dim);
}

function blank(x: Tensor, dim: number, length: number, fill: Fill): Tensor {
  return fullLike({ ...x.aval, dims: x.dims.with(dim, length) }, fill ?? 0);
}

/** Each target's source's x, by places along the axes; other places get zeros. */
export function permuteAlong(
  mesh: Mesh,
  axes: readonly AxisPart[],
  x: Tensor,
  pairs: readonly (readonly [source: number, target: number])[],
): Tensor {
  const devices = groupsAlong(mesh, axes).flatMap((group) =>
    pairs.map(([source, target]) => [group[source] ?? 0, group[target] ?? 0] as const),
  );
  return collectivePermute(x, { devices: deviceCount(mesh), pairs: devices });
}

// ---- gather -------------------------------------------------------------------------------------

function outOfAll(
  { mesh, at, here, fill }: Writing,
  x: Tensor,
  { starts, counts, length }: Wanted,
): Tensor {
  const { dim, axes } = at;
  const all = allGather(x, dim, groupsAlong(mesh, axes));
  const needed = starts.filter((_, i) => counts[i] !== 0);
  const front = Math.max(0, ...needed.map((start) => -start));
  const back = Math.max(0, ...needed.map((start) => start + length - dimOf(all.aval, dim)));
  const around = (count: number) => x.dims.map((_, i) => (i === dim ? count : 0));
  const room = pad(all, around(front), around(back), around(0), fill ?? 0);
  const offsets = starts.map((start, i) => (counts[i] === 0 ? null : start + front));
  return cutHere(room, dim, here, offsets, length);
}

// ---- rounds -------------------------------------------------------------------------------------

/**
 * Pieces moved in rounds.
 *
 * @param aligned - whether elements before and behind a piece, in its source, are those that belong before and behind
 * it in its target, if they lie inside
 * @returns `length` elements; whether where no piece comes to stands the fill
 */
function exchangeRounds(
  to: Writing,
  x: Tensor,
  plan: { readonly own: readonly Round[]; readonly rounds: readonly Round[] },
  length: number,
  aligned: boolean,
): { readonly y: Tensor; readonly filled: boolean } {
  const { dim, axes } = to.at;
  const shards = sizeOfParts(axes);
  const room = dimOf(x.aval, dim);
  const byPlace = <T>(pieces: readonly Piece[], side: "source" | "target", f: (p: Piece) => T) => {
    const numbers = Array<T | null>(shards).fill(null);
    for (const piece of pieces) numbers[piece[side]] = f(piece);
    return numbers;
  };
  const sent = [
    ...plan.own.map((round) => ({ ...round, moves: false })),
    ...plan.rounds.map((round) => ({ ...round, moves: true })),
  ].map((round) => {
    // A short piece at the end of the array is sent with what stands before it.
    const early = ({ from }: Piece) => Math.max(0, from + round.length - room);
    const starts = byPlace(round.pieces, "source", (piece) => piece.from - early(piece));
    const own = cutHere(x, dim, to.here, starts, round.length);
    const pairs = round.pieces.map(({ source, target }) => [source, target] as const);
    const places = byPlace(round.pieces, "target", (piece) => piece.to - early(piece));
    const whole = round.pieces.every(({ count }) => count === round.length);
    const received = round.moves ? permuteAlong(to.mesh, axes, own, pairs) : own;
    return { ...round, received, places, exact: aligned || whole };
  });

  const row = tiles(sent, length);
  if (row !== null) {
    // Who receives nothing gets zeros, but what stays stays everywhere.
    const filled =
      Object.is(to.fill, 0) && plan.own.every(({ pieces }) => pieces.length === shards);
    return { y: inARow(x, dim, row, to.fill), filled };
  }

  const margin = Math.max(0, ...sent.map((round) => round.length));
  let buffer = blank(x, dim, length + 2 * margin, to.fill);
  for (const { received, places, pieces, exact } of sent) {
    // Who receives nothing puts it behind the part that is kept.
    const offsets = places.map((place) => margin + (place ?? length));
    const next = putHere(buffer, received, dim, to.here, offsets);
    if (exact) {
      buffer = next;
      continue;
    }
    const first = byPlace(pieces, "target", (piece) => margin + piece.to);
    const end = byPlace(pieces, "target", (piece) => margin + piece.to + piece.count);
    const nothing = (numbers: readonly (number | null)[]) => numbers.map((number) => number ?? 0);
    const taken = insideHere(buffer, dim, to.here, nothing(first), nothing(end));
    buffer = taken === null ? next : select(taken, next, buffer);
  }
  return { y: cut(buffer, dim, margin, margin + length), filled: true };
}

/** The received pieces in a row, if each goes to the same position on all devices, beside the others. */
function tiles(
  sent: readonly {
    readonly received: Tensor;
    readonly length: number;
    readonly places: readonly (number | null)[];
  }[],
  length: number,
): (Tensor | number)[] | null {
  const row: (Tensor | number)[] = [];
  let end = 0;
  const placed = sent.map(({ places, ...rest }) => {
    const first = places.find((place) => place !== null) ?? 0;
    return { ...rest, first, same: places.every((place) => place === null || place === first) };
  });
  for (const piece of placed.toSorted((a, b) => a.first - b.first)) {
    if (!piece.same || piece.first < end || piece.first + piece.length > length) return null;
    row.push(piece.first - end, piece.received);
    end = piece.first + piece.length;
  }
  return [...row, length - end];
}
