/**
 * @file Lists of axis parts as words of digits: cut at any place, compared, put together again.
 *
 * The place of a device along a list is a number in mixed radix, one digit per part, the first one major. A part of
 * size 8 is three digits of size 2 as well as one: lists are equal up to such cuts.
 */

import { type AxisPart, joinParts, type Mesh, showPart, sizeOfParts } from "../../core/mesh.ts";

export type AxisList = readonly AxisPart[];

/** Whether two parts can stand in one layout: of one axis, one must end where, or before, the other begins. */
export function standTogether(a: AxisPart, b: AxisPart): boolean {
  return (
    a.name !== b.name ||
    b.before % (a.before * a.size) === 0 ||
    a.before % (b.before * b.size) === 0
  );
}

/** Text that is equal for lists of the same digits in the same order. */
export function listKey(list: AxisList): string {
  return list.map((part) => showPart(part)).join("+");
}

/** The parts of a set in one order of their own, joined. */
export function asSet(parts: AxisList): AxisPart[] {
  const sorted = [...parts].sort((a, b) =>
    a.name === b.name ? a.before - b.before : a.name < b.name ? -1 : 1,
  );
  return joinParts(sorted);
}

/** The leading digits of size `size`, and the rest; a size must divide. */
export function cutPart(part: AxisPart, size: number): [AxisPart, AxisPart] {
  return [
    { ...part, size },
    { ...part, before: part.before * size, size: part.size / size },
  ];
}

/** The list as a head and a tail of size `size`; undefined where no cut is there. */
export function cutTail(list: AxisList, size: number): [AxisPart[], AxisPart[]] | undefined {
  const [head, tail] = [[...list], [] as AxisPart[]];
  for (let left = size; left > 1; ) {
    const last = head.pop();
    if (last === undefined) return undefined;
    if (left % last.size === 0) {
      tail.unshift(last);
      left /= last.size;
    } else if (last.size % left === 0) {
      const [kept, cut] = cutPart(last, last.size / left);
      head.push(kept);
      tail.unshift(cut);
      left = 1;
    } else return undefined;
  }
  return [head, tail];
}

/** The list as a head of size `size` and a tail; undefined where no cut is there. */
export function cutHead(list: AxisList, size: number): [AxisPart[], AxisPart[]] | undefined {
  const total = sizeOfParts(list);
  const cut = total % size === 0 ? cutTail(list, total / size) : undefined;
  return cut !== undefined && sizeOfParts(cut[0]) === size ? cut : undefined;
}

/** Sizes above 1 of all tails, small ones first. */
export function tailSizes(list: AxisList): number[] {
  const sizes: number[] = [];
  let behind = 1;
  for (let i = list.length - 1; i >= 0; i--) {
    const { size } = list[i] as AxisPart;
    for (const divisor of divisors(size)) if (divisor > 1) sizes.push(behind * divisor);
    behind *= size;
  }
  return sizes;
}

const divisorsOf = new Map<number, readonly number[]>();

/** All divisors, ascending. */
export function divisors(n: number): readonly number[] {
  const known = divisorsOf.get(n);
  if (known !== undefined) return known;
  const found = Array.from({ length: n }, (_, i) => i + 1).filter((d) => n % d === 0);
  divisorsOf.set(n, found);
  return found;
}

/** What is left of two lists behind their longest common head. */
export function afterCommonHead(a: AxisList, b: AxisList): [AxisPart[], AxisPart[]] {
  const [left, right] = [[...a], [...b]];
  for (;;) {
    const [x, y] = [left[0], right[0]];
    if (x === undefined || y === undefined || x.name !== y.name || x.before !== y.before) break;
    if (x.size === y.size) {
      left.shift();
      right.shift();
    } else if (y.size % x.size === 0) {
      left.shift();
      right[0] = cutPart(y, x.size)[1];
    } else if (x.size % y.size === 0) {
      right.shift();
      left[0] = cutPart(x, y.size)[1];
    } else break;
  }
  return [left, right];
}

