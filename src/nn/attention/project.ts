/** @file Into the heads and out of them: queries, keys and values with their biases, norms and turns. */

import type { Tensor } from "../../core/tensor.ts";
import { einsum } from "../../numpy/index.ts";
import { rmsNorm } from "../norm.ts";
import type { Attention, AttentionConfig } from "./config.ts";
import { rotate } from "./rotary.ts";

/**
 * `[batch, head, pos, dim]` of `[batch, pos, embed]`.
 *
 * @param positions - int32 `[batch, pos]`; 0, 1, 2 … when absent
 */
export function queriesOf(
  p: Attention<Tensor>,
  x: Tensor,
  config: AttentionConfig,
  positions?: Tensor,
): Tensor {
  const plain = einsum("batch pos embed, embed head dim -> batch head pos dim", x, p.query);
  return placed(plus(plain, p.queryBias), p.queryNorm, config, positions);
}

/** `[batch, head, mem, dim]` of `[batch, pos, embed]`; as many heads as keys have. */
export function keysOf(
  p: Attention<Tensor>,
  x: Tensor,
  config: AttentionConfig,
  positions?: Tensor,
): Tensor {
  return placed(intoMemory(x, p.key, p.keyBias), p.keyNorm, config, positions);
}

/** `[batch, head, mem, dim]` of `[batch, pos, embed]`. */
export function valuesOf(p: Attention<Tensor>, x: Tensor): Tensor {
  return intoMemory(x, p.value, p.valueBias);
}

/** `[batch, pos, embed]` of what the heads mixed, `[batch, head, pos, dim]`. */
export function outputOf(p: Attention<Tensor>, mixed: Tensor): Tensor {
  const y = einsum("batch head pos dim, head dim embed -> batch pos embed", mixed, p.output);
  return plus(y, p.outputBias);
}

/** Grouped or not, heads of keys are simply heads here. */
function intoMemory(x: Tensor, weight: Tensor, bias: Tensor | undefined): Tensor {
  const y = einsum(
    "batch mem embed, embed head dim -> batch head mem dim",
    x.as("batch mem embed"),
    weight.as("embed head dim"),
  );
  return plus(y, bias?.as("head dim"));
}

function plus(x: Tensor, bias: Tensor | undefined): Tensor {
  return bias === undefined ? x : x.add(bias);
}

function placed(
  x: Tensor,
  scale: Tensor | undefined,
  { positions }: AttentionConfig,
  at: Tensor | undefined,
): Tensor {
  const normal = scale === undefined ? x : rmsNorm(scale, x);
  return typeof positions === "object" ? rotate(normal, positions, at) : normal;
}
