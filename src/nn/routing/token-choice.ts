/** @file Tokens choose their experts: GShard top-2 (arXiv:2006.16668) and Switch top-1 (arXiv:2101.03961). */

import { aval } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import {
  cumsum,
  divide,
  einsum,
  full,
  less,
  oneHot,
  scatterAdd,
  softmax,
  topK,
  where,
} from "../../numpy/index.ts";
import { iota } from "../../ops/creation.ts";
import { convert } from "../../ops/logic.ts";
import type { Router, Routing, RoutingRule } from "./routing.ts";

/** One choice of every token. */
interface Choice {
  /** `[group, token, expert]` 1 at the chosen expert. */
  readonly mask: Tensor;
  /** `[group, token]` weight of the expert's answer. */
  readonly weight: Tensor;
}

/** `[group, token]` the place that a choice gets at its expert: 0, 1 … in token order, after `taken`. */
function placeInLine(mask: Tensor, taken: Tensor): Tensor {
  const before = cumsum(mask, "token").sub(mask).add(taken);
  return before.mul(mask).sum("expert");
}

/**
 * Fills slots choice after choice, in token order. A choice past the last slot is dropped, but all
 * first choices come before any second one.
 */
function fillSlots(
  choices: readonly Choice[],
  slots: number,
): Pick<Routing, "token" | "weight" | "dropped" | "load"> {
  const [first] = choices;
  if (first === undefined) throw new Error("a router makes at least one choice");
  const [group, tokens, experts] = first.mask.dims as [number, number, number];
  let taken = full(0, [group, experts], "group expert");
  let kept = full(0, [group, tokens], "group token");
  let token = full(0, [group, experts * slots]);
  let weight = full(0, [group, experts * slots]);
  const served: Tensor[] = [];
  const counting = convert(iota(aval("int32", [group, tokens], ["group", "token"]), 1), "float32");
  for (const { mask, weight: share } of choices) {
    const place = placeInLine(mask, taken);
    const fits = less(place, slots);
    const expert = einsum("group token expert, expert -> group token", mask, numbers(experts));
    // Dropped choices go to one slot past the end, which is cut off; every other place is named once.
    const at = where(fits, expert.mul(slots).add(place), experts * slots).astype("int32");
    const put = (rows: Tensor) =>
      scatterAdd(rows, { at, size: experts * slots + 1, batch: 1, as: null, distinct: 1 }).slice(
        1,
        0,
        experts * slots,
      );
    token = token.add(put(counting.add(1)));
    weight = weight.add(put(share));
    kept = kept.add(where(fits, 1, 0));
    const keptMask = mask.mul(where(fits, 1, 0));
    taken = taken.add(keptMask.sum("token"));
    served.push(keptMask.sum(["group", "token"]));
  }
  const seats = (x: Tensor) => divide(x.as("group slot"), "slot", { expert: experts, slot: slots });
  const total = served.reduce((a, b) => a.add(b));
  return {
    token: seats(token).astype("int32").sub(1), // counted from 1, so that 0 was left in empty slots
    weight: seats(weight),
    load: total.div(total.mean().add(1e-9)),
    dropped: where(kept.less(0.5), 1, 0).mean(),
  };
}

function numbers(count: number): Tensor {
  return convert(iota(aval("int32", [count], ["expert"]), 0), "float32");
}

/**
 * `E · Σ_e f_e · P_e`, averaged over groups: f is the share of tokens whose first choice is e, before
 * capacity, P the mean gate. 1 at perfect balance; the gradient flows through P only.
 */
function balanceLoss(gates: Tensor, firstChoice: Tensor): Tensor {
  const share = firstChoice.mean("token").stopGradient();
  return share.mul(gates.mean("token")).sum("expert").mean().mul(gates.size("expert"));
}

/**
 * GShard top-2 with the policy "all": both experts always, weights normalised over the two before
 * capacity, not after. Capacity binds second choices first.
 */
const top2: Router = (logits, slots) => {
  const gates = softmax(logits, "expert");
  const experts = logits.size("expert");
  const { values, indices } = topK(gates, { along: "expert", k: Math.min(2, experts), as: "slot" });
  const total = values.sum("slot").add(1e-9);
  const choices = values.dims[2] === 1 ? [0] : [0, 1];
  const picked = choices.map((rank): Choice => {
    const at = indices
      .slice("slot", rank, rank + 1)
      .reshape(indices.dims.slice(0, 2), "group token");
    const gate = values
      .slice("slot", rank, rank + 1)
      .reshape(values.dims.slice(0, 2), "group token");
    return { mask: oneHot(at, experts, "expert"), weight: gate.div(total) };
  });
  const first = picked[0]?.mask ?? gates;
  return {
    ...fillSlots(picked, slots),
    auxLoss: balanceLoss(gates, first),
    threshold: full(0, [experts], "expert"),
  };
};

/** Switch top-1: the best expert, weighted by its raw gate. */
const top1: Router = (logits, slots) => {
  const gates = softmax(logits, "expert");
  const experts = logits.size("expert");
  const { indices } = topK(gates, { along: "expert", k: 1, as: "slot" });
  const mask = oneHot(indices.reshape(indices.dims.slice(0, 2), "group token"), experts, "expert");
  // Not the largest gate: at a tie its gradient would go to experts that were not chosen.
  const choice = { mask, weight: gates.mul(mask).sum("expert") };
  return {
    ...fillSlots([choice], slots),
    auxLoss: balanceLoss(gates, mask),
    threshold: full(0, [experts], "expert"),
  };
};

/** With a slot for every token nothing is dropped, so no token depends on another. */
const dropless = (route: Router) => (): Router => (logits) => route(logits, logits.size("token"));

export const gshardTop2: RoutingRule = {
  name: "gshard-top2",
  summary: "each token takes its two best experts, balanced by a loss (arXiv:2006.16668)",
  expertsPerToken: 2,
  route: top2,
  deployed: dropless(top2),
};

export const switchTop1: RoutingRule = {
  name: "switch-top1",
  summary: "each token takes its best expert, balanced by a loss (arXiv:2101.03961)",
  expertsPerToken: 1,
  route: top1,
  deployed: dropless(top1),
};
