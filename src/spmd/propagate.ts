/**
 * @file Completes shardings: from a few annotations to every value of a program, in both directions.
 *
 * Mesh axes move along the factors of the ops' sharding rules; no op is known by name. Nested, the outer one first:
 * user priorities; stages (`relations.ts`), so that what is free is settled before what costs; forward and backward
 * sweeps until nothing changes. Axes are only ever added, so this ends. Annotations never change, but where they are
 * open.
 */

import { type AxisPart, joinParts, type Mesh, overlap, sizeOfParts } from "../core/mesh.ts";
import type { Program, Variable } from "../core/program.ts";
import { sizeOf } from "../core/shape.ts";
import type { Factor } from "../core/sharding-rule.ts";
import { factorsOfAxis } from "../core/sharding-rule.ts";
import { dimAxes, factorAxes } from "./factor-axes.ts";
import { type Relation, relationsOf, STAGES, type Stage } from "./relations.ts";
import type { DimSharding, Sharding } from "./sharding.ts";

/** Why an axis splits a dimension. */
export type Reason =
  /** Somebody said so: `text` is what and where. */
  | { readonly kind: "annotation"; readonly text: string }
  | {
      readonly kind: "relation";
      readonly relation: Relation;
      readonly factor: Factor;
      /** The value that had the axis. */
      readonly from: Variable;
      readonly stage: Stage;
    };

/** What is said of one value before propagation. */
export interface Seed {
  readonly sharding: Sharding;
  readonly text: string;
}

/** What is known of one value. */
interface Held {
  readonly axes: (readonly AxisPart[])[];
  /** One for each axis of each dimension, as they were added. */
  readonly reasons: { readonly axes: readonly AxisPart[]; readonly reason: Reason }[][];
  readonly free: boolean[];
  readonly whole: readonly string[];
  /** Annotated axes whose turn has not come: nothing else may take them. */
  waiting: readonly (readonly AxisPart[])[];
  readonly size: number;
  /** Relations that it stands in; all are looked at again when it gains an axis. */
  readonly works: { readonly work: Work; readonly side: "operand" | "result" }[];
}

/** Shardings of all values of a program and of the programs inside it. */
export class Propagated {
  readonly mesh: Mesh;
  readonly relations: readonly Relation[];
  readonly #held: ReadonlyMap<Variable, Held>;
  /** One object a value, however often it is asked for. */
  readonly #shardings = new Map<Variable, Sharding>();

  constructor(mesh: Mesh, relations: readonly Relation[], held: ReadonlyMap<Variable, Held>) {
    this.mesh = mesh;
    this.relations = relations;
    this.#held = held;
  }

  /** Replicated for a value that no equation has. */
  shardingOf(v: Variable): Sharding {
    const known = this.#shardings.get(v);
    if (known !== undefined) return known;
    const sharding = this.#shardingOf(v);
    this.#shardings.set(v, sharding);
    return sharding;
  }

  #shardingOf(v: Variable): Sharding {
    const held = this.#held.get(v);
    const dims = held?.axes ?? v.aval.dims.map(() => []);
    const closed = (axes: readonly AxisPart[]): DimSharding => ({ axes, open: false, priority: 0 });
    return { dims: dims.map(closed), whole: [], sum: [] };
  }

  /** What put an axis on a dimension; undefined where it is not. */
  reasonOf(v: Variable, dim: number, part: AxisPart): Reason | undefined {
    const list = this.#held.get(v)?.reasons[dim] ?? [];
    return list.find(({ axes }) => axes.some((own) => overlap(own, part)))?.reason;
  }
}

