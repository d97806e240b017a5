/**
 * @file Single moves between layouts: what each needs, what it sends, and what comes of it.
 *
 * What a move sends depends on the COUNTS only, the number of blocks of each dimension. So there are two kinds of
 * moves with one price list: `Move<AxisList>` says which axes move, `Move<number>` only how many blocks.
 */

import { ShardingError } from "../../core/errors.ts";
import { joinParts, type Mesh, sizeOfParts } from "../../core/mesh.ts";
import { bytesSent, type CollectiveKind } from "../collective-bytes.ts";
import {
  type AxisList,
  asSet,
  cutTail,
  freePieces,
  takePieces,
  unusedParts,
} from "./axis-lists.ts";

/** How a value lies: the axes of each dimension, and those whose devices hold summands of it. */
export interface Layout {
  readonly dims: readonly AxisList[];
  readonly sum: AxisList;
}

export interface Along<T> {
  readonly dim: number;
  readonly parts: T;
}

/**
 * slice: a device keeps one block of what it holds. allGather: a dimension loses the tail of its list. allToAll: tails
 * of some dimensions go to the ends of others, all in one exchange. collectivePermute: every device gets the whole
 * block of another one. reduceScatter: axes of the sum go to the end of a dimension. allReduce: they go away.
 */
export type Move<T> =
  | ({ readonly kind: "slice" | "allGather" | "reduceScatter" } & Along<T>)
  | {
      readonly kind: "allToAll";
      readonly taken: readonly Along<T>[];
      readonly given: readonly Along<T>[];
    }
  | { readonly kind: "allReduce"; readonly parts: T }
  | { readonly kind: "collectivePermute" };

/** Blocks of each dimension, and how many devices hold summands of one block. */
export interface Counts {
  readonly dims: readonly number[];
  readonly sum: number;
}

/** A whole tensor: its dims, and bytes per element. */
export interface WholeValue {
  readonly dims: readonly number[];
  readonly bytes: number;
}

/** What a move sends, and what it leaves. */
export interface Price {
  readonly members: number;
  /** Sent per device. */
  readonly bytes: number;
  readonly after: Counts;
}

export function countsOf({ dims, sum }: Layout): Counts {
  return { dims: dims.map(sizeOfParts), sum: sizeOfParts(sum) };
}

/** The move with sizes for axes. */
export function sizesOf(move: Move<AxisList>): Move<number> {
  const sized = ({ dim, parts }: Along<AxisList>) => ({ dim, parts: sizeOfParts(parts) });
  switch (move.kind) {
    case "collectivePermute":
      return move;
    case "allToAll":
      return { ...move, taken: move.taken.map(sized), given: move.given.map(sized) };
    default:
      return { ...move, parts: sizeOfParts(move.parts) };
  }
}

/** Elements of one block. */
export function blockSize(size: number, count: number): number {
  return Math.ceil(size / count);
}

/**
 * Whether the blocks of `count` are cut, each by itself, into those of `count · parts`: true where the small blocks
 * fill the large ones, and where the first large block holds all there is.
 */
export function nests(size: number, count: number, parts: number): boolean {
  const block = blockSize(size, count);
  return block >= size || block === parts * blockSize(size, count * parts);
}

/** Elements that one device holds; `at` gives other lengths for some dimensions. */
export function localElements(
  { dims }: Pick<WholeValue, "dims">,
  counts: readonly number[],
  at: ReadonlyMap<number, number> = new Map(),
): number {
  return dims.reduce(
    (product, size, dim) => product * (at.get(dim) ?? blockSize(size, counts[dim] ?? 1)),
    1,
  );
}

/** The price of a move; undefined where blocks do not nest, so that devices would lack elements. */
export function priceOf(value: WholeValue, counts: Counts, move: Move<number>): Price | undefined {
  const { dims, bytes } = value;
  const sizeAt = (dim: number) => dims[dim] ?? 1;
  const countAt = (dim: number) => counts.dims[dim] ?? 1;
  const withCount = (changes: readonly (readonly [dim: number, count: number])[]) => {
    const changed = [...counts.dims];
    for (const [dim, count] of changes) changed[dim] = count;
    return changed;
  };
  // Blocks before the cut are as long as their small blocks together.
  const padded = ({ dim, parts }: Along<number>) =>
    parts * blockSize(sizeAt(dim), countAt(dim) * parts);
  const sent = (kind: CollectiveKind, members: number, elements: number) =>
    bytesSent(kind, members, elements * bytes);
  switch (move.kind) {
    case "slice":
    case "reduceScatter": {
      const { dim, parts } = move;
      if (!nests(sizeAt(dim), countAt(dim), parts)) return undefined;
      const operand = localElements(value, counts.dims, new Map([[dim, padded(move)]]));
      const after = withCount([[dim, countAt(dim) * parts]]);
      return move.kind === "slice"
        ? { members: 1, bytes: 0, after: { ...counts, dims: after } }
        : {
            members: parts,
            bytes: sent(move.kind, parts, operand),
            after: { dims: after, sum: counts.sum / parts },
          };
    }
    case "allGather": {
      const { dim, parts } = move;
      const left = countAt(dim) / parts;
      if (!nests(sizeAt(dim), left, parts)) return undefined;
      const whole = parts * blockSize(sizeAt(dim), countAt(dim));
      const result = localElements(value, counts.dims, new Map([[dim, whole]]));
      return {
        members: parts,
        bytes: sent(move.kind, parts, result),
        after: { ...counts, dims: withCount([[dim, left]]) },
      };
    }
    case "allToAll": {
      const fits =
        move.taken.every(({ dim, parts }) => nests(sizeAt(dim), countAt(dim) / parts, parts)) &&
        move.given.every(({ dim, parts }) => nests(sizeAt(dim), countAt(dim), parts));
      if (!fits) return undefined;
      const lengths = new Map(move.given.map((each) => [each.dim, padded(each)]));
      const members = move.given.reduce((product, { parts }) => product * parts, 1);
      const after = withCount([
        ...move.taken.map(({ dim, parts }) => [dim, countAt(dim) / parts] as const),
        ...move.given.map(({ dim, parts }) => [dim, countAt(dim) * parts] as const),
      ]);
      return {
        members,
        bytes: sent(move.kind, members, localElements(value, counts.dims, lengths)),
        after: { ...counts, dims: after },
      };
    }
    case "allReduce": {
      const operand = localElements(value, counts.dims);
      return {
        members: move.parts,
        bytes: sent(move.kind, move.parts, operand),
        after: { ...counts, sum: counts.sum / move.parts },
      };
    }
    case "collectivePermute":
      return {
        members: 2,
        bytes: sent(move.kind, 2, localElements(value, counts.dims)),
        after: counts,
      };
  }
}

