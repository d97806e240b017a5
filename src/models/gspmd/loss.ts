/** @file What the decoder minimises: mean cross-entropy, and the balance of its experts. */

import type { Tensor } from "../../core/tensor.ts";
import { layerOf, tokenLoss } from "../../nn/index.ts";
import { scalar } from "../../numpy/index.ts";
import type { LanguageModelReport, TokenBatch } from "../../train/model.ts";
import type { BatchLoss } from "../../train/step.ts";
import { type DecoderConfig, loopLength } from "./config.ts";
import { type Decoder, decoder } from "./model.ts";

/** @param batch - packed batches attend within their documents */
export function decoderLoss(
  p: Decoder<Tensor>,
  batch: TokenBatch,
  config: DecoderConfig,
): BatchLoss<LanguageModelReport> {
  const { segments, positions } = batch;
  const { logits, facts } = decoder(p, batch.tokens, config, {
    ...(segments === undefined ? {} : { segments }),
    ...(positions === undefined ? {} : { positions }),
  });
  const { crossEntropy, count } = tokenLoss(logits, batch.targets);
  const [sparse] = facts;
  if (sparse === undefined) {
    const report = { crossEntropy, auxLoss: scalar(0), load: [], dropped: [] };
    return { loss: crossEntropy, count, report };
  }
  const auxLoss = sparse.auxLoss.mean();
  const each = (x: Tensor) => Array.from({ length: loopLength(config) }, (_, i) => layerOf(x, i));
  return {
    loss: crossEntropy.add(auxLoss.mul(config.auxWeight)),
    count,
    report: { crossEntropy, auxLoss, load: each(sparse.load), dropped: each(sparse.dropped) },
  };
}
