/**
 * @file The decoder that GSPMD was measured with, of Lingvo's dense builder: RMS norm before each sublayer and one last,
 * no biases, one loop over layers. With experts, a step of the loop is a dense layer and a sparse one.
 *
 * It says what its dimensions are, and nothing of devices: the residual stream is `batch pos width`, a weight's side that
 * meets it `embed`; rules may split the two differently, and the best known layout does (`finalisedRules`).
 */

import type { Tensor } from "../../core/tensor.ts";
import * as nn from "../../nn/index.ts";
import { arange, einsum, laid } from "../../numpy/index.ts";
import { checkpointOf, type DecoderConfig, loopLength, slotsOf } from "./config.ts";
import { type Sparse, type SparseFacts, sparse, sparseParams } from "./sparse.ts";

/** One layer; over tensors of the loop, every one has a first axis `layer`. */
export interface DecoderLayer<T> {
  readonly attentionNorm: T;
  readonly attention: nn.Attention<T>;
  readonly mlpNorm: T;
  /** Of a dense layer. */
  readonly mlp?: nn.GatedFeedForward<T> | nn.FeedForward<T>;
  /** Of a sparse one. */
  readonly experts?: Sparse<T>;
}

/** What one step of the loop is made of. */
export interface DecoderStep<T> {
  readonly dense: DecoderLayer<T>;
  readonly sparse?: DecoderLayer<T>;
}

export interface Decoder<T> {
  /** `[symbol, width]` */
  readonly embedding: T;
  /** `[pos, width]` of learnt positions. */
  readonly positions?: T;
  readonly layers: DecoderStep<T>;
  readonly finalNorm: T;
  /** `[symbol, width]`, where it is not the embedding. */
  readonly output?: T;
}

export function attentionConfig({
  embed,
  head,
  dim,
  positions,
}: DecoderConfig): nn.AttentionConfig {
  const place =
    positions === "rotary"
      ? ({ kind: "rotary", theta: 10_000 } as const)
      : positions === "learned"
        ? "none"
        : positions;
  return { embed, head, dim, positions: place };
}

/** Declares all parameters; those of the loop are stacked. */
export function decoderParams(config: DecoderConfig): Decoder<nn.ParamSpec> {
  const { embed, mlp, vocab, experts } = config;
  const dense = config.feedForward === "gated" ? nn.gatedFeedForwardParams : nn.feedForwardParams;
  const layer = (
    own: Pick<DecoderLayer<nn.ParamSpec>, "mlp" | "experts">,
  ): DecoderLayer<nn.ParamSpec> => ({
    attentionNorm: normParam(embed),
    attention: nn.attentionParams(attentionConfig(config)),
    mlpNorm: normParam(embed),
    ...own,
  });
  const table = (rows: Readonly<Record<string, number>>) =>
    nn.param({ ...rows, width: embed }, nn.normal(embed ** -0.5));
  return {
    embedding: table({ symbol: vocab }),
    ...(config.positions === "learned" && { positions: table({ pos: config.context }) }),
    layers: nn.layered<DecoderStep<nn.ParamSpec>>(
      {
        dense: layer({ mlp: dense(embed, mlp) }),
        ...(experts > 0 && { sparse: layer({ experts: sparseParams(embed, mlp, experts) }) }),
      },
      loopLength(config),
    ),
    finalNorm: normParam(embed),
    ...(config.tied ? {} : { output: table({ symbol: vocab }) }),
  };
}

/** A norm's scale meets the residual stream, and lies as it does. */
function normParam(embed: number): nn.ParamSpec {
  return nn.param({ width: embed }, nn.ones);
}

function norm(scale: Tensor, x: Tensor): Tensor {
  return nn.rmsNorm(scale.as("embed"), x);
}

/** The residual stream. */
function stream(x: Tensor): Tensor {
  return laid(x.as("batch pos embed"), "batch pos width");
}

export interface DecoderOutput {
  /** `[batch, pos, vocab]` */
  readonly logits: Tensor;
  /** Of all sparse layers, along a first axis `layer`; empty without experts. */
  readonly facts: readonly SparseFacts[];
}

type Attending = (p: nn.Attention<Tensor>, x: Tensor) => Tensor;

