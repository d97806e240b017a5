/** @file Choices that tokens make, and the slots that they then get. */

import { aval } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import {
  and,
  arange,
  cumsum,
  divide,
  einsum,
  full,
  less,
  maximum,
  oneHot,
  scatterAdd,
  where,
} from "../../numpy/index.ts";
import { iota } from "../../ops/creation.ts";
import { convert } from "../../ops/logic.ts";
import type { Choices, Seats } from "./routing.ts";

/** `[group, token, choice]` the values `[group, token, expert]` of the chosen experts; 0 where −1 is chosen. */
export function pick(values: Tensor, at: Tensor): Tensor {
  const chosen = oneHot(at, values.size("expert"), "expert");
  return einsum(
    "group token expert, group token choice expert -> group token choice",
    values,
    chosen,
  );
}

/** The choices without those where `keep`, bool over some of their axes, is false. */
export function only(keep: Tensor | undefined, { expert, weight }: Choices): Choices {
  if (keep === undefined) return { expert, weight };
  const real = keep.broadcastTo(expert);
  return { expert: where(real, expert, -1), weight: where(real, weight, 0) };
}

/** `[group, token, expert]` how often each expert is among a token's choices: 0 or 1. */
export function chosenMask({ expert }: Choices, experts: number): Tensor {
  const chosen = oneHot(expert, experts, "expert");
  return expert.size("choice") === 1
    ? chosen.reshape([...expert.dims.slice(0, 2), experts], "group token expert")
    : chosen.sum("choice");
}

/** `[group, token]` how many experts serve each token. */
export function expertsOfTokens(assignment: Seats | Choices, tokens: number): Tensor {
  if ("expert" in assignment)
    return assignment.expert.greaterEqual(0).astype("float32").sum("choice");
  const { token } = assignment;
  const [group, expert] = token.dims as [number, number, number];
  const row = token.add(arange(group, "group").mul(tokens));
  // Expert after expert, since each expert's tokens are distinct; empty slots go to one row past the end.
  const at = where(token.less(0), group * tokens, row).order("expert group slot");
  const size = group * tokens + 1;
  const ones = full(1, at.dims);
  const counts = scatterAdd(ones, { at, size, batch: 0, as: null, distinct: expert });
  return counts.slice(0, 0, size - 1).reshape([group, tokens], "group token");
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
export function seatChoices(choices: Choices, slots: number, experts: number): Seats {
  const [group, tokens] = choices.expert.dims as [number, number, number];
  let taken = full(0, [group, experts], "group expert");
  let token = full(0, [group, experts * slots]);
  let weight = full(0, [group, experts * slots]);
  const counting = convert(iota(aval("int32", [group, tokens], ["group", "token"]), 1), "float32");
  const numbers = convert(iota(aval("int32", [experts], ["expert"]), 0), "float32");
  for (let rank = 0; rank < choices.expert.size("choice"); rank++) {
    const own = (x: Tensor) =>
      x.slice("choice", rank, rank + 1).reshape([group, tokens], "group token");
    const mask = oneHot(own(choices.expert), experts, "expert");
    const place = placeInLine(mask, taken);
    const real = own(choices.expert).greaterEqual(0);
    const fits = and(real, less(place, slots));
    const expert = einsum("group token expert, expert -> group token", mask, numbers);
    // Dropped choices go to one slot past the end, which is cut off; every other place is named once.
    const at = where(fits, expert.mul(slots).add(place), experts * slots).astype("int32");
    const put = (rows: Tensor) =>
      scatterAdd(rows, { at, size: experts * slots + 1, batch: 1, as: null, distinct: 1 }).slice(
        1,
        0,
        experts * slots,
      );
    token = token.add(put(counting.add(1)));
    weight = weight.add(put(own(choices.weight)));
    taken = taken.add(mask.mul(where(fits, 1, 0)).sum("token"));
  }
  const seats = (x: Tensor) => divide(x.as("group slot"), "slot", { expert: experts, slot: slots });
  return {
    token: seats(token).astype("int32").sub(1), // counted from 1, so that 0 was left in empty slots
    weight: seats(weight),
  };
}

/**
 * `E · Σ_e f_e · P_e`, averaged over groups: f is the share of choices that fall on expert e, before
 * capacity, P the mean gate. 1 at perfect balance; the gradient flows through P only.
 *
 * Padding is left out of both, and groups count by their tokens.
 *
 * @param chosen - `[group, token, expert]`, 1 at the choices that count
 * @param perToken - how many those are for each token
 */
export function balanceLoss(
  gates: Tensor,
  chosen: Tensor,
  perToken: number,
  mask: Tensor | undefined,
): Tensor {
  const experts = gates.size("expert");
  if (mask === undefined) {
    const share = chosen.mean("token").stopGradient();
    const loss = share.mul(gates.mean("token")).sum("expert").mean().mul(experts);
    return perToken === 1 ? loss : loss.mul(1 / perToken);
  }
  const counted = mask.astype("float32");
  const tokens = maximum(counted.sum("token"), 1);
  const share = chosen.mul(counted).sum("token").div(tokens).stopGradient();
  const mean = gates.mul(counted).sum("token").div(tokens);
  const byGroup = share.mul(mean).sum("expert").mul(counted.sum("token"));
  const all = maximum(counted.sum(), 1);
  return byGroup
    .sum()
    .div(all)
    .mul(experts / perToken);
}
