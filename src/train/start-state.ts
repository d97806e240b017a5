/** @file The state that a session starts from: fresh, from the newest checkpoint, or with weights of another run. */

import { aval } from "../core/shape.ts";
import { stored, type Tensor } from "../core/tensor.ts";
import { mapTree } from "../core/tree.ts";
import { type JitOptions, jit } from "../engines/jit.ts";
import * as random from "../numpy/random.ts";
import { abstract, trace } from "../transforms/trace.ts";
import { listCheckpoints, loadCheckpoint } from "./checkpoint.ts";
import type { LanguageModel, Weights } from "./model.ts";
import type { RunFolder } from "./run-folder.ts";
import { stateFrom, tensorsOf } from "./state.ts";
import type { TrainState } from "./step.ts";

export interface StartOptions {
  readonly model: LanguageModel;
  readonly run: RunFolder;
  readonly seed: number;
  readonly engine: JitOptions;
  readonly initial?: Weights | undefined;
  onNotice(line: string): void;
}

/**
 * A resumed run goes on from its newest checkpoint that is whole. A new one starts from `seed`; weights
 * that it is given take the place of the drawn ones, and optimiser and counters start from nothing.
 *
 * @throws CheckpointError when tensors are missing, unknown or of other forms
 */
export async function startState(
  options: StartOptions,
): Promise<{ readonly state: TrainState; readonly resumed: boolean }> {
  const { model, run, seed, engine, onNotice } = options;
  if (run.resumed && (await listCheckpoints(run.path)).length > 0) {
    const { step, tensors, warnings } = await loadCheckpoint(run.path, "latest");
    for (const warning of warnings) onNotice(warning);
    const state = stateFrom(formOf(model), tensors, `${run.path}, step ${step}`);
    return { state, resumed: true };
  }
  const fresh = jit((key: random.Key) => model.initial(key), { ...engine, name: "initial state" });
  const state = await fresh(random.key(seed));
  if (options.initial === undefined) return { state, resumed: false };
  const { params, extra } = state;
  const given = stateFrom({ params, extra }, tensorsOf(options.initial), "the weights given");
  if (state.average === undefined) return { state: { ...state, ...given }, resumed: false };
  // Memory of its own: the step takes over both.
  const average = mapTree(given.params, (leaf) => stored(leaf.aval, leaf.data().slice()));
  return { state: { ...state, ...given, average }, resumed: false };
}

/** The state of a model without data: what a checkpoint of it must hold. */
export function formOf(model: LanguageModel): TrainState {
  const key = abstract(aval("uint32", [2]));
  return trace("initial", (k: Tensor) => model.initial(k), [key]).result;
}
