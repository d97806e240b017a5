/** @file The memory of one training step, worked out without allocating the model. */

import type { Program } from "../core/program.ts";
import { aval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { leaves, mapTree } from "../core/tree.ts";
import { bytesOf, peakBytes } from "../engines/onnx/memory.ts";
import { simplify } from "../transforms/simplify.ts";
import { abstract, trace } from "../transforms/trace.ts";
import type { LanguageModel, TokenBatch } from "./model.ts";
import type { TrainState } from "./step.ts";
import type { TaskModel, TensorBatch } from "./task.ts";

/** A traced training step: its program, the form of its state, and what it closes over. */
export interface TracedStep {
  readonly program: Program;
  readonly state: TrainState;
  readonly constants: readonly Tensor[];
}

/** Traces, differentiates and simplifies a whole training step; works for any size of model. */
export function traceStep(model: LanguageModel | TaskModel): TracedStep {
  const key = abstract(aval("uint32", [2]));
  const { result } = trace("initial", (k: Tensor) => model.initial(k), [key]);
  const state = mapTree(result, (leaf) => abstract(leaf.aval));
  const { program, captured } =
    "batchForm" in model
      ? trace("step", (s: TrainState, b: TensorBatch) => model.step(s, b), [
          state,
          model.batchForm(),
        ])
      : trace("step", (s: TrainState, b: TokenBatch) => model.step(s, b), [
          state,
          tokenForms(model),
        ]);
  return { program: simplify(program), state, constants: captured };
}

function tokenForms({ training: { batch, length } }: LanguageModel): TokenBatch {
  const ids = () => abstract(aval("int32", [batch, length], ["batch", "pos"]));
  return { tokens: ids(), targets: ids() };
}

/** Bytes by what they hold. */
export interface MemoryFacts {
  readonly weights: number;
  readonly optimizer: number;
  /** The second set of weights and optimiser state, which a step writes while it reads the first. */
  readonly secondSet: number;
  /** Most that activations and gradients take at once. */
  readonly activationsAndGradients: number;
}

export function memoryOf({ program, state, constants }: TracedStep): MemoryFacts {
  const total = (tree: object) => leaves(tree).reduce((sum, x) => sum + bytesOf(x), 0);
  const weights = total(state.params as object);
  return {
    weights,
    optimizer: total(state) - weights,
    secondSet: total(state),
    activationsAndGradients: peakBytes(program, constants),
  };
}
