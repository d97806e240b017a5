/**
 * @file What a model folder says about its form on the Hub: `src/models/<name>/hub.ts` exports it as `hub`.
 *
 * A form maps configurations and names; files, dtypes and layouts are the exchange's own.
 */

import type { LanguageModel } from "../train/model.ts";

/** The configuration that a Hub folder's `config.json` holds. */
export type HubConfig = Readonly<Record<string, unknown>>;

/** A leaf of a model's weights, `{ params, extra }`. */
export interface WeightForm {
  /** `params/layers/3/attention/query` */
  readonly path: string;
  readonly dims: readonly number[];
}

/** One tensor of a Hub checkpoint, and where its elements lie in our weights. */
export interface HubTensor {
  readonly name: string;
  readonly dims: readonly number[];
  /** Path of our leaf. */
  readonly path: string;
  /** Place along our leaf's first axis, which the Hub cuts into tensors of their own; the whole leaf when absent. */
  readonly part?: number;
  /** Whether ours is the Hub's matrix with rows and columns swapped: its linear layers are `[out, in]`, ours `[in, out]`. */
  readonly transposed: boolean;
}

/** What a folder's configuration says of the model in it. */
export interface HubModel {
  readonly model: unknown;
  /** A recipe to train it further with. */
  readonly training: unknown;
}

export interface HubForm {
  /** Values of `model_type` that this form reads. */
  readonly modelTypes: readonly string[];
  /**
   * @param where - path of the file, for errors
   * @throws CheckpointError naming every key that is missing, or asks for what the model does not have
   */
  read(config: HubConfig, where: string): HubModel;
  /** The reverse of `read`: `config.json` without what is said of files and tokens. */
  write(model: LanguageModel): HubConfig;
  /** Every tensor of the checkpoint, in the order in which it is written. */
  tensors(model: LanguageModel, weights: readonly WeightForm[]): readonly HubTensor[];
  /** Whether a tensor that the model does not have may be passed over, for example a buffer of old checkpoints. */
  passesOver(name: string, model: LanguageModel): boolean;
}
