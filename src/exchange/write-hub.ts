/** @file A model as a folder in the Hub's form. */

import { basename, resolve } from "node:path";
import { checkSpace } from "../files/folder.ts";
import { bytesIn } from "../train/safetensors.ts";
import { isWeightDType, type WeightDType } from "./elements.ts";
import { writeFolder } from "./export-folder.ts";
import { formOfFamily } from "./forms.ts";
import type { JsonObject } from "./json-files.ts";
import type { OpenedModel } from "./open-model.ts";
import { type SideFileOptions, writeSideFiles } from "./side-files.ts";
import { weightForms } from "./weights.ts";
import { type WrittenWeights, writeWeights } from "./write-weights.ts";

export interface HubOptions extends SideFileOptions {
  /** Whether an export that is there may be replaced. */
  readonly force: boolean;
  /** Bytes of tensors that one file may hold. */
  readonly shardBytes: number;
  /** That of the checkpoint the model came from when absent, and float32 for runs. */
  readonly dtype?: WeightDType | undefined;
  /** Hears how many tensors are written, of how many. */
  readonly onWrite?: (done: number, total: number) => void;
}

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
  const tensors = form.tensors(model, weightForms(weights));
  const { shardBytes, onWrite } = options;
  const how = { dtype, shardBytes, ...(onWrite === undefined ? {} : { onWrite }) };
  const bytes = tensors.reduce((sum, { dims }) => sum + bytesIn({ dims, dtype }), 0);
  return writeFolder(out, options, async (folder) => {
    await checkSpace("export", out, folder, bytes);
    // First, so that a configuration that cannot be written stops before gigabytes are.
    await writeSideFiles(opened, folder, basename(resolve(out)), options, dtype);
    return writeWeights(folder, tensors, weights, how);
  });
}

/** What a checkpoint of somebody else was in, so that it goes out bit for bit as it came. */
function dtypeOf(config: JsonObject): WeightDType {
  const named = config["torch_dtype"] ?? config["dtype"];
  return typeof named === "string" && isWeightDType(named) ? named : "float32";
}
