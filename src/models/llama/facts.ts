/** @file Parameters and cost of a Llama, from its declarations alone: nothing is allocated. */

import { listParams } from "../../nn/index.ts";
import type { ModelFacts } from "../../train/model.ts";
import type { TrainingSettings } from "../../train/settings.ts";
import type { LlamaConfig } from "./config.ts";
import { llamaParams } from "./model.ts";

/**
 * Counts parameters, and the parameters and FLOPs that one token uses.
 *
 * A token uses every weight once, except experts that do not serve it; as published counts have it,
 * both tables are among them. A weight costs 2 FLOPs, but a row of the embedding is looked up for free.
 * Attention adds 4 · head · dim per position looked at: half the context on average, at most the window.
 */
export function llamaFacts(config: LlamaConfig, training: TrainingSettings): ModelFacts {
  const params = listParams(llamaParams(config));
  const parameters = params.reduce((sum, { count }) => sum + count, 0);
  const ofExperts = params
    .filter(({ spec }) => spec.axes.startsWith("expert "))
    .reduce((sum, { count }) => sum + count, 0);
  const share = config.experts === 0 ? 0 : config.expertsPerToken / config.experts;
  const activatedParameters = parameters - ofExperts + ofExperts * share;
  const lookedUp = config.tied ? 0 : config.vocab * config.embed;
  const seen = Math.min(training.length / 2, config.window ?? Number.POSITIVE_INFINITY);
  return {
    parameters,
    activatedParameters,
    flopsPerToken:
      2 * (activatedParameters - lookedUp) + config.layers * 4 * config.head * config.dim * seen,
    sizes: {
      layers: config.layers,
      embed: config.embed,
      mlp: config.mlp,
      heads: `${config.head} × ${config.dim}, ${config.kvHead} of keys and values`,
      experts:
        config.experts === 0 ? "none" : `${config.experts}, ${config.expertsPerToken} a token`,
      vocab: config.vocab,
      context: config.context,
      window: config.window ?? "none",
    },
  };
}
