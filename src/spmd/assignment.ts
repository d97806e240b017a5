/**
 * @file Which mesh axes split which factor of one equation: the choice that moves the fewest bytes.
 *
 * Every factor may take the axes that one of the tensors has on it, or none. A mesh axis serves one factor only. Of
 * each choice the price is known before anything is written: operands are resharded to it, the op runs on its pieces,
 * partial sums are added and results resharded to where they are wanted. All choices are compared, so batch, free and
 * contracting dimensions need no cases of their own, nor their mixtures over several mesh axes.
 */

import {
  type AxisPart,
  joinParts,
  overlap,
  sameParts,
  showPart,
  sizeOfParts,
} from "../core/mesh.ts";
import { type Aval, dimOf } from "../core/shape.ts";
import type { AxisFactors, Factor, ShardingRule } from "../core/sharding-rule.ts";
import { dimAxes, factorAxes } from "./factor-axes.ts";
import { type Sharding, sameLayout, shardingOn } from "./sharding.ts";

/** A tensor of the equation. */
export interface Placed {
  readonly form: Aval;
  /** How propagation wants it. */
  readonly sharding: Sharding;
  /** Of an operand: how it lies, as it was made and as others asked for it. */
  readonly copies?: readonly Sharding[];
  /** Of an operand: whether other ops read it, too. */
  readonly shared?: boolean;
  /** Of an operand: how it lies where the op may have summands in its place. */
  readonly summands?: Sharding | undefined;
  /** Of a result: whether it may stay a partial sum, so that the sum costs nothing here. */
  readonly late?: boolean;
}

export interface Assignment {
  readonly rule: ShardingRule;
  readonly factors: ReadonlyMap<Factor, readonly AxisPart[]>;
  /** Of the operands before the op, and of the results after it, partial sums not yet added. */
  readonly operands: readonly Sharding[];
  readonly results: readonly Sharding[];
}

export interface AssignmentQuestion {
  readonly rule: ShardingRule;
  readonly operands: readonly Placed[];
  readonly results: readonly Placed[];
  /** Factors of `rule.moves` that can be split all the same, since somebody knows how. */
  readonly movable: ReadonlySet<Factor>;
  /** Other rules of the op; their moving factors may all be split. */
  others?(): readonly ShardingRule[];
  /** Bytes that resharding sends from each device. */
  bytes(form: Aval, from: Sharding, to: Sharding): number;
  /** Bytes that the op itself sends where factors are split along which data moves. */
  moved?(assignment: Assignment): number;
}

/** Multiplications that take as long as sending one byte; about what accelerators of the last ten years have. */
const WORK_PER_BYTE = 500;
/**
 * A result goes home only if somebody asks for it there: of equal choices the one that moves it later is better. Not so
 * where it is a sum, which has to be taken: an operand that is moved instead may serve others, too.
 */
const LATER = 0.999;
/** An operand that is brought for this op alone, and its result taken back, cost two exchanges: of equal choices not that. */
const BOTH_WAYS = 1.002;
/**
 * What is brought for others as well is not paid again: of equal choices that one. Where the op sums it is none better,
 * since a sum that is scattered serves others, too.
 */
const SHARED = 0.998;
/** Choices looked at; the first are the likeliest. */
const MOST_CHOICES = 512;

/** All choices, the likeliest first; never empty, since nothing needs to be split. */
export function assignments(question: AssignmentQuestion): Assignment[] {
  const { rule, movable } = question;
  const others = question.others?.() ?? [];
  const of = (one: ShardingRule, may: ReadonlySet<Factor>) =>
    [...choices(optionsOf(question, one, may))].flatMap(
      (factors) => assignmentOf(one, factors) ?? [],
    );
  return [...of(rule, movable), ...others.flatMap((one) => of(one, new Set(one.moves)))];
}

