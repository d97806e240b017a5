/** @file The token's id says the expert: Roller et al., arXiv:2106.04426, and Expert Choice §4.6. */

import { ConfigError } from "../../core/errors.ts";
import { fromData, type Tensor } from "../../core/tensor.ts";
import { full, mod, scalar, shiftRight, take, xor } from "../../numpy/index.ts";
import { fullLike } from "../../ops/creation.ts";
import { count, type RouterOption } from "./options.ts";
import { defineRule, type RoutingRule } from "./routing.ts";
import { tokensChoose } from "./token-choice.ts";

type Table = "modulo" | "random" | readonly number[];

const isIndex = (value: unknown): boolean => Number.isInteger(value) && Number(value) >= 0;

const TABLE: RouterOption<Table> = {
  otherwise: "modulo",
  about:
    "modulo: id mod experts; random: a fixed hash of the id; or a list: the expert of every id",
  wants: '"modulo", "random" or a list of expert numbers',
  accepts: (value) =>
    value === "modulo" ||
    value === "random" ||
    (Array.isArray(value) && value.length > 0 && value.every(isIndex)),
};

/**
 * Mixes all bits of 32-bit words, so that neighbours fall apart: two rounds of xor-shift and multiply,
 * with Ettinger and Wellons' constants of least bias.
 */
function mixed(words: Tensor): Tensor {
  const constant = (value: number) => fullLike(words, value);
  const fold = (x: Tensor, by: number) => xor(x, shiftRight(x, constant(by)));
  const once = fold(words, 16).mul(constant(0x7feb352d));
  return fold(fold(once, 15).mul(constant(0x846ca68b)), 16);
}

function expertOf(ids: Tensor, table: Table, seed: number, experts: number): Tensor {
  if (table === "modulo") return mod(ids, experts);
  if (table === "random") {
    const words = xor(ids.astype("uint32"), fullLike({ ...ids.aval, dtype: "uint32" }, seed));
    // Without the sign bit a word is an int32 as well.
    return mod(shiftRight(mixed(words), fullLike(words, 1)).astype("int32"), experts);
  }
  const wrong = table.find((expert) => expert >= experts);
  if (wrong === undefined)
    return take(fromData("int32", [table.length], Int32Array.from(table)), ids);
  throw new ConfigError(
    "CONFIG-01",
    `router: the hash table names expert ${wrong}, but there are ${experts}, from 0 on`,
  );
}

/**
 * A table that spreads the load of ids seen `counts[id]` times: the most frequent first, each to the expert
 * with the least so far. As even as the most frequent id allows.
 */
export function balancedTable(counts: readonly number[], experts: number): number[] {
  const load = new Array<number>(experts).fill(0);
  const table = new Array<number>(counts.length).fill(0);
  const order = [...counts.keys()].sort((a, b) => (counts[b] ?? 0) - (counts[a] ?? 0) || a - b);
  for (const id of order) {
    const least = load.indexOf(Math.min(...load));
    table[id] = least;
    load[least] = (load[least] ?? 0) + (counts[id] ?? 0);
  }
  return table;
}

/** One expert per token, weight 1, nothing to learn. Frequent ids make it uneven; nothing then evens it out. */
export const hash: RoutingRule = defineRule({
  name: "hash",
  summary: "a token's id says its expert; nothing is learned (arXiv:2106.04426)",
  options: { table: TABLE, seed: count(0, "which of the random tables", 0) },
  router: ({ table, seed }) => ({
    expertsPerToken: 1,
    looksAhead: false,
    learned: false,
    ...tokensChoose(({ logits, ids }) => {
      if (ids === undefined) {
        throw new ConfigError("CONFIG-01", "router: hash needs token ids, and the layer has none");
      }
      const [group, tokens, experts] = logits.dims as [number, number, number];
      const expert = expertOf(ids, table, seed, experts);
      const dims = [group, tokens, 1];
      return {
        choices: {
          expert: expert.reshape(dims, "group token choice"),
          weight: full(1, dims, "group token choice"),
        },
        auxLoss: scalar(0),
        observed: {},
      };
    }),
  }),
});
