/** @file What a Llama minimises, and what it reports of its routers. */

import type { Tensor } from "../../core/tensor.ts";
import * as nn from "../../nn/index.ts";
import { scalar } from "../../numpy/index.ts";
import type { LanguageModelReport, TokenBatch } from "../../train/model.ts";
import type { BatchLoss } from "../../train/step.ts";
import type { LlamaConfig } from "./config.ts";
import { type Llama, llama } from "./model.ts";

/**
 * Mean cross-entropy plus the balance loss of the routers.
 *
 * @param batch - packed batches attend within their documents
 */
export function llamaLoss(
  p: Llama<Tensor>,
  { tokens, targets, segments, positions }: TokenBatch,
  config: LlamaConfig,
): BatchLoss<LanguageModelReport> {
  const call = {
    ...(segments === undefined ? {} : { segments }),
    ...(positions === undefined ? {} : { positions }),
  };
  const sparse = () => {
    throw new Error("TODO");
  };
  const logits = llama(p, tokens, config, sparse, call);
  const { crossEntropy, count } = nn.tokenLoss(logits, targets);
  const auxLoss = scalar(0);
  const report = { crossEntropy, auxLoss, load: [], dropped: [] };
  return { loss: crossEntropy.add(auxLoss.mul(config.auxWeight)), count, report };
}