/** The layout after a move that names its axes. @throws ShardingError for axes that do not stand there */
export function moved(layout: Layout, move: Move<AxisList>): Layout {
  const dims = [...layout.dims];
  const append = ({ dim, parts }: Along<AxisList>) => {
    dims[dim] = joinParts([...(dims[dim] ?? []), ...parts]);
  };
  const remove = ({ dim, parts }: Along<AxisList>) => {
    const cut = cutTail(dims[dim] ?? [], sizeOfParts(parts));
    if (cut === undefined)
      throw new ShardingError("SHARD-01", `reshard: dimension ${dim} has no such tail of axes.`);
    dims[dim] = cut[0];
  };
  switch (move.kind) {
    case "slice":
      append(move);
      return { ...layout, dims };
    case "allGather":
      remove(move);
      return { ...layout, dims };
    case "allToAll":
      for (const each of move.taken) remove(each);
      for (const each of move.given) append(each);
      return { ...layout, dims };
    case "reduceScatter":
      append(move);
      return { dims, sum: layout.sum.flatMap((part) => freePieces(part, move.parts)) };
    case "allReduce":
      return { dims, sum: layout.sum.flatMap((part) => freePieces(part, move.parts)) };
    case "collectivePermute":
      return layout;
  }
}

/**
 * A layout that a move by counts leads from, and the move with its axes; undefined where the lists have no cut at the
 * sizes. Where axes can be chosen, unused ones are taken in mesh order.
 *
 * @param kept - axes that no move may touch
 */
export function movedBack(
  mesh: Mesh,
  layout: Layout,
  move: Move<number>,
  kept: AxisList,
): { readonly before: Layout; readonly move: Move<AxisList> } | undefined {
  const dims = [...layout.dims];
  const at = (dim: number) => dims[dim] ?? [];
  const unused = () => unusedParts(mesh, [...dims.flat(), ...layout.sum, ...kept]);
  switch (move.kind) {
    case "slice":
    case "reduceScatter": {
      const cut = cutTail(at(move.dim), move.parts);
      if (cut === undefined) return undefined;
      const [head, parts] = cut;
      dims[move.dim] = head;
      const sum = move.kind === "slice" ? layout.sum : asSet([...layout.sum, ...parts]);
      return { before: { dims, sum }, move: { ...move, parts } };
    }
    case "allGather": {
      const found = takePieces(unused(), move.parts);
      if (found === undefined) return undefined;
      const [parts] = found;
      dims[move.dim] = joinParts([...at(move.dim), ...parts]);
      return { before: { ...layout, dims }, move: { ...move, parts } };
    }
    case "allReduce": {
      const found = takePieces(unused(), move.parts);
      if (found === undefined) return undefined;
      const [parts] = found;
      return {
        before: { dims, sum: asSet([...layout.sum, ...parts]) },
        move: { ...move, parts },
      };
    }
    case "allToAll": {
      const given: Along<AxisList>[] = [];
      for (const { dim, parts } of move.given) {
        const cut = cutTail(at(dim), parts);
        if (cut === undefined) return undefined;
        dims[dim] = cut[0];
        given.push({ dim, parts: cut[1] });
      }
      let pool: AxisList = given.flatMap(({ parts }) => parts);
      const taken: Along<AxisList>[] = [];
      for (const { dim, parts } of move.taken) {
        const found = takePieces(pool, parts);
        if (found === undefined) return undefined;
        dims[dim] = joinParts([...at(dim), ...found[0]]);
        taken.push({ dim, parts: found[0] });
        pool = found[1];
      }
      return { before: { ...layout, dims }, move: { ...move, taken, given } };
    }
    case "collectivePermute":
      return { before: layout, move };
  }
}
