/** @file The one place where a path becomes a model that can write: a run, or whatever else holds weights. */

import { stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import type { Tokenizer } from "../data/tokenizer.ts";
import type { DecodingModel, DecodingWeights } from "../generate/model.ts";
import { readRun } from "../train/open-run.ts";
import { type ChatTemplate, readChatTemplate } from "./chat-template.ts";

/** A model with weights, ready to be compiled. */
export interface OpenedModel {
  /** The last word of its path. */
  readonly name: string;
  readonly model: DecodingModel;
  readonly weights: DecodingWeights;
  readonly tokenizer: Tokenizer;
  readonly chat: ChatTemplate;
  /** Updates that its weights have seen. */
  readonly step: number;
  /** Tokens of a sequence in training. */
  readonly trainedLength: number;
  /** Seconds since 1970. */
  readonly created: number;
  /** Lines for the user. */
  readonly notes: readonly string[];
}

/**
 * Opens a run folder.
 *
 * @param step - of a checkpoint; the newest good one when undefined
 * @throws RunError when the folder holds no model, CheckpointError when no checkpoint is good
 */
export async function openModel(path: string, step?: number): Promise<OpenedModel> {
  const run = await readRun(path, step ?? "latest");
  const { mtimeMs } = await stat(path);
  return {
    name: basename(resolve(path)),
    model: run.model,
    weights: { params: run.state.params, extra: run.state.extra },
    tokenizer: run.tokenizer,
    chat: await readChatTemplate(path),
    step: run.step,
    trainedLength: run.model.training.length,
    created: Math.floor(mtimeMs / 1000),
    notes: run.warnings,
  };
}
