/** @file One door to a trained model, whether a run of ours or a folder in the Hub's form. */

import { basename, join, resolve } from "node:path";
import { RunError } from "../core/errors.ts";
import type { Tokenizer } from "../data/tokenizer.ts";
import { type MetricsRow, readMetrics } from "../train/metrics.ts";
import type { LanguageModel, Weights } from "../train/model.ts";
import { readRun } from "../train/open-run.ts";
import { weightsOf } from "../train/step.ts";
import { hubError } from "./errors.ts";
import type { GenerationDefaults } from "./generation.ts";
import { type JsonObject, readObject } from "./json-files.ts";
import { openHub } from "./read-hub.ts";
import { type TokenizerFiles, tokenizerFilesOf } from "./tokenizer-files.ts";

/** A model that can be sampled, served, evaluated, exported, or trained further. */
export interface OpenedModel {
  readonly path: string;
  readonly origin: "run" | "hub";
  /** Name of the model's family, that of its folder. */
  readonly family: string;
  readonly model: LanguageModel;
  readonly weights: Weights;
  readonly tokenizer: Tokenizer;
  readonly generation: GenerationDefaults;
  /** Of a run: the checkpoint's step. */
  readonly step?: number;
  /** Of a run: all rows of its metrics. */
  readonly metrics?: readonly MetricsRow[];
  /** `config.json`, as it is. */
  readonly config: JsonObject;
  /** Files of the tokenizer, where it is not the byte tokenizer of a run. */
  readonly tokenizerFiles?: TokenizerFiles;
  /** Lines for the user, such as a damaged newest checkpoint that was passed over. */
  readonly warnings: readonly string[];
}

/** Which checkpoint of a run. A Hub folder has one only. */
export type WhichStep = "best" | "latest" | number;

export interface OpenOptions {
  /** `"latest"` when absent. */
  readonly step?: WhichStep;
  /** Whether to take the running mean of the weights, where a run keeps one; true when absent. */
  readonly ema?: boolean;
  /** Hears how many tensors of a Hub folder are read, of how many. */
  readonly onRead?: (done: number, total: number) => void;
}

/**
 * Opens a run folder or a Hub folder; `config.json` tells which it is.
 *
 * @throws RunError when the folder is neither, or its run has no step that was evaluated and is kept
 * @throws CheckpointError when a file is missing or damaged, or parts do not belong together
 */
export async function openModel(path: string, options: OpenOptions = {}): Promise<OpenedModel> {
  const config = await readObject(join(path, "config.json"));
  if (config === undefined) throw neither(path, "it has no config.json");
  if ("model_type" in config) return openHubModel(path, config, options);
  if ("preset" in config) return openRunModel(path, config, options);
  throw neither(path, "its config.json has neither a preset nor a model_type");
}

async function openRunModel(
  path: string,
  config: JsonObject,
  { step: which = "latest", ema = true }: OpenOptions,
): Promise<OpenedModel> {
  const metrics = await readMetrics(join(path, "metrics.jsonl"));
  const { model, tokenizer, state, step, warnings } = await readRun(path, which);
  const files = await tokenizerFilesOf(path, basename(resolve(path)));
  return {
    path,
    origin: "run",
    family: String(config["family"]),
    model,
    weights: ema ? weightsOf(state) : { params: state.params, extra: state.extra },
    tokenizer: files?.tokenizer ?? tokenizer,
    generation: generationOf(files?.tokenizer ?? tokenizer),
    step,
    metrics,
    config,
    ...(files === undefined ? {} : { tokenizerFiles: files }),
    warnings,
  };
}

/** Texts end, and a run's packed documents were parted, where the tokenizer says. */
function generationOf({ endOfText, bos }: Tokenizer): GenerationDefaults {
  return {
    endTokens: endOfText === undefined ? [] : [endOfText],
    ...(bos === undefined ? {} : { beginToken: bos }),
  };
}

async function openHubModel(
  path: string,
  config: JsonObject,
  { onRead }: OpenOptions,
): Promise<OpenedModel> {
  const folder = await openHub(path);
  if (folder.tokenizer === undefined) {
    throw hubError(
      `${path} has no tokenizer.json.`,
      [],
      "copy it from the checkpoint; in Python, AutoTokenizer.from_pretrained(…).save_pretrained(…) writes one",
    );
  }
  return {
    path,
    origin: "hub",
    family: folder.family,
    model: folder.model,
    weights: await folder.weights(onRead),
    tokenizer: folder.tokenizer.tokenizer,
    generation: folder.generation,
    config,
    tokenizerFiles: folder.tokenizer,
    warnings: [],
  };
}

function neither(path: string, why: string): RunError {
  return new RunError(
    "RUN-01",
    `model: "${path}" is neither a run folder nor a folder of the Hub; ${why}.`,
    [
      [
        "fix",
        "name a folder that `meshloom train` or `meshloom export` wrote, or a downloaded checkpoint",
      ],
    ],
  );
}