/** One layer beside the residual stream. */
function throughLayer(
  p: DecoderLayer<Tensor>,
  x: Tensor,
  config: DecoderConfig,
  attend: Attending,
  slots: number,
): readonly [Tensor, readonly SparseFacts[]] {
  const looked = stream(x.add(stream(attend(p.attention, norm(p.attentionNorm, x)))));
  const h = norm(p.mlpNorm, looked);
  const { activation } = config;
  if (p.experts !== undefined) {
    const [y, facts] = sparse(p.experts, h, slots, activation);
    return [stream(looked.add(stream(y))), [facts]];
  }
  if (p.mlp === undefined) throw new Error("a layer is dense or sparse");
  const y =
    "gate" in p.mlp
      ? nn.gatedFeedForward(p.mlp, h, activation)
      : nn.feedForward(p.mlp, h, activation);
  return [stream(looked.add(stream(y))), []];
}

function embedded(p: Decoder<Tensor>, ids: Tensor, at?: Tensor): Tensor {
  const rows = nn.embed(p.embedding, ids);
  return stream(p.positions === undefined ? rows : nn.addPositions(p.positions, rows, at));
}

function logitsOf(p: Decoder<Tensor>, x: Tensor): Tensor {
  const last = norm(p.finalNorm, x);
  const table = (p.output ?? p.embedding).as("vocab embed");
  return laid(
    einsum("batch pos embed, vocab embed -> batch pos vocab", last, table),
    "batch pos vocab",
  );
}

/**
 * Logits of every position.
 *
 * @param ids - int32 `[batch, pos]`
 */
export function decoder(
  p: Decoder<Tensor>,
  ids: Tensor,
  config: DecoderConfig,
  { segments, positions }: Pick<nn.AttentionCall, "segments" | "positions"> = {},
): DecoderOutput {
  const call = {
    ...(segments === undefined ? {} : { segments }),
    ...(positions === undefined ? {} : { positions }),
    // Of products, those of attention alone are as large as a length squared.
    recompute: config.recompute === "all-but-products",
  };
  const attend: Attending = (own, x) => nn.causalAttention(own, x, attentionConfig(config), call);
  const slots = config.experts === 0 ? 0 : slotsOf(config, ids.size("pos"));
  const step = (x: Tensor, own: DecoderStep<Tensor>) => {
    const [y] = throughLayer(own.dense, x, config, attend, slots);
    return own.sparse === undefined
      ? ([y, []] as const)
      : throughLayer(own.sparse, y, config, attend, slots);
  };
  const options = { checkpoint: checkpointOf(config) };
  const [last, facts] = nn.scanLayers(step, embedded(p, ids, positions), p.layers, options);
  return { logits: logitsOf(p, last), facts };
}

/** Keys and values of all layers, each `[batch, head, mem, dim]`. */
export type DecoderCache<T> = readonly nn.AttentionCache<T>[];

/** All zeros. */
export function decoderCache(
  batch: number,
  length: number,
  config: DecoderConfig,
): DecoderCache<Tensor> {
  return Array.from({ length: config.layers }, () =>
    nn.emptyCache(batch, length, attentionConfig(config)),
  );
}

/**
 * New tokens of every sequence, with the cache of what came before; experts have a slot for each.
 *
 * @param ids - int32 `[batch, pos]`
 * @param at - int32 `[batch]`, the place of each row's first id
 * @returns logits `[batch, pos, vocab]` and the grown cache
 */
export function decoderStep(
  p: Decoder<Tensor>,
  ids: Tensor,
  cache: DecoderCache<Tensor>,
  at: Tensor,
  config: DecoderConfig,
): { readonly logits: Tensor; readonly cache: DecoderCache<Tensor> } {
  const slots = ids.size("pos");
  const grown: nn.AttentionCache<Tensor>[] = [];
  const attend: Attending = (q, y) => {
    const before = cache[grown.length];
    if (before === undefined) throw new Error("the cache has one entry per layer");
    const [mixed, after] = nn.cachedAttention(q, y, before, at, attentionConfig(config));
    grown.push(after);
    return mixed;
  };
  const places = at.reshape([at.size("batch"), 1]).add(arange(ids.size("pos")));
  let x = embedded(p, ids, places.as("batch pos"));
  for (let i = 0; i < loopLength(config); i++) {
    const own = nn.layerOf(p.layers, i);
    [x] = throughLayer(own.dense, x, config, attend, slots);
    if (own.sparse !== undefined) [x] = throughLayer(own.sparse, x, config, attend, slots);
  }
  return { logits: logitsOf(p, x), cache: grown };
}
