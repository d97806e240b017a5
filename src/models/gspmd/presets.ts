/**
 * @file The models of GSPMD's evaluation (arXiv:2105.04663, §5) and their neighbours whose sizes and speeds are public.
 *
 * - `lingvo-…`: Lingvo's `synthetic_packed_input.py`, verified to the parameter by the counts in its comments.
 * - `maxtext-…`: MaxText's `global_parameter_scale` and its `configs/v5p`, `configs/v5e`, verified.
 * - `gspmd-…`: the paper's own. Dense sizes are powers of two with Lingvo's layer; what else is from memory is said by
 *   "unverified" in the summary. "B" is 2³⁰.
 */

import { namedOne } from "../../core/named.ts";
import type { PipelineSizes } from "../../nn/index.ts";
import type { TrainingSettings } from "../../train/settings.ts";
import type { DecoderConfig, DecoderPreset } from "./config.ts";

/** Lingvo's layer: gated gelu, a bias by distance, one table, Adafactor. */
const LINGVO = {
  dim: 128,
  vocab: 32_000,
  feedForward: "gated",
  activation: "gelu",
  positions: "relative-bias",
  context: 1024,
  tied: true,
  experts: 0,
  capacityFactor: 2,
  auxWeight: 0.01,
  recompute: "everything",
} as const satisfies Partial<DecoderConfig>;

const ADAFACTOR: TrainingSettings = {
  batch: 64,
  length: 1024,
  steps: 2_000_000,
  optimizer: "adafactor",
  learningRate: 0.01,
  schedule: "inverse-square-root",
  warmup: 10_000,
  clip: 1,
};
const ADAM: TrainingSettings = {
  ...ADAFACTOR,
  optimizer: { name: "adam", epsilon: 1e-6 },
  learningRate: 1e-4,
};

type Size = Pick<DecoderConfig, "layers" | "embed" | "mlp" | "head">;
/** 2³¹ parameters a layer, and 2³³. */
const WIDE = { embed: 8192, mlp: 65_536, head: 128 };
const WIDER = { embed: 16_384, mlp: 131_072, head: 256 };
/** Of GPT-3, not gated. */
const WIDE_12K = {
  ...LINGVO,
  embed: 12_288,
  mlp: 49_152,
  head: 96,
  feedForward: "plain",
  positions: "learned",
  context: 2048,
} as const;

function dense(name: string, size: Size, training: Partial<TrainingSettings> = {}): DecoderPreset {
  return {
    name: `gspmd-${name}`,
    summary: `GSPMD ${name.toUpperCase()}, dense; batch unverified`,
    model: { ...LINGVO, ...size },
    training: { ...ADAFACTOR, ...training },
  };
}

function lingvo(
  name: string,
  lingvoName: string,
  model: DecoderConfig,
  training: TrainingSettings,
): DecoderPreset {
  return { name: `lingvo-${name}`, summary: `Lingvo's ${lingvoName}`, model, training };
}

/** 64 layers of 2²⁸ parameters and more of them: the sizes are known, the numbers of layers are not. */
function narrow(size: string, layers: number): DecoderPreset {
  return {
    name: `gspmd-narrow-${size}`,
    summary: `GSPMD narrow ${size.toUpperCase()}, dense; layers beyond 64 unverified`,
    model: { ...LINGVO, feedForward: "plain", layers, embed: 4096, mlp: 16_384, head: 64 },
    training: { ...ADAFACTOR, batch: 512 },
  };
}

/** The same with its layers on stages, as the paper has them beside x and y; so many microbatches unverified. */
function pipelined(
  { name, summary, model, training }: DecoderPreset,
  pipeline: PipelineSizes,
): DecoderPreset {
  const { stages, microbatches, rounds = 1 } = pipeline;
  const around = rounds === 1 ? "" : ` in ${rounds} rounds`;
  return {
    name: `${name}-${rounds === 1 ? "pipelined" : "circular"}`,
    summary: `${summary}; ${stages} stages${around}, ${microbatches} microbatches`,
    model: { ...model, pipeline },
    training,
  };
}

/** 18 sparse layers of `experts · 2 · 1024 · 8192` parameters. */
function sparse(size: string, experts: number): DecoderPreset {
  return {
    name: `gspmd-moe-${size}`,
    summary: `GSPMD sparse ${size.toUpperCase()}, ${experts} experts in every other layer; heads, batch unverified`,
    model: {
      ...LINGVO,
      ...{ layers: 36, embed: 1024, mlp: 8192, head: 16, dim: 64, experts },
      ...{ feedForward: "plain", activation: "relu", recompute: "nothing" },
    },
    training: { ...ADAFACTOR, batch: experts },
  };
}

/**
 * Pairs of a dense and a sparse layer of 2²⁸ · (3 + experts) · 2 parameters. Only these numbers of layers and experts, the
 * latter a power of two, give the paper's totals.
 */
function hybrid(size: string, layers: number, experts: number): DecoderPreset {
  return {
    name: `gspmd-hybrid-${size}`,
    summary: `GSPMD hybrid ${size.toUpperCase()}, ${experts} experts; layers, experts, batch unverified`,
    model: {
      ...LINGVO,
      ...{ layers, embed: 8192, mlp: 32_768, head: 128, experts },
      feedForward: "plain",
    },
    training: { ...ADAFACTOR, batch: 128 },
  };
}

