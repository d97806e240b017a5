/**
 * @file Shardings: which mesh axes split which dimension of a tensor.
 *
 * Text: `[data, -, model+expert?]`. One entry per dimension: the axes that split it, the first one major; `-` for none;
 * `?` where propagation may add more; `@1` for a priority that is not the first. Behind it `whole x` for axes that must
 * not split the tensor, and `sum y` for axes along which devices hold summands of it.
 */

import { ShardingError } from "../core/errors.ts";
import {
  type AxisPart,
  axisSize,
  joinParts,
  type Mesh,
  overlap,
  sameParts,
  showMesh,
  showPart,
  sizeOfParts,
} from "../core/mesh.ts";

export interface DimSharding {
  /** The first is major: shard number = place along the first · sizes of the rest + … */
  readonly axes: readonly AxisPart[];
  /** Whether propagation may append axes. */
  readonly open: boolean;
  /** 0 first; of two annotations that cannot both be kept whole, the earlier one decides. */
  readonly priority: number;
}

export interface Sharding {
  readonly dims: readonly DimSharding[];
  /** Axes that propagation must not use. */
  readonly whole: readonly string[];
  /** Devices along these hold summands of the value. */
  readonly sum: readonly AxisPart[];
}

export function dimOn(axes: readonly AxisPart[], open = false, priority = 0): DimSharding {
  return { axes, open, priority };
}

/** Closed, with these axes. */
export function shardingOn(
  dims: readonly (readonly AxisPart[])[],
  sum: readonly AxisPart[] = [],
): Sharding {
  return { dims: dims.map((axes) => dimOn(axes)), whole: [], sum };
}

export function replicatedSharding(rank: number): Sharding {
  return shardingOn(Array.from({ length: rank }, () => []));
}

/** Every dimension unsplit and free. */
export function openSharding(rank: number): Sharding {
  return { dims: Array.from({ length: rank }, () => dimOn([], true)), whole: [], sum: [] };
}

/** How many shards a dimension has. */
export function shardCount({ axes }: DimSharding): number {
  return sizeOfParts(axes);
}

/** Elements of a dimension on each device: the last shards may hold less, and padding after it. */
export function shardSize(size: number, axes: readonly AxisPart[]): number {
  return Math.ceil(size / sizeOfParts(axes));
}

/** Whether two shardings put the same elements on the same devices. */
export function sameLayout(a: Sharding, b: Sharding): boolean {
  return (
    a.dims.length === b.dims.length &&
    a.dims.every((dim, i) => sameParts(dim.axes, b.dims[i]?.axes ?? [])) &&
    sameParts(a.sum, b.sum)
  );
}

/**
 * Checks that no axis is used twice and all exist.
 *
 * @throws ShardingError with the sharding and the axis
 */
export function checkSharding(mesh: Mesh, sharding: Sharding): void {
  const used: AxisPart[] = [];
  for (const part of [...sharding.dims.flatMap(({ axes }) => axes), ...sharding.sum]) {
    const size = axisSize(mesh, part.name);
    const wrong = (why: string, fix: string) =>
      new ShardingError("SHARD-01", `sharding ${showSharding(sharding, mesh)}: ${why}.`, [
        ["mesh", showMesh(mesh)],
        ["fix", fix],
      ]);
    if (size % (part.before * part.size) !== 0)
      throw wrong(`${showPart(part)} is no part of an axis of ${size}`, "use parts that divide it");
    if (used.some((other) => overlap(other, part)))
      throw wrong(`axis "${part.name}" stands twice`, "each axis splits one dimension at most");
    used.push(part);
  }
  for (const name of sharding.whole) axisSize(mesh, name);
}

/** The text form; with the mesh, whole axes are written by their names. */
export function showSharding({ dims, whole, sum }: Sharding, mesh?: Mesh): string {
  const parts = (axes: readonly AxisPart[]) => axes.map((part) => showPart(part, mesh)).join("+");
  const entries = dims.map(({ axes, open, priority }) => {
    const name = axes.length === 0 ? (open ? "" : "-") : parts(axes);
    return `${name}${open ? "?" : ""}${priority > 0 ? `@${priority}` : ""}`;
  });
  const behind = [
    ...(whole.length > 0 ? [`whole ${whole.join("+")}`] : []),
    ...(sum.length > 0 ? [`sum ${parts(sum)}`] : []),
  ];
  return [`[${entries.join(", ")}]`, ...behind].join(" ");
}

const ENTRY = /^(-|[^?@]*)(\?)?(?:@(\d+))?$/;
const PART = /^([A-Za-z_][A-Za-z0-9_]*)(?::\((\d+)\)(\d+))?$/;

/**
 * Reads the text form.
 *
 * @throws ShardingError for other text, an axis that the mesh lacks, and one that stands twice
 */
export function parseSharding(mesh: Mesh, text: string): Sharding {
  const wrong = (at: string) =>
    new ShardingError("SHARD-01", `sharding: cannot read "${text}" at "${at}".`, [
      ["fix", "one entry per dimension, such as [data, -, model+expert?]"],
    ]);
  const found = /^\s*\[(.*)\]\s*(.*?)\s*$/.exec(text);
  if (found === null) throw wrong(text);
  const [, inside = "", behind = ""] = found;
  const part = (word: string): AxisPart => {
    const match = PART.exec(word.trim());
    if (match === null) throw wrong(word);
    const [, name = "", before, size] = match;
    return { name, before: Number(before ?? 1), size: Number(size ?? axisSize(mesh, name)) };
  };
  const parts = (words: string) => joinParts(words.split("+").map(part));
  const dims = (inside.trim() === "" ? [] : inside.split(",")).map((entry): DimSharding => {
    const match = ENTRY.exec(entry.trim());
    if (match === null || entry.trim() === "") throw wrong(entry);
    const [, words = "", open, priority] = match;
    const axes = words === "-" || words === "" ? [] : parts(words);
    return { axes, open: open !== undefined, priority: Number(priority ?? 0) };
  });
  const after = /^(?:whole (\S+))?\s*(?:sum (\S+))?$/.exec(behind);
  if (after === null) throw wrong(behind);
  const [, whole, sum] = after;
  const sharding = {
    dims,
    whole: whole?.split("+") ?? [],
    sum: sum === undefined ? [] : parts(sum),
  };
  checkSharding(mesh, sharding);
  return sharding;
}
