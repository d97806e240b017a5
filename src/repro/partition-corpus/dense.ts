/** @file Dense layers and their training steps: data parallel, Megatron, both, two-dimensional, ZeRO. */

import type { Tensor } from "../../core/tensor.ts";
import { gelu, relu } from "../../numpy/activations.ts";
import { add, mul, sub } from "../../numpy/arithmetic.ts";
import { einsum } from "../../numpy/einsum.ts";
import { mean } from "../../numpy/reduce.ts";
import { shard } from "../../numpy/shard.ts";
import { scale } from "../../ops/arithmetic.ts";
import { define, gradients, halfSquare, type PartitionCase } from "./case.ts";

const up = (x: Tensor, w: Tensor) => einsum("batch in, in mid -> batch mid", x, w);
const down = (x: Tensor, w: Tensor) => einsum("batch mid, mid out -> batch out", x, w);

interface Plan {
  readonly name: string;
  readonly mesh: string;
  readonly x: string;
  readonly up: string;
  readonly down: string;
  /** Annotations of the values between. */
  readonly hidden?: readonly (string | null)[];
  readonly out?: readonly (string | null)[];
  /** Of the forward pass's result. */
  readonly y: string;
}

const mark = (x: Tensor, spec: Plan["out"]) => (spec === undefined ? x : shard(x, spec));

/** Batch 128, 64 → 256 → 64. */
const PLANS: readonly Plan[] = [
  { name: "DP", mesh: "x=4", x: "[x, -]", up: "[-, -]", down: "[-, -]", y: "[x, -]" },
  { name: "Megatron", mesh: "x=4", x: "[-, -]", up: "[-, x]", down: "[x, -]", y: "[-, -]" },
  {
    ...{ name: "dp 2 × tp 4", mesh: "x=2,y=4", y: "[x, -]" },
    ...{ x: "[x, -]", up: "[-, y]", down: "[y, -]" },
  },
  {
    ...{ name: "2D finalised", mesh: "x=2,y=4", y: "[x, y]" },
    ...{ x: "[x, y]", up: "[x, y]", down: "[y, x]", hidden: ["x", "y"], out: ["x", "y"] },
  },
  {
    ...{ name: "ZeRO-3 by annotation", mesh: "x=4", y: "[x, -]" },
    ...{ x: "[x, -]", up: "[x, -]", down: "[x, -]" },
  },
  {
    ...{ name: "ZeRO-3, activations pinned", mesh: "x=4", y: "[x, -]" },
    ...{ x: "[x, -]", up: "[x, -]", down: "[x, -]", hidden: ["x", null], out: ["x", null] },
  },
  {
    ...{ name: "sequence parallel", mesh: "x=4", y: "[x, -]" },
    ...{ x: "[x, -]", up: "[-, x]", down: "[x, -]", hidden: [null, "x"], out: ["x", null] },
  },
  {
    ...{ name: "three axes", mesh: "x=2,y=2,z=2", y: "[x, -]" },
    ...{ x: "[x, z]", up: "[z, y]", down: "[y, z]", hidden: ["x", "y"] },
  },
];

function mlp(plan: Plan, x: Tensor, w1: Tensor, w2: Tensor): Tensor {
  const hidden = mark(relu(up(mark(x, undefined), w1)), plan.hidden);
  return mark(down(hidden, w2), plan.out);
}

const step = (plan: Plan): PartitionCase =>
  define(
    `mlp/${plan.name} step`,
    plan.mesh,
    [`128 64 ${plan.x}`, `64 256 ${plan.up}`, `256 64 ${plan.down}`],
    [plan.up, plan.down],
    (x, w1, w2) => gradients((a, b) => halfSquare(mlp(plan, x, a, b)), [w1, w2]),
  );

const forward = (plan: Plan): PartitionCase =>
  define(
    `mlp/${plan.name} forward`,
    plan.mesh,
    [`32 16 ${plan.x}`, `16 64 ${plan.up}`, `64 16 ${plan.down}`],
    plan.y,
    (x, w1, w2) => mlp(plan, x, w1, w2),
  );

/** Loss, gradients with biases, and the weights after a step of gradient descent. */
function sgd(name: string, mesh: string, x: string, w: string, b: string): PartitionCase {
  return define(
    `mlp/${name}`,
    mesh,
    [`24 12 ${x}`, `24 8 ${x}`, `12 8 ${w}`, `8 ${b}`],
    [w, b],
    (...xs) => {
      const [inputs, targets, weight, bias] = xs as [Tensor, Tensor, Tensor, Tensor];
      const loss = (a: Tensor, c: Tensor): Tensor => {
        const error = sub(add(einsum("batch in, in out -> batch out", inputs, a), c), targets);
        return mean(mul(error, error));
      };
      const [dw, db] = gradients(loss, [weight, bias]) as [Tensor, Tensor];
      return [sub(weight, scale(dw, 0.1)), sub(bias, scale(db, 0.1))];
    },
  );
}

export const dense: readonly PartitionCase[] = [
  ...PLANS.map(step),
  ...PLANS.map(forward),
  sgd("linear regression, DP", "x=4", "[x, -]", "[-, -]", "[-]"),
  sgd("linear regression, columns", "x=4", "[-, -]", "[-, x]", "[x]"),
  sgd("linear regression, 2D", "x=2,y=4", "[x, -]", "[-, y]", "[y]"),
  sgd("linear regression, ZeRO", "x=4", "[x, -]", "[x, -]", "[x]"),
  define(
    "mlp/gated, heads of two widths",
    "x=2,y=4",
    ["8 16 [x, -]", "16 32 [-, y]", "16 32 [-, y]", "32 16 [y, -]"],
    "[x, -]",
    (...xs) => {
      const [x, gate, value, w] = xs as [Tensor, Tensor, Tensor, Tensor];
      return down(mul(gelu(up(x, gate)), up(x, value)), w);
    },
  ),
];
