/**
 * @file Running values along a split dimension: each device runs over its own block, and only totals travel.
 *
 * y = what came before, combined with the own run. What came before is a run over the totals of blocks: gathered whole,
 * n − 1 totals sent, or doubled in ⌈log₂(n − 1)⌉ + 1 permutes (Hillis and Steele, 1986), whichever sends less.
 */

import { groupsAlong, type Mesh, sizeOfParts } from "../../core/mesh.ts";
import { dimOf } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { allGather } from "../../ops/collectives.ts";
import { broadcast, fullLike } from "../../ops/creation.ts";
import { reshape } from "../../ops/layout.ts";
import { select } from "../../ops/logic.ts";
import { concatenate } from "../../ops/pieces.ts";
import type { Split } from "../mask.ts";
import { blocksOf, checkBlock, permuteAlong } from "./exchange.ts";
import { cut, cutHere, type Here, hereAlong, insideHere } from "./place-numbers.ts";

export interface RunningSplit {
  /** The run over a whole dimension on one device, each element with itself, in the direction of `reverse`. */
  scan(x: Tensor): Tensor;
  /** Associative; gets what lies nearer the start of the run first. */
  combine(nearer: Tensor, farther: Tensor): Tensor;
  /** What changes nothing. */
  readonly identity: number;
  /** From the end towards the start. */
  readonly reverse?: boolean;
}

/**
 * A running value along a split dimension, split likewise.
 *
 * @param x - local, blocks of ⌈size/shards⌉ along `at.dim`
 */
export function cumulativeSplit(mesh: Mesh, x: Tensor, at: Split, run: RunningSplit): Tensor {
  const { dim, axes } = at;
  const { size, block, shards } = blocksOf(at);
  checkBlock("cumulativeSplit", x, at, block);
  if (block === 0) return x;
  const here = hereAlong(mesh, axes);
  const valid = Array.from({ length: shards }, (_, i) => size - block * i);
  const inside = insideHere(
    x,
    dim,
    here,
    valid.map(() => 0),
    valid,
  );
  const clean = inside === null ? x : select(inside, x, fullLike(x, run.identity));
  const own = run.scan(clean);
  if (shards === 1) return own;
  const end = run.reverse === true ? 0 : block - 1;
  const total = cut(own, dim, end, end + 1);
  const doubled = 1 + Math.ceil(Math.log2(shards - 1));
  const before =
    doubled < shards - 1
      ? doubledBefore(mesh, total, at, here, run)
      : gatheredBefore(mesh, total, at, here, run);
  return run.combine(stretched(before, dim, own), own);
}

/** One place on in the direction of the run, with the identity in the first place. */
function shifted(y: Tensor, dim: number, { identity, reverse }: RunningSplit): Tensor {
  const length = dimOf(y.aval, dim);
  const one = fullLike({ ...y.aval, dims: y.dims.with(dim, 1) }, identity);
  return reverse === true
    ? concatenate([cut(y, dim, 1, length), one], dim)
    : concatenate([one, cut(y, dim, 0, length - 1)], dim);
}

/** The run over the totals of all blocks before the own one, from all totals. */
function gatheredBefore(
  mesh: Mesh,
  total: Tensor,
  { dim, axes }: Split,
  here: Here,
  run: RunningSplit,
): Tensor {
  const totals = allGather(total, dim, groupsAlong(mesh, axes));
  const places = Array.from({ length: dimOf(totals.aval, dim) }, (_, i) => i);
  return cutHere(shifted(run.scan(totals), dim, run), dim, here, places, 1);
}

/** The same in permutes, each of which doubles how many blocks before the own one are in it. */
function doubledBefore(
  mesh: Mesh,
  total: Tensor,
  { dim, axes }: Split,
  here: Here,
  { combine, identity, reverse = false }: RunningSplit,
): Tensor {
  const shards = sizeOfParts(axes);
  const places = Array.from({ length: shards }, (_, i) => i);
  /** What stands `distance` blocks nearer the start of the run. */
  const from = (x: Tensor, distance: number): Tensor => {
    const pairs = places
      .slice(distance)
      .map((i) => (reverse ? ([i, i - distance] as const) : ([i - distance, i] as const)));
    const received = permuteAlong(mesh, axes, x, pairs);
    // Places that are less than `distance` from the start received zeros.
    const has = places.map((i) => (reverse ? shards - 1 - i : i) - distance + 1);
    const nothing = places.map(() => 0);
    const inside = insideHere(received, dim, here, nothing, has);
    return inside === null || Object.is(identity, 0)
      ? received
      : select(inside, received, fullLike(received, identity));
  };
  let before = from(total, 1);
  for (let reach = 1; reach < shards - 1; reach *= 2) before = combine(from(before, reach), before);
  return before;
}

/** A tensor of length 1 along `dim`, repeated to the form of `like`. */
function stretched(x: Tensor, dim: number, like: Tensor): Tensor {
  const others = like.dims.map((_, i) => i).filter((i) => i !== dim);
  const flat = reshape(
    x,
    others.map((i) => dimOf(x.aval, i)),
    others.map((i) => x.names[i] ?? null),
  );
  return broadcast(flat, { dims: like.dims, axes: others, names: like.names });
}
