/**
 * @file How fast a group of devices talks on a torus of chips: which axes of the torus an axis of the mesh runs along,
 * and whether they close.
 *
 * A ring along a closed axis goes both ways round; along an open one, there and back, every link carries one stream.
 * Exchanges of groups that span several axes of the torus use the links of all. Devices of one chip share its links,
 * unless the chip's devices are neighbours in the group: then one stream passes through them all.
 */

import { deviceCount, type Mesh } from "../core/mesh.ts";
import type { Device } from "./devices.ts";

/** The form of an accelerator's network. */
export interface Torus {
  /** Axes of the torus. */
  readonly axes: 2 | 3;
  /** Devices of one chip. */
  readonly cores: number;
  /** Whether an axis of so many chips is closed. */
  closes(chips: number): boolean;
}

/** One step of a mesh axis: through the devices of a chip, or along an axis of the torus. */
interface Way {
  readonly size: number;
  readonly kind: "cores" | "open" | "closed";
}

/** The torus axes that each mesh axis runs along, by its name. */
export type Layout = ReadonlyMap<string, readonly Way[]>;

/** Lengths of the axes of a slice of so many chips: as near to a cube as they can be, shortest first. */
export function sliceOf(chips: number, axes: number): number[] {
  const lengths = Array<number>(axes).fill(1);
  for (const prime of primesOf(chips)) {
    lengths.sort((a, b) => a - b);
    lengths[0] = (lengths[0] ?? 1) * prime;
  }
  return lengths.sort((a, b) => a - b);
}

/** Largest first. */
function primesOf(count: number): number[] {
  const primes: number[] = [];
  let rest = count;
  for (let p = 2; p * p <= rest; p++) for (; rest % p === 0; rest /= p) primes.push(p);
  if (rest > 1) primes.push(rest);
  return primes.toReversed();
}

/**
 * Lays a mesh on a slice. The last mesh axis that can takes the devices of a chip.
 *
 * @returns undefined where the mesh's axes are no products of the slice's
 */
export function layoutOf(mesh: Mesh, { cores, axes, closes }: Torus): Layout | undefined {
  const devices = deviceCount(mesh);
  const chips = devices / cores;
  if (!Number.isInteger(chips)) return undefined;
  const torus = sliceOf(chips, axes).map(
    (size): Way => ({ size, kind: closes(size) ? "closed" : "open" }),
  );
  const ways: readonly Way[] = [{ size: cores, kind: "cores" }, ...torus];
  return assigned(
    [...mesh.axes].reverse(),
    ways.filter(({ size }) => size > 1),
  );
}

/** The first way to give each axis ways whose product is its size. */
function assigned(
  [axis, ...others]: readonly Mesh["axes"][number][],
  ways: readonly Way[],
): Layout | undefined {
  if (axis === undefined) return ways.length === 0 ? new Map() : undefined;
  for (let chosen = 2 ** ways.length - 1; chosen >= 0; chosen--) {
    // The devices of a chip, first in the list, are the highest bit: tried first.
    const bit = (i: number) => (chosen >> (ways.length - 1 - i)) & 1;
    const mine = ways.filter((_, i) => bit(i) === 1);
    if (mine.reduce((size, way) => size * way.size, 1) !== axis.size) continue;
    const rest = assigned(
      others,
      ways.filter((_, i) => bit(i) === 0),
    );
    if (rest !== undefined) return new Map([...rest, [axis.name, mine]]);
  }
  return undefined;
}

/** Mesh axes along which the members of a group differ. */
export function axesOfGroup(mesh: Mesh, group: readonly number[]): string[] {
  let stride = deviceCount(mesh);
  return mesh.axes.flatMap(({ name, size }) => {
    stride /= size;
    const places = new Set(group.map((device) => Math.floor(device / stride) % size));
    return places.size > 1 ? [name] : [];
  });
}

/** How a group talks by rings. */
export interface Ring {
  /** Bytes per second that a device sends. */
  readonly rate: number;
  /** Steps until all have heard of all: one ring after the other along the axes of the torus. */
  readonly hops: number;
  /** Bytes per second of what every member sends to the next one only. */
  readonly oneWay: number;
  /** Whether the members before and after are reached by different links, or both ways of one ring. */
  readonly bothWays: boolean;
}

/** @param mesh - without one, or where it does not fit the torus, the group lies along one open axis */
export function ringOf(
  device: Pick<Device, "link" | "torus">,
  group: readonly number[],
  mesh?: Mesh,
): Ring {
  const { link, torus } = device;
  const alone = { rate: link, oneWay: link, hops: group.length - 1, bothWays: false };
  if (torus === null) return alone;
  const layout = mesh === undefined ? undefined : layoutOf(mesh, torus);
  if (mesh === undefined || layout === undefined) {
    const rate = link / torus.cores;
    return { ...alone, rate, oneWay: rate };
  }
  const ways = axesOfGroup(mesh, group).flatMap((name) => layout.get(name) ?? []);
  const links = ways.reduce((sum, { kind }) => sum + LINKS[kind], 0);
  const shared = ways.some(({ kind }) => kind === "cores") ? 1 : torus.cores;
  return {
    // Within one chip, no slower than to the next.
    rate: (link * Math.max(1, links)) / shared,
    hops: ways.reduce((sum, { size }) => sum + size - 1, 0),
    oneWay: link / shared,
    bothWays: ways.some(({ kind }) => kind === "closed"),
  };
}

/** Streams that an axis carries past one device. */
const LINKS: Readonly<Record<Way["kind"], number>> = { cores: 0, open: 1, closed: 2 };
