/** @file What an attention layer is made of: its sizes, its variants, its parameters. */

import { ConfigError } from "../../core/errors.ts";
import { normal, ones, type ParamSpec, param, zeros } from "../param.ts";
import { positionBiasParam } from "./position-bias.ts";
import { checkRotary, type Rotary } from "./rotary.ts";

/**
 * What tells positions apart inside attention, beside the order that a causal mask gives:
 *
 * - `"relative-bias"`: a learnt number per head and bucket of distance (T5)
 * - `"alibi"`: a fixed slope per head, times the distance
 * - rotary: queries and keys turn with their place
 * - `"none"`: nothing, or positions that were added to the embeddings
 */
export type Positions = "none" | "relative-bias" | "alibi" | Rotary;

export interface AttentionConfig {
  /** Width of the residual stream. */
  readonly embed: number;
  readonly head: number;
  /** Width of one head's queries, keys and values. */
  readonly dim: number;
  /** Heads of keys and values, each of which serves `head / kvHead` neighbouring heads; as many as `head` when absent. */
  readonly kvHead?: number;
  /** `"none"` when absent. */
  readonly positions?: Positions;
  /** Only keys fewer than this many places away; all when absent. */
  readonly window?: number;
  /** Which projections have a bias; none when absent. */
  readonly biases?: "query-key-value" | "all";
  /** Root-mean-square norms of each head's queries and keys, before they turn. */
  readonly norms?: boolean;
  /** A constant logit of 0 that every query may choose instead of a position. */
  readonly extraLogit?: boolean;
  /** Factor of the logits; `dim^(−1/2)` when absent, 1 where the initial query weights are small already. */
  readonly logitScale?: number;
  /** Width of the sequence that cross-attention looks at; `embed` when absent. */
  readonly memoryEmbed?: number;
}

/** Parameters of one attention layer, each there or not as the config says. */
export interface Attention<T> {
  readonly query: T;
  readonly key: T;
  readonly value: T;
  readonly output: T;
  /** Relative position bias, `[head, bucket]`. */
  readonly bias?: T;
  readonly queryBias?: T;
  readonly keyBias?: T;
  readonly valueBias?: T;
  readonly outputBias?: T;
  /** Scales of the norms, `[dim]`. */
  readonly queryNorm?: T;
  readonly keyNorm?: T;
}

/**
 * Declares the parameters. With a `logitScale` of 1 the query starts smaller by √dim, which stands for the
 * usual `dim^(−1/2)` on the logits.
 *
 * @throws ConfigError when `kvHead` does not divide `head`, or rotary positions do not fit `dim`
 */
export function attentionParams(config: AttentionConfig): Attention<ParamSpec> {
  const { embed, head, dim, kvHead = head, memoryEmbed = embed, positions, biases } = config;
  checkConfig(config);
  // Grouped keys have an axis word of their own: they are not divided as queries are.
  const kv = kvHead === head ? { head } : { kvHead };
  const queryWidth = config.logitScale === 1 ? embed * dim : embed;
  return {
    query: param({ embed, head, dim }, normal(queryWidth ** -0.5)),
    key: param({ embed: memoryEmbed, ...kv, dim }, normal(memoryEmbed ** -0.5)),
    value: param({ embed: memoryEmbed, ...kv, dim }, normal(memoryEmbed ** -0.5)),
    output: param({ head, dim, embed }, normal((head * dim) ** -0.5)),
    ...(positions === "relative-bias" ? { bias: positionBiasParam(head) } : {}),
    ...(biases === undefined
      ? {}
      : {
          queryBias: param({ head, dim }, zeros),
          keyBias: param({ ...kv, dim }, zeros),
          valueBias: param({ ...kv, dim }, zeros),
        }),
    ...(biases === "all" ? { outputBias: param({ embed }, zeros) } : {}),
    ...(config.norms === true
      ? { queryNorm: param({ dim }, ones), keyNorm: param({ dim }, ones) }
      : {}),
  };
}

function checkConfig({ head, kvHead = head, dim, positions, window }: AttentionConfig): void {
  if (!Number.isInteger(head / kvHead)) {
    throw new ConfigError(
      "CONFIG-01",
      `attention: kvHead ${kvHead} does not divide head ${head}; each head of keys serves as many heads of queries`,
    );
  }
  if (window !== undefined && !(Number.isInteger(window) && window >= 1)) {
    throw new ConfigError(
      "CONFIG-01",
      `attention: window ${window} is out of range; choose a whole number from 1`,
    );
  }
  if (typeof positions === "object") checkRotary(positions, dim);
}
