/** @file What lies beside the weights of an export: configurations, tokenizer, model card. */

import { join } from "node:path";
import { ConfigError } from "../core/errors.ts";
import { writeDurably } from "../files/atomic.ts";
import type { WeightDType } from "./elements.ts";
import { formOfFamily } from "./forms.ts";
import { writeGeneration } from "./generation.ts";
import type { JsonObject } from "./json-files.ts";
import { modelCard } from "./model-card.ts";
import type { OpenedModel } from "./open-model.ts";
import { CHAT_TEMPLATE_FILE, TOKENIZER_CONFIG_FILE, TOKENIZER_FILE } from "./tokenizer-files.ts";

export interface SideFileOptions {
  /** Identifier of the Hub for the weights' licence, for the card. */
  readonly licence?: string | undefined;
  /** Version of the program, for the card. */
  readonly version: string;
}

/** Types that only this program reads. */
const OWN_TYPE = /^meshloom-/;

/**
 * @param name - of the model, for the card
 * @param dtype - of the weights beside; none when there are none, as beside ONNX graphs
 * @throws ConfigError when the model has no form on the Hub
 */
export async function writeSideFiles(
  opened: OpenedModel,
  folder: string,
  name: string,
  options: SideFileOptions,
  dtype?: WeightDType,
): Promise<void> {
  const put = (file: string, text: string) =>
    writeDurably(join(folder, file), [new TextEncoder().encode(text)]);
  const putJson = (file: string, value: JsonObject) =>
    put(file, `${JSON.stringify(value, null, 2)}\n`);
  const config: JsonObject = {
    ...(await modelConfig(opened, dtype !== undefined)),
    ...tokenIds(opened),
    ...(dtype === undefined ? {} : { torch_dtype: dtype }),
  };
  await putJson("config.json", config);
  await putJson("generation_config.json", writeGeneration(opened.generation));
  const { tokenizerFiles: files } = opened;
  await put(TOKENIZER_FILE, opened.tokenizer.json());
  await putJson(TOKENIZER_CONFIG_FILE, files?.config ?? plainTokenizerConfig(opened));
  if (files?.chatTemplate !== undefined) await put(CHAT_TEMPLATE_FILE, files.chatTemplate);
  const modelType = String(config["model_type"]);
  const known = !OWN_TYPE.test(modelType);
  const weights = dtype !== undefined;
  await put("README.md", modelCard(opened, { ...options, name, modelType, known, weights }));
}

/** Beside graphs, which hold the whole model, a configuration that only tells what it is will do. */
async function modelConfig({ family, model }: OpenedModel, needed: boolean): Promise<JsonObject> {
  try {
    return (await formOfFamily(family)).write(model);
  } catch (error) {
    if (needed || !(error instanceof ConfigError)) throw error;
    return { model_type: `meshloom-${family}`, vocab_size: model.vocab, model: model.model };
  }
}

/** Said in any case: where `config.json` is silent, transformers takes those of the original Llama. */
function tokenIds({ generation: { beginToken, endTokens } }: OpenedModel): JsonObject {
  const [end, ...more] = endTokens;
  return {
    bos_token_id: beginToken ?? null,
    eos_token_id: end === undefined ? null : more.length === 0 ? end : endTokens,
  };
}

function plainTokenizerConfig({ model, tokenizer }: OpenedModel): JsonObject {
  const named = (key: string, id: number | undefined) =>
    id === undefined ? {} : { [key]: tokenizer.piece(id) };
  return {
    tokenizer_class: "PreTrainedTokenizerFast",
    model_max_length: model.training.length,
    clean_up_tokenization_spaces: false,
    ...named("bos_token", tokenizer.bos),
    ...named("eos_token", tokenizer.endOfText),
    ...named("pad_token", tokenizer.padding),
  };
}
