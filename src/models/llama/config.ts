/** @file Sizes of Llama-type models (dense) and Mixtral-type models (sparse), published ones and small ones. */

import { namedOne } from "../../core/named.ts";
import type { RotaryScaling } from "../../nn/index.ts";
import type { TrainingSettings } from "../../train/settings.ts";

/** A decoder-only language model: RMS norms, rotary positions, grouped queries, gated feed-forward. */
export interface LlamaConfig {
  readonly layers: number;
  readonly embed: number;
  /** Hidden width of a feed-forward layer, or of one expert. */
  readonly mlp: number;
  readonly head: number;
  /** Heads of keys and values; each serves `head / kvHead` heads of queries. */
  readonly kvHead: number;
  readonly dim: number;
  readonly vocab: number;
  /** Positions that the model was made for. */
  readonly context: number;
  /** Base of the rotary wavelengths. */
  readonly rotaryTheta: number;
  /** Slower turning for contexts longer than those of training before. */
  readonly rotaryScaling: RotaryScaling | null;
  /** A position sees itself and `window − 1` positions before; all of them when null. */
  readonly window: number | null;
  /** Which projections of attention have biases; Qwen2's have all but the output's. */
  readonly biases: "none" | "query-key-value" | "all";
  readonly normEpsilon: number;
  /** Whether the output layer is the embedding's table. */
  readonly tied: boolean;
  /** Experts per layer; 0 makes the layers dense. */
  readonly experts: number;
  /** Experts that serve a token. */
  readonly expertsPerToken: number;
  /** Coefficient of the routers' balance loss. */
  readonly auxWeight: number;
}

/** A named set of sizes with its training recipe. */
export interface LlamaPreset {
  readonly name: string;
  readonly summary: string;
  readonly model: LlamaConfig;
  readonly training: TrainingSettings;
}

const DENSE = {
  rotaryTheta: 10_000,
  rotaryScaling: null,
  window: null,
  biases: "none",
  normEpsilon: 1e-5,
  tied: false,
  experts: 0,
  expertsPerToken: 0,
  auxWeight: 0,
} as const;

const LLAMA_2 = { ...DENSE, vocab: 32_000, context: 4096, dim: 128 } as const;
const LLAMA_3 = {
  ...DENSE,
  vocab: 128_256,
  context: 8192,
  dim: 128,
  rotaryTheta: 500_000,
  kvHead: 8,
} as const;
const MISTRAL: LlamaConfig = {
  ...DENSE,
  layers: 32,
  embed: 4096,
  mlp: 14_336,
  head: 32,
  kvHead: 8,
  dim: 128,
  vocab: 32_000,
  context: 32_768,
  window: 4096,
};
const MIXTRAL: LlamaConfig = {
  ...MISTRAL,
  window: null,
  rotaryTheta: 1_000_000,
  experts: 8,
  expertsPerToken: 2,
  auxWeight: 0.02,
};

/** The recipe of Llama 2 (Touvron et al., arXiv:2307.09288, section 2.2): 4M tokens a batch, cosine. */
const PAPER_TRAINING: TrainingSettings = {
  batch: 1024,
  length: 4096,
  steps: 500_000,
  optimizer: "adamw",
  learningRate: 3e-4,
  schedule: "cosine",
  warmup: 2000,
  clip: 1,
};

/** For going on from a checkpoint of somebody else; its recipe is not part of it. */
export const FINE_TUNING: TrainingSettings = {
  batch: 8,
  length: 1024,
  steps: 1000,
  optimizer: "adamw",
  learningRate: 1e-5,
  schedule: "cosine",
  warmup: 100,
  clip: 1,
};

const NANO: LlamaConfig = {
  ...DENSE,
  layers: 4,
  embed: 128,
  mlp: 352,
  head: 4,
  kvHead: 2,
  dim: 32,
  vocab: 256,
  context: 128,
};
const NANO_TRAINING: TrainingSettings = {
  batch: 24,
  length: 128,
  steps: 440,
  optimizer: "adamw",
  learningRate: 3e-3,
  schedule: "cosine",
  warmup: 40,
  clip: 1,
};
const PICO: LlamaConfig = {
  ...NANO,
  layers: 2,
  embed: 32,
  mlp: 64,
  dim: 8,
  context: 32,
};
const PICO_TRAINING: TrainingSettings = { ...NANO_TRAINING, batch: 8, length: 32, steps: 100 };

/** Every preset, small ones first. */
export const PRESETS: readonly LlamaPreset[] = [
  {
    name: "llama-nano",
    summary: "dense, bytes; trains on a laptop in minutes",
    model: NANO,
    training: NANO_TRAINING,
  },
  {
    name: "llama-pico",
    summary: "2 layers; for tests",
    model: PICO,
    training: PICO_TRAINING,
  },
  {
    name: "mixtral-pico",
    summary: "2 layers, 4 experts of which 2 serve a token; for tests",
    model: { ...PICO, experts: 4, expertsPerToken: 2, auxWeight: 0.02 },
    training: PICO_TRAINING,
  },
  paper("llama-2-7b", "Llama 2 7B (arXiv:2307.09288)", {
    ...LLAMA_2,
    layers: 32,
    embed: 4096,
    mlp: 11_008,
    head: 32,
    kvHead: 32,
  }),
  paper("llama-2-13b", "Llama 2 13B (arXiv:2307.09288)", {
    ...LLAMA_2,
    layers: 40,
    embed: 5120,
    mlp: 13_824,
    head: 40,
    kvHead: 40,
  }),
  paper("llama-2-70b", "Llama 2 70B (arXiv:2307.09288)", {
    ...LLAMA_2,
    layers: 80,
    embed: 8192,
    mlp: 28_672,
    head: 64,
    kvHead: 8,
  }),
  paper("llama-3-8b", "Llama 3 8B (arXiv:2407.21783)", {
    ...LLAMA_3,
    layers: 32,
    embed: 4096,
    mlp: 14_336,
    head: 32,
  }),
  paper("llama-3-70b", "Llama 3 70B (arXiv:2407.21783)", {
    ...LLAMA_3,
    layers: 80,
    embed: 8192,
    mlp: 28_672,
    head: 64,
  }),
  paper("mistral-7b", "Mistral 7B (arXiv:2310.06825)", MISTRAL),
  paper("mixtral-8x7b", "Mixtral 8x7B, 2 experts a token (arXiv:2401.04088)", MIXTRAL),
  paper("mixtral-8x22b", "Mixtral 8x22B, 2 experts a token (mistral.ai, April 2024)", {
    ...MIXTRAL,
    layers: 56,
    embed: 6144,
    mlp: 16_384,
    head: 48,
    context: 65_536,
  }),
];

function paper(name: string, summary: string, model: LlamaConfig): LlamaPreset {
  return { name, summary, model, training: PAPER_TRAINING };
}

/** @throws ConfigError when there is no such preset, with the nearest name */
export function presetByName(name: string): LlamaPreset {
  return namedOne("preset", PRESETS, name);
}
