/**
 * @file A whole program with shardings as StableHLO that XLA's GSPMD partitioner reads: `mhlo.sharding` on arguments
 * and results, a custom call `Sharding` for every annotation inside. The partitioner cuts it for `mhlo.num_partitions`
 * devices when a module is compiled with SPMD partitioning.
 */

import type { HloEmitter, HloValue } from "../../core/lowering.ts";
import { deviceCount, type Mesh, wholeAxis } from "../../core/mesh.ts";
import type { Program } from "../../core/program.ts";
import { type ShardParams, shardOp } from "../../ops/shard.ts";
import { type Sharding, shardingOn } from "../../spmd/sharding.ts";
import { toXla } from "../../spmd/xla-text.ts";
import { printStablehlo } from "./stablehlo.ts";

export interface AnnotatedEnds {
  readonly mesh: Mesh;
  /** Of arguments and results, by place. */
  readonly inputs: readonly Sharding[];
  readonly outputs: readonly Sharding[];
}

/**
 *     module @f attributes {mhlo.num_partitions = 4 : i32, …} {
 *       func.func public @main(%arg0: tensor<8x4xf32> {mhlo.sharding = "{devices=[4,1]<=[4]}"}) …
 *         %v0 = stablehlo.custom_call @Sharding(%arg0) {mhlo.sharding = "{replicated}"} : …
 *
 * @throws EngineError as `printStablehlo`
 */
export function printAnnotated(program: Program, { mesh, inputs, outputs }: AnnotatedEnds): string {
  const attribute = (sharding: Sharding) => `{mhlo.sharding = "${toXla(mesh, sharding)}"}`;
  return printStablehlo(program, {
    partitions: deviceCount(mesh),
    annotations: {
      inputs: inputs.map(attribute),
      outputs: outputs.map(attribute),
      lower: (op, params, emitter, [x]) =>
        isAnnotation(op) && x !== undefined
          ? [sharded(mesh, emitter, x, params as ShardParams)]
          : undefined,
    },
  });
}

function isAnnotation(op: unknown): boolean {
  return op === shardOp;
}

/** Dimensions that may be split further are said to be unspecified; GSPMD knows no priorities. */
function sharded(mesh: Mesh, h: HloEmitter, x: HloValue, { dims }: ShardParams): HloValue {
  const sharding = shardingOn(dims.map(({ axes }) => axes.map((name) => wholeAxis(mesh, name))));
  const open = dims.flatMap((dim, i) => (dim.open ? [i] : []));
  const free = open.length === 0 ? "" : `backend_config = "unspecified_dims=[${open.join(",")}]", `;
  return h.line(
    `stablehlo.custom_call @Sharding(${x.name}) {${free}mhlo.sharding = "${toXla(mesh, sharding)}"} : (${h.type(x)}) -> ${h.type(x)}`,
    x,
  );
}
