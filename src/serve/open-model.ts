/** @file A run or a Hub folder as a model that can write, with what a server says of it. */

import { stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import type { Tokenizer } from "../data/tokenizer.ts";
import { openModel as openFolder, type WhichStep } from "../exchange/open-model.ts";
import type { DecodingModel, DecodingWeights } from "../generate/model.ts";
import { type ChatTemplate, readChatTemplate } from "./chat-template.ts";

/** A model with weights, ready to be compiled. */
export interface OpenedModel {
  /** The last word of its path. */
  readonly name: string;
  readonly model: DecodingModel;
  readonly weights: DecodingWeights;
  readonly tokenizer: Tokenizer;
  readonly chat: ChatTemplate;
  /** Updates that its weights have seen; undefined of a Hub folder, which does not say. */
  readonly step: number | undefined;
  /** Tokens of a sequence in training. */
  readonly trainedLength: number;
  /** Seconds since 1970. */
  readonly created: number;
  /** Lines for the user. */
  readonly notes: readonly string[];
}

/**
 * Opens a run folder or a Hub folder.
 *
 * @param step - which checkpoint of a run
 * @throws RunError when the folder holds no model, CheckpointError when no checkpoint is good
 */
export async function openModel(path: string, step: WhichStep = "latest"): Promise<OpenedModel> {
  const opened = await openFolder(path, { step });
  const { mtimeMs } = await stat(path);
  return {
    name: basename(resolve(path)),
    model: opened.model,
    weights: opened.weights,
    tokenizer: opened.tokenizer,
    chat: await readChatTemplate(path),
    step: opened.step,
    trainedLength: opened.model.training.length,
    created: Math.floor(mtimeMs / 1000),
    notes: opened.warnings,
  };
}
