/** @file Sharding rules: an op as an einsum over factors, `(i k, k j) -> (i j) | sum k`. */

/** Names a factor: a part of the index space that a mesh axis may split. */
export type Factor = string;

/** What an axis is made of: one factor, several (the first is major), or none, null, where it must stay whole. */
export type AxisFactors = Factor | null | readonly Factor[];

/**
 * How the axes of an op's operands and results relate.
 *
 * A factor may be split over devices: each device then runs the op on its pieces. Pieces of a result
 * that carries the factor are concatenated; factors in `sum`, `max` and `min` leave partial results that are
 * combined so.
 */
export interface ShardingRule<P = unknown> {
  readonly operands: readonly (readonly AxisFactors[])[];
  readonly results: readonly (readonly AxisFactors[])[];
  /** Factors that are summed away: pieces give partial sums. */
  readonly sum: readonly Factor[];
  /** Factors of which the largest, or the least, is kept. */
  readonly max: readonly Factor[];
  readonly min: readonly Factor[];
  /**
   * Factors whose pieces need elements of other pieces, as windows and prefixes do. They have no local form: who
   * knows the op moves what is needed, who does not gathers them first.
   */
  readonly moves: readonly Factor[];
  /** Lengths of the factors that share an axis with others. */
  readonly lengths: Readonly<Record<Factor, number>>;
  /** Params for the pieces, given the dims of one piece of each result. */
  local(results: readonly (readonly number[])[]): P;
}

/** The factors of an axis, the first one major. */
export function factorsOfAxis(axis: AxisFactors): readonly Factor[] {
  return axis === null ? [] : typeof axis === "string" ? [axis] : axis;
}

/** `(i k, k j) -> (i j) | sum k`; `.` marks an axis that stays whole, `(a b)` one of two factors. */
export function showRule({ operands, results, sum, max, min, moves }: ShardingRule): string {
  const axis = (factors: AxisFactors) =>
    factors === null ? "." : typeof factors === "string" ? factors : `(${factors.join(" ")})`;
  const side = (axes: readonly (readonly AxisFactors[])[]) =>
    axes.map((list) => list.map(axis).join(" ")).join(", ");
  const kinds = Object.entries({ sum, max, min, moves })
    .filter(([, factors]) => factors.length > 0)
    .map(([kind, factors]) => ` | ${kind} ${factors.join(" ")}`);
  return `(${side(operands)}) -> (${side(results)})${kinds.join("")}`;
}

/** Factor names `a b c …` for the axes of one shape. */
export function factorNames(rank: number, start = 0): Factor[] {
  return Array.from({ length: rank }, (_, i) => factorName(start + i));
}

function factorName(i: number): Factor {
  const letter = String.fromCharCode(97 + (i % 26));
  return i < 26 ? letter : `${letter}${Math.floor(i / 26)}`;
}

/** A rule whose params do not depend on sizes. */
export function rule<P>(
  params: P,
  operands: readonly (readonly AxisFactors[])[],
  results: readonly (readonly AxisFactors[])[],
  extra: Partial<Pick<ShardingRule, "sum" | "max" | "min" | "moves" | "lengths">> = {},
): ShardingRule<P> {
  return {
    ...{ operands, results, sum: [], max: [], min: [], moves: [], lengths: {} },
    ...extra,
    local: () => params,
  };
}

/** Every operand and result has the same axes, element by element. */
export function pointwise<P>(
  rank: number,
  operands: number,
  params: P,
  results = 1,
): ShardingRule<P> {
  const factors = factorNames(rank);
  return rule(params, Array(operands).fill(factors), Array(results).fill(factors));
}

/** Nothing may be split. */
export function replicated<P>(
  operands: readonly number[],
  results: readonly number[],
  params: P,
): ShardingRule<P> {
  const whole = (ranks: readonly number[]) => ranks.map((rank) => Array<null>(rank).fill(null));
  return rule(params, whole(operands), whole(results));
}
