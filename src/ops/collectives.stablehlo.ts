/**
 * @file Collectives as StableHLO text. Device numbers are partition ids: groups are flattened global ids,
 * and a channel makes the other collectives speak across partitions instead of replicas.
 */

import type { Groups } from "../core/collective.ts";
import type { HloEmitter, HloValue } from "../core/lowering.ts";
import { type Aval, aval, sizeOf } from "../core/shape.ts";

const CHANNEL = "channel_handle = #stablehlo.channel_handle<handle = 1, type = 1>";
const COMBINE = {
  sum: "stablehlo.add",
  max: "stablehlo.maximum",
  min: "stablehlo.minimum",
  prod: "stablehlo.multiply",
};

/** Rows of numbers; short rows are filled with −1, as StableHLO wants uneven groups written. */
function matrix(rows: Groups): string {
  const width = Math.max(0, ...rows.map((row) => row.length));
  const text = rows.map((row) => `[${[...row, ...Array(width - row.length).fill(-1)].join(", ")}]`);
  return `dense<[${text.join(", ")}]> : tensor<${rows.length}x${width}xi64>`;
}

/** The function of two scalars that puts two members' elements together. */
function combiner(h: HloEmitter, x: HloValue, op: string): string {
  const scalar = aval(x.dtype, []);
  const [a, b] = [h.argument(scalar), h.argument(scalar)];
  const body = h.region(() => [h.elementwise(op, [a, b], scalar)]);
  const type = h.type(scalar);
  return `({\n^bb0(${a.name}: ${type}, ${b.name}: ${type}):\n${body}\n})`;
}

export function allReduce(
  h: HloEmitter,
  x: HloValue,
  reduction: keyof typeof COMBINE,
  groups: Groups,
): HloValue {
  return h.line(
    `"stablehlo.all_reduce"(${x.name}) <{${CHANNEL}, replica_groups = ${matrix(groups)}, use_global_device_ids}> ${combiner(h, x, COMBINE[reduction])} : (${h.type(x)}) -> ${h.type(x)}`,
    x,
  );
}

interface Along {
  readonly axis: number;
  readonly groups: Groups;
}

export function allGather(h: HloEmitter, x: HloValue, { axis, groups }: Along, y: Aval): HloValue {
  if (sizeOf(y.dims) === 0) return h.splat(0, y); // StableHLO gathers along no empty axis
  return h.line(
    `"stablehlo.all_gather"(${x.name}) <{all_gather_dim = ${axis} : i64, ${CHANNEL}, replica_groups = ${matrix(groups)}, use_global_device_ids}> : (${h.type(x)}) -> ${h.type(y)}`,
    y,
  );
}

export function reduceScatter(
  h: HloEmitter,
  x: HloValue,
  { axis, groups }: Along,
  y: Aval,
): HloValue {
  if (sizeOf(y.dims) === 0) return h.splat(0, y); // nor does it cut an empty axis into blocks
  return h.line(
    `"stablehlo.reduce_scatter"(${x.name}) <{${CHANNEL}, replica_groups = ${matrix(groups)}, scatter_dimension = ${axis} : i64, use_global_device_ids}> ${combiner(h, x, COMBINE.sum)} : (${h.type(x)}) -> ${h.type(y)}`,
    y,
  );
}

export function allToAll(
  h: HloEmitter,
  x: HloValue,
  p: { readonly splitAxis: number; readonly concatAxis: number; readonly groups: Groups },
  y: Aval,
): HloValue {
  const count = p.groups[0]?.length ?? 1;
  return h.line(
    `"stablehlo.all_to_all"(${x.name}) <{${CHANNEL}, concat_dimension = ${p.concatAxis} : i64, replica_groups = ${matrix(p.groups)}, split_count = ${count} : i64, split_dimension = ${p.splitAxis} : i64}> : (${h.type(x)}) -> ${h.type(y)}`,
    y,
  );
}

export function collectivePermute(h: HloEmitter, x: HloValue, pairs: Groups): HloValue {
  return h.line(
    `"stablehlo.collective_permute"(${x.name}) <{${CHANNEL}, source_target_pairs = ${matrix(pairs)}}> : (${h.type(x)}) -> ${h.type(x)}`,
    x,
  );
}

/** StableHLO counts devices in ui32; the language counts in int32. */
export function partitionId(h: HloEmitter, y: Aval): HloValue {
  const words = aval("uint32", y.dims);
  const id = h.line(`stablehlo.partition_id : ${h.type(words)}`, words);
  return h.line(`stablehlo.convert ${id.name} : (${h.type(words)}) -> ${h.type(y)}`, y);
}