/** The cheapest choice; of equal ones the first, which has the most devices at work. */
export function cheapest(question: AssignmentQuestion): Assignment {
  let best: { readonly assignment: Assignment; readonly price: number } | undefined;
  for (const assignment of assignments(question)) {
    const price = priceOf(question, assignment);
    if (best === undefined || price < best.price) best = { assignment, price };
  }
  if (best !== undefined) return best.assignment;
  throw new RangeError("no choice at all: the empty one is always among them");
}

/**
 * Axes that each factor may take: those that tensors have on it, the most first, and none. Those of a factor along
 * which data moves may go to another factor of the same tensor: an exchange among all instead of a gather.
 */
function optionsOf(
  { operands, results }: AssignmentQuestion,
  rule: ShardingRule,
  movable: ReadonlySet<Factor>,
): Map<Factor, (readonly AxisPart[])[]> {
  const sides = [...rule.operands, ...rule.results];
  const options = new Map<Factor, (readonly AxisPart[])[]>();
  const offer = (factor: Factor, axes: readonly AxisPart[]) => {
    const list = options.get(factor) ?? [];
    options.set(factor, list);
    if (axes.length === 0 || (rule.moves.includes(factor) && !movable.has(factor))) return;
    if (!list.some((other) => sameParts(other, axes))) list.push(axes);
  };
  const reduced = [...rule.sum, ...rule.max, ...rule.min];
  const free = (factor: Factor) => !reduced.includes(factor) && !rule.moves.includes(factor);
  [...operands, ...results].forEach(({ form, sharding, copies = [] }, i) => {
    const side = sides[i] ?? [];
    for (const { dims } of [sharding, ...copies]) {
      const found = factorAxes(
        dims.map(({ axes }) => axes),
        side,
        rule.lengths,
      );
      const moving = rule.moves.flatMap((factor) => found.get(factor) ?? []);
      for (const [factor, axes] of found) {
        offer(factor, axes);
        const dim = side.indexOf(factor);
        if (moving.length > 0 && free(factor) && dim >= 0 && dimOf(form, dim) > 1)
          offer(factor, joinParts([...axes, ...moving]));
      }
    }
  });
  for (const list of options.values()) {
    list.sort((a, b) => sizeOfParts(b) - sizeOfParts(a));
    list.push([]);
  }
  return options;
}

/** All combinations in which no mesh axis stands twice. */
function* choices(
  options: ReadonlyMap<Factor, readonly (readonly AxisPart[])[]>,
): Generator<ReadonlyMap<Factor, readonly AxisPart[]>> {
  const factors = [...options.keys()];
  let count = 0;
  function* from(
    at: number,
    chosen: ReadonlyMap<Factor, readonly AxisPart[]>,
  ): Generator<ReadonlyMap<Factor, readonly AxisPart[]>> {
    const factor = factors[at];
    if (factor === undefined) {
      count++;
      yield chosen;
      return;
    }
    const used = [...chosen.values()].flat();
    for (const axes of options.get(factor) ?? []) {
      if (count >= MOST_CHOICES && axes.length > 0) continue;
      if (axes.some((part) => used.some((other) => overlap(other, part)))) continue;
      yield* from(at + 1, new Map(chosen).set(factor, axes));
    }
  }
  yield* from(0, new Map());
}

/** Undefined where a tensor cannot be split so: the minor factor of an axis without its major one. */
function assignmentOf(
  rule: ShardingRule,
  factors: ReadonlyMap<Factor, readonly AxisPart[]>,
): Assignment | undefined {
  const place = (axes: readonly AxisFactors[]): Sharding | undefined => {
    const dims = dimAxes(axes, rule.lengths, factors);
    const back = factorAxes(dims, axes, rule.lengths);
    for (const [factor, own] of back)
      if (!sameParts(own, factors.get(factor) ?? [])) return undefined;
    return shardingOn(dims);
  };
  const operands = rule.operands.map(place).filter((each) => each !== undefined);
  const results = rule.results.map(place).filter((each) => each !== undefined);
  if (operands.length < rule.operands.length || results.length < rule.results.length)
    return undefined;
  const sum = rule.sum.flatMap((factor) => factors.get(factor) ?? []);
  return {
    ...{ rule, factors, operands },
    results: results.map((each) => (sum.length === 0 ? each : { ...each, sum })),
  };
}