/** @param seeds - annotated values; all others are free */
export function propagate(
  mesh: Mesh,
  program: Program,
  seeds: ReadonlyMap<Variable, Seed>,
): Propagated {
  const relations = relationsOf(program);
  const held = new Map<Variable, Held>();
  const hold = (v: Variable) => {
    if (!held.has(v)) held.set(v, heldOf(v, seeds.get(v)));
  };
  for (const v of program.inputs) hold(v);
  for (const { values } of relations) for (const v of values) hold(v);
  const works = relations.map((relation) => new Work(relation, held));
  const priorities = [...seeds.values()].flatMap(({ sharding }) =>
    sharding.dims.map(({ priority }) => priority),
  );
  for (const priority of new Set([0, ...priorities].sort((a, b) => a - b))) {
    for (const [v, seed] of seeds) {
      const own = held.get(v);
      if (own !== undefined) activate(own, seed, priority);
    }
    for (const stage of STAGES) settle(works, stage);
  }
  return new Propagated(mesh, relations, held);
}

function heldOf(v: Variable, seed: Seed | undefined): Held {
  const { dims } = v.aval;
  return {
    axes: dims.map(() => []),
    reasons: dims.map(() => []),
    free: dims.map((size, i) => size > 1 && (seed?.sharding.dims[i]?.open ?? true)),
    whole: seed?.sharding.whole ?? [],
    waiting: seed?.sharding.dims.map(({ axes }) => axes) ?? [],
    size: sizeOf(dims),
    works: [],
  };
}

/** Puts the annotated axes of one priority in their places. */
function activate(own: Held, { sharding, text }: Seed, priority: number): void {
  sharding.dims.forEach((dim, i) => {
    if (dim.priority !== priority || dim.axes.length === 0) return;
    own.axes[i] = dim.axes;
    own.reasons[i]?.push({ axes: dim.axes, reason: { kind: "annotation", text } });
  });
  own.waiting = own.waiting.map((axes, i) =>
    (sharding.dims[i]?.priority ?? 0) <= priority ? [] : axes,
  );
}

/** Sweeps forward and backward until nothing changes. */
function settle(works: readonly Work[], stage: Stage): void {
  for (const work of works) work.wake();
  const backward = works.toReversed();
  for (let changed = true; changed; ) {
    changed = false;
    for (const work of works) if (work.run("forward", stage)) changed = true;
    for (const work of backward) if (work.run("backward", stage)) changed = true;
  }
}

/** One relation with the values that it is about. */
class Work {
  readonly #relation: Relation;
  readonly #values: readonly Held[];
  readonly #factors: readonly Factor[];
  readonly #awake = { forward: true, backward: true };

