/**
 * @file A region of per-device code inside a program that is partitioned: its axes are those of the mesh by the same
 * names; the collectives in it, written for a box of these axes alone, run once for every place along the others.
 */

import { apply } from "../core/builder.ts";
import type { Groups } from "../core/collective.ts";
import { ShardingError } from "../core/errors.ts";
import {
  type AxisPart,
  axisSize,
  deviceCount,
  groupsAlong,
  type Mesh,
  showMesh,
  wholeAxis,
} from "../core/mesh.ts";
import type { Equation } from "../core/program.ts";
import type { Tensor } from "../core/tensor.ts";
import {
  collectivePermuteOp,
  type PermuteParams,
  partitionIdOp,
} from "../ops/collectives.device.ts";
import type { ManualParams, SplitAxes } from "../ops/control/manual.ts";
import { deviceAlong } from "./place.ts";
import { type Sharding, shardingOn } from "./sharding.ts";

/** @throws ShardingError for an axis that the mesh lacks, or has in another size */
export function checkRegion(mesh: Mesh, region: ManualParams["mesh"]): void {
  for (const { name, size } of region.axes) {
    if (axisSize(mesh, name) === size) continue;
    throw new ShardingError(
      "SHARD-01",
      `shardMap: the region is written for ${size} devices along "${name}".`,
      [
        ["mesh", showMesh(mesh)],
        ["fix", `give the mesh ${name}=${size}, or write the region for ${axisSize(mesh, name)}`],
      ],
    );
  }
}

/**
 * How a whole value lies whose pieces in the region lie by `inside`; and that again, without axes whose blocks would
 * not be those of the pieces.
 */
export function outsideOf(
  mesh: Mesh,
  dims: readonly number[],
  axes: SplitAxes,
  inside: Sharding,
): { readonly outside: Sharding; readonly inside: Sharding } {
  const own: (readonly AxisPart[])[] = [];
  const all = dims.map((size, dim) => {
    const manual = (axes[dim] ?? []).map((name) => wholeAxis(mesh, name));
    const more = inside.dims[dim]?.axes ?? [];
    const count = [...manual, ...more].reduce((product, part) => product * part.size, 1);
    const kept = size % count === 0 ? more : [];
    own.push(kept);
    return [...manual, ...kept];
  });
  return { outside: shardingOn(all), inside: shardingOn(own) };
}

const known = new WeakMap<Mesh, WeakMap<object, Groups>>();

/** The region's number of a device, for every device of the mesh; and the mesh's devices of one copy of the region. */
function copiesOf(mesh: Mesh, region: ManualParams["mesh"]): Groups {
  const cache = known.get(mesh) ?? new WeakMap<object, Groups>();
  known.set(mesh, cache);
  const found =
    cache.get(region) ??
    groupsAlong(
      mesh,
      region.axes.map(({ name }) => wholeAxis(mesh, name)),
    );
  cache.set(region, found);
  return found;
}

const translated = new WeakMap<Groups, WeakMap<Groups, Groups>>();

/** The same groups in every copy of the region; the same list for the same question. */
function groupsIn(copies: Groups, groups: Groups): Groups {
  const cache = translated.get(copies) ?? new WeakMap<Groups, Groups>();
  translated.set(copies, cache);
  const made =
    cache.get(groups) ??
    copies.flatMap((copy) => groups.map((group) => group.map((device) => copy[device] ?? 0)));
  cache.set(groups, made);
  return made;
}

/** A collective of the region on the mesh. */
export function runCollective(
  mesh: Mesh,
  region: ManualParams["mesh"],
  { op, params }: Pick<Equation, "op" | "params">,
  operands: readonly Tensor[],
): readonly Tensor[] {
  const record: unknown = op;
  if (record === partitionIdOp)
    return [
      deviceAlong(
        mesh,
        region.axes.map(({ name }) => wholeAxis(mesh, name)),
      ),
    ];
  const copies = copiesOf(mesh, region);
  if (record === collectivePermuteOp) {
    const { pairs } = params as PermuteParams;
    const all = copies.flatMap((copy) =>
      pairs.map(([source, target]) => [copy[source] ?? 0, copy[target] ?? 0] as const),
    );
    return apply(op, operands, { devices: deviceCount(mesh), pairs: all });
  }
  const { groups } = params as { readonly groups: Groups };
  return apply(op, operands, { ...(params as object), groups: groupsIn(copies, groups) });
}