function priceOf(question: AssignmentQuestion, assignment: Assignment): number {
  const { operands, results, bytes } = question;
  const { rule, factors } = assignment;
  const moves = rule.moves.some((factor) => (factors.get(factor) ?? []).length > 0);
  // Sums that wait are taken of the result, of all operands that have them at once.
  let waiting: readonly AxisPart[] = [];
  const together = rule.sum.length > 0 ? 1 : SHARED;
  const brought = operands.reduce((sum, { form, sharding, copies = [sharding], ...more }, i) => {
    const { summands, shared = false } = more;
    const to = assignment.operands[i] ?? sharding;
    if (!moves && summands !== undefined && sameLayout({ ...summands, sum: [] }, to)) {
      waiting = summands.sum;
      return sum;
    }
    const least = Math.min(...copies.map((copy) => bytes(form, copy, to)));
    return sum + (shared ? together : BOTH_WAYS) * least;
  }, 0);
  const returned = results.reduce((sum, { form, sharding, late = false }, i) => {
    const own = assignment.results[i] ?? sharding;
    const made = { ...own, sum: late ? [] : [...own.sum, ...waiting] };
    return sum + (made.sum.length > 0 ? 1 : LATER) * bytes(form, made, sharding);
  }, 0);
  // Extremes are combined at once, on all devices.
  const extremes = [...rule.max, ...rule.min].flatMap((f) => factors.get(f) ?? []);
  const combined =
    extremes.length === 0
      ? 0
      : results.reduce((sum, { form }, i) => {
          const own = assignment.results[i] ?? shardingOn([]);
          return sum + bytes(form, { ...own, sum: extremes }, own);
        }, 0);
  const moved = moves ? (question.moved?.(assignment) ?? 0) : 0;
  const work = workOf(question, assignment) / WORK_PER_BYTE;
  return brought + moved + returned + combined + work;
}

/** Points of the index space on each device: for a contraction its multiplications. */
function workOf({ operands, results }: AssignmentQuestion, { rule, factors }: Assignment): number {
  const lengths = new Map<Factor, number>(Object.entries(rule.lengths));
  const sides = [...rule.operands, ...rule.results];
  [...operands, ...results].forEach(({ form }, i) => {
    sides[i]?.forEach((axis, dim) => {
      if (typeof axis === "string" && !lengths.has(axis)) lengths.set(axis, dimOf(form, dim));
    });
  });
  let work = 1;
  for (const [factor, length] of lengths)
    work *= Math.ceil(length / sizeOfParts(factors.get(factor) ?? []));
  return work;
}

/** Names a question about an op for what decides about its answer. */
export function assignmentKey(
  { rule, operands, results, movable }: AssignmentQuestion,
  op: string,
  params: unknown,
): string {
  const sides = [rule.operands, rule.results, rule.sum, rule.max, rule.min, rule.moves];
  const placed = [...operands, ...results].map(
    ({ form, sharding, copies = [], late = false, shared = false, summands }) =>
      `${late ? "late " : ""}${shared ? "shared " : ""}${summands === undefined ? "" : "summands "}${form.dtype}${form.dims}:${[sharding, ...copies].map(layoutText).join(" ")}`,
  );
  // How much moves is in the params, as the reach of a window is.
  const how = movable.size > 0 ? `${op} ${JSON.stringify(params)}` : "";
  return `${JSON.stringify(sides)}|${placed.join("|")}|${[...movable]}|${how}`;
}

const layouts = new WeakMap<Sharding, string>();

function layoutText(sharding: Sharding): string {
  const known = layouts.get(sharding);
  if (known !== undefined) return known;
  const text = [...sharding.dims.map(({ axes }) => axes), sharding.sum]
    .map((axes) => axes.map((part) => showPart(part)).join("+"))
    .join(",");
  layouts.set(sharding, text);
  return text;
}
