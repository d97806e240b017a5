/**
 * @file Which mesh axes split which factor of one equation: the choice that moves the fewest bytes.
 *
 * Every factor may take the axes that one of the tensors has on it, or none. A mesh axis serves one factor only. Of
 * each choice the price is known before anything is written: operands are resharded to it, the op runs on its pieces,
 * partial sums are added and results resharded to where they are wanted. All choices are compared, so batch, free and
 * contracting dimensions need no cases of their own, nor their mixtures over several mesh axes.
 */

import { type Aval, dimOf } from "../core/shape.ts";
import type { AxisFactors, Factor, ShardingRule } from "../core/sharding-rule.ts";
import { factorsOfAxis } from "../core/sharding-rule.ts";
import { dimAxes, factorAxes } from "./factor-axes.ts";
import { type AxisPart, overlap, sameParts, showPart, sizeOfParts } from "./mesh.ts";
import { type Sharding, shardingOn } from "./sharding.ts";

/** A tensor of the equation, and how it lies, or is wanted. */
export interface Placed {
  readonly form: Aval;
  readonly sharding: Sharding;
}

export interface Assignment {
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
  /** Bytes that resharding sends from each device. */
  bytes(form: Aval, from: Sharding, to: Sharding): number;
}

/** Multiplications that take as long as sending one byte; about what accelerators of the last ten years have. */
const WORK_PER_BYTE = 500;
/** Choices looked at; the first are the likeliest. */
const MOST_CHOICES = 512;

/** All choices, the likeliest first; never empty, since nothing needs to be split. */
export function assignments(question: AssignmentQuestion): Assignment[] {
  return [...choices(optionsOf(question))].flatMap(
    (factors) => assignmentOf(question.rule, factors) ?? [],
  );
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

/** Axes that each factor may take: those that tensors have on it, the most first, and none. */
function optionsOf(question: AssignmentQuestion): Map<Factor, (readonly AxisPart[])[]> {
  const { rule, operands, results, movable } = question;
  const sides = [...rule.operands, ...rule.results];
  const placed = [...operands, ...results];
  const options = new Map<Factor, (readonly AxisPart[])[]>();
  for (const factor of new Set(sides.flat().flatMap(factorsOfAxis))) {
    options.set(factor, []);
  }
  placed.forEach(({ sharding }, i) => {
    const found = factorAxes(
      sharding.dims.map(({ axes }) => axes),
      sides[i] ?? [],
      rule.lengths,
    );
    for (const [factor, axes] of found) {
      const list = options.get(factor);
      if (axes.length === 0 || (rule.moves.includes(factor) && !movable.has(factor))) continue;
      if (list?.some((other) => sameParts(other, axes)) === false) list.push(axes);
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
    ...{ factors, operands },
    results: results.map((each) => (sum.length === 0 ? each : { ...each, sum })),
  };
}

function priceOf(question: AssignmentQuestion, assignment: Assignment): number {
  const { rule, operands, results, bytes } = question;
  const moved = operands.reduce(
    (sum, { form, sharding }, i) => sum + bytes(form, sharding, assignment.operands[i] ?? sharding),
    0,
  );
  const returned = results.reduce(
    (sum, { form, sharding }, i) => sum + bytes(form, assignment.results[i] ?? sharding, sharding),
    0,
  );
  // Extremes are combined at once, on all devices.
  const extremes = [...rule.max, ...rule.min].flatMap((f) => assignment.factors.get(f) ?? []);
  const combined =
    extremes.length === 0
      ? 0
      : results.reduce((sum, { form }, i) => {
          const own = assignment.results[i] ?? shardingOn([]);
          return sum + bytes(form, { ...own, sum: extremes }, own);
        }, 0);
  return moved + returned + combined + workOf(question, assignment) / WORK_PER_BYTE;
}

/** Points of the index space on each device: for a contraction its multiplications. */
function workOf({ rule, operands, results }: AssignmentQuestion, { factors }: Assignment): number {
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

/** Names a question for what decides about its answer. */
export function assignmentKey({ rule, operands, results, movable }: AssignmentQuestion): string {
  const sides = [rule.operands, rule.results, rule.sum, rule.max, rule.min, rule.moves];
  const placed = [...operands, ...results].map(
    ({ form, sharding }) =>
      `${form.dtype}${form.dims}:${sharding.dims.map(({ axes }) => axes.map((part) => showPart(part)).join("+")).join(",")}`,
  );
  return `${JSON.stringify(sides)}|${placed.join("|")}|${[...movable]}`;
}