  constructor(relation: Relation, held: ReadonlyMap<Variable, Held>) {
    this.#relation = relation;
    this.#values = relation.values.map((v) => held.get(v) as Held);
    this.#values.forEach((value, i) => {
      value.works.push({ work: this, side: i < relation.operands ? "operand" : "result" });
    });
    const sides = [...relation.rule.operands, ...relation.rule.results];
    this.#factors = [...new Set(sides.flat().flatMap(factorsOfAxis))];
  }

  /** More factors are open. */
  wake(): void {
    this.#awake.forward = true;
    this.#awake.backward = true;
  }

  /** One of its values has gained an axis: news for all others. */
  hear(side: "operand" | "result"): void {
    const { operands, values } = this.#relation;
    if (side === "operand" || values.length - operands > 1) this.#awake.forward = true;
    if (side === "result" || operands > 1) this.#awake.backward = true;
  }

  /** @returns whether a value gained an axis */
  run(direction: "forward" | "backward", stage: Stage): boolean {
    if (!this.#awake[direction] || this.#relation[direction] > stage) return false;
    this.#awake[direction] = false;
    // Where no value has an axis there is nothing to pass on.
    const some = this.#values.some(({ axes }) => axes.some((parts) => parts.length > 0));
    return some && this.#pass(direction, stage);
  }

  #pass(direction: "forward" | "backward", stage: Stage): boolean {
    const { rule, operands, late } = this.#relation;
    const sides = [...rule.operands, ...rule.results];
    const lists = this.#values.map(({ axes }, i) => factorAxes(axes, sides[i] ?? [], rule.lengths));
    // Edges have operands only, and pass both ways.
    const isTarget = (i: number) =>
      operands === sides.length || (direction === "forward" ? i >= operands : i < operands);
    const offers = this.#factors
      .flatMap((factor) => {
        if (stage < 2 && late.has(factor)) return [];
        const best = longest(lists, this.#values, factor);
        return best === undefined ? [] : { factor, ...best };
      })
      // Where two factors want one axis, the larger tensor decides.
      .sort((a, b) => b.size - a.size);
    let changed = false;
    this.#values.forEach((target, i) => {
      if (!isTarget(i)) return;
      for (const { factor, axes, source } of offers) {
        const own = lists[i]?.get(factor);
        if (own === undefined) continue;
        const rest = remainder(own, axes);
        if (rest === undefined || rest.length === 0) continue;
        const from = this.#relation.values[source] as Variable;
        const grown = this.#extend(target, sides[i] ?? [], { factor, parts: rest, from, stage });
        if (!grown) continue;
        lists[i] = factorAxes(target.axes, sides[i] ?? [], rule.lengths);
        changed = true;
      }
    });
    return changed;
  }

  /** Appends what the tensor can take of the axes to the dimension of a factor. */
  #extend(
    target: Held,
    axes: Relation["rule"]["operands"][number],
    offer: {
      readonly factor: Factor;
      readonly parts: readonly AxisPart[];
      readonly from: Variable;
      readonly stage: Stage;
    },
  ): boolean {
    const { factor, parts, from, stage } = offer;
    const { lengths } = this.#relation.rule;
    const dim = axes.findIndex((axis) => factorsOfAxis(axis).includes(factor));
    if (target.free[dim] !== true) return false;
    const used = [...target.axes.flat(), ...target.waiting.flat()];
    const taken: AxisPart[] = [];
    for (const part of parts) {
      const blocked = target.whole.includes(part.name) || used.some((own) => overlap(own, part));
      if (blocked) break;
      taken.push(part);
    }
    const before = target.axes[dim] ?? [];
    const known = new Map(factorAxes(target.axes, axes, lengths));
    known.set(factor, [...(known.get(factor) ?? []), ...taken]);
    const after = dimAxes(axes, lengths, known)[dim] ?? [];
    const gained = remainder(before, after);
    if (gained === undefined || gained.length === 0) return false;
    target.axes[dim] = after;
    for (const { work, side } of target.works) work.hear(side);
    target.reasons[dim]?.push({
      axes: gained,
      reason: { kind: "relation", relation: this.#relation, factor, from, stage },
    });
    return true;
  }
}

/** The most axes that a value has on a factor; of equal ones the largest value's. */
function longest(
  lists: readonly ReadonlyMap<Factor, readonly AxisPart[]>[],
  values: readonly Held[],
  factor: Factor,
): { axes: readonly AxisPart[]; source: number; size: number } | undefined {
  let best: { axes: readonly AxisPart[]; source: number; size: number } | undefined;
  lists.forEach((list, source) => {
    const axes = list.get(factor) ?? [];
    const size = values[source]?.size ?? 0;
    if (axes.length === 0) return;
    const more = sizeOfParts(axes) - (best === undefined ? 0 : sizeOfParts(best.axes));
    if (best === undefined || more > 0 || (more === 0 && size > best.size))
      best = { axes, source, size };
  });
  return best;
}

/** What a list has behind a prefix; undefined when that is none of it. */
export function remainder(
  prefix: readonly AxisPart[],
  list: readonly AxisPart[],
): AxisPart[] | undefined {
  const rest = [...joinParts(list)];
  for (const part of joinParts(prefix)) {
    const first = rest.shift();
    if (first === undefined || first.name !== part.name || first.before !== part.before)
      return undefined;
    if (first.size === part.size) continue;
    if (first.size % part.size !== 0) return undefined;
    rest.unshift({
      name: first.name,
      before: first.before * part.size,
      size: first.size / part.size,
    });
  }
  return rest;
}
