/** @file What GLaM minimises, and what it reports of its routers. */

import type { Tensor } from "../../core/tensor.ts";
import * as nn from "../../nn/index.ts";
import { random, scalar } from "../../numpy/index.ts";
import type { LanguageModelReport, TokenBatch } from "../../train/model.ts";
import { realTokens } from "../../train/real-tokens.ts";
import type { BatchLoss } from "../../train/step.ts";
import { type GlamConfig, routerFor, slotsFor } from "./config.ts";
import { type Glam, glam, type LayerRouting } from "./model.ts";

/** Numbers about one batch beside its loss. */
export interface GlamReport extends LanguageModelReport {
  /** Per sparse layer: what its router wants to know when it renews its state. */
  readonly observed: readonly nn.RouterState[];
}

/** What the routers keep, per sparse layer. */
export type RouterStates = readonly nn.RouterState[];

/** What routers use of a training step besides the tokens. */
export interface StepContext {
  readonly states?: RouterStates;
  /** Nothing is drawn without. */
  readonly key?: random.Key;
}

/** Routing as in training, of batches of these sizes: unless it is dropless, experts have a limited number of slots. */
export function trainingRouting(
  config: GlamConfig,
  batch: number,
  length: number,
  { states, key }: StepContext = {},
): LayerRouting {
  const router = routerFor(config);
  const slots =
    config.experts === 0 || config.dropless ? undefined : slotsFor(config, batch, length);
  return (layer) => ({
    router,
    slots,
    state: states?.[layer],
    key: key === undefined ? undefined : random.fold(key, `router ${layer}`),
  });
}

/** Routing as in sampling: every token stands alone, by what the routers kept from training. */
export function deployedRouting(config: GlamConfig, states: RouterStates): LayerRouting {
  const router = routerFor(config);
  return (layer) => ({ router, deployed: true, state: states[layer] });
}

/**
 * Mean cross-entropy plus balance losses and log-partitions of all routers, and a small push on the
 * log-partition of the output.
 *
 * @param batch - packed batches attend within their documents
 */
export function glamLoss(
  p: Glam<Tensor>,
  batch: TokenBatch,
  config: GlamConfig,
  routing: LayerRouting,
): BatchLoss<GlamReport> {
  const { segments } = batch;
  const places = { segments, mask: realTokens(batch) };
  const { logits, routings } = glam(p, batch.tokens, config, routing, places);
  const { crossEntropy, zSquare, count } = nn.tokenLoss(logits, batch.targets);
  const total = (one: (routing: nn.MoeRouting) => Tensor) =>
    routings.reduce((sum, routing) => sum.add(one(routing)), scalar(0));
  const auxLoss = total((routing) => routing.auxLoss);
  const balanced = crossEntropy.add(auxLoss.mul(config.auxWeight));
  const small =
    config.routerZWeight === 0
      ? balanced
      : balanced.add(total(({ zLoss }) => zLoss).mul(config.routerZWeight));
  return {
    loss: small.add(zSquare.mul(config.zWeight)),
    count,
    report: {
      crossEntropy,
      auxLoss,
      load: routings.map(({ load }) => load),
      dropped: routings.map(({ dropped }) => dropped),
      served: routings.map(({ served }) => served),
      routerEntropy: routings.map(({ entropy }) => entropy),
      observed: routings.map(({ observed }) => observed),
    },
  };
}
