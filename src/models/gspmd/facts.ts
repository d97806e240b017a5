/** @file Parameters and cost of a decoder, from its declarations alone: nothing is allocated. */

import { bubble, listParams, type PipelineSizes } from "../../nn/index.ts";
import type { ModelFacts } from "../../train/model.ts";
import type { TrainingSettings } from "../../train/settings.ts";
import type { DecoderConfig } from "./config.ts";
import { decoderParams } from "./model.ts";

/** Experts that answer a token. */
const ANSWERING = 2;

/**
 * Counts parameters, and the parameters and FLOPs that one token uses.
 *
 * A token uses every weight once, of the experts two; a weight costs 2 FLOPs. Tables of tokens and places are looked up for
 * free; the one at the output costs what it has. Attention adds 4 · head · dim per position looked at, half the context on
 * average.
 */
export function decoderFacts(config: DecoderConfig, training: TrainingSettings): ModelFacts {
  const params = listParams(decoderParams(config));
  const parameters = params.reduce((sum, { count }) => sum + count, 0);
  const ofExperts = params
    .filter(({ path, spec }) => path.includes("experts/w") && spec.axes.includes("expert "))
    .reduce((sum, { count }) => sum + count, 0);
  const share = config.experts === 0 ? 0 : ANSWERING / config.experts;
  const activatedParameters = parameters - ofExperts * (1 - share);
  const lookedUp = params
    .filter(({ path }) => path === "positions" || (!config.tied && path === "embedding"))
    .reduce((sum, { count }) => sum + count, 0);
  const attention = config.layers * 4 * config.head * config.dim * (training.length / 2);
  return {
    parameters,
    activatedParameters,
    flopsPerToken: 2 * (activatedParameters - lookedUp) + attention,
    sizes: {
      layers: config.layers,
      embed: config.embed,
      mlp: `${config.mlp} ${config.feedForward}`,
      heads: `${config.head} × ${config.dim}`,
      experts: config.experts === 0 ? "none" : `${config.experts} in every other layer`,
      positions: config.positions,
      vocab: config.vocab,
      "computed again": config.recompute,
      ...(config.pipeline !== undefined && { pipeline: showPipeline(config.pipeline) }),
    },
  };
}

/** `4 stages, 8 microbatches: 27.3 % of the time idle`. */
function showPipeline(sizes: PipelineSizes): string {
  const { stages, microbatches, rounds = 1 } = sizes;
  const around = rounds === 1 ? "" : ` in ${rounds} rounds`;
  const idle = (100 * bubble(sizes)).toFixed(1);
  return `${stages} stages${around}, ${microbatches} microbatches: ${idle} % of the time idle`;
}
