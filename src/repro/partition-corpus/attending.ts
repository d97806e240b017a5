/** @file Attention: split by examples, heads, queries, keys. */

import type { Tensor } from "../../core/tensor.ts";
import { add } from "../../numpy/arithmetic.ts";
import { attention } from "../../numpy/attention.ts";
import { einsum } from "../../numpy/einsum.ts";
import { as } from "../../numpy/layout.ts";
import { rmsNorm } from "../../numpy/normalisation.ts";
import { softmax } from "../../numpy/reduce.ts";
import { shard } from "../../numpy/shard.ts";
import { define, gradients, halfSquare, type PartitionCase } from "./case.ts";

/** `[batch, head, place, dim]`, written out. */
function plainAttention(q: Tensor, k: Tensor, v: Tensor): Tensor {
  const scores = einsum("b n s d, b n t d -> b n s t", q, k);
  return einsum("b n s t, b n t d -> b n s d", softmax(scores, "t"), v);
}

/** Mesh, and shardings of queries, keys and values, and the result. */
const LAYOUTS: readonly (readonly [name: string, mesh: string, q: string, kv: string])[] = [
  ["examples", "x=4", "[x, -, -, -]", "[x, -, -, -]"],
  ["heads", "x=4", "[-, x, -, -]", "[-, x, -, -]"],
  ["queries", "x=4", "[-, -, x, -]", "[-, -, -, -]"],
  ["queries and keys", "x=4", "[-, -, x, -]", "[-, -, x, -]"],
  ["keys", "x=4", "[-, -, -, -]", "[-, -, x, -]"],
  ["examples and heads", "x=2,y=4", "[x, y, -, -]", "[x, y, -, -]"],
  ["examples and places", "x=2,y=4", "[x, -, y, -]", "[x, -, y, -]"],
  ["three axes", "x=2,y=2,z=2", "[x, y, z, -]", "[x, y, -, -]"],
];

const written = LAYOUTS.map(([name, mesh, q, kv]) =>
  define(
    `attention/by ${name}`,
    mesh,
    [`4 4 8 4 ${q}`, `4 4 8 4 ${kv}`, `4 4 8 4 ${kv}`],
    q,
    (...xs) => plainAttention(...(xs as [Tensor, Tensor, Tensor])),
  ),
);

const called = LAYOUTS.slice(0, 6).map(([name, mesh, q, kv]) =>
  define(
    `attention/causal, by ${name}`,
    mesh,
    [`4 4 8 4 ${q}`, `4 4 8 4 ${kv}`, `4 4 8 4 ${kv}`],
    q,
    (...xs) => attention(...(xs as [Tensor, Tensor, Tensor]), { causal: true }),
  ),
);

const steps = [LAYOUTS[0], LAYOUTS[1], LAYOUTS[3], LAYOUTS[5]].flatMap((row) => {
  if (row === undefined) return [];
  const [name, mesh, q, kv] = row;
  return define(
    `attention/gradients by ${name}`,
    mesh,
    [`4 4 8 4 ${q}`, `4 4 8 4 ${kv}`, `4 4 8 4 ${kv}`],
    [q, kv, kv],
    (...xs) => gradients((q, k, v) => halfSquare(plainAttention(q, k, v)), xs),
  );
});

type Weights = readonly [wq: Tensor, wk: Tensor, wv: Tensor, wo: Tensor];

/** Norm, projections, causal attention, projection, residual: `[batch, place, embed]`. */
function block(x: Tensor, [wq, wk, wv, wo]: Weights): Tensor {
  const h = rmsNorm(x);
  const heads = (w: Tensor) => einsum("b s m, m n d -> b n s d", h, w);
  const y = attention(heads(wq), heads(wk), heads(wv), { causal: true });
  return add(x, einsum("b n s d, n d m -> b s m", as(y, "b n s d"), wo));
}

function blockCase(name: string, mesh: string, x: string, w: string, o: string): PartitionCase {
  const weights = [`16 4 4 ${w}`, `16 4 4 ${w}`, `16 4 4 ${w}`, `4 4 16 ${o}`];
  return define(`attention/block, ${name}`, mesh, [`4 8 16 ${x}`, ...weights], x, (x, ...ws) =>
    block(x, ws as unknown as Weights),
  );
}

function blockStep(name: string, mesh: string, x: string, w: string, o: string): PartitionCase {
  const weights = [`16 4 4 ${w}`, `16 4 4 ${w}`, `16 4 4 ${w}`, `4 4 16 ${o}`];
  return define(
    `attention/block step, ${name}`,
    mesh,
    [`4 8 16 ${x}`, ...weights],
    [w, w, w, o],
    (x, ...ws) => gradients((...own) => halfSquare(block(x, own as unknown as Weights)), ws),
  );
}

export const attending: readonly PartitionCase[] = [
  ...written,
  ...called,
  ...steps,
  blockCase("DP", "x=4", "[x, -, -]", "[-, -, -]", "[-, -, -]"),
  blockCase("Megatron", "x=4", "[-, -, -]", "[-, x, -]", "[x, -, -]"),
  blockCase("dp × tp", "x=2,y=4", "[x, -, -]", "[-, y, -]", "[y, -, -]"),
  blockCase("2D finalised", "x=2,y=4", "[x, -, y]", "[x, y, -]", "[y, -, x]"),
  blockCase("three axes", "x=2,y=2,z=2", "[x, z, -]", "[-, y, -]", "[y, -, -]"),
  blockStep("DP", "x=4", "[x, -, -]", "[-, -, -]", "[-, -, -]"),
  blockStep("Megatron", "x=4", "[-, -, -]", "[-, x, -]", "[x, -, -]"),
  blockStep("dp × tp", "x=2,y=4", "[x, -, -]", "[-, y, -]", "[y, -, -]"),
  define(
    "attention/places to heads and back",
    "x=4",
    ["2 4 16 4 [-, -, x, -]", "2 4 16 4 [-, -, x, -]", "2 4 16 4 [-, -, x, -]"],
    "[-, -, x, -]",
    (...xs) => {
      const byHead = (x: Tensor) => shard(x, [null, "x", null, null]);
      const [q, k, v] = xs.map(byHead) as [Tensor, Tensor, Tensor];
      return byHead(plainAttention(q, k, v));
    },
  ),
];
