/**
 * @file Shardings in XLA's notation: `{devices=[2,1,4]<=[8] last_tile_dim_replicate}`.
 *
 * A tile assignment is an array of device numbers, one entry per tile; `<=[R]T(P)` stands for
 * arange(ΠR).reshape(R).transpose(P).reshape(dims). Equal arrays are equal shardings, however they are written.
 */

import { ShardingError } from "../core/errors.ts";
import {
  type AxisPart,
  deviceCount,
  joinParts,
  type Mesh,
  showMesh,
  sizeOfParts,
  strideOf,
} from "../core/mesh.ts";
import { replicatedSharding, type Sharding, shardingOn, showSharding } from "./sharding.ts";

/** What a trailing tile dimension holds. */
export type TailKind = "replicated" | "manual" | "unreduced";

export interface TileAssignment {
  /** Tiles per dimension, then the trailing dimensions. */
  readonly dims: readonly number[];
  readonly tail: readonly TailKind[];
  /** Device of each tile, row-major. */
  readonly devices: readonly number[];
}

/** A whole value, or tiles of it. */
export type XlaSharding =
  | { readonly kind: "replicated" | "manual" | "unknown" }
  | { readonly kind: "maximal"; readonly device: number }
  | { readonly kind: "tiled"; readonly tiles: TileAssignment }
  | { readonly kind: "tuple"; readonly items: readonly XlaSharding[] };

interface Run {
  readonly size: number;
  /** Device numbers along it are so far apart. */
  readonly stride: number;
}

/**
 * A sharding on a mesh, as XLA prints it: canonical V2. Axes of `sum` are written as a trailing `unreduced`, those of
 * `manual` as a trailing `manual` dimension.
 */
export function toXla(mesh: Mesh, sharding: Sharding, manual: readonly AxisPart[] = []): string {
  const split = sharding.dims.map(({ axes }) => axes);
  const used = [...split.flat(), ...manual, ...sharding.sum];
  const rest = unused(mesh, used);
  if (used.length === 0) return "{replicated}";
  const order = [...split.flat(), ...manual, ...sharding.sum, ...rest];
  const tails: [TailKind, number][] = [
    ["manual", sizeOfParts(manual)],
    ["unreduced", sizeOfParts(sharding.sum)],
    ["replicated", sizeOfParts(rest)],
  ];
  const there = tails.filter(([, size]) => size > 1);
  if (split.every((axes) => axes.length === 0) && there.length === 1 && there[0]?.[0] === "manual")
    return "{manual}";
  const dims = [...split.map(sizeOfParts), ...there.map(([, size]) => size)];
  const runs = order.map((part): Run => ({ size: part.size, stride: strideOf(mesh, part) }));
  return `{devices=[${dims.join(",")}]${iota(runs)}${showTail(there.map(([kind]) => kind))}}`;
}

function showTail(tail: readonly TailKind[]): string {
  if (tail.length === 0) return "";
  return tail.length === 1 && tail[0] === "replicated"
    ? " last_tile_dim_replicate"
    : ` last_tile_dims={${tail.join(", ")}}`;
}

/** Parts of the mesh's axes that none of the given ones covers, in mesh order. */
function unused(mesh: Mesh, used: readonly AxisPart[]): AxisPart[] {
  return mesh.axes.flatMap(({ name, size }) => {
    const own = used.filter((part) => part.name === name).sort((a, b) => a.before - b.before);
    const free: AxisPart[] = [];
    let before = 1;
    for (const part of own) {
      if (part.before > before) free.push({ name, before, size: part.before / before });
      before = part.before * part.size;
    }
    if (before < size) free.push({ name, before, size: size / before });
    return free;
  });
}

/** `<=[2,4]T(1,0)`, with neighbours merged that run on. */
function iota(runs: readonly Run[]): string {
  const merged: Run[] = [];
  for (const run of runs) {
    const last = merged.at(-1);
    if (run.size === 1) continue;
    if (last !== undefined && last.stride === run.size * run.stride)
      merged[merged.length - 1] = { size: last.size * run.size, stride: run.stride };
    else merged.push(run);
  }
  const source = [...merged].sort((a, b) => b.stride - a.stride);
  const order = merged.map((run) => source.indexOf(run));
  const turned = order.some((at, i) => at !== i) ? `T(${order.join(",")})` : "";
  return `<=[${source.map(({ size }) => size).join(",")}]${turned}`;
}

