/** @file What all routers share whose tokens choose their experts. */

import type { Tensor } from "../../core/tensor.ts";
import { softmax, topK } from "../../numpy/index.ts";
import { only, seatChoices } from "./choices.ts";
import type { Choices, Route, Router, RouterCall, Routing } from "./routing.ts";

/** The choices of all tokens, before any slot is given out. */
export interface Chosen extends Omit<Routing, "assignment"> {
  readonly choices: Choices;
}

/**
 * Both rules of such a router: choices get slots where there are slots, and stand as they are elsewhere.
 * Padding chooses nobody.
 */
export function tokensChoose(
  choose: (call: RouterCall) => Chosen,
): Pick<Router, "chooses" | "route" | "deployed"> {
  const route: Route = (call) => {
    const { choices, auxLoss, observed } = choose(call);
    const real = only(call.mask, choices);
    const { slots, logits } = call;
    return {
      assignment: slots === undefined ? real : seatChoices(real, slots, logits.size("expert")),
      auxLoss,
      observed,
    };
  };
  const deployed: Route = ({ logits, ids, state, mask }) => route({ logits, ids, state, mask });
  return { chooses: "tokens", route, deployed };
}

export interface TopChoices extends Choices {
  /** `[group, token, expert]` softmax over experts. */
  readonly gates: Tensor;
}

/** The k best experts of every token, best first, ties to the lower index, with their gates as weights. */
export function topChoices(logits: Tensor, k: number): TopChoices {
  const gates = softmax(logits, "expert");
  const most = Math.min(k, logits.size("expert"));
  const { values, indices } = topK(gates, { along: "expert", k: most, as: "choice" });
  return { gates, expert: indices, weight: values };
}
