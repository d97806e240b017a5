/** @file What a report says of one layer's routing. */

import type { Tensor } from "../../core/tensor.ts";
import { exp, logSumExp, maximum, oneHot, stack, where } from "../../numpy/index.ts";
import { expertsOfTokens } from "./choices.ts";
import type { Choices, Seats } from "./routing.ts";

/** Numbers about one layer and batch; padding counts nowhere. */
export interface RoutingFacts {
  /** `[expert]` tokens that the expert serves, over the mean: 1 everywhere at perfect balance. */
  readonly load: Tensor;
  /** Scalar share of tokens that no expert serves; only the residual, and shared experts, carry them on. */
  readonly dropped: Tensor;
  /** `[6]` shares of tokens that 0, 1, 2, 3, 4 and more than 4 experts serve. */
  readonly served: Tensor;
  /** Mean entropy of the gates, softmax over experts, in nats: 0 for certain, ln E for even. */
  readonly entropy: Tensor;
  /** Mean of `(log Σ exp logits)²`; a small multiple of it in the loss keeps logits small (arXiv:2202.08906). */
  readonly zLoss: Tensor;
}

const MOST_COUNTED = 4;

/**
 * @param logits - `[group, token, expert]`
 * @param mask - bool `[group, token]`, false at padding
 */
export function routingFacts(
  assignment: Seats | Choices,
  logits: Tensor,
  mask: Tensor | undefined,
): RoutingFacts {
  const counts = expertsOfTokens(assignment, logits.size("token"));
  const mean = meanOver(mask);
  const load = loadOf(assignment, logits.size("expert"));
  const exactly = Array.from({ length: MOST_COUNTED + 1 }, (_, n) => share(counts.equal(n), mean));
  const partition = logSumExp(logits, "expert");
  const logGates = logits.sub(partition);
  return {
    load: load.div(load.mean().add(1e-9)),
    dropped: share(counts.less(0.5), mean),
    served: stack([...exactly, share(counts.greater(MOST_COUNTED), mean)]),
    entropy: mean(exp(logGates).mul(logGates).sum("expert").neg()),
    zLoss: mean(partition.square()),
  };
}

/** The mean of `[group, token]` over all that is no padding. */
function meanOver(mask: Tensor | undefined): (x: Tensor) => Tensor {
  if (mask === undefined) return (x) => x.mean();
  const count = maximum(mask.astype("float32").sum(), 1);
  return (x) => where(mask, x, 0).sum().div(count);
}

function share(test: Tensor, mean: (x: Tensor) => Tensor): Tensor {
  return mean(test.astype("float32"));
}

/** `[expert]` tokens served. */
function loadOf(assignment: Seats | Choices, experts: number): Tensor {
  if ("token" in assignment)
    return assignment.token.greaterEqual(0).astype("float32").sum(["group", "slot"]);
  return oneHot(assignment.expert, experts, "expert").sum(["group", "token", "choice"]);
}
