/** @file A mesh: the devices as a box with named axes. */

import type { Groups } from "./collective.ts";
import { ShardingError, suggestion } from "./errors.ts";

export interface MeshAxis {
  readonly name: string;
  /** Devices along it, 1 at least. */
  readonly size: number;
}

/** Devices in a box, row-major: the last axis varies fastest. */
export interface Mesh {
  readonly axes: readonly MeshAxis[];
}

/**
 * A mesh axis, or a middle part of one: the axis as [before, size, after], its place along `size`. The whole axis is
 * [1, n, 1].
 */
export interface AxisPart {
  readonly name: string;
  readonly before: number;
  readonly size: number;
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * `mesh({ data: 4, model: 2 })`: eight devices.
 *
 * @throws ShardingError for a name that is none, and a size that is no whole number above 0
 */
export function makeMesh(sizes: Readonly<Record<string, number>>): Mesh {
  const axes = Object.entries(sizes).map(([name, size]) => ({ name, size }));
  for (const { name, size } of axes) {
    if (!NAME.test(name))
      throw new ShardingError("SHARD-01", `mesh: "${name}" is no name of an axis.`, [
        ["fix", "letters, digits and _, starting with a letter"],
      ]);
    if (!Number.isInteger(size) || size < 1)
      throw new ShardingError("SHARD-01", `mesh: axis "${name}" has ${size} devices.`, [
        ["fix", "give a whole number from 1"],
      ]);
  }
  return { axes };
}

/**
 * Reads `data=4,model=2`.
 *
 * @throws ShardingError for other text
 */
export function parseMesh(text: string): Mesh {
  const sizes: Record<string, number> = {};
  for (const piece of text.split(",").map((word) => word.trim())) {
    const [name = "", size = ""] = piece.split("=");
    if (name === "" || !/^\d+$/.test(size) || name in sizes)
      throw new ShardingError("SHARD-01", `mesh: cannot read "${text}" at "${piece}".`, [
        ["fix", "write each axis once with its size: data=4,model=2"],
      ]);
    sizes[name] = Number(size);
  }
  return makeMesh(sizes);
}

/** `data=4,model=2`. */
export function showMesh({ axes }: Mesh): string {
  return axes.map(({ name, size }) => `${name}=${size}`).join(",");
}

export function deviceCount({ axes }: Mesh): number {
  return axes.reduce((count, { size }) => count * size, 1);
}

/** @throws ShardingError for an axis that the mesh lacks */
export function axisSize(mesh: Mesh, name: string): number {
  const axis = mesh.axes.find((each) => each.name === name);
  if (axis !== undefined) return axis.size;
  const known = mesh.axes.map((each) => each.name);
  throw new ShardingError("SHARD-01", `sharding: the mesh has no axis "${name}".`, [
    ["mesh", showMesh(mesh)],
    ["fix", suggestion(name, known)],
  ]);
}

export function wholeAxis(mesh: Mesh, name: string): AxisPart {
  return { name, before: 1, size: axisSize(mesh, name) };
}

/** How far device numbers are apart that are neighbours along a part. */
export function strideOf(mesh: Mesh, { name, before, size }: AxisPart): number {
  const at = mesh.axes.findIndex((axis) => axis.name === name);
  const later = mesh.axes.slice(at + 1).reduce((count, axis) => count * axis.size, 1);
  return (later * axisSize(mesh, name)) / (before * size);
}

/** Devices along the parts together. */
export function sizeOfParts(parts: readonly AxisPart[]): number {
  return parts.reduce((count, { size }) => count * size, 1);
}

const known = new WeakMap<Mesh, Map<string, Groups>>();
const partsByGroups = new WeakMap<Groups, readonly AxisPart[]>();

/**
 * The groups of devices that differ only along the parts, each in the order of the parts, the first one major. The
 * same list for the same question, so that programs for thousands of devices stay small.
 */
export function groupsAlong(mesh: Mesh, parts: readonly AxisPart[]): Groups {
  const cache = known.get(mesh) ?? new Map<string, Groups>();
  known.set(mesh, cache);
  const key = parts.map((part) => showPart(part)).join("+");
  const found = cache.get(key) ?? listGroups(mesh, parts);
  cache.set(key, found);
  partsByGroups.set(found, parts);
  return found;
}

/** The parts that a list of `groupsAlong` runs along; undefined for a list from elsewhere. */
export function partsOfGroups(groups: Groups): readonly AxisPart[] | undefined {
  return partsByGroups.get(groups);
}

function listGroups(mesh: Mesh, parts: readonly AxisPart[]): Groups {
  const offsets = parts.reduce<readonly number[]>(
    (starts, part) => {
      const stride = strideOf(mesh, part);
      return starts.flatMap((start) =>
        Array.from({ length: part.size }, (_, k) => start + k * stride),
      );
    },
    [0],
  );
  const count = deviceCount(mesh);
  const seen = new Uint8Array(count);
  const groups: number[][] = [];
  for (let device = 0; device < count; device++) {
    if (seen[device] === 1) continue;
    const group = offsets.map((offset) => device + offset);
    for (const member of group) seen[member] = 1;
    groups.push(group);
  }
  return groups;
}

/** Place of a device along the parts, the first one major. */
export function placeAlong(mesh: Mesh, parts: readonly AxisPart[], device: number): number {
  return parts.reduce(
    (place, part) => place * part.size + (Math.floor(device / strideOf(mesh, part)) % part.size),
    0,
  );
}

/** `model`, or `model:(2)4` for the part of size 4 after a part of size 2; the mesh tells what is left. */
export function showPart(part: AxisPart, mesh?: Mesh): string {
  const whole = mesh !== undefined && part.before === 1 && part.size === axisSize(mesh, part.name);
  return whole ? part.name : `${part.name}:(${part.before})${part.size}`;
}

/** Neighbours in the list that are one part together are written as one. */
export function joinParts(parts: readonly AxisPart[]): AxisPart[] {
  const joined: AxisPart[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (part.size === 1) continue;
    if (last !== undefined && last.name === part.name && last.before * last.size === part.before)
      joined[joined.length - 1] = { ...last, size: last.size * part.size };
    else joined.push(part);
  }
  return joined;
}

/** Whether two parts of one axis share devices' coordinates. */
export function overlap(a: AxisPart, b: AxisPart): boolean {
  return a.name === b.name && a.before < b.before * b.size && b.before < a.before * a.size;
}

export function sameParts(a: readonly AxisPart[], b: readonly AxisPart[]): boolean {
  return (
    a.length === b.length &&
    a.every((part, i) => {
      const other = b[i];
      return part.name === other?.name && part.before === other.before && part.size === other.size;
    })
  );
}
