/** @file Small whole models: a language model's step under each plan, and a pipeline as a split dimension. */

import type { Tensor } from "../../core/tensor.ts";
import { gelu } from "../../numpy/activations.ts";
import { broadcastTo } from "../../numpy/align.ts";
import { add, equal, sub, where } from "../../numpy/arithmetic.ts";
import { attention } from "../../numpy/attention.ts";
import { scan } from "../../numpy/control.ts";
import { einsum } from "../../numpy/einsum.ts";
import { arange, oneHot, take, zeros } from "../../numpy/indexing.ts";
import { as, expandDims, reshape } from "../../numpy/layout.ts";
import { rmsNorm } from "../../numpy/normalisation.ts";
import { concatenate, roll, slice } from "../../numpy/pieces.ts";
import { logSumExp, mean } from "../../numpy/reduce.ts";
import { shard } from "../../numpy/shard.ts";
import { scale } from "../../ops/arithmetic.ts";
import { tanh } from "../../ops/hyperbolic.ts";
import { define, gradients, halfSquare, type PartitionCase, whole } from "./case.ts";

/** Sharding text of each kind of weight. */
interface Plan {
  readonly name: string;
  readonly mesh: string;
  readonly tokens: string;
  /** `[vocab, embed]`. */
  readonly table: string;
  /** `[embed, head, dim]`. */
  readonly heads: string;
  /** `[head, dim, embed]`. */
  readonly back: string;
  /** `[embed, mid]`. */
  readonly up: string;
  /** `[mid, embed]`. */
  readonly down: string;
}

const PLANS: readonly Plan[] = [
  {
    ...{ name: "data parallel", mesh: "x=4", tokens: "[x, -]", table: "[-, -]" },
    ...{ heads: "[-, -, -]", back: "[-, -, -]", up: "[-, -]", down: "[-, -]" },
  },
  {
    ...{ name: "Megatron", mesh: "x=4", tokens: "[-, -]", table: "[x, -]" },
    ...{ heads: "[-, x, -]", back: "[x, -, -]", up: "[-, x]", down: "[x, -]" },
  },
  {
    ...{ name: "dp × tp", mesh: "x=2,y=4", tokens: "[x, -]", table: "[y, -]" },
    ...{ heads: "[-, y, -]", back: "[y, -, -]", up: "[-, y]", down: "[y, -]" },
  },
  {
    ...{ name: "2D", mesh: "x=2,y=4", tokens: "[x, -]", table: "[y, x]" },
    ...{ heads: "[x, y, -]", back: "[y, -, x]", up: "[x, y]", down: "[y, x]" },
  },
  {
    ...{ name: "dp × sp × tp", mesh: "x=2,y=2,z=2", tokens: "[x, z]", table: "[y, -]" },
    ...{ heads: "[-, y, -]", back: "[y, -, -]", up: "[-, y]", down: "[y, -]" },
  },
  {
    ...{ name: "ZeRO-3", mesh: "x=4", tokens: "[x, -]", table: "[x, -]" },
    ...{ heads: "[x, -, -]", back: "[-, -, x]", up: "[x, -]", down: "[-, x]" },
  },
];

type Weights = readonly Tensor[];

/** Mean cross-entropy of one block between an embedding and its transpose. */
function loss(tokens: Tensor, targets: Tensor, weights: Weights): Tensor {
  const [table, wq, wk, wv, wo, up, down] = weights as [
    ...[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor],
  ];
  const x = take(table, tokens);
  const h = rmsNorm(x);
  const heads = (w: Tensor) => einsum("b s m, m n d -> b n s d", h, w);
  const y = attention(heads(wq), heads(wk), heads(wv), { causal: true });
  const mixed = add(x, einsum("b n s d, n d m -> b s m", as(y, "b n s d"), wo));
  const mid = gelu(einsum("b s m, m f -> b s f", rmsNorm(mixed), up));
  const out = add(mixed, einsum("b s f, f m -> b s m", mid, down));
  const logits = einsum("b s m, v m -> b s v", out, table);
  const chosen = einsum("b s v, b s v -> b s", logits, oneHot(targets, 16, "v"));
  return mean(sub(logSumExp(logits, 2), chosen));
}

const steps = PLANS.map((plan) => {
  const { table, heads, back, up, down } = plan;
  const weights = [table, heads, heads, heads, back, up, down];
  const sizes = ["16 8", "8 4 2", "8 4 2", "8 4 2", "4 2 8", "8 32", "32 8"];
  return define(
    `model/step of a language model, ${plan.name}`,
    plan.mesh,
    [
      ...[whole(`4 6 ${plan.tokens}`, 16), whole(`4 6 ${plan.tokens}`, 16)],
      ...weights.map((sharding, i) => `${sizes[i]} ${sharding}`),
    ],
    weights,
    (tokens, targets, ...own) =>
      gradients((...ws) => loss(tokens, targets, ws), own).map((g, i) =>
        sub(own[i] as Tensor, scale(g, 0.1)),
      ),
  );
});

const STAGES = 4;

/**
 * Stages as a dimension: each tick moves the state to the next stage, lets the first one take a microbatch in, and
 * computes all stages at once.
 *
 * @param inputs - `[microbatch, batch, in]`
 * @param weights - `[stage, in, out]`
 * @returns `[microbatch, batch, out]` of the last stage
 */
function pipeline(inputs: Tensor, weights: Tensor): Tensor {
  const [count = 0, batch = 0, width = 0] = inputs.dims;
  const split = (x: Tensor) => shard(x, ["x", null, null]);
  const idle = zeros([STAGES - 1, batch, width]);
  const fed = concatenate([inputs, idle], 0);
  const isFirst = equal(arange(STAGES), zeros([STAGES], undefined, "int32"));
  const tick = (state: Tensor, next: Tensor): readonly [Tensor, Tensor] => {
    const moved = roll(state, 0, 1);
    const entering = broadcastTo(expandDims(next, 0), moved);
    const here = where(broadcastTo(reshape(isFirst, [STAGES, 1, 1]), moved), entering, moved);
    const done = tanh(einsum("stage batch in, stage in out -> stage batch out", here, weights));
    const kept = split(reshape(done, done.dims));
    return [kept, reshape(slice(kept, 0, STAGES - 1, STAGES), [batch, width])];
  };
  const [, out] = scan(tick, split(zeros([STAGES, batch, width])), fed);
  return slice(out, 0, STAGES - 1, STAGES - 1 + count);
}

const PIPELINE = ["6 4 8 [-, -, -]", "4 8 8 [x, -, -]"] as const;

export const models: readonly PartitionCase[] = [
  ...steps,
  define("model/pipeline of four stages", "x=4", PIPELINE, "[-, -, -]", (x, w) => pipeline(x, w)),
  define(
    ...(["model/pipeline, with data parallel", "x=4,y=2"] as const),
    ["6 4 8 [-, y, -]", "4 8 8 [x, -, -]"],
    "[-, y, -]",
    (x, w) => pipeline(x, w),
  ),
  define("model/gradients of the pipeline", "x=4", PIPELINE, "[x, -, -]", (x, w) =>
    gradients((v) => halfSquare(pipeline(x, v)), [w]),
  ),
];
