/** @file A finished or stopped run, opened to be sampled or looked at. */

import { join } from "node:path";
import { z } from "zod";
import { ConfigError, RunError } from "../core/errors.ts";
import type { Tokenizer } from "../data/tokenizer.ts";
import { errnoOf } from "../files/disk.ts";
import { readSmall } from "../files/read.ts";
import { loadCheckpoint } from "./checkpoint.ts";
import { restoreModel } from "./families.ts";
import type { LanguageModel } from "./model.ts";
import { bestStep } from "./retention.ts";
import { savedTokenizer } from "./run-tokenizer.ts";
import { formOf } from "./start-state.ts";
import { stateFrom } from "./state.ts";
import type { TrainState } from "./step.ts";

/** Bytes. */
const LARGEST_CONFIG = 2 ** 24;

const saved = z.looseObject({
  preset: z.string(),
  family: z.string(),
  model: z.unknown(),
  training: z.unknown(),
  data: z.looseObject({ fingerprint: z.string().optional() }).optional(),
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
 * @param which - a step, the newest that is good, or the one with the lowest loss on held-out text
 * @throws RunError when the folder holds no run, CheckpointError when there is no such checkpoint or none is good
 */
export async function readRun(
  folder: string,
  which: number | "latest" | "best" = "latest",
): Promise<OpenedRun> {
  const config = saved.safeParse(await readJson(join(folder, "config.json"), folder));
  if (!config.success)
    throw notARun(folder, "its config.json has no preset, family, model and training");
  const { preset, family, model: sizes, training } = config.data;
  const model = await restoreModel({ preset, family, model: sizes, training });
  const tokenizer = await savedTokenizer(folder, config.data.data?.fingerprint);
  const { step, tensors, warnings } = await loadCheckpoint(
    folder,
    which === "best" ? await bestStep(folder) : which,
  );
  return {
    model,
    tokenizer,
    state: stateFrom(formOf(model), tensors, `${folder}, step ${step}`),
    step,
    warnings,
  };
}

/** A checkpoint as a command line names it. @throws ConfigError for other words */
export function parseStep(text: string): number | "latest" | "best" {
  if (text === "latest" || text === "best") return text;
  if (/^\d+$/.test(text)) return Number(text);
  throw new ConfigError("CONFIG-01", `step: "${text}" names no checkpoint.`, [
    ["fix", "give a step, such as 300, or latest, or best"],
  ]);
}

async function readJson(path: string, folder: string): Promise<unknown> {
  try {
    return JSON.parse(await readSmall(path, LARGEST_CONFIG));
  } catch (cause) {
    const why = cause instanceof SyntaxError ? "is not JSON" : "cannot be read";
    throw notARun(
      folder,
      errnoOf(cause) === "ENOENT" ? "it has no config.json" : `its config.json ${why}`,
    );
  }
}

function notARun(folder: string, why: string): RunError {
  return new RunError("RUN-01", `run: "${folder}" is not a run folder; ${why}.`, [
    ["fix", "name a folder that `meshloom train` wrote; it prints the name at its start and end"],
  ]);
}
