/**
 * @file The search for the cheapest moves: A* over layouts, and behind a permute over counts.
 *
 * A permute costs the same whatever it does, and moves around it can be exchanged with it by renaming devices. So one
 * is enough, and what lies behind it needs no axes until the way is found: they are chosen backwards from the target.
 * What some device still lacks bounds the rest of a way from below, since a device receives as much as it sends.
 */

import type { Mesh } from "../../core/mesh.ts";
import { type AxisList, afterCommonHead, listKey } from "./axis-lists.ts";
import { countMoves, isElsewhere, layoutMoves, type Target } from "./choices.ts";
import {
  blockSize,
  type Counts,
  countsOf,
  type Layout,
  type Move,
  moved,
  movedBack,
  type Price,
  priceOf,
  sizesOf,
  type WholeValue,
} from "./moves.ts";
import { SearchQueue } from "./search-queue.ts";

/** Less than a byte: of ways that send as much, the one of fewer steps is the cheapest. */
const STEP = 1e-4;

function costOf({ kind }: AnyMove, { bytes }: Price): number {
  return kind === "slice" ? 0 : bytes + STEP;
}

export interface Question {
  readonly mesh: Mesh;
  readonly value: WholeValue;
  readonly source: Layout;
  readonly target: Target;
}

/** A move from a layout to a layout. */
export interface Leg {
  readonly move: Move<AxisList>;
  readonly before: Layout;
  readonly after: Layout;
}

type AnyMove = Move<AxisList> | Move<number>;

interface State {
  /** Null behind a permute. */
  readonly layout: Layout | null;
  readonly counts: Counts;
  readonly key: string;
  readonly paid: number;
  /** Null at the start. */
  readonly from: { readonly state: State; readonly move: AnyMove } | null;
}

/** A state to come; its layout is made only if it is worth it. */
interface Next {
  readonly layout: (() => Layout) | null;
  readonly counts: Counts;
  readonly paid: number;
  readonly from: { readonly state: State; readonly move: AnyMove };
}

/** States that one search opens at most; a usual question opens a few, hard ones hundreds. */
const LIMIT = 1500;

/**
 * Where a search came to its limit, what is missing counts more in the next: that one goes straighter, to a way that
 * may not be the cheapest.
 */
const HASTE: readonly number[] = [1, 2, 8];

/** Legs of the cheapest way in bytes; undefined where the search gave up. */
export function cheapestLegs(question: Question): readonly Leg[] | undefined {
  const banned = new Set<string>();
  for (const haste of HASTE) {
    for (;;) {
      const end = search(question, haste, banned);
      if (end === undefined) break;
      const legs = withAxes(question, end);
      if (!("banned" in legs)) return legs;
      banned.add(legs.banned);
    }
  }
  return undefined;
}

function search(question: Question, haste: number, banned: ReadonlySet<string>): State | undefined {
  const { source, target } = question;
  const queue = new SearchQueue<State>();
  const paidFor = new Map<string, number>();
  let enough = Number.POSITIVE_INFINITY;
  const offer = (state: State) => {
    const known = paidFor.get(state.key);
    if (known !== undefined && known <= state.paid) return;
    paidFor.set(state.key, state.paid);
    if (isEnd(state, target)) enough = Math.min(enough, state.paid);
    const missing = missingCost(question, state.counts, state.layout);
    if (state.paid + missing <= enough) queue.push(state, [state.paid + haste * missing, missing]);
  };
  const start = { layout: source, counts: countsOf(source), key: layoutKey(source) };
  offer({ ...start, paid: 0, from: null });
  for (let opened = 0; opened < LIMIT; opened++) {
    const state = queue.pop();
    if (state === undefined || isEnd(state, target)) return state;
    if (state.paid > (paidFor.get(state.key) ?? 0)) continue;
    openState(state, question, (next) => {
      if (next.paid + missingCost(question, next.counts, null) > enough) return;
      const layout = next.layout?.() ?? null;
      const key = layout === null ? countsKey(next.counts) : layoutKey(layout);
      if (!banned.has(`${state.key} ${key}`)) offer({ ...next, layout, key });
    });
  }
  return undefined;
}

function openState(state: State, { value, target }: Question, found: (next: Next) => void): void {
  const { layout, counts } = state;
  const offer = (move: AnyMove, price: Price | undefined, to: (() => Layout) | null) => {
    if (price === undefined) return;
    const paid = state.paid + costOf(move, price);
    found({ layout: to, counts: price.after, paid, from: { state, move } });
  };
  if (layout === null) {
    for (const move of countMoves(counts, target)) offer(move, priceOf(value, counts, move), null);
    return;
  }
  for (const move of layoutMoves(layout, target))
    offer(move, priceOf(value, counts, sizesOf(move)), () => moved(layout, move));
  const permute = { kind: "collectivePermute" } as const;
  offer(permute, priceOf(value, counts, permute), null);
}

function layoutKey({ dims, sum }: Layout): string {
  return `${dims.map(listKey).join(",")}/${listKey(sum)}`;
}

function countsKey({ dims, sum }: Counts): string {
  return `${dims.join()} of ${sum}`;
}

function isEnd({ layout, counts }: State, target: Target): boolean {
  if (counts.sum > 1 || target.counts.some((count, dim) => counts.dims[dim] !== count))
    return false;
  return layout === null || samePlaces(layout, target.layout);
}

function samePlaces(a: Layout, b: Layout): boolean {
  return a.dims.every((list, dim) => {
    const [excess, need] = afterCommonHead(list, b.dims[dim] ?? []);
    return excess.length === 0 && need.length === 0;
  });
}

/** Cost of what some device has to receive at least. */
function missingCost({ value, target }: Question, counts: Counts, layout: Layout | null): number {
  let [wanted, held] = [value.bytes, value.bytes];
  value.dims.forEach((size, dim) => {
    const block = blockSize(size, target.counts[dim] ?? 1);
    wanted *= block;
    held *= Math.min(block, blockSize(size, counts.dims[dim] ?? 1));
  });
  const away = layout !== null && target.even.every((even) => even) && isElsewhere(layout, target);
  // Of a sum, all that others add is missing.
  const bytes = counts.sum > 1 || away ? wanted : wanted - held;
  return bytes > 0 ? bytes + STEP : 0;
}

/** The legs to a state, in order; or the move by counts that no axes can do. */
function withAxes(
  { mesh, target }: Question,
  end: State,
): readonly Leg[] | { readonly banned: string } {
  const legs: Leg[] = [];
  let [state, after] = [end, target.layout];
  while (state.layout === null && state.from !== null) {
    const { state: earlier, move } = state.from;
    if (earlier.layout !== null) {
      // The permute. It may be none: the axes chosen behind it can be those that stand there.
      if (layoutKey(earlier.layout) !== layoutKey(after))
        legs.unshift({ move: { kind: "collectivePermute" }, before: earlier.layout, after });
    } else {
      const back = movedBack(mesh, after, move as Move<number>, target.kept);
      if (back === undefined) return { banned: `${earlier.key} ${state.key}` };
      legs.unshift({ ...back, after });
      after = back.before;
    }
    state = earlier;
  }
  while (state.layout !== null && state.from?.state.layout) {
    const { state: earlier, move } = state.from;
    const before = state.from.state.layout;
    legs.unshift({ move: move as Move<AxisList>, before, after: state.layout });
    state = earlier;
  }
  return legs;
}
