/** @file The sparse feed-forward layer: route, let every expert answer its tokens, put the answers back. */

import { ConfigError, suggestion } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import {
  arange,
  concatenate,
  einsum,
  full,
  gelu,
  relu,
  scatterAdd,
  take,
  where,
} from "../numpy/index.ts";
import { fanInUniform, type ParamSpec, param } from "./param.ts";
import type { Router, Routing } from "./routing/routing.ts";

export interface Moe<T> {
  readonly gate: T;
  readonly wi: T;
  readonly wo: T;
}

export interface MoeConfig {
  readonly embed: number;
  /** Hidden width of one expert. */
  readonly mlp: number;
  readonly expert: number;
  readonly activation: "gelu" | "relu";
}

export function moeParams({ embed, mlp, expert }: MoeConfig): Moe<ParamSpec> {
  return {
    gate: param({ embed, expert }, fanInUniform(embed)),
    wi: param({ expert, embed, mlp }, fanInUniform(embed)),
    wo: param({ expert, mlp, embed }, fanInUniform(mlp)),
  };
}

/**
 * How tokens of `[batch, pos]` form groups within which experts choose.
 *
 * - `position`: one group per position, its tokens are the sequences of the batch. Causal: nothing
 *   that a token's fate depends on comes after it in its own sequence.
 * - `leaky-batch`: all tokens in one group, as the paper trained. A token's fate depends on *later*
 *   tokens, so losses measured with it are too good.
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

/** What the sparse layer needs to know beside its parameters. */
export interface MoeCall {
  readonly route: Router;
  /** Places per expert and group. */
  readonly slots: number;
  readonly grouping: Grouping;
  readonly activation: MoeConfig["activation"];
}

/**
 * Sparse feed-forward layer on `[batch, pos, embed]`. It names no router and no device: `expert` is an
 * axis that a mesh may split like any other.
 *
 * Tokens travel as rows of one table, straight into the experts' order and back: only row numbers are
 * ever reordered.
 */
export function moe(
  p: Moe<Tensor>,
  x: Tensor,
  { route, slots, grouping, activation }: MoeCall,
): readonly [Tensor, Routing] {
  const logits = einsum("batch pos embed, embed expert -> batch pos expert", x, p.gate);
  const routing = route(groupedLogits(logits, grouping), slots);
  const at = rowsOf(routing.token, x, grouping).order("expert group slot");
  const table = x.reshape([-1, x.size("embed")], "token embed");
  // One more row, of zeros, for empty slots: no token's row may be touched by a slot that is not its own.
  const nobody = full(0, [1, x.size("embed")], "token embed");
  // An expert takes no token twice, so each expert's indices are distinct.
  const distinct = routing.token.size("expert");

  const sent = take(concatenate([table, nobody], "token"), at, { distinct });
  const hidden = einsum(
    "expert group slot embed, expert embed mlp -> expert group slot mlp",
    sent,
    p.wi,
  );
  const active = activation === "gelu" ? gelu(hidden) : relu(hidden);
  const answer = einsum(
    "expert group slot mlp, expert mlp embed -> expert group slot embed",
    active,
    p.wo,
  );
  const weighted = answer.mul(routing.weight.order("expert group slot"));
  const size = table.size("token") + 1;
  const summed = scatterAdd(weighted, { at, size, batch: 0, as: "token", distinct });
  return [summed.slice("token", 0, size - 1).reshape(x.dims, "batch pos embed"), routing];
}

/** `[batch, pos, expert]` as `[group, token, expert]`. */
function groupedLogits(logits: Tensor, grouping: Grouping): Tensor {
  if (grouping === "position") return logits.order("pos batch expert").as("group token expert");
  return logits.reshape([1, -1, logits.size("expert")], "group token expert");
}

/** Row of the table `[batch · pos]` for every token index of a routing; the row past the end for empty slots. */
function rowsOf(token: Tensor, x: Tensor, grouping: Grouping): Tensor {
  const pos = x.size("pos");
  const row = grouping === "leaky-batch" ? token : token.mul(pos).add(arange(pos, "group"));
  return where(token.less(0), x.size("batch") * pos, row);
}
