/** @file What GLaM minimises, and what it reports of its routers. */

import type { Tensor } from "../../core/tensor.ts";
import * as nn from "../../nn/index.ts";
import { scalar } from "../../numpy/index.ts";
import type { TokenBatch } from "../../train/model.ts";
import type { BatchLoss } from "../../train/step.ts";
import { type GlamConfig, slotsFor } from "./config.ts";
import { type Glam, glam, type LayerRouting } from "./model.ts";

/** Numbers about one batch beside its loss. */
export interface GlamReport {
  /** Nats per token, without the extra terms. */
  readonly crossEntropy: Tensor;
  readonly auxLoss: Tensor;
  /** Per sparse layer, `[expert]`. */
  readonly load: readonly Tensor[];
  /** Per sparse layer, scalar. */
  readonly dropped: readonly Tensor[];
  /** Per sparse layer, `[expert]`. */
  readonly threshold: readonly Tensor[];
}

/** Routing as in training: experts have a limited number of slots. */
export function trainingRouting(config: GlamConfig, batch: number, length: number): LayerRouting {
  if (config.experts === 0) return () => ({ route: nn.routingRule(config.router).route, slots: 0 });
  const { route } = nn.routingRule(config.router);
  const slots = slotsFor(config, batch, length);
  return () => ({ route, slots });
}

/** Routing as in sampling: every token stands alone, by thresholds from training. */
export function deployedRouting(config: GlamConfig, thresholds: readonly Tensor[]): LayerRouting {
  const rule = nn.routingRule(config.router);
  return (layer) => {
    const threshold = thresholds[layer];
    if (threshold === undefined) throw new Error("one threshold per sparse layer");
    return { route: rule.deployed(threshold), slots: 0 };
  };
}

/**
 * Mean cross-entropy plus the balance losses of all routers and a small push on the log-partition.
 *
 * @param batch - packed batches attend within their documents
 */
export function glamLoss(
  p: Glam<Tensor>,
  batch: TokenBatch,
  config: GlamConfig,
  routing: LayerRouting,
): BatchLoss<GlamReport> {
  const { logits, routings } = glam(p, batch.tokens, config, routing, batch.segments);
  const { crossEntropy, zSquare, count } = nn.tokenLoss(logits, batch.targets);
  const auxLoss = routings.reduce((sum, { auxLoss: own }) => sum.add(own), scalar(0));
  const loss = crossEntropy.add(auxLoss.mul(config.auxWeight)).add(zSquare.mul(config.zWeight));
  return {
    loss,
    count,
    report: {
      crossEntropy,
      auxLoss,
      load: routings.map(({ load }) => load),
      dropped: routings.map(({ dropped }) => dropped),
      threshold: routings.map(({ threshold }) => threshold),
    },
  };
}
