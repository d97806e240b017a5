/** @file Sharing tokens out among experts when a token may go to a few of them only. */

import type { Tensor } from "../../core/tensor.ts";
import { fromData } from "../../core/tensor.ts";
import {
  concatenate,
  exp,
  logSumExp,
  putAlong,
  scan,
  topK,
  where,
  whileLoop,
  zeros,
} from "../../numpy/index.ts";
import { fullLike } from "../../ops/creation.ts";

/** What an assignment must keep to, and how it is sought. */
export interface AssignmentRules {
  /** Tokens that each expert takes. */
  readonly slots: number;
  /** Experts that may take one token. */
  readonly most: number;
  /** Weight of the entropy at the end: the smaller, the nearer to whole tokens. */
  readonly epsilon: number;
  readonly iterations: number;
}

export interface SoftAssignment {
  /** `[group, expert, token]` share of the token's place at the expert, near 0 or 1. */
  readonly shares: Tensor;
  /** `[group, expert]` what a place costs: tokens go where their score is above it. */
  readonly price: Tensor;
}

/** Stands for log 0: no score makes up for it, and no sum of a few overflows. */
const LOG_ZERO = -1e36;

const log = (x: number) => (x > 0 ? Math.log(x) : LOG_ZERO);

/** From 1 down to the end, quickly at first. The published solver's steps. */
function temperatures({ epsilon, iterations }: AssignmentRules): Float32Array {
  let now = 1;
  return Float32Array.from({ length: iterations }, (_, t) => {
    now = Math.max(epsilon, now * Math.min(0.6 * 1.04 ** t, 0.85));
    return now;
  });
}

/**
 * `max ⟨S, A⟩ + ε·H(A)` over `0 ≤ A ≤ 1` whose rows add up to `slots` and whose columns add up to `most` or less.
 *
 * The published solver of Expert Choice (Lingvo's `differentiable_assignment`): a row for nobody turns
 * "or less" into an equation; with what is missing to the upper bounds as a second layer, all bounds are
 * margins of one table, which scaling reaches; ε falls from 1, since from a small ε the scaling hardly moves.
 *
 * @param scores - `[group, expert, token]`, in [0, 1] but for padding
 */
export function softAssignment(scores: Tensor, rules: AssignmentRules): SoftAssignment {
  const [groups, experts, tokens] = scores.dims as [number, number, number];
  const { slots, most } = rules;
  const spare = most * tokens - slots * experts;
  const rows = (real: number, nobody: number) =>
    fromData(
      "float32",
      [experts + 1],
      Float32Array.from({ length: experts + 1 }, (_, i) => log(i < experts ? real : nobody)),
      "row",
    );
  const rowSums = [rows(slots, spare), rows(tokens - slots, slots * experts)] as const;
  const columnSums = [log(most), log(experts)] as const;
  const bounds = rows(1, most);

  const nobody = zeros([groups, 1, tokens], "group row token");
  const s = concatenate([scores.as("group row token"), nobody], "row");
  const [u, v] = [
    zeros([groups, experts + 1], "group row"),
    zeros([groups, tokens], "group token"),
  ];
  const start = { u0: u, u1: u, v0: v, v1: v, w: fullLike(s, 0) };

  const step = ({ v0, v1, w }: typeof start, e: Tensor): readonly [typeof start, readonly []] => {
    const sw = s.add(w);
    const rowDual = (a: Tensor, x: Tensor) => a.sub(logSumExp(x.div(e), "token")).mul(e);
    const columnDual = (b: number, x: Tensor) => logSumExp(x.div(e), "row").neg().add(b).mul(e);
    const u0 = rowDual(rowSums[0], sw.add(v0));
    const u1 = rowDual(rowSums[1], w.add(v1));
    const x0 = columnDual(columnSums[0], sw.add(u0));
    const x1 = columnDual(columnSums[1], w.add(u1));
    const layers = [s.add(u0).add(x0), fullLike(s, 0).add(u1).add(x1)] as const;
    const [a, b] = [layers[0].div(e), layers[1].div(e)];
    const top = a.maximum(b);
    const both = top.add(
      exp(a.sub(top))
        .add(exp(b.sub(top)))
        .log(),
    );
    return [{ u0, u1, v0: x0, v1: x1, w: bounds.broadcastTo(both).sub(both).mul(e) }, []];
  };
  const steps = temperatures(rules);
  const [{ u0, u1, v0, w }] = scan(step, start, fromData("float32", [steps.length], steps));
  const shares = exp(
    s
      .add(u0)
      .add(v0)
      .add(w)
      .mul(1 / (steps.at(-1) ?? 1)),
  );
  const real = (x: Tensor) => x.slice("row", 0, experts);
  return {
    shares: real(shares).as("group expert token"),
    price: prices(u0.sub(u1), spare > 0).as("group expert"),
  };
}

/**
 * Prices from the duals of the rows: a token of dual q goes to expert i when `S + Δᵢ + q > 0`. Nobody's row fixes
 * where 0 is: tokens with places left have `q = −Δ(nobody)`. When no token has places left, any low price does.
 */
function prices(delta: Tensor, anySpare: boolean): Tensor {
  const last = delta.size("row") - 1;
  const real = delta.slice("row", 0, last);
  const zero = anySpare ? delta.slice("row", last, last + 1).sum("row") : real.mean("row").sub(2);
  return zero.broadcastTo(real).sub(real).clip({ low: -2, high: 1 });
}

/** Below every share. */
const CLOSED = -2;

/**
 * Which places stay open, `[group, expert, token]` 1 or 0, so that experts who take their best open places never
 * give a token more than `most` experts.
 *
 * Deferred acceptance (Gale and Shapley, 1962): experts ask for their best tokens, a token asked by too many
 * turns the least of them down for good, and those ask again. Every round closes a place, so it ends.
 */
export function openPlaces(shares: Tensor, { slots, most }: AssignmentRules): Tensor {
  const experts = shares.size("expert");
  const open = shares.greaterEqual(0).astype("float32");
  const round = ({ open: now }: { readonly open: Tensor; readonly closed: Tensor }) => {
    const { values, indices } = topK(where(now.greater(0.5), shares, CLOSED), {
      along: "token",
      k: slots,
      as: "slot",
    });
    const asks = values.greater(CLOSED).astype("float32").as("group expert token");
    const asked = putAlong(fullLike(now, 0), indices.as("group expert token"), asks, "token");
    const offers = where(asked.greater(0.5), shares, CLOSED).order("group token expert");
    const best = topK(offers, { along: "expert", k: Math.min(most, experts), as: "choice" });
    const held = putAlong(
      fullLike(offers, 0),
      best.indices.as("group token expert"),
      best.values.greater(CLOSED).astype("float32").as("group token expert"),
      "expert",
    ).order("group expert token");
    const turnedDown = asked.sub(held);
    return { open: now.sub(turnedDown), closed: turnedDown.sum() };
  };
  const first = { open, closed: fullLike({ ...open.aval, dims: [], names: [] }, 1) };
  return whileLoop(({ closed }) => closed.greater(0.5), round, first).open;
}
