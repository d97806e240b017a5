/**
 * @file Which moves are worth a try on the way to a target.
 *
 * With the axes known, moves are led by the target: axes that stand at their place stay, axes that the target wants and
 * nobody uses are cut at once. Counts alone lead after a permute, which may put any axes anywhere: then the axes of the
 * target are chosen, read backwards.
 */

import { joinParts, sizeOfParts } from "../../core/mesh.ts";
import {
  type AxisList,
  afterCommonHead,
  asSet,
  commonDivisor,
  cutHead,
  cutPart,
  cutTail,
  divisors,
  freePieces,
  headWithin,
  listKey,
  standTogether,
  tailSizes,
  tailWithin,
} from "./axis-lists.ts";
import type { Along, Counts, Layout, Move } from "./moves.ts";

/** What the way leads to. */
export interface Target {
  readonly layout: Layout;
  readonly counts: readonly number[];
  /** Whole sizes. */
  readonly sizes: readonly number[];
  /** Dimensions that moves may use. */
  readonly dims: readonly number[];
  /** Dimensions whose blocks come out even in source and target. */
  readonly even: readonly boolean[];
  /** Axes whose sums stay. */
  readonly kept: AxisList;
  /** Devices that may be told apart: those of the mesh but for `kept`. */
  readonly devices: number;
}

/** Moves of a layout, their axes named. */
export function layoutMoves(layout: Layout, target: Target): Move<AxisList>[] {
  const rest = layout.dims.map((list, dim) =>
    afterCommonHead(list, target.layout.dims[dim] ?? []),
  ) as (readonly [excess: AxisList, need: AxisList])[];
  const used = [...layout.dims.flat(), ...layout.sum, ...target.kept];
  const moves: Move<AxisList>[] = [];
  for (const dim of target.dims) {
    const [excess, need] = rest[dim] ?? [[], []];
    if (excess.length > 0 || need.length === 0) continue;
    const parts = unusedHead(need, used);
    if (parts.length === 0) continue;
    const cut: Move<AxisList> = { kind: "slice", dim, parts };
    // What costs nothing and stands where it has to can wait for nothing.
    if (target.even[dim] === true) return [cut];
    moves.push(cut);
  }
  moves.push(...wantedSlices(layout, rest, used, target));
  for (const dim of target.dims) {
    const list = layout.dims[dim] ?? [];
    const movable = target.even[dim] === true ? (rest[dim]?.[0] ?? []) : list;
    for (const size of tailSizes(movable)) {
      const parts = cutTail(list, size)?.[1];
      if (parts === undefined) continue;
      moves.push({ kind: "allGather", dim, parts });
      for (const other of target.dims)
        if (other !== dim)
          for (const given of arrangements(parts, rest[other]))
            moves.push({
              kind: "allToAll",
              taken: [{ dim, parts }],
              given: [{ dim: other, parts: given }],
            });
    }
  }
  moves.push(...guidedExchanges(rest, target.dims));
  if (layout.sum.length > 0) moves.push(...sumMoves(layout, rest, target.dims));
  return moves;
}

/** The head of a list that no used part covers. */
function unusedHead(list: AxisList, used: AxisList): AxisList {
  const head: (typeof list)[number][] = [];
  for (const part of list) {
    const first = freePieces(part, used).find(({ before }) => before === part.before);
    if (first !== undefined) head.push(first);
    if (first?.size !== part.size) break;
  }
  return head;
}

/**
 * Unused axes that the target wants, put at the end of any list: what is smaller travels cheaper. Cut into pieces only
 * where a dimension then has the blocks of the target.
 */
function wantedSlices(
  layout: Layout,
  rest: readonly (readonly [AxisList, AxisList])[],
  used: AxisList,
  { dims, counts }: Target,
): Move<AxisList>[] {
  const wanted = rest.flatMap(([, need]) => need.flatMap((part) => freePieces(part, used)));
  return wanted.flatMap((part) =>
    dims.flatMap((dim) => {
      const count = sizeOfParts(layout.dims[dim] ?? []);
      return divisors(part.size)
        .filter((size) => size > 1)
        .filter((size) => size === part.size || (counts[dim] ?? 1) % (count * size) === 0)
        .map((size) => slice(dim, [cutPart(part, size)[0]]));
    }),
  );
}

function slice(dim: number, parts: AxisList): Move<AxisList> {
  return { kind: "slice", dim, parts };
}

/** Moved axes as they come, and in the order that the target wants them in next. */
function arrangements(
  parts: AxisList,
  rest: readonly [AxisList, AxisList] | undefined,
): readonly AxisList[] {
  const [excess, need] = rest ?? [[], []];
  if (excess.length > 0) return [parts];
  const head = cutHead(need, sizeOfParts(parts))?.[0];
  if (head === undefined || listKey(head) === listKey(parts)) return [parts];
  return listKey(asSet(head)) === listKey(asSet(parts)) ? [parts, head] : [parts];
}

/** Exchanges of several dimensions at once that put axes where the target wants them. */
function guidedExchanges(
  rest: readonly (readonly [AxisList, AxisList])[],
  dims: readonly number[],
): Move<AxisList>[] {
  const needy = dims.filter((dim) => rest[dim]?.[0].length === 0 && rest[dim]?.[1].length !== 0);
  const sources = dims.filter((dim) => rest[dim]?.[0].length !== 0);
  const choices = needy.length > 1 ? [needy, ...needy.map((dim) => [dim])] : [needy];
  return choices.flatMap((chosen) => {
    const move = exchangeFor(chosen, sources, rest);
    return move === undefined || (move.taken.length === 1 && move.given.length === 1) ? [] : [move];
  });
}

