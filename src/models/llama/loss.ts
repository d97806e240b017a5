/** @file What a Llama minimises, and what it reports of its routers. */

import type { Tensor } from "../../core/tensor.ts";
import * as nn from "../../nn/index.ts";
import { scalar } from "../../numpy/index.ts";
import type { LanguageModelReport, TokenBatch } from "../../train/model.ts";
import { realTokens } from "../../train/real-tokens.ts";
import type { BatchLoss } from "../../train/step.ts";
import type { LlamaConfig } from "./config.ts";
import { type Llama, llama } from "./model.ts";

/**
 * Mean cross-entropy plus the routers' balance loss, `k · E · Σ_e f_e · P_e`, averaged over layers: f is the
 * share of choices that fall on expert e, P the mean gate. It is k at perfect balance, as Mixtral's published
 * code counts it; that code takes f and P over all layers at once, which lets layers make up for each other.
 *
 * @param batch - packed batches attend within their documents
 */
export function llamaLoss(
  p: Llama<Tensor>,
  batch: TokenBatch,
  config: LlamaConfig,
): BatchLoss<LanguageModelReport> {
  const { tokens, targets, segments, positions } = batch;
  const places = {
    ...(segments === undefined ? {} : { segments }),
    ...(positions === undefined ? {} : { positions }),
  };
  const mask = config.experts === 0 ? undefined : realTokens(batch);
  const { logits, routings } = llama(p, tokens, config, places, mask);
  const { crossEntropy, count } = nn.tokenLoss(logits, targets);
  const total = routings.reduce((sum, { auxLoss }) => sum.add(auxLoss), scalar(0));
  const auxLoss = total.mul(config.expertsPerToken / config.layers);
  return {
    loss: config.experts === 0 ? crossEntropy : crossEntropy.add(auxLoss.mul(config.auxWeight)),
    count,
    report: {
      crossEntropy,
      auxLoss,
      load: routings.map(({ load }) => load),
      dropped: routings.map(({ dropped }) => dropped),
      served: routings.map(({ served }) => served),
      routerEntropy: routings.map(({ entropy }) => entropy),
    },
  };
}
