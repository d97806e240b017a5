/**
 * @file An engine that is a mesh of devices in one process: the program is partitioned, every device runs its part on
 * an engine of its own kind, and exchanges are copies. It shows what a plan does before there is a cluster.
 */

import { deviceCount, type Mesh, showMesh } from "../../core/mesh.ts";
import type { Program } from "../../core/program.ts";
import type { Tensor } from "../../core/tensor.ts";
import { type AxisRules, checkRules, seedsOf } from "../../spmd/annotations.ts";
import { type Partitioned, partition } from "../../spmd/partition.ts";
import { propagate } from "../../spmd/propagate.ts";
import { shardingOn } from "../../spmd/sharding.ts";
import type { WindowedOptions } from "../../spmd/windowed/options.ts";
import { simplifyAll } from "../../transforms/simplify.ts";
import type { CompileOptions, Engine, Executable } from "../engine.ts";
import { MeshProgram } from "./mesh-program.ts";
import { cutTensor, joinTensor } from "./pieces.ts";

const WHOLE = shardingOn([]);

export interface MeshEngineOptions {
  readonly mesh: Mesh;
  /** Axis words of arguments and results, and the mesh axes that split them. */
  readonly rules: AxisRules;
  /** Loops of products and permutes; none when absent: in one process they hide nothing. */
  readonly windowed?: WindowedOptions;
  /** Told of every program that was partitioned. */
  readonly onPartitioned?: (partitioned: Partitioned) => void;
}

/**
 * @param inner - runs what a device computes by itself
 * @throws ShardingError for a rule with an axis that the mesh lacks
 */
export function createMeshEngine(inner: Engine, options: MeshEngineOptions): Engine {
  const { mesh, rules, windowed = { when: "never" }, onPartitioned } = options;
  checkRules(mesh, rules);
  return {
    name: `${inner.name} on ${showMesh(mesh)}`,
    async compile(traced: Program, { constants, threads }: CompileOptions): Promise<Executable> {
      const whole = simplifyAll(traced);
      const found = propagate(mesh, whole, seedsOf(mesh, whole, { rules }));
      const parted = partition(whole, found, { windowed });
      const program = simplifyAll(parted.program);
      onPartitioned?.({ ...parted, program });
      const local = await MeshProgram.compile(program, inner, threads);
      const run = async (inputs: readonly Tensor[]): Promise<readonly Tensor[]> => {
        const devices: Tensor[][] = Array.from({ length: deviceCount(mesh) }, () => []);
        [...inputs, ...constants].forEach((x, i) => {
          cutTensor(mesh, x, parted.inputs[i] ?? WHOLE).forEach((piece, device) => {
            devices[device]?.push(piece);
          });
        });
        const results = await local.run(devices);
        return program.outputs.map((v, i) =>
          joinTensor(
            mesh,
            whole.outputs[i]?.aval ?? v.aval,
            results.map((own) => own[i] as Tensor),
            parted.outputs[i] ?? WHOLE,
          ),
        );
      };
      return {
        compilation: { equations: traced.equations.length, from: "compiler" },
        run,
        release: () => local.release(),
      };
    },
  };
}