/** The tile assignment of a sharding on a mesh. */
export function tilesOf(mesh: Mesh, sharding: Sharding): TileAssignment {
  const parsed = parseXla(toXla(mesh, sharding));
  if (parsed.kind === "tiled") return parsed.tiles;
  const count = deviceCount(mesh);
  return {
    dims: [...sharding.dims.map(() => 1), count],
    tail: ["replicated"],
    devices: Array.from({ length: count }, (_, device) => device),
  };
}

/** @throws ShardingError for text that is no sharding */
export function parseXla(text: string): XlaSharding {
  const wrong = (why: string) =>
    new ShardingError("SHARD-01", `XLA sharding: ${why}.`, [["text", text]]);
  const trimmed = text.trim();
  if (!trimmed.startsWith("{") || !trimmed.endsWith("}")) throw wrong("it stands in no braces");
  const inside = trimmed.slice(1, -1).trim();
  if (inside.startsWith("{"))
    return { kind: "tuple", items: itemsOf(inside, wrong).map((item) => parseXla(item)) };
  // What follows names groups of values and where they come from: it splits nothing.
  const body = inside.replace(/\s*(?:metadata=\{.*\}|shard_(?:as|like) \d+)\s*/g, "").trim();
  if (body === "replicated" || body === "manual" || body === "unknown") return { kind: body };
  const maximal = /^maximal device=(\d+)$/.exec(body);
  if (maximal !== null) return { kind: "maximal", device: Number(maximal[1]) };
  const tiled =
    /^devices=\[([\d,]+)\](?:<=\[([\d,]+)\](?:T\(([\d,]+)\))?|([\d,]+))(?:\s+(last_tile_dim_replicate)|\s+last_tile_dims=\{([a-z, ]+)\})?$/.exec(
      body,
    );
  if (tiled === null) throw wrong("it is none of replicated, manual, maximal, devices=[…]");
  const [, dimText = "", from, turn, listText, replicate, tailText] = tiled;
  const dims = numbers(dimText);
  const devices =
    from === undefined
      ? numbers(listText ?? "")
      : arranged(numbers(from), turn?.split(",").map(Number));
  const count = dims.reduce((a, b) => a * b, 1);
  if (devices === undefined || devices.length !== count || new Set(devices).size !== count)
    throw wrong(`${dims.join(" × ")} tiles do not name ${count} devices, each once`);
  const tail = (
    replicate !== undefined
      ? ["replicated"]
      : (tailText ?? "")
          .split(",")
          .map((word) => word.trim())
          .filter((word) => word !== "")
  ) as TailKind[];
  const strange = tail.find((kind) => !["replicated", "manual", "unreduced"].includes(kind));
  if (strange !== undefined) throw wrong(`"${strange}" is no kind of tile dimension`);
  if (tail.length > dims.length) throw wrong("it has more kinds than tile dimensions");
  return { kind: "tiled", tiles: { dims, tail, devices } };
}

function itemsOf(inside: string, wrong: (why: string) => ShardingError): string[] {
  const items: string[] = [];
  let [depth, from] = [0, 0];
  for (const [at, letter] of [...inside].entries()) {
    if (letter === "{") {
      if (depth === 0) from = at;
      depth++;
    } else if (letter === "}") {
      depth--;
      if (depth === 0) items.push(inside.slice(from, at + 1));
    }
  }
  if (depth !== 0) throw wrong("its braces do not close");
  return items;
}

function numbers(text: string): number[] {
  return text.split(",").map(Number);
}

/** arange(ΠR).reshape(R).transpose(P), flat; undefined when P is no order of R. */
export function arranged(
  sizes: readonly number[],
  order: readonly number[] = sizes.map((_, i) => i),
): number[] | undefined {
  if (order.length !== sizes.length || sizes.some((_, i) => !order.includes(i))) return undefined;
  const strides = sizes.map((_, i) => sizes.slice(i + 1).reduce((a, b) => a * b, 1));
  return order.reduce<number[]>(
    (list, axis) =>
      list.flatMap((start) =>
        Array.from({ length: sizes[axis] ?? 1 }, (_, k) => start + k * (strides[axis] ?? 1)),
      ),
    [0],
  );
}

