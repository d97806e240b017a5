/** @file A batch of the data as the model's step and evaluation take it. */

import { fromData } from "../core/tensor.ts";
import type { Batch } from "../data/batches.ts";
import type { LanguageModel, TokenBatch } from "./model.ts";

export interface ReadyBatch {
  readonly tensors: TokenBatch;
  /** Tokens that have a target. */
  readonly tokens: number;
}

export function readyBatch(batch: Batch, { training }: LanguageModel): ReadyBatch {
  const tensor = (data: Int32Array) =>
    fromData("int32", [training.batch, training.length], data, "batch pos");
  const { segments, positions } = batch;
  let tokens = 0;
  for (const id of batch.targets) if (id >= 0) tokens++;
  return {
    tensors: {
      tokens: tensor(batch.tokens),
      targets: tensor(batch.targets),
      ...(segments === undefined ? {} : { segments: tensor(segments) }),
      ...(positions === undefined ? {} : { positions: tensor(positions) }),
    },
    tokens,
  };
}
