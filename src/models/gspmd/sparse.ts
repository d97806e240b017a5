/**
 * @file The sparse feed-forward layer of GShard, by einsums with a mask of who sits where: split over examples before
 * the dispatch and over experts after it, the einsum is one all-to-all.
 *
 * @see Lepikhin et al., arXiv:2006.16668, algorithm 1
 */

import type { Tensor } from "../../core/tensor.ts";
import * as nn from "../../nn/index.ts";
import { cumsum, einsum, laid, oneHot, softmax, topK, where } from "../../numpy/index.ts";

export interface Sparse<T> {
  /** `[embed, expert]` */
  readonly gate: T;
  /** `[expert, embed, mlp]` */
  readonly wi: T;
  /** `[expert, mlp, embed]` */
  readonly wo: T;
}

export function sparseParams(embed: number, mlp: number, expert: number): Sparse<nn.ParamSpec> {
  return {
    gate: nn.param({ embed, expert }, nn.fanInUniform(embed)),
    wi: nn.param({ expert, embed, mlp }, nn.fanInUniform(embed)),
    wo: nn.param({ expert, mlp, embed }, nn.fanInUniform(mlp)),
  };
}

/** What a sparse layer says of one batch. */
export interface SparseFacts<T = Tensor> {
  /** Scalar, 1 at perfect balance. */
  readonly auxLoss: T;
  /** `[expert]` tokens served over the mean. */
  readonly load: T;
  /** Share of tokens that no expert served. */
  readonly dropped: T;
}

/** Who sits where: weight of the answer of each expert's slot for each token. */
interface Seating {
  /** `[group, token, expert, slot]`, 0 where a token does not sit. */
  readonly combine: Tensor;
  readonly facts: SparseFacts;
}

/**
 * Each token's two best experts answer it, as long as they have slots left; first choices come before second ones. A
 * group is one sequence, so no sequence sees another. Within one, whether a second choice finds a slot depends on first
 * choices of later tokens, as in the paper.
 *
 * @param x - `[batch, pos, embed]`
 * @param slots - of one expert in one group
 */
export function sparse(
  p: Sparse<Tensor>,
  x: Tensor,
  slots: number,
  activation: nn.ActivationName,
): readonly [Tensor, SparseFacts] {
  const tokens = x.as("group token embed");
  const logits = einsum("group token embed, embed expert -> group token expert", tokens, p.gate);
  const { combine, facts } = seated(logits, slots);
  const sits = combine.greater(0).astype("float32").stopGradient();
  // Here the examples' axis turns into the experts'.
  const sent = laid(
    einsum("group token expert slot, group token embed -> expert group slot embed", sits, tokens),
    "expert group slot width",
  );
  const hidden = nn.ACTIVATIONS[activation](
    einsum("expert group slot embed, expert embed mlp -> expert group slot mlp", sent, p.wi),
  );
  const answers = laid(
    einsum("expert group slot mlp, expert mlp embed -> expert group slot embed", hidden, p.wo),
    "expert group slot width",
  );
  const y = einsum(
    "group token expert slot, expert group slot embed -> group token embed",
    combine,
    answers,
  );
  return [y.as("batch pos embed"), facts];
}

/** @param logits - `[group, token, expert]` */
function seated(logits: Tensor, slots: number): Seating {
  const experts = logits.size("expert");
  const gates = softmax(logits, "expert");
  const { values, indices } = topK(gates, { along: "expert", k: 2, as: "choice" });
  const weights = values.div(values.sum("choice").add(1e-9));
  const choice = (k: number) => ({
    asked: oneHot(one(indices, k), experts, "expert"),
    weight: one(weights, k),
  });
  const [first, second] = [choice(0), choice(1)];
  const before = (asked: Tensor) => cumsum(asked, "token").sub(asked);
  // Second choices sit behind all first ones.
  const taken = first.asked.sum("token").reshape([logits.size("group"), 1, experts]);
  const combine = seat(first, before(first.asked), slots).add(
    seat(second, before(second.asked).add(taken.broadcastTo(second.asked)), slots),
  );
  const served = combine.greater(0).astype("float32").sum("slot");
  const load = served.sum("group").sum("token");
  const share = first.asked.mean("group").mean("token");
  const mean = gates.mean("group").mean("token");
  return {
    combine,
    facts: {
      auxLoss: share.mul(mean).sum("expert").mul(experts),
      load: load.div(load.mean().add(1e-9)),
      dropped: served.sum("expert").less(0.5).astype("float32").mean(),
    },
  };
}

/** `[group, token]` of one choice. */
function one(x: Tensor, k: number): Tensor {
  return x.slice("choice", k, k + 1).reshape([x.size("group"), x.size("token")], "group token");
}

/** `[group, token, expert, slot]` of one choice: its weight where it sits, if its place is one of the slots. */
function seat(
  { asked, weight }: { readonly asked: Tensor; readonly weight: Tensor },
  place: Tensor,
  slots: number,
): Tensor {
  const at = einsum("group token expert, group token expert -> group token", place, asked);
  // A place past the last slot is no row of the one-hot table.
  const slot = oneHot(where(at.less(slots), at, slots).astype("int32"), slots + 1, "slot");
  const there = slot.slice("slot", 0, slots);
  const own = einsum("group token, group token expert -> group token expert", weight, asked);
  return einsum(
    "group token expert, group token slot -> group token expert slot",
    own,
    there.stopGradient(),
  );
}
