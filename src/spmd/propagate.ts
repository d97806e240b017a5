/**
 * @file Completes shardings: from a few annotations to every value of a program, in both directions.
 *
 * Mesh axes move along the factors of the ops' sharding rules; no op is known by name. Nested, the outer one first:
 * user priorities; stages (`relations.ts`), so that what is free is settled before what costs; forward and backward
 * sweeps until nothing changes. Axes are only ever added, so this ends. Annotations never change, but where they are
 * open.
 */

import {
  type AxisPart,
  joinParts,
  type Mesh,
  overlap,
  sameParts,
  sizeOfParts,
} from "../core/mesh.ts";
import type { Program, Variable } from "../core/program.ts";
import { type Aval, sizeOf } from "../core/shape.ts";
import { type AxisFactors, type Factor, factorsOfAxis } from "../core/sharding-rule.ts";
import { dimAxes, factorAxes } from "./factor-axes.ts";
import { LATE, type Relation, relationsOf, STAGES, type Stage } from "./relations.ts";
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
  readonly form: Aval;
  readonly size: number;
  readonly axes: (readonly AxisPart[])[];
  /** One for each axis that was put on a dimension, as they came. */
  readonly reasons: {
    readonly dim: number;
    readonly axes: readonly AxisPart[];
    readonly reason: Reason;
  }[];
  /** By dimension, whether it may gain axes; all may when absent. */
  readonly open: readonly boolean[] | undefined;
  readonly whole: readonly string[];
  /** Annotated axes whose turn has not come: nothing else may take them. */
  waiting: readonly (readonly AxisPart[])[];
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
    return this.#held
      .get(v)
      ?.reasons.find((one) => one.dim === dim && one.axes.some((own) => overlap(own, part)))
      ?.reason;
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

function heldOf({ aval }: Variable, seed: Seed | undefined): Held {
  return {
    ...{ form: aval, size: sizeOf(aval.dims), axes: aval.dims.map(() => []) },
    ...{ reasons: [], open: seed?.sharding.dims.map(({ open }) => open), works: [] },
    whole: seed?.sharding.whole ?? [],
    waiting: seed?.sharding.dims.map(({ axes }) => axes) ?? [],
  };
}

/** Puts the annotated axes of one priority in their places. */
function activate(own: Held, { sharding, text }: Seed, priority: number): void {
  sharding.dims.forEach((dim, i) => {
    if (dim.priority !== priority || dim.axes.length === 0) return;
    own.axes[i] = dim.axes;
    own.reasons.push({ dim: i, axes: dim.axes, reason: { kind: "annotation", text } });
    for (const { work, side } of own.works) work.hear(side);
  });
  own.waiting = own.waiting.map((axes, i) =>
    (sharding.dims[i]?.priority ?? 0) <= priority ? [] : axes,
  );
}

/** Sweeps forward and backward until nothing changes. */
function settle(works: readonly Work[], stage: Stage): void {
  for (const work of works) work.enter(stage);
  for (let changed = true; changed; ) {
    changed = false;
    for (let i = 0; i < works.length; i++) if (works[i]?.run("forward", stage)) changed = true;
    for (let i = works.length - 1; i >= 0; i--)
      if (works[i]?.run("backward", stage)) changed = true;
  }
}

/** A factor of a relation, and on which dimension each value has it; -1 where one lacks it. */
interface FactorPlaces {
  readonly factor: Factor;
  readonly dims: readonly number[];
}

interface Offer extends FactorPlaces {
  readonly axes: readonly AxisPart[];
  /** The value that has them, and how large it is. */
  readonly source: number;
  readonly size: number;
}

/** One relation with the values that it is about. */
class Work {
  readonly #relation: Relation;
  readonly #values: readonly Held[];
  readonly #sides: readonly (readonly AxisFactors[])[];
  readonly #factors: readonly FactorPlaces[];
  #forward = true;
  #backward = true;

