/** @file Who sends to whom when every device gets the whole block of another one. */

import { deviceCount, type Mesh, placeAlong } from "../../core/mesh.ts";
import { listKey } from "./axis-lists.ts";
import type { Layout } from "./moves.ts";

type Pairs = readonly (readonly [source: number, target: number])[];

const known = new WeakMap<Mesh, Map<string, Pairs>>();

/**
 * Pairs that bring one layout to another of equal counts. Devices with equal blocks are told apart by nothing: each
 * keeps its own where it can. Summands of one block stay together.
 */
export function permutation(mesh: Mesh, before: Layout, after: Layout): Pairs {
  const cache = known.get(mesh) ?? new Map<string, Pairs>();
  known.set(mesh, cache);
  const key = [before, after]
    .map(({ dims, sum }) => [...dims, sum].map(listKey).join(","))
    .join(" ");
  const pairs = cache.get(key) ?? pairsOf(mesh, before, after);
  cache.set(key, pairs);
  return pairs;
}

function pairsOf(mesh: Mesh, before: Layout, after: Layout): Pairs {
  const count = deviceCount(mesh);
  const blockIn = ({ dims, sum }: Layout, device: number) =>
    [...dims, sum].map((parts) => placeAlong(mesh, parts, device)).join();
  const senders = new Map<string, number[]>();
  const wanted: string[] = [];
  const pairs: (readonly [number, number])[] = [];
  for (let device = 0; device < count; device++) {
    const [held, own] = [blockIn(before, device), blockIn(after, device)];
    wanted.push(own);
    if (held === own) pairs.push([device, device]);
    else senders.set(held, [...(senders.get(held) ?? []), device]);
  }
  const settled = new Set(pairs.map(([, target]) => target));
  wanted.forEach((block, target) => {
    if (settled.has(target)) return;
    const source = senders.get(block)?.shift();
    if (source === undefined) throw new RangeError("layouts of a permute have other counts");
    pairs.push([source, target]);
  });
  return pairs;
}
