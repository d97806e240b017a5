/** @file A finished or stopped run, opened to be sampled or looked at. */

import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { RunError } from "../core/errors.ts";
import { aval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { byteTokenizer, type Tokenizer } from "../data/tokenizer.ts";
import { openTokenizer, TOKENIZER_FILE } from "../data/tokenizers/open.ts";
import { abstract, trace } from "../transforms/trace.ts";
import { loadCheckpoint } from "./checkpoint.ts";
import { restoreModel } from "./families.ts";
import type { LanguageModel } from "./model.ts";
import { stateFrom } from "./state.ts";
import type { TrainState } from "./step.ts";

const saved = z.looseObject({
  preset: z.string(),
  family: z.string(),
  model: z.unknown(),
  training: z.unknown(),
});

export interface OpenedRun {
  readonly model: LanguageModel;
  readonly tokenizer: Tokenizer;
  readonly state: TrainState;
  readonly step: number;
  /** Lines for the user, such as a damaged newest checkpoint that was passed over. */
  readonly warnings: readonly string[];
}

/**
 * Model and checkpoint of a run folder.
 *
 * @param which - a step, or the newest checkpoint that is good
 * @throws RunError when the folder holds no run, CheckpointError when no checkpoint is good
 */
export async function readRun(
  folder: string,
  which: number | "latest" = "latest",
): Promise<OpenedRun> {
  const config = saved.safeParse(await readJson(join(folder, "config.json"), folder));
  if (!config.success)
    throw notARun(folder, "its config.json has no preset, family, model and training");
  const { preset, family, model: sizes, training } = config.data;
  const model = await restoreModel({ preset, family, model: sizes, training });
  const { step, tensors, warnings } = await loadCheckpoint(folder, which);
  const { result } = trace("initial", (key: Tensor) => model.initial(key), [
    abstract(aval("uint32", [2])),
  ]);
  return {
    model,
    tokenizer: await tokenizerOf(folder),
    state: stateFrom(result, tensors, `${folder}, step ${step}`),
    step,
    warnings,
  };
}

/** The run's own tokenizer; a run without one has bytes. @throws DataError when its file is damaged */
async function tokenizerOf(folder: string): Promise<Tokenizer> {
  const own = await stat(join(folder, TOKENIZER_FILE)).catch(() => undefined);
  return own === undefined ? byteTokenizer : openTokenizer(folder);
}

async function readJson(path: string, folder: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    throw notARun(
      folder,
      error instanceof SyntaxError ? "its config.json is not JSON" : "it has no config.json",
    );
  }
}

function notARun(folder: string, why: string): RunError {
  return new RunError("RUN-01", `run: "${folder}" is not a run folder; ${why}.`, [
    ["fix", "name a folder that `meshloom train` wrote; it prints the name at its start and end"],
  ]);
}
