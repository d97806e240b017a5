/** @file Mixtures of experts by einsum: dispatch, experts, combination, gates. */

import type { Tensor } from "../../core/tensor.ts";
import { relu } from "../../numpy/activations.ts";
import { mul } from "../../numpy/arithmetic.ts";
import { einsum } from "../../numpy/einsum.ts";
import { oneHot, topK } from "../../numpy/indexing.ts";
import { as } from "../../numpy/layout.ts";
import { argmax, max, mean, softmax, sum } from "../../numpy/reduce.ts";
import { shard } from "../../numpy/shard.ts";
import { define, gradients, halfSquare, type PartitionCase } from "./case.ts";

interface Plan {
  readonly name: string;
  readonly mesh: string;
  /** Mesh axis of groups, and of experts. */
  readonly group: string;
  readonly expert: string;
  /** Of hidden units, or none. */
  readonly mid: string;
}

const PLANS: readonly Plan[] = [
  { name: "groups and experts on one axis", mesh: "x=4", group: "x", expert: "x", mid: "-" },
  { name: "groups alone", mesh: "x=4", group: "x", expert: "-", mid: "-" },
  { name: "experts alone", mesh: "x=4", group: "-", expert: "x", mid: "-" },
  { name: "hidden units too", mesh: "x=2,y=4", group: "x", expert: "x", mid: "y" },
  { name: "groups over both axes", mesh: "x=2,y=4", group: "x+y", expert: "x", mid: "y" },
];

const place = (axis: string) => (axis === "-" ? null : axis);

/** Dispatch, two products per expert, combination. */
function layer({ group, expert }: Plan, parts: readonly Tensor[]): Tensor {
  const [gates, x, up, down] = parts as [Tensor, Tensor, Tensor, Tensor];
  const sent = shard(einsum("g s e c, g s m -> e g c m", gates, x), [
    place(expert),
    expert === "-" ? place(group) : null,
    null,
    null,
  ]);
  const hidden = relu(einsum("e g c m, e m h -> e g c h", sent, up));
  const back = shard(einsum("e g c h, e h m -> e g c m", hidden, down), [
    ...[expert === "-" || group === "-" ? place(expert) : null, place(group), null, null],
  ]);
  return einsum("g s e c, e g c m -> g s m", gates, back);
}

function argumentsOf({ group, expert, mid }: Plan): string[] {
  return [
    `8 8 4 2 [${group}, -, -, -]`,
    `8 8 8 [${group}, -, -]`,
    `4 8 16 [${expert}, -, ${mid}]`,
    `4 16 8 [${expert}, ${mid}, -]`,
  ];
}

const forward = PLANS.map((plan) =>
  define(
    `experts/${plan.name}`,
    plan.mesh,
    argumentsOf(plan),
    `[${plan.group}, -, -]`,
    (...parts) => layer(plan, parts as readonly Tensor[]),
  ),
);

const steps = PLANS.map((plan) =>
  define(
    `experts/step, ${plan.name}`,
    plan.mesh,
    argumentsOf(plan),
    [`[${plan.expert}, -, ${plan.mid}]`, `[${plan.expert}, ${plan.mid}, -]`],
    (...parts) => {
      const [gates, x, up, down] = parts as [Tensor, Tensor, Tensor, Tensor];
      return gradients((a, b) => halfSquare(layer(plan, [gates, x, a, b])), [up, down]);
    },
  ),
);

/** Softmax over experts, the best one, the loss that balances them. */
const gate = (name: string, mesh: string, x: string): PartitionCase =>
  define(
    `experts/gate, ${name}`,
    mesh,
    [`8 8 8 ${x}`, "8 4 [-, -]"],
    ["[-, -, -]", "[]"],
    (x, w) => {
      const scores = softmax(einsum("g s m, m e -> g s e", x, w), "e");
      const chosen = oneHot(argmax(scores, 2), 4, "e");
      const load = mul(mean(as(chosen, "g s e"), ["g", "s"]), mean(scores, ["g", "s"]));
      return [mul(as(chosen, "g s e"), max(scores, "e", { keepDims: true })), sum(load)];
    },
  );

export const experts: readonly PartitionCase[] = [
  ...forward,
  ...steps,
  gate("by groups", "x=4", "[x, -, -]"),
  gate("by tokens", "x=2,y=4", "[x, y, -]"),
  define("experts/two best of eight", "x=4", ["16 8 [x, -]"], ["[x, -]", "[x, -]"], (x) => {
    const { values, indices } = topK(softmax(x, 1), { along: 1, k: 2 });
    return [values, indices];
  }),
];
