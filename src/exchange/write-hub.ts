/** @file A model as a folder in the Hub's form. */

import { basename, join, resolve } from "node:path";
import { writeDurably } from "../files/atomic.ts";
import { byteTokenizerJson } from "./byte-tokenizer.ts";
import { isWeightDType, type WeightDType } from "./elements.ts";
import { writeFolder } from "./export-folder.ts";
import { formOfFamily } from "./forms.ts";
import { writeGeneration } from "./generation.ts";
import type { JsonObject } from "./json-files.ts";
import { modelCard } from "./model-card.ts";
import type { OpenedModel } from "./open-model.ts";
import { CHAT_TEMPLATE_FILE, TOKENIZER_CONFIG_FILE, TOKENIZER_FILE } from "./tokenizer-files.ts";
import { weightForms } from "./weights.ts";
import { type WrittenWeights, writeWeights } from "./write-weights.ts";

export interface HubOptions {
  /** Whether an export that is there may be replaced. */
  readonly force: boolean;
  /** Bytes of tensors that one file may hold. */
  readonly shardBytes: number;
  /** That of the checkpoint the model came from when absent, and float32 for runs. */
  readonly dtype?: WeightDType | undefined;
  /** Identifier of the Hub, for the card. */
  readonly licence?: string | undefined;
  /** Version of the program, for the card. */
  readonly version: string;
  /** Hears how many tensors are written, of how many. */
  readonly onWrite?: (done: number, total: number) => void;
}

/** Types that only this program reads. */
const OWN_TYPE = /^meshloom-/;

/**
 * Writes weights, configuration, tokenizer and card into a folder, which appears whole or not at all.
 *
 * @throws ConfigError when the model has no form on the Hub
 * @throws DiskError when the folder is taken, or the disk refuses
 */
export async function writeHub(
  opened: OpenedModel,
  out: string,
  options: HubOptions,
): Promise<WrittenWeights> {
  const { model, weights } = opened;
  const form = await formOfFamily(opened.family);
  const dtype = options.dtype ?? dtypeOf(opened.config);
  const config: JsonObject = { ...form.write(model), ...tokenIds(opened), torch_dtype: dtype };
  const modelType = String(config["model_type"]);
  return writeFolder(out, options, async (folder) => {
    const put = (name: string, text: string) =>
      writeDurably(join(folder, name), [new TextEncoder().encode(text)]);
    const putJson = (name: string, value: JsonObject) =>
      put(name, `${JSON.stringify(value, null, 2)}\n`);
    const written = await writeWeights(folder, form.tensors(model, weightForms(weights)), weights, {
      dtype,
      shardBytes: options.shardBytes,
      ...given(options.onWrite),
    });
    await putJson("config.json", config);
    await putJson("generation_config.json", writeGeneration(opened.generation));
    const { tokenizerFiles: files } = opened;
    await put(TOKENIZER_FILE, files?.json ?? `${JSON.stringify(byteTokenizerJson(), null, 2)}\n`);
    await putJson(TOKENIZER_CONFIG_FILE, files?.config ?? plainTokenizerConfig(opened));
    if (files?.chatTemplate !== undefined) await put(CHAT_TEMPLATE_FILE, files.chatTemplate);
    const card = modelCard(opened, {
      name: basename(resolve(out)),
      licence: options.licence,
      version: options.version,
      modelType,
      known: !OWN_TYPE.test(modelType),
    });
    await put("README.md", card);
    return written;
  });
}

function given(onWrite: HubOptions["onWrite"]): Pick<HubOptions, "onWrite"> {
  return onWrite === undefined ? {} : { onWrite };
}

/** What a checkpoint of somebody else was in, so that it goes out bit for bit as it came. */
function dtypeOf(config: JsonObject): WeightDType {
  const named = config["torch_dtype"] ?? config["dtype"];
  return typeof named === "string" && isWeightDType(named) ? named : "float32";
}

/** Without these, transformers takes those of the original Llama. */
function tokenIds({ generation: { beginToken, endTokens } }: OpenedModel): JsonObject {
  const [end, ...more] = endTokens;
  return {
    bos_token_id: beginToken ?? null,
    eos_token_id: end === undefined ? null : more.length === 0 ? end : endTokens,
  };
}

function plainTokenizerConfig({ model }: OpenedModel): JsonObject {
  return {
    tokenizer_class: "PreTrainedTokenizerFast",
    model_max_length: model.training.length,
    clean_up_tokenization_spaces: false,
  };
}
