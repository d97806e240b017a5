/**
 * @file Who sends what to whom, when every place wants some run of a split dimension: three ways and their prices.
 *
 * - neighbours: all places send the same slice to their neighbour at one distance, for every distance that some place
 *   needs; what came stands left and right of the own block, and each place cuts its run out of that. The halo
 *   exchange of GSPMD: static slices, but it sends what the neediest place wants.
 * - rounds: each place sends just what another one wants. The pieces are edges from senders to receivers; a round is a
 *   matching of them, one permute. For runs whose distance grows along the mesh, such as other block sizes or mirrors.
 * - gather: everybody gets everything.
 */

/** How a dimension lies: element g of `size` on place ⌊g/block⌋ of `shards`. */
export interface Blocks {
  readonly size: number;
  readonly block: number;
  readonly shards: number;
}

/** A run of elements per place: `counts[i]` from `starts[i]` on, at the head of a piece of `length`. */
export interface Wanted {
  /** May lie outside [0, size). */
  readonly starts: readonly number[];
  /** From 0, where the place needs nothing, to `length`. What stands behind them may be anything. */
  readonly counts: readonly number[];
  readonly length: number;
}

/** `count` elements that go from `from` in one place's array to `to` in another's. */
export interface Piece {
  readonly source: number;
  readonly from: number;
  readonly target: number;
  readonly to: number;
  readonly count: number;
}

/** Pieces of which no two have the same source or the same target, sent as `length` elements each. */
export interface Round {
  readonly length: number;
  readonly pieces: readonly Piece[];
}

export interface NeighbourPiece {
  /** Comes from place i + distance; 0 is the own block. */
  readonly distance: number;
  /** The elements of that place's block that have room in the buffer. */
  readonly from: number;
  readonly to: number;
  /** What is sent of them, and the places from and to which; null where nobody needs them. */
  readonly sent: {
    readonly from: number;
    readonly to: number;
    readonly pairs: readonly (readonly [source: number, target: number])[];
  } | null;
}

interface Price {
  /** Elements that a device sends, one after the other, along the split dimension. */
  readonly sent: number;
  readonly collectives: number;
}

export type ExchangePlan = Price &
  (
    | {
        readonly kind: "neighbours";
        /** The pieces, one after the other, begin `lead` elements before the own block does and end after `extent`. */
        readonly pieces: readonly NeighbourPiece[];
        readonly lead: number;
        readonly extent: number;
      }
    | { readonly kind: "rounds"; readonly own: readonly Round[]; readonly rounds: readonly Round[] }
    | { readonly kind: "gather" }
  );

/** The plan that sends least; of equals the one with fewer collectives, then the simpler one. */
export function planExchange(blocks: Blocks, wanted: Wanted): ExchangePlan {
  const plans: ExchangePlan[] = [planNeighbours(blocks, wanted)];
  const everything = (blocks.shards - 1) * blocks.block;
  if (everything > 0) plans.push({ kind: "gather", sent: everything, collectives: 1 });
  const best = (list: readonly ExchangePlan[]) =>
    list.reduce((a, b) => (cheaper(b, a) ? b : a), list[0] as ExchangePlan);
  const simple = best(plans);
  const pieces = piecesOf(heldIn(blocks), runsOf(wanted));
  // No rounds can beat it when a single place receives, or sends, as much already.
  if (leastSent(pieces, blocks.shards) > simple.sent) return simple;
  return best([simple, planRounds(pieces, blocks.shards)]);
}

function cheaper(a: Price, b: Price): boolean {
  return a.sent === b.sent ? a.collectives < b.collectives : a.sent < b.sent;
}

// ---- neighbours ---------------------------------------------------------------------------------

