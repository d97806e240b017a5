/** @file What experts answer: in slots of equal number, for as many tokens as chose them, or all for all. */

import type { Tensor } from "../core/tensor.ts";
import {
  argsort,
  concatenate,
  einsum,
  full,
  gather,
  isOneHot,
  laid,
  raggedDot,
  repeat,
  scatterAdd,
  take,
  where,
} from "../numpy/index.ts";
import { ACTIVATIONS, type ActivationName } from "./activations.ts";

/** Weights of all experts. */
export interface Experts<T> {
  /** `[expert, embed, mlp]` */
  readonly wi: T;
  /** `[expert, embed, mlp]` of gated experts, `(act(x·wg) ⊙ x·wi)·wo`; others are `act(x·wi)·wo`. */
  readonly wg?: T;
  /** `[expert, mlp, embed]` */
  readonly wo: T;
}

/** Both halves of an expert, whatever the product with its matrices is. */
function answersOf(
  p: Experts<Tensor>,
  activation: ActivationName,
  into: (w: Tensor) => Tensor,
  out: (hidden: Tensor) => Tensor,
): Tensor {
  const act = ACTIVATIONS[activation];
  return out(p.wg === undefined ? act(into(p.wi)) : act(into(p.wg)).mul(into(p.wi)));
}

/**
 * Weighted answers, summed by token, of experts with equally many slots.
 *
 * Rows are sent by group, and then by expert: a mesh that splits groups before and experts behind exchanges them in
 * between, every device with every other, each way once.
 *
 * @param tokens - `[group, token, embed]`
 * @param at - int32 `[group, expert, slot]` token indices; one past the end for empty slots
 * @param weight - `[group, expert, slot]`
 * @returns `[group, token, embed]`
 */
export function answerSeats(
  p: Experts<Tensor>,
  tokens: Tensor,
  at: Tensor,
  weight: Tensor,
  activation: ActivationName,
): Tensor {
  const [groups, size, embed] = tokens.dims as [number, number, number];
  // One more row, of zeros, for empty slots: no token's row may be touched by a slot that is not its own.
  const nobody = full(0, [groups, 1, embed], "group token embed", tokens.dtype);
  // An expert takes no token twice, so each expert's indices are distinct.
  const distinct = at.size("expert") * groups;
  const rows = concatenate([tokens, nobody], "token");
  const sent = byExpert(gather(rows, { axis: "token", at, distinct }));
  const answer = answersOf(
    p,
    activation,
    (w) => einsum("expert group slot embed, expert embed mlp -> expert group slot mlp", sent, w),
    (h) => einsum("expert group slot mlp, expert mlp embed -> expert group slot embed", h, p.wo),
  );
  const weighted = byGroup(answer.mul(weight.order("expert group slot")));
  const summed = scatterAdd(weighted, { at, size: size + 1, batch: 1, as: "token", distinct });
  return summed.slice("token", 0, size);
}

/** `[group, expert, slot, embed]` to experts that stand first. */
function byExpert(rows: Tensor): Tensor {
  const sent = laid(rows, "group expert slot embed").order("expert group slot embed");
  return laid(sent, "expert group slot embed");
}

/** And back. */
function byGroup(rows: Tensor): Tensor {
  const sent = laid(rows, "expert group slot embed").order("group expert slot embed");
  return laid(sent, "group expert slot embed");
}

/**
 * Up to this many tokens, every expert answers every token: the products are bound by reading the matrices, and
 * bringing tokens and experts together costs more than the answers that nobody asked for.
 */
const FEW_TOKENS = 32;

/**
 * Weighted answers, summed by token, of experts that serve all who chose them.
 *
 * @param table - `[token, embed]`
 * @param expert - int32 `[token, choice]`, −1 where there is none
 * @param weight - `[token, choice]`
 * @param steady - whether a token's answer must not depend, to the last bit, on who else chose its experts
 */
export function answerChoices(
  p: Experts<Tensor>,
  table: Tensor,
  expert: Tensor,
  weight: Tensor,
  activation: ActivationName,
  steady: boolean,
): Tensor {
  return table.size("token") <= FEW_TOKENS
    ? answerFew(p, table, expert, weight, activation)
    : answerPairs(p, table, expert, weight, activation, steady);
}

/** All experts answer all tokens; an answer that was not asked for counts 0, whatever it is. */
function answerFew(
  p: Experts<Tensor>,
  table: Tensor,
  expert: Tensor,
  weight: Tensor,
  activation: ActivationName,
): Tensor {
  const asked = isOneHot(expert, p.wi.size("expert"), "expert");
  const share = where(asked, weight, 0).sum("choice");
  const answer = answersOf(
    p,
    activation,
    (w) => einsum("token embed, expert embed mlp -> expert token mlp", table, w),
    (h) => einsum("expert token mlp, expert mlp embed -> expert token embed", h, p.wo),
  );
  const chosen = asked.any("choice").order("expert token");
  const heard = where(chosen.broadcastTo(answer), answer, 0);
  return einsum("expert token embed, token expert -> token embed", heard, share);
}

/**
 * Pairs of token and choice are sorted by expert, and every expert's matrix meets just its own rows. The cost is that
 * of the pairs.
 */
function answerPairs(
  p: Experts<Tensor>,
  table: Tensor,
  expert: Tensor,
  weight: Tensor,
  activation: ActivationName,
  steady: boolean,
): Tensor {
  const [tokens, choices] = expert.dims as [number, number];
  const experts = p.wi.size("expert");
  const flat = expert.reshape([tokens * choices], "pair");
  // No choice sorts behind every expert, past the rows that are computed.
  const order = argsort(where(flat.less(0), experts, flat), { axis: 0 });
  const sizes = isOneHot(flat, experts, "expert").astype("int32").sum("pair");
  const rows = choices === 1 ? table : repeat(table, "token", choices);
  const sent = take(rows.as("pair embed"), order, { distinct: 1 }).as("pair embed");
  const answer = answersOf(
    p,
    activation,
    (w) => raggedDot(sent, w, sizes, { steady }),
    (h) => raggedDot(h, p.wo, sizes, { steady }),
  );
  const back = take(answer.as("pair embed"), argsort(order, { axis: 0 }), { distinct: 1 });
  const byToken = back.reshape([tokens, choices, table.size("embed")], "token choice embed");
  return einsum("token choice embed, token choice -> token embed", byToken, weight);
}
