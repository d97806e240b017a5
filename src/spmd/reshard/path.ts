/**
 * @file The cheapest way from one sharding to another: the fewest bytes sent per device, then the fewest steps. Answers
 * are kept: a program asks the same again and again.
 */

import { ShardingError } from "../../core/errors.ts";
import {
  deviceCount,
  joinParts,
  type Mesh,
  overlap,
  showMesh,
  sizeOfParts,
} from "../../core/mesh.ts";
import { checkSharding, type Sharding, showSharding } from "../sharding.ts";
import {
  type AxisList,
  afterCommonHead,
  asSet,
  covers,
  freePieces,
  listKey,
} from "./axis-lists.ts";
import type { Target } from "./choices.ts";
import {
  countsOf,
  type Layout,
  type Move,
  moved,
  priceOf,
  sizesOf,
  type WholeValue,
} from "./moves.ts";
import { cheapestLegs, type Leg, type Question } from "./search.ts";

export interface ReshardPath {
  /** `sum` of their layouts holds all axes of summands, those that stay too. */
  readonly steps: readonly Leg[];
  /** Sent per device, by all steps. */
  readonly bytes: number;
}

const known = new WeakMap<Mesh, Map<string, ReshardPath>>();

/**
 * The cheapest way from one sharding to another: in bytes that each device sends.
 *
 * @param value - whole dims, and bytes per element
 * @param to - its `sum` must be part of that of `from`: axes that leave it are summed over
 * @throws ShardingError for a sharding that does not fit the mesh or the value, and for sums that nobody has
 */
export function reshardPath(
  mesh: Mesh,
  value: WholeValue,
  from: Sharding,
  to: Sharding,
): ReshardPath {
  const cache = known.get(mesh) ?? new Map<string, ReshardPath>();
  known.set(mesh, cache);
  const lists = [from, to].map(({ dims, sum }) =>
    [...dims.map(({ axes }) => listKey(axes)), listKey(sum)].join(),
  );
  const key = `${value.bytes} ${value.dims.join()} ${lists.join(" ")}`;
  const path = cache.get(key) ?? findPath(questionOf(mesh, value, from, to));
  cache.set(key, path);
  return path;
}

/** What is asked, in the terms of the search. */
function questionOf(mesh: Mesh, value: WholeValue, from: Sharding, to: Sharding): Question {
  for (const sharding of [from, to]) {
    checkSharding(mesh, sharding);
    if (sharding.dims.length !== value.dims.length)
      throw new ShardingError(
        "SHARD-01",
        `reshard: ${showSharding(sharding, mesh)} has ${sharding.dims.length} dimensions, and the tensor ${value.dims.length}.`,
      );
  }
  const [have, kept] = [asSet(from.sum), asSet(to.sum)];
  if (kept.some((part) => !covers(have, part)))
    throw new ShardingError("SHARD-01", "reshard: no move makes summands of a value.", [
      ["mesh", showMesh(mesh)],
      ["from", showSharding(from, mesh)],
      ["to", showSharding(to, mesh)],
      ["fix", "name axes behind sum that the source has there too"],
    ]);
  const pending = kept.reduce<AxisList>(
    (sum, part) => sum.flatMap((each) => freePieces(each, [part])),
    have,
  );
  const source = { dims: from.dims.map(({ axes }) => joinParts(axes)), sum: asSet(pending) };
  const layout = { dims: to.dims.map(({ axes }) => joinParts(axes)), sum: [] };
  const [before, after] = [countsOf(source).dims, countsOf(layout).dims];
  const even = value.dims.map(
    (size, dim) => size % (before[dim] ?? 1) === 0 && size % (after[dim] ?? 1) === 0,
  );
  const target: Target = {
    layout,
    counts: after,
    sizes: value.dims,
    dims: dimsInPlay(value, before, after, even, source.sum),
    even,
    kept,
    devices: deviceCount(mesh) / sizeOfParts(kept),
  };
  return { mesh, value, source, target };
}