/**
 * The sharding on a mesh that has these tiles; parts of axes where the tiles cut through them.
 *
 * @param rank - of the tensor
 * @throws ShardingError for tiles that this mesh has no axes for: their devices are no box in it
 */
export function fromXla(mesh: Mesh, text: string, rank: number): Sharding {
  const parsed = parseXla(text);
  const wrong = (why: string) =>
    new ShardingError("SHARD-01", `XLA sharding ${text}: ${why}.`, [["mesh", showMesh(mesh)]]);
  if (parsed.kind === "replicated") return replicatedSharding(rank);
  if (parsed.kind !== "tiled") throw wrong(`"${parsed.kind}" names no axes`);
  const { dims, tail, devices } = parsed.tiles;
  if (dims.length - tail.length !== rank)
    throw wrong(`${dims.length - tail.length} dimensions, and the tensor has ${rank}`);
  if (devices.length !== deviceCount(mesh))
    throw wrong(`${devices.length} devices, and the mesh has ${deviceCount(mesh)}`);
  const digits = dims.map((size, dim) => {
    const stride = dims.slice(dim + 1).reduce((a, b) => a * b, 1);
    return Array.from({ length: size }, (_, k) => (devices[k * stride] ?? 0) - (devices[0] ?? 0));
  });
  const parts = digits.map((places) => {
    const runs = runsOf(places);
    return runs === undefined ? undefined : partsOf(mesh, runs);
  });
  if (parts.some((each) => each === undefined)) throw wrong("its devices are no box in the mesh");
  const lists = parts.map((each) => joinParts(each ?? []));
  const sumAt = tail.indexOf("unreduced");
  const sharding = shardingOn(lists.slice(0, rank), sumAt < 0 ? [] : (lists[rank + sumAt] ?? []));
  const back = tilesOf(mesh, sharding);
  const same = back.devices.every((device, i) => device === devices[i]);
  // The order of devices that hold the same tile says nothing.
  const sets = (list: readonly number[]) => {
    const group = sizeOfTail(parsed.tiles);
    return list.map(
      (_, i) =>
        [...list.slice(i - (i % group), i - (i % group) + group)].sort((a, b) => a - b)[i % group],
    );
  };
  if (
    !same &&
    !(tail.join() === "replicated" && sets(back.devices).join() === sets(devices).join())
  )
    throw wrong(`its devices are no box in the mesh; ${showSharding(sharding, mesh)} is near`);
  return sharding;
}

function sizeOfTail({ dims, tail }: TileAssignment): number {
  return dims.slice(dims.length - tail.length).reduce((a, b) => a * b, 1);
}

/** Device numbers 0, s, 2s … as nested runs, the first one major; undefined where they are none. */
function runsOf(places: readonly number[]): Run[] | undefined {
  const runs: Run[] = [];
  let size = 1;
  while (size < places.length) {
    const stride = places[size] ?? 0;
    let length = 1;
    while (size * length < places.length && places[size * length] === stride * length) length++;
    while (places.length % (size * length) !== 0) length--;
    if (stride <= 0 || length < 2) return undefined;
    runs.unshift({ size: length, stride });
    size *= length;
  }
  const holds = places.every((place, k) => {
    let [left, sum] = [k, 0];
    for (const run of [...runs].reverse()) {
      sum += (left % run.size) * run.stride;
      left = Math.floor(left / run.size);
    }
    return sum === place;
  });
  return holds ? runs : undefined;
}

/** Parts of mesh axes that runs of devices go along. */
function partsOf(mesh: Mesh, runs: readonly Run[]): AxisPart[] | undefined {
  const parts: AxisPart[] = [];
  for (const run of runs) {
    const pieces: AxisPart[] = [];
    let { size, stride } = run;
    while (size > 1) {
      const axis = mesh.axes.find(({ name, size: count }) => {
        const least = strideOf(mesh, { name, before: 1, size: count });
        return stride >= least && stride < least * count;
      });
      if (axis === undefined) return undefined;
      const least = strideOf(mesh, { name: axis.name, before: 1, size: axis.size });
      const after = stride / least;
      const room = axis.size / after;
      const taken = Math.min(size, room);
      if (![after, room, size / taken, room / taken].every(Number.isInteger)) return undefined;
      pieces.unshift({ name: axis.name, before: room / taken, size: taken });
      size /= taken;
      stride *= taken;
    }
    parts.push(...pieces);
  }
  return parts;
}
