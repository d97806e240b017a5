/**
 * @file The transformer that the benchmark times: 4 layers of width 256, 46.7 GFLOP a step, and its
 * variant with two Expert Choice layers. `bench/peers/` holds the same model for other systems.
 */

import type { Tensor } from "../core/tensor.ts";
import * as nn from "../nn/index.ts";
import { einsum, scalar } from "../numpy/index.ts";
import { applyUpdates } from "../optim/optimizer.ts";
import { sgd } from "../optim/sgd.ts";
import { valueAndGrad } from "../transforms/vjp.ts";

export interface BenchConfig {
  readonly model: "dense" | "moe";
  readonly layers: number;
  readonly embed: number;
  readonly head: number;
  readonly dim: number;
  readonly mlp: number;
  readonly expert: number;
  readonly expertMlp: number;
  readonly capacityFactor: number;
  readonly vocab: number;
  readonly batch: number;
  readonly pos: number;
  readonly learningRate: number;
  readonly threads: number;
}

export const BENCH: Omit<BenchConfig, "model" | "threads"> = {
  layers: 4,
  embed: 256,
  head: 4,
  dim: 64,
  mlp: 1024,
  expert: 8,
  expertMlp: 512,
  capacityFactor: 2,
  vocab: 512,
  batch: 8,
  pos: 256,
  learningRate: 0.1,
};

/** Field names become the paths under which the peers find their weights. */
export interface BenchLayer<T> {
  readonly attention_norm: T;
  readonly attention: nn.Attention<T>;
  readonly mlp_norm: T;
  readonly mlp?: nn.FeedForward<T>;
  readonly moe?: nn.Moe<T>;
}

export interface BenchParams<T> {
  readonly embedding: T;
  readonly layers: readonly BenchLayer<T>[];
  readonly final_norm: T;
  readonly unembedding: T;
}

function isSparse({ model }: BenchConfig, layer: number): boolean {
  return model === "moe" && layer % 2 === 0;
}

function attentionConfig({ embed, head, dim }: BenchConfig): nn.AttentionConfig {
  return { embed, head, dim, extraLogit: false, positions: "none", logitScale: dim ** -0.5 };
}

export function benchParams(c: BenchConfig): BenchParams<nn.ParamSpec> {
  const { embed, vocab } = c;
  return {
    embedding: nn.param({ vocab, embed }, nn.normal(1)),
    layers: Array.from({ length: c.layers }, (_, i) => ({
      attention_norm: nn.rmsNormParam(embed),
      attention: nn.attentionParams(attentionConfig(c)),
      mlp_norm: nn.rmsNormParam(embed),
      ...(isSparse(c, i)
        ? { moe: nn.moeParams({ embed, mlp: c.expertMlp, expert: c.expert }) }
        : { mlp: nn.feedForwardParams(embed, c.mlp) }),
    })),
    final_norm: nn.rmsNormParam(embed),
    unembedding: nn.param({ embed, vocab }, nn.normal(embed ** -0.5)),
  };
}

/** Mean cross-entropy of int32 `[batch, pos]` tokens against targets. */
function benchLoss(
  c: BenchConfig,
  p: BenchParams<Tensor>,
  tokens: Tensor,
  targets: Tensor,
): Tensor {
  let x = nn.embed(p.embedding, tokens).as("batch pos embed");
  for (const layer of p.layers) {
    x = x.add(
      nn.causalAttention(layer.attention, nn.rmsNorm(layer.attention_norm, x), attentionConfig(c)),
    );
    const h = nn.rmsNorm(layer.mlp_norm, x);
    x = x.add(layer.mlp === undefined ? sparse(c, layer, h) : nn.feedForward(layer.mlp, h));
  }
  const logits = einsum(
    "batch pos embed, embed vocab -> batch pos vocab",
    nn.rmsNorm(p.final_norm, x),
    p.unembedding,
  );
  return nn.tokenLoss(logits, targets).crossEntropy;
}

/** All 2,048 tokens in one group, as the paper has it and as the peers do. */
function sparse(c: BenchConfig, layer: BenchLayer<Tensor>, h: Tensor): Tensor {
  if (layer.moe === undefined) throw new Error("a layer is dense or sparse");
  const grouping = "leaky-batch";
  const slots = nn.slotsPerExpert(
    nn.tokensPerGroup(grouping, c.batch, c.pos),
    c.expert,
    c.capacityFactor,
  );
  const router = nn.routerOf("expert-choice");
  return nn.moe(layer.moe, h, { router, slots, grouping, activation: "gelu" })[0];
}

/** One step of plain gradient descent, traced: new weights and the loss before the update. */
export function benchStep(c: BenchConfig) {
  return (
    p: BenchParams<Tensor>,
    tokens: Tensor,
    targets: Tensor,
  ): readonly [BenchParams<Tensor>, Tensor] => {
    const [loss, gradients] = valueAndGrad((q: BenchParams<Tensor>) =>
      benchLoss(c, q, tokens, targets),
    )(p);
    const { params } = applyUpdates(
      sgd(),
      p,
      gradients,
      nn.listParams(benchParams(c)).map(() => []),
      scalar(0),
      scalar(c.learningRate),
    );
    return [params, loss];
  };
}

/** Floating-point operations of one step: forward once, backward twice, 2 per multiply-add. */
export function flopsPerStep(c: BenchConfig): number {
  const tokens = c.batch * c.pos;
  const attention = 4 * c.embed * c.head * c.dim;
  const feedForward = 2 * c.embed * c.mlp; // equal for both: 2 experts of half the width per token
  const weights = c.layers * (attention + feedForward) + c.embed * c.vocab;
  const scores = c.layers * 2 * c.batch * c.pos ** 2 * c.head * c.dim;
  return 3 * 2 * (tokens * weights + scores);
}
