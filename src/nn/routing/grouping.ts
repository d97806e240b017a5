/** @file How the tokens of a batch form groups within which experts are shared out. */

import { ConfigError, suggestion } from "../../core/errors.ts";
import type { Tensor } from "../../core/tensor.ts";

/**
 * How tokens of `[batch, pos]` form groups within which experts choose.
 *
 * - `position`: one group per position, its tokens are the sequences of the batch. Causal: nothing
 *   that a token's fate depends on comes after it in its own sequence.
 * - `leaky-batch`: all tokens in one group, as the paper trained. With a router that looks ahead, a
 *   token's fate depends on *later* tokens, so losses measured with it are too good.
 */
export const GROUPINGS = ["position", "leaky-batch"] as const;
export type Grouping = (typeof GROUPINGS)[number];

/** @throws ConfigError when there is no such grouping */
export function parseGrouping(name: string): Grouping {
  const known = GROUPINGS.find((grouping) => grouping === name);
  if (known !== undefined) return known;
  throw new ConfigError(
    "CONFIG-01",
    `grouping: "${name}" is not a grouping; ${suggestion(name, GROUPINGS)}`,
  );
}

/** Tokens in one group. */
export function tokensPerGroup(grouping: Grouping, batch: number, pos: number): number {
  return grouping === "position" ? batch : batch * pos;
}

/** `[batch, pos, …]` as `[group, token, …]`; `rest` names the axes after the first two. */
export function grouped(x: Tensor, grouping: Grouping, rest = ""): Tensor {
  if (grouping === "position") return x.order(`pos batch ${rest}`).as(`group token ${rest}`);
  return x.reshape([1, -1, ...x.dims.slice(2)], `group token ${rest}`);
}

/** `[group, token, choice]` as `[token, choice]` for the rows of `[batch · pos]`. */
export function ungrouped(x: Tensor, grouping: Grouping): Tensor {
  const inOrder = grouping === "position" ? x.as("pos batch choice").order("batch pos choice") : x;
  return inOrder.reshape([-1, x.size("choice")], "token choice");
}

/** `[group, token, embed]` as the `[batch, pos, embed]` that it was. */
export function inSequences(x: Tensor, grouping: Grouping, batch: number): Tensor {
  if (grouping === "position") return x.as("pos batch embed").order("batch pos embed");
  return x.reshape([batch, -1, x.size("embed")], "batch pos embed");
}
