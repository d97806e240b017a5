/** @file Sharding rules: an op as an einsum over factors, `(i k, k j) -> (i j) | sum k`. */

/** Names a factor: a part of the index space that a mesh axis may split. */
export type Factor = string;

/**
 * How the axes of an op's operands and results relate.
 *
 * A factor may be split over devices: each device then runs the op on its pieces. Pieces of a result
 * that carries the factor are concatenated; factors in `sum` leave partial results that are added.
 */
export interface ShardingRule<P = unknown> {
  /** Per operand, the factor of each axis; null where the axis must stay whole. */
  readonly operands: readonly (readonly (Factor | null)[])[];
  readonly results: readonly (readonly (Factor | null)[])[];
  /** Factors that are summed away: pieces give partial sums. */
  readonly sum: readonly Factor[];
  /** Factors whose every element is needed by every result, with the reason. */
  readonly whole: readonly Factor[];
  /** Params for the pieces, given the dims of one piece of each result. */
  local(results: readonly (readonly number[])[]): P;
}

/** `(i k, k j) -> (i j) | sum k`; `.` marks an axis that stays whole. */
export function showRule(rule: ShardingRule): string {
  const side = (axes: readonly (readonly (Factor | null)[])[]) =>
    axes.map((factors) => factors.map((factor) => factor ?? ".").join(" ")).join(", ");
  const sum = rule.sum.length > 0 ? ` | sum ${rule.sum.join(" ")}` : "";
  const whole = rule.whole.length > 0 ? ` | whole ${rule.whole.join(" ")}` : "";
  return `(${side(rule.operands)}) -> (${side(rule.results)})${sum}${whole}`;
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
  operands: readonly (readonly (Factor | null)[])[],
  results: readonly (readonly (Factor | null)[])[],
  extra: { readonly sum?: readonly Factor[]; readonly whole?: readonly Factor[] } = {},
): ShardingRule<P> {
  return {
    operands,
    results,
    sum: extra.sum ?? [],
    whole: extra.whole ?? [],
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
