/** @file Losses of language models. */

import type { Tensor } from "../core/tensor.ts";
import { isOneHot, logSumExp, where } from "../numpy/index.ts";

/** Mean cross-entropy in nats per token, and the mean square of the log-partition. */
export interface TokenLoss {
  readonly crossEntropy: Tensor;
  /** `mean (log Σ exp logits)²`; a small multiple of it keeps logits from drifting. */
  readonly zSquare: Tensor;
}

/**
 * `log Σ exp logits − logits[target]`, averaged over all tokens.
 *
 * @param logits - `[batch, pos, vocab]`
 * @param targets - int32 `[batch, pos]`
 */
export function tokenLoss(logits: Tensor, targets: Tensor): TokenLoss {
  const partition = logSumExp(logits, "vocab");
  const hit = isOneHot(targets, logits.size("vocab"), "vocab");
  const chosen = where(hit, logits, 0).sum("vocab");
  return { crossEntropy: partition.sub(chosen).mean(), zSquare: partition.square().mean() };
}