/**
 * Dimensions that change, and the largest of the others where one of them is uneven, or a sum is to be taken on the way:
 * axes can wait there while the uneven one is put together, and of a sum that is scattered only parts travel.
 */
function dimsInPlay(
  { dims }: WholeValue,
  before: readonly number[],
  after: readonly number[],
  even: readonly boolean[],
  pending: AxisList,
): number[] {
  const all = dims.map((_, dim) => dim);
  const split = all.filter((dim) => (before[dim] ?? 1) > 1 || (after[dim] ?? 1) > 1);
  const moves = split.some((dim) => before[dim] !== after[dim]);
  if (split.every((dim) => even[dim] === true) && !(moves && pending.length > 0)) return split;
  const count = Math.max(
    sizeOfParts(pending),
    ...[before, after].map((counts) => counts.reduce((product, n) => product * n, 1)),
  );
  const fits = (dim: number) => ((dims[dim] ?? 1) % count === 0 ? 1 : 0);
  const [waiting] = all
    .filter((dim) => !split.includes(dim) && (dims[dim] ?? 1) > 1)
    .sort((a, b) => fits(b) - fits(a) || (dims[b] ?? 1) - (dims[a] ?? 1));
  return waiting === undefined ? split : [...split, waiting];
}

function findPath(question: Question): ReshardPath {
  const cut = cutAndSummed(question);
  if (cut !== undefined) return priced(question, cut);
  const paths = [cheapestLegs(question), throughWhole(question)].flatMap((legs) =>
    legs === undefined ? [] : [priced(question, legs)],
  );
  return paths.reduce((best, path) => (path.bytes < best.bytes ? path : best));
}

/** A value that is only cut further and summed by all: nothing is cheaper than that, in this order. */
function cutAndSummed({ source, target }: Question): readonly Leg[] | undefined {
  const cuts: Move<AxisList>[] = [];
  for (const [dim, list] of source.dims.entries()) {
    const [excess, parts] = afterCommonHead(list, target.layout.dims[dim] ?? []);
    const nests = list.length === 0 || target.even[dim] === true;
    if (excess.length > 0 || (parts.length > 0 && !nests)) return undefined;
    if (parts.some((part) => source.sum.some((other) => overlap(other, part)))) return undefined;
    if (parts.length > 0) cuts.push({ kind: "slice", dim, parts });
  }
  const { sum } = source;
  return legsOf(source, sum.length > 0 ? [...cuts, { kind: "allReduce", parts: sum }] : cuts);
}

function legsOf(source: Layout, moves: readonly Move<AxisList>[]): readonly Leg[] {
  let layout = source;
  return moves.map((move): Leg => {
    const before = layout;
    layout = moved(before, move);
    return { move, before, after: layout };
  });
}

/** Sums first, then every dimension whole, then cut: a way that always is. */
function throughWhole({ source, target }: Question): readonly Leg[] {
  const moves: Move<AxisList>[] = [];
  if (source.sum.length > 0) moves.push({ kind: "allReduce", parts: source.sum });
  source.dims.forEach((parts, dim) => {
    if (parts.length > 0) moves.push({ kind: "allGather", dim, parts });
  });
  target.layout.dims.forEach((parts, dim) => {
    if (parts.length > 0) moves.push({ kind: "slice", dim, parts });
  });
  return legsOf(source, moves);
}

function priced({ value, target }: Question, legs: readonly Leg[]): ReshardPath {
  const withKept = (layout: Layout): Layout => ({
    ...layout,
    sum: [...layout.sum, ...target.kept],
  });
  let bytes = 0;
  const steps = legs.map((leg): Leg => {
    const price = priceOf(value, countsOf(leg.before), sizesOf(leg.move));
    if (price === undefined)
      throw new ShardingError("SHARD-01", "reshard: blocks of a step do not nest.");
    bytes += price.bytes;
    return { move: leg.move, before: withKept(leg.before), after: withKept(leg.after) };
  });
  return { steps, bytes };
}