/** The pieces of a part that none of the used parts covers; none where a used part cannot stand beside it. */
export function freePieces(part: AxisPart, used: AxisList): AxisPart[] {
  let free = [part];
  for (const other of used) {
    if (other.name !== part.name) continue;
    free = free.flatMap((piece) => withoutPart(piece, other));
  }
  return free;
}

function withoutPart(piece: AxisPart, { before, size }: AxisPart): AxisPart[] {
  const [start, end] = [piece.before, piece.before * piece.size];
  const [from, to] = [Math.max(start, before), Math.min(end, before * size)];
  if (standTogether(piece, { name: piece.name, before, size })) return [piece];
  // One stands inside the other, or they run into each other: else they share no cut.
  if (from % start !== 0 || end % to !== 0 || to % from !== 0) return [];
  return [
    { name: piece.name, before: start, size: from / start },
    { name: piece.name, before: to, size: end / to },
  ].filter((part) => part.size > 1);
}

/** Digits that a layout leaves unused, in mesh order. */
export function unusedParts({ axes }: Mesh, used: AxisList): AxisPart[] {
  return axes.flatMap(({ name, size }) => freePieces({ name, before: 1, size }, used));
}

/** Pieces of a pool that are `size` devices together, and what stays; undefined where the pool has no such. */
export function takePieces(pool: AxisList, size: number): [AxisPart[], AxisPart[]] | undefined {
  const [taken, rest] = [[] as AxisPart[], [] as AxisPart[]];
  let left = size;
  for (const part of pool) {
    const common = commonDivisor(part.size, left);
    left /= common;
    const [piece, kept] = cutPart(part, common);
    if (piece.size > 1) taken.push(piece);
    if (kept.size > 1) rest.push(kept);
  }
  return left === 1 ? [joinParts(taken), rest] : undefined;
}

/** Whether all digits of a part stand in a set of parts that `asSet` made. */
export function covers(set: AxisList, part: AxisPart): boolean {
  return set.some(
    ({ name, before, size }) =>
      name === part.name &&
      part.before % before === 0 &&
      (before * size) % (part.before * part.size) === 0,
  );
}

/** The longest head of a list whose digits stand in a set. */
export function headWithin(list: AxisList, set: AxisList): AxisPart[] {
  const head: AxisPart[] = [];
  for (const part of list) {
    const pieces = divisors(part.size).map((size) => cutPart(part, size)[0]);
    const longest = pieces.findLast((piece) => piece.size > 1 && covers(set, piece));
    if (longest !== undefined) head.push(longest);
    if (longest?.size !== part.size) break;
  }
  return head;
}

/** The longest tail of a list whose digits stand in a set. */
export function tailWithin(list: AxisList, set: AxisList): AxisPart[] {
  const tail: AxisPart[] = [];
  for (const part of [...list].reverse()) {
    const pieces = divisors(part.size).map((size) => cutPart(part, part.size / size)[1]);
    const longest = pieces.findLast((piece) => piece.size > 1 && covers(set, piece));
    if (longest !== undefined) tail.unshift(longest);
    if (longest?.size !== part.size) break;
  }
  return tail;
}

export function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}

/** The list cut wherever `other` is cut, so that lists of the same digits have the same parts. */
export function cutAlike(list: AxisList, other: AxisList): AxisPart[] {
  return list.flatMap((part) => {
    const cuts = other
      .filter(({ name }) => name === part.name)
      .flatMap(({ before, size }) => [before, before * size])
      .filter((at) => at > part.before && at < part.before * part.size)
      .sort((a, b) => a - b);
    const edges = [...new Set([part.before, ...cuts, part.before * part.size])];
    return edges.slice(1).map((to, i) => {
      const before = edges[i] ?? 1;
      return { name: part.name, before, size: to / before };
    });
  });
}
