/** @file A folder in the Hub's form, opened: model, weights, tokenizer, defaults of generation. */

import { basename, join, resolve } from "node:path";
import { restoreModel } from "../train/families.ts";
import type { LanguageModel, Weights } from "../train/model.ts";
import { COPY_AGAIN, hubError } from "./errors.ts";
import { formOfType } from "./forms.ts";
import { type GenerationDefaults, readGeneration } from "./generation.ts";
import type { HubForm } from "./hub-form.ts";
import { type JsonObject, readObject } from "./json-files.ts";
import { type TokenizerFiles, tokenizerFilesOf } from "./tokenizer-files.ts";
import { openWeightFiles } from "./weight-files.ts";
import { readWeights } from "./weights.ts";

/** What a Hub folder says, before its weights are read. */
export interface HubFolder {
  readonly path: string;
  readonly config: JsonObject;
  readonly family: string;
  readonly form: HubForm;
  readonly model: LanguageModel;
  readonly generation: GenerationDefaults;
  /** Undefined when the folder has none. */
  readonly tokenizer: TokenizerFiles | undefined;
  /** @param onRead - hears how many tensors are done, of how many */
  weights(onRead?: (done: number, total: number) => void): Promise<Weights>;
}

/**
 * Opens a Hub folder; weights are read when they are asked for.
 *
 * @throws CheckpointError when a file is missing or damaged, the model is of an unknown type, or the
 *   tokenizer has more tokens than the model
 */
export async function openHub(path: string): Promise<HubFolder> {
  const where = join(path, "config.json");
  const config = await readObject(where);
  if (config === undefined) throw hubError(`${path} has no config.json.`, [], COPY_AGAIN);
  const { family, form } = await formOfType(config["model_type"], where);
  const { model: sizes, training } = form.read(config, where);
  const preset = basename(resolve(path));
  const model = await restoreModel({
    preset,
    family,
    model: sizes,
    training,
  });
  const generation = readGeneration(
    config,
    await readObject(join(path, "generation_config.json")),
    model.vocab,
    path,
  );
  const tokenizer = await tokenizerFilesOf(path, preset);
  if (tokenizer !== undefined && tokenizer.tokenizer.vocab > model.vocab) {
    throw hubError(
      `the tokenizer in ${path} does not belong to its model.`,
      [
        ["tokenizer", `${tokenizer.tokenizer.vocab} tokens`],
        ["model", `${model.vocab} tokens`],
      ],
      "copy tokenizer.json and config.json from the same checkpoint",
    );
  }
  return {
    path,
    config,
    family,
    form,
    model,
    generation,
    tokenizer,
    async weights(onRead) {
      const files = await openWeightFiles(path);
      try {
        return await readWeights(model, form, files, path, onRead);
      } finally {
        await files.close();
      }
    },
  };
}
