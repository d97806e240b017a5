/**
 * @file GLaM: a decoder-only language model with a mixture of experts in every other layer.
 *
 * - layers 0, 2, 4 … are sparse, the others dense with a gated feed-forward
 * - RMS norm before each sublayer, no biases, one last norm
 * - relative position bias per layer and head, no absolute positions
 * - one table for embedding and output
 */

import type { Tensor } from "../../core/tensor.ts";
import * as nn from "../../nn/index.ts";
import { type GlamConfig, routerFor } from "./config.ts";

export interface GlamLayer<T> {
  readonly attentionNorm: T;
  readonly attention: nn.Attention<T>;
  readonly mlpNorm: T;
  /** Of a dense layer. */
  readonly mlp?: nn.GatedFeedForward<T>;
  /** Of a sparse layer. */
  readonly moe?: nn.Moe<T>;
}

export interface Glam<T> {
  readonly embedding: T;
  readonly layers: readonly GlamLayer<T>[];
  readonly finalNorm: T;
}

/** Attention of GLaM: a learnt bias by distance, and query weights that start small instead of a scale. */
function attentionConfig({ embed, head, dim, extraLogit }: GlamConfig): nn.AttentionConfig {
  return { embed, head, dim, extraLogit, positions: "relative-bias", logitScale: 1 };
}

export function isSparse(config: GlamConfig, layer: number): boolean {
  return config.experts > 0 && layer % 2 === 0;
}

/** Declares all parameters. */
export function glamParams(config: GlamConfig): Glam<nn.ParamSpec> {
  const { layers, embed, mlp } = config;
  return {
    embedding: nn.embeddingParam(config.vocab, embed),
    layers: Array.from({ length: layers }, (_, i) => ({
      attentionNorm: nn.rmsNormParam(embed),
      attention: nn.attentionParams(attentionConfig(config)),
      mlpNorm: nn.rmsNormParam(embed),
      ...(isSparse(config, i)
        ? {
            moe: nn.moeParams({
              embed,
              mlp,
              expert: config.experts,
              shared: config.sharedExperts,
              learned: routerFor(config).learned,
            }),
          }
        : { mlp: nn.gatedFeedForwardParams(embed, mlp) }),
    })),
    finalNorm: nn.rmsNormParam(embed),
  };
}

/** How the sparse layers route in one call of the model: per sparse layer, in order. */
export type LayerRouting = (
  sparseLayer: number,
) => Pick<nn.MoeCall, "router" | "deployed" | "slots" | "key" | "state">;

export interface GlamOutput {
  /** `[batch, pos, vocab]` */
  readonly logits: Tensor;
  /** One per sparse layer. */
  readonly routings: readonly nn.MoeRouting[];
}

/** What a batch may say of its places besides their ids. */
export interface Places {
  /** int32 `[batch, pos]` of packed batches: which document a place is of. */
  readonly segments?: Tensor | undefined;
  /** bool `[batch, pos]`: false at padding. */
  readonly mask?: Tensor | undefined;
}

/**
 * Logits of every position.
 *
 * @param ids - int32 `[batch, pos]`
 */
export function glam(
  p: Glam<Tensor>,
  ids: Tensor,
  config: GlamConfig,
  routing: LayerRouting,
  { segments, mask }: Places = {},
): GlamOutput {
  const routings: nn.MoeRouting[] = [];
  let x = nn.embed(p.embedding, ids).as("batch pos embed");
  for (const layer of p.layers) {
    x = x.add(
      nn.causalAttention(
        layer.attention,
        nn.rmsNorm(layer.attentionNorm, x),
        attentionConfig(config),
        segments === undefined ? {} : { segments },
      ),
    );
    const h = nn.rmsNorm(layer.mlpNorm, x);
    x = x.add(feedForward(layer, h, config, routing, routings, { ids, mask }));
  }
  return { logits: nn.unembed(p.embedding, nn.rmsNorm(p.finalNorm, x)), routings };
}

function feedForward(
  layer: GlamLayer<Tensor>,
  x: Tensor,
  config: GlamConfig,
  routing: LayerRouting,
  routings: nn.MoeRouting[],
  seen: Pick<nn.MoeCall, "ids" | "mask">,
): Tensor {
  if (layer.mlp !== undefined) return nn.gatedFeedForward(layer.mlp, x);
  if (layer.moe === undefined) throw new Error("a layer is dense or sparse");
  const call = {
    ...routing(routings.length),
    ...seen,
    grouping: config.grouping,
    activation: config.activation,
    routedScale: config.routedScale,
  };
  const [y, used] = nn.moe(layer.moe, x, call);
  routings.push(used);
  return y;
}

/** Keys and values of all layers. */
export type GlamCache<T> = readonly nn.AttentionCache<T>[];

/**
 * New tokens of every sequence, with the cache of what came before.
 *
 * @param ids - int32 `[batch, pos]`
 * @param at - int32 `[batch]`, the place of each row's first id
 * @returns logits `[batch, pos, vocab]` and the grown cache
 */
export function glamStep(
  p: Glam<Tensor>,
  ids: Tensor,
  cache: GlamCache<Tensor>,
  at: Tensor,
  config: GlamConfig,
  routing: LayerRouting,
): { readonly logits: Tensor; readonly cache: GlamCache<Tensor> } {
  const grown: nn.AttentionCache<Tensor>[] = [];
  const routings: nn.MoeRouting[] = [];
  let x = nn.embed(p.embedding, ids).as("batch pos embed");
  p.layers.forEach((layer, i) => {
    const before = cache[i];
    if (before === undefined) throw new Error("the cache has one entry per layer");
    const [y, after] = nn.cachedAttention(
      layer.attention,
      nn.rmsNorm(layer.attentionNorm, x),
      before,
      at,
      attentionConfig(config),
    );
    grown.push(after);
    x = x.add(y);
    const h = nn.rmsNorm(layer.mlpNorm, x);
    x = x.add(feedForward(layer, h, config, routing, routings, { ids }));
  });
  const logits = nn.unembed(p.embedding, nn.rmsNorm(p.finalNorm, x));
  return { logits, cache: grown };
}
