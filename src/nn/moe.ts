/** @file The sparse feed-forward layer: route, let experts answer their tokens, put the answers back. */

import type { Tensor } from "../core/tensor.ts";
import { einsum, laid, random, where, zeros } from "../numpy/index.ts";
import type { Key } from "../numpy/random.ts";
import type { ActivationName } from "./activations.ts";
import { answerChoices, answerSeats, type Experts } from "./experts.ts";
import {
  type FeedForward,
  feedForward,
  feedForwardParams,
  type GatedFeedForward,
  gatedFeedForward,
  gatedFeedForwardParams,
} from "./feed-forward.ts";
import { fanInUniform, type ParamSpec, param } from "./param.ts";
import { type RoutingFacts, routingFacts } from "./routing/facts.ts";
import { type Grouping, grouped, inSequences, ungrouped } from "./routing/grouping.ts";
import type { Router, RouterState, Routing } from "./routing/routing.ts";

export interface Moe<T> extends Experts<T> {
  /** `[embed, expert]`; absent where the router learns nothing. */
  readonly gate?: T;
  /** Experts that serve every token, as one of their joint width. */
  readonly shared?: FeedForward<T> | GatedFeedForward<T>;
}

export interface MoeConfig {
  readonly embed: number;
  /** Hidden width of one expert. */
  readonly mlp: number;
  readonly expert: number;
  /** Whether experts are gated; not, when absent. */
  readonly gated?: boolean;
  /** Experts beside the routed ones that serve every token (Dai et al., arXiv:2401.06066); 0 when absent. */
  readonly shared?: number;
  /** Whether the router has weights, `Router.learned`; true when absent. */
  readonly learned?: boolean;
}

export function moeParams(config: MoeConfig): Moe<ParamSpec> {
  const { embed, mlp, expert, gated = false, shared = 0, learned = true } = config;
  const width = shared * mlp;
  const into = () => param({ expert, embed, mlp }, fanInUniform(embed));
  return {
    ...(learned && { gate: param({ embed, expert }, fanInUniform(embed)) }),
    wi: into(),
    ...(gated && { wg: into() }),
    wo: param({ expert, mlp, embed }, fanInUniform(mlp)),
    ...(shared > 0 && {
      shared: gated ? gatedFeedForwardParams(embed, width) : feedForwardParams(embed, width),
    }),
  };
}

/** What the sparse layer needs to know beside its parameters. */
export interface MoeCall {
  readonly router: Router;
  /** Whether every token stands alone, as in sampling and evaluation; false when absent. */
  readonly deployed?: boolean;
  /** Places per expert and group; absent for none that bind. */
  readonly slots?: number | undefined;
  readonly grouping: Grouping;
  readonly activation: ActivationName;
  /** Factor of what routed experts answer; 1 when absent. */
  readonly routedScale?: number;
  /** Token ids, int32 `[batch, pos]`, for routers that go by them. */
  readonly ids?: Tensor | undefined;
  /** For what the router draws; nothing is drawn without. */
  readonly key?: Key | undefined;
  /** What the router keeps of this layer. */
  readonly state?: RouterState | undefined;
  /** bool `[batch, pos]`: false at padding. */
  readonly mask?: Tensor | undefined;
}

/** How one layer routed one batch. */
export interface MoeRouting extends Routing, RoutingFacts {}

/**
 * Sparse feed-forward layer on `[batch, pos, embed]`. It knows no router by name and no device: `expert` is an
 * axis that a mesh may split like any other.
 *
 * Padding gets zeros from routed experts.
 */
export function moe(p: Moe<Tensor>, input: Tensor, call: MoeCall): readonly [Tensor, MoeRouting] {
  const { router, grouping, activation, mask, routedScale = 1 } = call;
  // Groups lie otherwise than sequences do: the words keep the layout of one from becoming that of the other.
  const x = laid(input, "batch pos embed");
  const logits = laid(grouped(routerLogits(p, x, call), grouping, "expert"), "group token expert");
  const one = (y: Tensor | undefined) => (y === undefined ? undefined : grouped(y, grouping));
  const seen = { logits, state: call.state, ids: one(call.ids), mask: one(mask) };
  const routing = call.deployed
    ? router.deployed(seen)
    : router.route({ ...seen, slots: call.slots, key: call.key });
  // While sampling, nobody's text may depend on whose rows stand beside it.
  const steady = call.deployed === true && x.size("batch") * x.size("pos") > 1;
  const answers = routedAnswers(p, x, routing.assignment, { grouping, activation, steady });
  const routed = laid(answers, "batch pos embed");
  const scaled = routedScale === 1 ? routed : routed.mul(routedScale);
  const y = p.shared === undefined ? scaled : scaled.add(sharedAnswer(p.shared, x, activation));
  return [y, { ...routing, ...routingFacts(routing.assignment, logits, seen.mask) }];
}

/** `[batch, pos, expert]`, in float32 whatever the layer computes in. */
function routerLogits(p: Moe<Tensor>, x: Tensor, { router, key, deployed }: MoeCall): Tensor {
  const [batch, pos] = [x.size("batch"), x.size("pos")];
  if (p.gate === undefined) {
    return zeros([batch, pos, p.wi.size("expert")], "batch pos expert");
  }
  const [single, gate] = [x.astype("float32"), p.gate.astype("float32")];
  const input =
    router.jitter > 0 && key !== undefined && !deployed
      ? single.mul(noise(random.fold(key, "jitter"), x, router.jitter))
      : single;
  return einsum("batch pos embed, embed expert -> batch pos expert", input, gate);
}

function noise(key: Key, like: Tensor, by: number): Tensor {
  return random.uniform(key, like.dims, { low: 1 - by, high: 1 + by, axes: "batch pos embed" });
}

function routedAnswers(
  p: Moe<Tensor>,
  x: Tensor,
  assignment: Routing["assignment"],
  {
    grouping,
    activation,
    steady,
  }: Pick<MoeCall, "grouping" | "activation"> & {
    readonly steady: boolean;
  },
): Tensor {
  const weight = assignment.weight.astype(x.dtype);
  if ("expert" in assignment) {
    const table = x.reshape([-1, x.size("embed")], "token embed");
    const expert = ungrouped(assignment.expert, grouping);
    const y = answerChoices(p, table, expert, ungrouped(weight, grouping), activation, steady);
    return y.reshape(x.dims, "batch pos embed");
  }
  const tokens = laid(grouped(x, grouping, "embed"), "group token embed");
  const { token } = assignment;
  const at = where(token.less(0), tokens.size("token"), token);
  const y = laid(answerSeats(p, tokens, at, weight, activation), "group token embed");
  return inSequences(y, grouping, x.size("batch"));
}

function sharedAnswer(
  p: FeedForward<Tensor> | GatedFeedForward<Tensor>,
  x: Tensor,
  activation: ActivationName,
): Tensor {
  return "gate" in p ? gatedFeedForward(p, x, activation) : feedForward(p, x, activation);
}