function exchangeFor(
  needy: readonly number[],
  sources: readonly number[],
  rest: readonly (readonly [AxisList, AxisList])[],
): (Move<AxisList> & { readonly kind: "allToAll" }) | undefined {
  const pick = (from: readonly number[], choose: (dim: number) => AxisList): Along<AxisList>[] =>
    from.map((dim) => ({ dim, parts: choose(dim) })).filter(({ parts }) => parts.length > 0);
  const digits = (list: readonly Along<AxisList>[]) => list.flatMap(({ parts }) => parts);
  let movable = asSet(sources.flatMap((dim) => rest[dim]?.[0] ?? []));
  // Each round keeps what both sides agree on, until it is the same.
  for (;;) {
    const given = pick(needy, (dim) => headWithin(rest[dim]?.[1] ?? [], movable));
    const wanted = asSet(digits(given));
    const taken = pick(sources, (dim) => tailWithin(rest[dim]?.[0] ?? [], wanted));
    const covered = asSet(digits(taken));
    if (taken.length === 0) return undefined;
    if (listKey(covered) === listKey(wanted)) return { kind: "allToAll", taken, given };
    movable = covered;
  }
}

/** Sums that end: scattered along a dimension, or on every device. */
function sumMoves(
  { sum }: Layout,
  rest: readonly (readonly [AxisList, AxisList])[],
  dims: readonly number[],
): Move<AxisList>[] {
  const set = asSet(sum);
  return [
    ...dims.flatMap((dim): Move<AxisList>[] => {
      const [excess, need] = rest[dim] ?? [[], []];
      const wanted = excess.length === 0 ? joinParts(headWithin(need, set)) : [];
      const choices = [wanted, set, ...set.map((part) => [part])];
      const known = new Set<string>();
      return choices
        .filter((parts) => parts.length > 0 && !known.has(listKey(parts)))
        .map((parts) => {
          known.add(listKey(parts));
          return { kind: "reduceScatter", dim, parts };
        });
    }),
    { kind: "allReduce", parts: set },
  ];
}

/** Moves of counts, for a way whose axes are chosen from its end. */
export function countMoves(counts: Counts, target: Target): Move<number>[] {
  const { dims, devices } = target;
  const countAt = (dim: number) => counts.dims[dim] ?? 1;
  const targetAt = (dim: number) => target.counts[dim] ?? 1;
  const used = counts.dims.reduce((product, count) => product * count, counts.sum);
  const mayReceive = (dim: number, size: number) =>
    target.even[dim] !== true || targetAt(dim) % (countAt(dim) * size) === 0;
  const moves: Move<number>[] = [];
  for (const dim of dims) {
    const count = countAt(dim);
    for (const size of divisors(targetAt(dim)))
      if (size > 1 && targetAt(dim) % (count * size) === 0 && (devices / used) % size === 0)
        moves.push({ kind: "slice", dim, parts: size });
    const spare = target.even[dim] === true ? count / commonDivisor(count, targetAt(dim)) : count;
    for (const size of divisors(spare)) {
      if (size === 1) continue;
      moves.push({ kind: "allGather", dim, parts: size });
      for (const other of dims)
        if (other !== dim && mayReceive(other, size))
          moves.push({
            kind: "allToAll",
            taken: [{ dim, parts: size }],
            given: [{ dim: other, parts: size }],
          });
    }
    for (const size of divisors(counts.sum))
      if (size > 1 && mayReceive(dim, size))
        moves.push({ kind: "reduceScatter", dim, parts: size });
  }
  if (counts.sum > 1) moves.push({ kind: "allReduce", parts: counts.sum });
  return [...moves, ...wideExchanges(counts, target)];
}

/** Exchanges of three dimensions or more, each of which then has the target's count. */
function wideExchanges(counts: Counts, target: Target): Move<number>[] {
  const factors = target.dims.map((dim) => {
    const [count, wanted] = [counts.dims[dim] ?? 1, target.counts[dim] ?? 1];
    const common = commonDivisor(count, wanted);
    return { dim, out: count / common, into: wanted / common };
  });
  const outs = subsets(factors.filter(({ out }) => out > 1));
  const intos = subsets(factors.filter(({ out, into }) => out === 1 && into > 1));
  return outs.flatMap((taken) => {
    const size = taken.reduce((product, { out }) => product * out, 1);
    return intos
      .filter((given) => taken.length + given.length > 2)
      .filter((given) => given.reduce((product, { into }) => product * into, 1) === size)
      .map(
        (given): Move<number> => ({
          kind: "allToAll",
          taken: taken.map(({ dim, out }) => ({ dim, parts: out })),
          given: given.map(({ dim, into }) => ({ dim, parts: into })),
        }),
      );
  });
}

/** All subsets but the empty one. */
function subsets<T>(list: readonly T[]): T[][] {
  const sets: T[][] = [[]];
  for (const each of list) sets.push(...sets.map((set) => [...set, each]));
  return sets.slice(1);
}

/**
 * Whether some device holds nothing of what it needs in one dimension: behind what stands at its place, source and
 * target are led by digits that do not depend on each other.
 */
export function isElsewhere(layout: Layout, target: Target): boolean {
  return layout.dims.some((list, dim) => {
    const [excess, need] = afterCommonHead(list, target.layout.dims[dim] ?? []);
    const [a, b] = [excess[0], need[0]];
    if (a === undefined || b === undefined) return false;
    return standTogether(a, b);
  });
}