/** MaxText's rotation of doublings: width, heads and hidden width, layers. Silu-gated, rotary, two tables, AdamW. */
function maxtext(
  billions: number,
  on: string,
  batch: number,
  recompute: DecoderConfig["recompute"],
): DecoderPreset {
  const doublings = Math.log2(billions);
  const whole = Math.floor(doublings / 3);
  const rest = doublings % 3;
  const wide = 2 ** (whole + (rest > 0 ? 1 : 0));
  return {
    name: `maxtext-${on}-${billions}b`,
    summary: `MaxText's ${billions}B for TPU ${on}`,
    model: {
      ...LINGVO,
      ...{ layers: 16 * 2 ** whole, embed: 2048 * 2 ** (whole + (rest > 1 ? 1 : 0)) },
      ...{ mlp: 7168 * wide, head: 16 * wide, activation: "silu", positions: "rotary" },
      ...{ context: 2048, tied: false, recompute },
    },
    training: { ...ADAM, optimizer: "adamw", schedule: "cosine", batch, length: 2048 },
  };
}

const NANO: DecoderConfig = {
  ...LINGVO,
  ...{ layers: 4, embed: 64, mlp: 256, head: 4, dim: 16, vocab: 256, context: 128 },
};
const NANO_TRAINING: TrainingSettings = {
  ...ADAFACTOR,
  ...{ batch: 16, length: 64, steps: 400, warmup: 100, learningRate: 0.02 },
};

const nano: DecoderPreset = {
  name: "gspmd-nano",
  summary: "4 layers, bytes; trains on a laptop in minutes",
  model: NANO,
  training: NANO_TRAINING,
};

/** Every preset, small ones first. */
export const PRESETS: readonly DecoderPreset[] = [
  nano,
  pipelined(nano, { stages: 4, microbatches: 8 }),
  pipelined(nano, { stages: 2, microbatches: 4, rounds: 2 }),
  {
    name: "gspmd-nano-moe",
    summary: "gspmd-nano with 8 experts in every other layer",
    model: { ...NANO, feedForward: "plain", experts: 8 },
    training: NANO_TRAINING,
  },
  dense("64b", { ...WIDE, layers: 32 }),
  dense("128b", { ...WIDE, layers: 64 }),
  dense("256b", { ...WIDER, layers: 32 }),
  dense("512b", { ...WIDER, layers: 64 }),
  dense("1t", { ...WIDER, layers: 128 }),
  narrow("16b", 64),
  narrow("32b", 128),
  narrow("64b", 256),
  pipelined(narrow("16b", 64), { stages: 4, microbatches: 16 }),
  pipelined(narrow("16b", 64), { stages: 4, microbatches: 16, rounds: 4 }),
  pipelined(narrow("32b", 128), { stages: 4, microbatches: 16 }),
  pipelined(narrow("64b", 256), { stages: 4, microbatches: 16 }),
  sparse("37b", 128),
  sparse("144b", 512),
  sparse("577b", 2048),
  hybrid("33b", 12, 8),
  hybrid("57b", 12, 16),
  hybrid("420b", 48, 32),
  hybrid("804b", 48, 64),
  lingvo(
    "128b-8x8",
    "DenseLm128B8x8, 128 cores",
    { ...LINGVO, ...WIDE, layers: 64 },
    { ...ADAFACTOR, batch: 16 },
  ),
  lingvo(
    "128b-16x16",
    "DenseLm128B16x16, 512 cores",
    { ...LINGVO, ...WIDE, layers: 64 },
    { ...ADAFACTOR, batch: 128 },
  ),
  lingvo(
    "128b-32x32",
    "DenseLm128B32x32, 2048 cores",
    { ...LINGVO, ...WIDE, layers: 64 },
    { ...ADAFACTOR, batch: 512 },
  ),
  lingvo(
    "175b-32x32",
    "DenseLm175B32x32, 2048 cores",
    { ...WIDE_12K, layers: 96 },
    { ...ADAFACTOR, batch: 1024, length: 2048 },
  ),
  lingvo(
    "1t-16x16",
    "DenseLm1T16x16, 512 cores",
    { ...LINGVO, ...WIDER, layers: 128 },
    { ...ADAFACTOR, batch: 16, length: 512 },
  ),
  lingvo(
    "41b-16x16",
    "DenseLm12kWide41BAdam16x16, 512 cores",
    { ...WIDE_12K, layers: 24 },
    { ...ADAM, batch: 256, length: 2048 },
  ),
  lingvo(
    "41b-8x8",
    "DenseLm12kWide41BAdam8x8, 128 cores, 4 micro-batches",
    { ...WIDE_12K, layers: 24 },
    { ...ADAM, batch: 256, length: 2048, microBatches: 4 },
  ),
  lingvo(
    "162b-16x16",
    "DenseLm12kWide162BAdam16x16, 512 cores",
    { ...WIDE_12K, layers: 96 },
    { ...ADAM, batch: 64, length: 2048 },
  ),
  maxtext(32, "v5p", 7 * 64, "all-but-products"),
  maxtext(64, "v5p", 3 * 64, "all-but-products"),
  maxtext(128, "v5p", 128, "all-but-products"),
  maxtext(256, "v5p", 512, "all-but-products"),
  maxtext(512, "v5p", 2 * 512, "everything"),
  maxtext(1024, "v5p", 2 * 1024, "everything"),
  maxtext(16, "v5e", 6 * 256, "everything"),
  maxtext(32, "v5e", 4 * 256, "everything"),
  maxtext(64, "v5e", 2 * 256, "everything"),
  maxtext(128, "v5e", 256, "all-but-products"),
];

/** @throws ConfigError when there is no such preset, with the nearest name */
export function presetByName(name: string): DecoderPreset {
  return namedOne("preset", PRESETS, name);
}