export function planNeighbours(blocks: Blocks, { starts, counts, length }: Wanted): ExchangePlan {
  const { size, block, shards } = blocks;
  const needy = starts.flatMap((start, i) => ((counts[i] ?? 0) > 0 ? [start - block * i] : []));
  if (needy.length === 0) needy.push(0);
  const [low, high] = [Math.min(...needy), Math.max(...needy) + length];
  const pieces: NeighbourPiece[] = [];
  const buffer = { kind: "neighbours" as const, lead: 0 - low, extent: high - low };
  if (block === 0) return { ...buffer, pieces, sent: 0, collectives: 0 };
  for (let distance = Math.floor(low / block); distance * block < high; distance++) {
    const shift = distance * block;
    const [from, to] = [Math.max(low - shift, 0), Math.min(high - shift, block)];
    const pairs: [number, number][] = [];
    let [first, end] = [block, 0];
    for (let target = 0; target < shards; target++) {
      const source = target + distance;
      if (distance === 0 || source < 0 || source >= shards) continue;
      const start = starts[target] ?? 0;
      const own = source * block;
      const needFrom = Math.max(start, own) - own;
      const needTo = Math.min(start + (counts[target] ?? 0), own + block, size) - own;
      if (needFrom >= needTo) continue;
      pairs.push([source, target]);
      [first, end] = [Math.min(first, needFrom), Math.max(end, needTo)];
    }
    pieces.push({
      distance,
      from,
      to,
      sent: pairs.length === 0 ? null : { from: first, to: end, pairs },
    });
  }
  const sent = pieces.flatMap((piece) => (piece.sent === null ? [] : [piece.sent]));
  return {
    ...buffer,
    pieces,
    sent: sent.reduce((sum, { from, to }) => sum + to - from, 0),
    collectives: sent.length,
  };
}

// ---- rounds -------------------------------------------------------------------------------------

/** Elements [from, to) of the whole that a place holds, from the head of its array on. Rising with the place. */
export interface Held {
  readonly from: number;
  readonly to: number;
}

/** Elements of the whole from `from` on that a place wants at `to` of its result. */
export interface Run {
  readonly target: number;
  readonly from: number;
  readonly count: number;
  readonly to: number;
}

export function heldIn({ size, block, shards }: Blocks): Held[] {
  return Array.from({ length: shards }, (_, i) => ({
    from: Math.min(i * block, size),
    to: Math.min((i + 1) * block, size),
  }));
}

export function runsOf({ starts, counts }: Wanted): Run[] {
  return starts.map((from, target) => ({ target, from, count: counts[target] ?? 0, to: 0 }));
}

/** The runs cut at the ends of what single places hold. What nobody holds is left out. */
export function piecesOf(held: readonly Held[], runs: readonly Run[]): Piece[] {
  return runs.flatMap(({ target, from, count, to }) => {
    const pieces: Piece[] = [];
    for (let source = firstPast(held, from); source < held.length; source++) {
      const own = held[source] ?? { from: 0, to: 0 };
      if (own.from >= from + count) break;
      const start = Math.max(from, own.from);
      const shared = Math.min(from + count, own.to) - start;
      if (shared > 0)
        pieces.push({
          source,
          from: start - own.from,
          target,
          to: to + start - from,
          count: shared,
        });
    }
    return pieces;
  });
}

/** The first place that holds elements after `from`, or is itself after it. */
function firstPast(held: readonly Held[], from: number): number {
  let [low, high] = [0, held.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((held[middle]?.to ?? 0) > from) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** What the place that sends, or receives, most has to send or receive: no rounds are cheaper. */
export function leastSent(pieces: readonly Piece[], shards: number): number {
  const [out, into] = [new Float64Array(shards), new Float64Array(shards)];
  for (const { source, target, count } of pieces) {
    if (source === target) continue;
    out[source] = (out[source] ?? 0) + count;
    into[target] = (into[target] ?? 0) + count;
  }
  return Math.max(0, ...out, ...into);
}

/** Pieces into rounds: the longest first, each into the first round in which its source and its target are free. */
export function planRounds(
  pieces: readonly Piece[],
  shards: number,
): ExchangePlan & { readonly kind: "rounds" } {
  const stays = ({ source, target }: Piece) => source === target;
  const own = matchings(pieces.filter(stays), shards);
  const rounds = matchings(
    pieces.filter((piece) => !stays(piece)),
    shards,
  );
  const sent = rounds.reduce((sum, { length }) => sum + length, 0);
  return { kind: "rounds", own, rounds, sent, collectives: rounds.length };
}

function matchings(pieces: readonly Piece[], shards: number): Round[] {
  const rounds: { length: number; pieces: Piece[]; sends: Uint8Array; receives: Uint8Array }[] = [];
  for (const piece of pieces.toSorted((a, b) => b.count - a.count)) {
    let round = rounds.find(
      ({ sends, receives }) => sends[piece.source] === 0 && receives[piece.target] === 0,
    );
    if (round === undefined) {
      const [sends, receives] = [new Uint8Array(shards), new Uint8Array(shards)];
      round = { length: piece.count, pieces: [], sends, receives };
      rounds.push(round);
    }
    round.pieces.push(piece);
    round.sends[piece.source] = 1;
    round.receives[piece.target] = 1;
  }
  return rounds.map(({ length, pieces: matched }) => ({ length, pieces: matched }));
}
