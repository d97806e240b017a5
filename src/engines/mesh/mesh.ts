/**
 * @file An engine that is a mesh of devices in one process: the program is partitioned, every device runs its part on
 * an engine of its own kind, and exchanges are copies. It shows what a plan does before there is a cluster.
 */

import { isCollective } from "../../core/collective.ts";
import { interpretTogether } from "../../core/interpret-together.ts";
import type { NdArray } from "../../core/ndarray.ts";
import type { Equation, Program, Variable } from "../../core/program.ts";
import { aval } from "../../core/shape.ts";
import { fromData, stored, type Tensor } from "../../core/tensor.ts";
import { type AxisRules, checkRules, seedsOf } from "../../spmd/annotations.ts";
import { deviceCount, type Mesh, showMesh } from "../../spmd/mesh.ts";
import { type Partitioned, partition } from "../../spmd/partition.ts";
import { propagate } from "../../spmd/propagate.ts";
import type { WindowedOptions } from "../../spmd/windowed/options.ts";
import { simplify } from "../../transforms/simplify.ts";
import type { CompileOptions, Engine, Executable } from "../engine.ts";
import { runCollective } from "./collectives.ts";
import { cutTensor, joinTensor } from "./pieces.ts";
import { stagesOf } from "./stages.ts";

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
      const whole = simplify(traced);
      const found = propagate(mesh, whole, seedsOf(mesh, whole, { rules }));
      const parted = partition(whole, found, { windowed });
      const program = simplify(parted.program);
      onPartitioned?.({ ...parted, program });
      const { stages, deviceNumbers } = stagesOf(program);
      const steps = await Promise.all(
        stages.map(async (stage) => {
          if (stage.kind === "together") return stage;
          const executable = await inner.compile(stage.program, {
            donated: stage.program.inputs.map(() => false),
            ...{ threads, constants: [] },
          });
          return { ...stage, executable };
        }),
      );
      const run = async (inputs: readonly Tensor[]): Promise<readonly Tensor[]> => {
        const memories = Array.from({ length: deviceCount(mesh) }, (_, device) => {
          const number = fromData("int32", [], Int32Array.of(device));
          return new Map<Variable, Tensor>(deviceNumbers.map((v) => [v, number]));
        });
        [...inputs, ...constants].forEach((x, i) => {
          const [v, sharding] = [program.inputs[i], parted.inputs[i]];
          if (v === undefined || sharding === undefined) return;
          cutTensor(mesh, x, sharding).forEach((piece, device) => {
            memories[device]?.set(v, piece);
          });
        });
        for (const step of steps) {
          if (step.kind === "together") {
            exchange(step.equation, memories);
            continue;
          }
          const { program: own, executable } = step;
          for (const memory of memories) {
            const results = await executable.run(own.inputs.map((v) => held(memory, v)));
            own.outputs.forEach((v, i) => {
              memory.set(v, results[i] as Tensor);
            });
          }
        }
        return program.outputs.map((v, i) =>
          joinTensor(
            mesh,
            whole.outputs[i]?.aval ?? v.aval,
            memories.map((memory) => held(memory, v)),
            parted.outputs[i] ?? { dims: [], whole: [], sum: [] },
          ),
        );
      };
      return {
        compilation: { equations: traced.equations.length, from: "compiler" },
        run,
        release() {
          for (const step of steps) if (step.kind === "local") step.executable.release();
        },
      };
    },
  };
}

function held(memory: ReadonlyMap<Variable, Tensor>, v: Variable): Tensor {
  const x = memory.get(v);
  if (x === undefined) throw new RangeError("a stage uses what none has made");
  return x;
}

/** Runs an exchange on what all devices hold. */
function exchange(equation: Equation, memories: readonly Map<Variable, Tensor>[]): void {
  const inputs = memories.map((memory) => equation.inputs.map((v) => held(memory, v)));
  const results = isCollective(equation.op)
    ? runCollective(equation, inputs)
    : interpreted(equation, inputs);
  results.forEach((own, device) => {
    equation.outputs.forEach((v, i) => {
      memories[device]?.set(v, own[i] as Tensor);
    });
  });
}

/** A loop or a branch with collectives in it, by the interpreter. */
function interpreted(
  equation: Equation,
  inputs: readonly (readonly Tensor[])[],
): readonly (readonly Tensor[])[] {
  const { inputs: variables, outputs } = equation;
  // A value may stand in several places of the operands.
  const distinct = [...new Set(variables)];
  const program: Program = {
    name: equation.op.name,
    inputs: distinct,
    equations: [equation],
    outputs,
  };
  const arrays = inputs.map((own) =>
    distinct.map((v): NdArray => {
      const x = own[variables.indexOf(v)] as Tensor;
      return { dtype: x.dtype, dims: x.dims, data: x.data() };
    }),
  );
  return interpretTogether(program, arrays).map((own) =>
    own.map((y, i) => stored(outputs[i]?.aval ?? aval(y.dtype, y.dims), y.data)),
  );
}
