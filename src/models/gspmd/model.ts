/**
 * @file The decoder that GSPMD was measured with, of Lingvo's dense builder: RMS norm before each sublayer and one last,
 * no biases, one loop over layers. With experts, a step of the loop is a dense layer and a sparse one.
 *
 * It says what its dimensions are, and nothing of devices: the residual stream is `batch pos width`, a weight's side that
 * meets it `embed`; rules may split the two differently, and the best known layout does (`finalisedRules`). Where it is
 * a pipeline, the layers' parameters have one more dimension, `stage`, or two, `round stage`.
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
  const { embed, mlp, vocab, experts, pipeline } = config;
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
  const loop = nn.layered<DecoderStep<nn.ParamSpec>>(
    {
      dense: layer({ mlp: dense(embed, mlp) }),
      ...(experts > 0 && { sparse: layer({ experts: sparseParams(embed, mlp, experts) }) }),
    },
    loopLength(config),
  );
  return {
    embedding: table({ symbol: vocab }),
    ...(config.positions === "learned" && { positions: table({ pos: config.context }) }),
    layers: pipeline === undefined ? loop : nn.stagedParams(loop, pipeline),
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

/** What a sequence knows of its documents; the same for all layers. */
type Documents = Pick<nn.AttentionCall, "segments" | "positions">;

/** Parameters of all layers in their order, `[layer, …]`, whether they have stages or not. */
export function layersOf(
  { layers }: Decoder<Tensor>,
  { pipeline }: DecoderConfig,
): DecoderStep<Tensor> {
  return pipeline === undefined ? layers : nn.unstaged(layers, pipeline);
}

/** x through some layers, one after the other. */
function throughLayers(
  layers: DecoderStep<Tensor>,
  x: Tensor,
  config: DecoderConfig,
  documents: Documents,
): readonly [Tensor, readonly SparseFacts[]] {
  // Of products, those of attention alone are as large as a length squared.
  const call = { ...documents, recompute: config.recompute === "all-but-products" };
  const attend: Attending = (own, y) => nn.causalAttention(own, y, attentionConfig(config), call);
  const slots = config.experts === 0 ? 0 : slotsOf(config, x.size("pos"));
  const step = (y: Tensor, own: DecoderStep<Tensor>) => {
    const [z] = throughLayer(own.dense, y, config, attend, slots);
    return own.sparse === undefined
      ? ([z, []] as const)
      : throughLayer(own.sparse, z, config, attend, slots);
  };
  return nn.scanLayers(step, x, layers, { checkpoint: checkpointOf(config) });
}

/** What goes from stage to stage: the residual stream, and what it knows of its documents. */
interface Travelling extends Documents {
  readonly x: Tensor;
}

/** x through all stages, in microbatches. */
function throughStages(
  layers: DecoderStep<Tensor>,
  x: Tensor,
  config: DecoderConfig,
  sizes: nn.PipelineSizes,
  documents: Documents,
): Tensor {
  const stage = (own: DecoderStep<Tensor>, { x: y, ...known }: Travelling): Travelling => ({
    x: throughLayers(own, y, config, known)[0],
    ...known,
  });
  const ids = (y: Tensor) => laid(y, "stage batch pos");
  const mark = ({ x: y, segments, positions }: Travelling): Travelling => ({
    x: laid(y, "stage batch pos width"),
    ...(segments === undefined ? {} : { segments: ids(segments) }),
    ...(positions === undefined ? {} : { positions: ids(positions) }),
  });
  return nn.pipeline(stage, layers, { x, ...documents }, { ...sizes, mark }).x;
}

/**
 * Logits of every position.
 *
 * @param ids - int32 `[batch, pos]`
 * @param documents - of packed batches
 * @throws ShardingError for a pipeline whose microbatches do not divide the batch
 */
export function decoder(
  p: Decoder<Tensor>,
  ids: Tensor,
  config: DecoderConfig,
  { segments, positions }: Documents = {},
): DecoderOutput {
  const documents: Documents = {
    ...(segments === undefined ? {} : { segments }),
    ...(positions === undefined ? {} : { positions }),
  };
  const start = embedded(p, ids, positions);
  const [last, facts] =
    config.pipeline === undefined
      ? throughLayers(p.layers, start, config, documents)
      : [throughStages(p.layers, start, config, config.pipeline, documents), []];
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
  const layers = layersOf(p, config);
  let x = embedded(p, ids, places.as("batch pos"));
  for (let i = 0; i < loopLength(config); i++) {
    const own = nn.layerOf(layers, i);
    [x] = throughLayer(own.dense, x, config, attend, slots);
    if (own.sparse !== undefined) [x] = throughLayer(own.sparse, x, config, attend, slots);
  }
  return { logits: logitsOf(p, x), cache: grown };
}
