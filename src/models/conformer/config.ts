/** @file Conformers (Gulati et al., arXiv:2005.08100) in the sizes that GSPMD pipelined, and one that trains on a CPU. */

import { namedOne } from "../../core/named.ts";
import type { TrainingSettings } from "../../train/settings.ts";

/** An encoder of speech: convolution and attention in every block, over a quarter of the frames. */
export interface ConformerConfig {
  readonly layers: number;
  readonly embed: number;
  /** Hidden width of the two feed-forward halves of a block. */
  readonly mlp: number;
  readonly head: number;
  readonly dim: number;
  /** Frames under the depthwise convolution. */
  readonly window: number;
  /** Numbers of one frame of the input. */
  readonly features: number;
  /** Filters of the two convolutions that shorten the input to a quarter. */
  readonly channels: number;
  /** Classes of a frame; 0 is the blank. */
  readonly vocab: number;
  /** Most labels of an example. */
  readonly labels: number;
  /** Whether blocks are computed again in the backward pass. */
  readonly recompute: boolean;
}

export interface ConformerPreset {
  readonly name: string;
  readonly summary: string;
  readonly model: ConformerConfig;
  readonly training: TrainingSettings;
}

const TRAINING: TrainingSettings = {
  batch: 512,
  length: 1024,
  steps: 100_000,
  optimizer: "adafactor",
  learningRate: 0.01,
  schedule: "inverse-square-root",
  warmup: 10_000,
  clip: 1,
};

const NANO: ConformerConfig = {
  ...{ layers: 2, embed: 32, mlp: 64, head: 2, dim: 16, window: 5 },
  ...{ features: 8, channels: 4, vocab: 6, labels: 3, recompute: false },
};

/** 23 · 3072² parameters a block: the paper's 6.47B and 12.95B, counted in 2³⁰. */
function wide(size: string, layers: number): ConformerPreset {
  return {
    name: `conformer-${size}`,
    summary: `GSPMD's Conformer of ${layers} blocks, ${size.toUpperCase()}; heads, window, batch unverified`,
    model: {
      ...{ layers, embed: 3072, mlp: 12_288, head: 24, dim: 128, window: 32 },
      ...{ features: 80, channels: 32, vocab: 256, labels: 128, recompute: true },
    },
    training: TRAINING,
  };
}

/** Every preset, small ones first. */
export const PRESETS: readonly ConformerPreset[] = [
  {
    name: "conformer-nano",
    summary: "2 blocks; trains on a CPU in seconds",
    model: NANO,
    training: {
      ...TRAINING,
      ...{ batch: 8, length: 32, steps: 60, optimizer: "adam", learningRate: 3e-3 },
      ...{ schedule: "constant", warmup: 5 },
    },
  },
  wide("6.47b", 32),
  wide("12.95b", 64),
];

/** @throws ConfigError when there is no such preset, with the nearest name */
export function presetByName(name: string): ConformerPreset {
  return namedOne("preset", PRESETS, name);
}