  constructor(relation: Relation, held: ReadonlyMap<Variable, Held>) {
    this.#relation = relation;
    this.#values = relation.values.map((v) => held.get(v) as Held);
    this.#values.forEach((value, i) => {
      value.works.push({ work: this, side: i < relation.operands ? "operand" : "result" });
    });
    this.#sides = [...relation.rule.operands, ...relation.rule.results];
    this.#factors = placesOf(this.#sides);
  }

  /** At a new stage there is news only where factors open that were closed before. */
  enter(stage: Stage): void {
    if (stage !== LATE || this.#relation.late.size === 0) return;
    this.#forward = true;
    this.#backward = true;
  }

  /** One of its values has gained an axis: news for all others. */
  hear(side: "operand" | "result"): void {
    const { operands, values } = this.#relation;
    if (side === "operand" || values.length - operands > 1) this.#forward = true;
    if (side === "result" || operands > 1) this.#backward = true;
  }

  /** @returns whether a value gained an axis */
  run(direction: "forward" | "backward", stage: Stage): boolean {
    if (direction === "forward") {
      if (!this.#forward || this.#relation.forward > stage) return false;
      this.#forward = false;
    } else {
      if (!this.#backward || this.#relation.backward > stage) return false;
      this.#backward = false;
    }
    const offers = this.#offers(stage);
    return offers.length > 0 && this.#pass(offers, direction, stage);
  }

  /** What the values have to pass on. Where two factors want one axis, the larger tensor decides. */
  #offers(stage: Stage): readonly Offer[] {
    const offers: Offer[] = [];
    for (const places of this.#factors) {
      if (stage < LATE && this.#relation.late.has(places.factor)) continue;
      const best = this.#longest(places);
      if (best !== undefined) offers.push(best);
    }
    return offers.length > 1 ? offers.sort((a, b) => b.size - a.size) : offers;
  }

  /** The most axes that a value has on a factor; of equal ones the largest value's. */
  #longest({ factor, dims }: FactorPlaces): Offer | undefined {
    let best: readonly AxisPart[] = [];
    let [source, size, pieces] = [-1, 0, 1];
    for (let i = 0; i < dims.length; i++) {
      const axes = this.#axesOn(i, dims[i] ?? -1, factor);
      if (axes.length === 0 || axes === best) continue;
      const own = sizeOfParts(axes);
      const value = this.#values[i]?.size ?? 0;
      if (source >= 0 && (own < pieces || (own === pieces && value <= size))) continue;
      [best, source, size, pieces] = [axes, i, value, own];
    }
    return source < 0 ? undefined : { factor, dims, axes: best, source, size };
  }

  /** The axes of a factor on the dimension of a value that has it. */
  #axesOn(value: number, dim: number, factor: Factor): readonly AxisPart[] {
    const axes = this.#values[value]?.axes;
    if (dim < 0 || axes === undefined) return [];
    if (typeof this.#sides[value]?.[dim] === "string") return axes[dim] ?? [];
    const { lengths } = this.#relation.rule;
    return factorAxes(axes, this.#sides[value] ?? [], lengths).get(factor) ?? [];
  }

  #pass(offers: readonly Offer[], direction: "forward" | "backward", stage: Stage): boolean {
    const { operands } = this.#relation;
    const count = this.#values.length;
    // Edges have operands only, and pass both ways.
    const both = operands === count;
    const first = both || direction === "backward" ? 0 : operands;
    const last = both || direction === "forward" ? count : operands;
    let changed = false;
    for (let i = first; i < last; i++)
      for (const offer of offers) if (this.#give(i, offer, stage)) changed = true;
    return changed;
  }

  /** Appends what a value can take of the axes to the dimension of their factor. */
  #give(value: number, { factor, dims, axes, source }: Offer, stage: Stage): boolean {
    const [target, dim] = [this.#values[value], dims[value] ?? -1];
    if (target === undefined || dim < 0 || value === source) return false;
    const own = this.#axesOn(value, dim, factor);
    if (own === axes || !isFree(target, dim)) return false;
    const rest = remainder(own, axes);
    if (rest === undefined || rest.length === 0) return false;
    const blocked = rest.findIndex((part) => isTaken(target, part));
    const taken = blocked < 0 ? rest : rest.slice(0, blocked);
    if (taken.length === 0) return false;
    const side = this.#sides[value] ?? [];
    const { lengths } = this.#relation.rule;
    const before = target.axes[dim] ?? [];
    const known = new Map(factorAxes(target.axes, side, lengths)).set(factor, [...own, ...taken]);
    const after = dimAxes(side, lengths, known)[dim] ?? [];
    const gained = remainder(before, after);
    if (gained === undefined || gained.length === 0) return false;
    target.axes[dim] = sameParts(after, axes) ? axes : after;
    for (const { work, side } of target.works) work.hear(side);
    const from = this.#relation.values[source] as Variable;
    const reason: Reason = { kind: "relation", relation: this.#relation, factor, from, stage };
    target.reasons.push({ dim, axes: gained, reason });
    return true;
  }
}

function placesOf(sides: readonly (readonly AxisFactors[])[]): readonly FactorPlaces[] {
  const places = new Map<Factor, number[]>();
  sides.forEach((side, value) => {
    side.forEach((axis, dim) => {
      for (const factor of factorsOfAxis(axis)) {
        const dims = places.get(factor) ?? sides.map(() => -1);
        places.set(factor, dims);
        dims[value] = dim;
      }
    });
  });
  return [...places].map(([factor, dims]) => ({ factor, dims }));
}

function isFree({ form, open }: Held, dim: number): boolean {
  return (form.dims[dim] ?? 0) > 1 && (open?.[dim] ?? true);
}

/** Whether an axis serves a value already, waits for its turn there, or is to stay away. */
function isTaken({ axes, waiting, whole }: Held, part: AxisPart): boolean {
  const meets = (parts: readonly AxisPart[]) => parts.some((own) => overlap(own, part));
  return whole.includes(part.name) || axes.some(meets) || waiting.some(meets);
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
