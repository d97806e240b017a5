/** @file What people want to know of a partitioned program: who exchanges how much along which axis, how the largest values lie. */

import { dtypeFacts } from "../core/dtype.ts";
import type { Mesh } from "../core/mesh.ts";
import { type Program, programsIn, type Variable } from "../core/program.ts";
import { showAval, sizeOf } from "../core/shape.ts";
import type { CollectiveKind } from "./collective-bytes.ts";
import type { Exchange } from "./exchanges.ts";
import type { Partitioned } from "./partition.ts";
import type { Propagated } from "./propagate.ts";
import { showSharding } from "./sharding.ts";
import { axesOfGroup } from "./torus.ts";

export interface AxisTotal {
  readonly kind: CollectiveKind;
  /** Mesh axes along which devices talk, `data` or `data+model`. */
  readonly axes: string;
  readonly count: number;
  /** Sent from each device, loops counted in full. */
  readonly bytes: number;
}

/** Exchanges by kind and axis, the most bytes first. */
export function totalsByAxis(mesh: Mesh, exchanges: readonly Exchange[]): AxisTotal[] {
  const totals = new Map<
    string,
    { kind: CollectiveKind; axes: string; count: number; bytes: number }
  >();
  for (const { kind, group, bytes, times } of exchanges) {
    const axes = axesOfGroup(mesh, group).join("+");
    const total = totals.get(`${kind} ${axes}`) ?? { kind, axes, count: 0, bytes: 0 };
    total.count += times;
    total.bytes += bytes * times;
    totals.set(`${kind} ${axes}`, total);
  }
  return [...totals.values()].sort((a, b) => b.bytes - a.bytes);
}

/** Mesh axes that split no argument and no result: all devices along them do the same work. */
export function idleAxes({ mesh, inputs, outputs }: Omit<Partitioned, "program">): string[] {
  const used = new Set(
    [...inputs, ...outputs].flatMap(({ dims }) => dims.flatMap(({ axes }) => axes)).map(({ name }) => name), // biome-ignore format: one line
  );
  return mesh.axes.flatMap(({ name, size }) => (size > 1 && !used.has(name) ? [name] : []));
}

export interface Lying {
  readonly form: string;
  readonly sharding: string;
  /** How many values are like this, those of loops once. */
  readonly count: number;
  /** Of the whole value. */
  readonly bytes: number;
}

/** Values that the program computes, alike ones together, the largest first. */
export function largestValues(found: Propagated, program: Program, most: number): Lying[] {
  const groups = new Map<string, Lying>();
  const add = (v: Variable) => {
    if (v.aval.names.every((name) => name === null)) return;
    const [form, sharding] = [showAval(v.aval), showSharding(found.shardingOf(v), found.mesh)];
    const bytes = sizeOf(v.aval.dims) * dtypeFacts(v.aval.dtype).bytes;
    const known = groups.get(`${form} ${sharding}`) ?? { form, sharding, bytes, count: 0 };
    groups.set(`${form} ${sharding}`, { ...known, count: known.count + 1 });
  };
  const visit = ({ equations }: Program) => {
    for (const { outputs, params } of equations) {
      outputs.forEach(add);
      programsIn(params).forEach(visit);
    }
  };
  visit(program);
  return [...groups.values()].sort((a, b) => b.bytes - a.bytes || b.count - a.count).slice(0, most);
}
