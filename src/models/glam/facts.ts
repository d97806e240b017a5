/** @file Parameters and cost of a GLaM, from its declarations alone: nothing is allocated. */

import { listParams } from "../../nn/index.ts";
import type { ModelFacts } from "../../train/model.ts";
import type { TrainingSettings } from "../../train/settings.ts";
import { type GlamConfig, routerFor } from "./config.ts";
import { glamParams, isSparse } from "./model.ts";

/** The router with the options that were given: `gshard-top2 second=random`. */
function showRouter({ router, routerOptions, dropless }: GlamConfig): string {
  const own = Object.entries(routerOptions).map(([name, value]) => `${name}=${value}`);
  return [router, ...own, ...(dropless ? ["dropless"] : [])].join(" ");
}

/** Routed experts that one token uses on average. */
export function expertsPerToken(config: GlamConfig): number {
  const { expertsPerToken: count } = routerFor(config);
  return Math.min(count === "capacityFactor" ? config.capacityFactor : count, config.experts);
}

/**
 * Counts parameters, and the parameters and FLOPs that one token uses.
 *
 * A token uses every weight once, except experts that do not serve it; a weight costs 2 FLOPs. The
 * embedding is looked up for free and costs 2 · vocab · embed at the output. Attention adds
 * 4 · head · dim per position looked at, half the context on average.
 */
export function glamFacts(config: GlamConfig, training: TrainingSettings): ModelFacts {
  const params = listParams(glamParams(config));
  const parameters = params.reduce((sum, { count }) => sum + count, 0);
  const ofExperts = params
    .filter(({ spec }) => spec.axes.startsWith("expert "))
    .reduce((sum, { count }) => sum + count, 0);
  const share = config.experts === 0 ? 0 : expertsPerToken(config) / config.experts;
  const activatedParameters = parameters - ofExperts + ofExperts * share;
  const attention = config.layers * 4 * config.head * config.dim * (training.length / 2);
  const sparse = Array.from({ length: config.layers }, (_, i) => isSparse(config, i)).filter(
    Boolean,
  ).length;
  return {
    parameters,
    activatedParameters,
    flopsPerToken: 2 * activatedParameters + attention,
    sizes: {
      layers: config.layers,
      "sparse layers": sparse,
      embed: config.embed,
      mlp: config.mlp,
      heads: `${config.head} × ${config.dim}`,
      experts: config.experts,
      ...(config.sharedExperts > 0 && { "shared experts": config.sharedExperts }),
      router: config.experts === 0 ? "none" : showRouter(config),
      vocab: config.vocab,
    },
  };
}
