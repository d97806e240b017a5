/** @file 3-D U-Nets (Çiçek et al., arXiv:1606.06650): volumes so large that GSPMD splits one among devices, and a small one. */

import { ConfigError } from "../../core/errors.ts";
import { namedOne } from "../../core/named.ts";
import type { TrainingSettings } from "../../train/settings.ts";

/** A segmenter of volumes: down by halves, up again, with what was there before beside it. */
export interface UnetConfig {
  /** Numbers of one voxel of the input. */
  readonly channels: number;
  /** Filters of each level, the finest first. */
  readonly filters: readonly number[];
  /** Groups of channels that are normed together; each divides all filters. */
  readonly groups: number;
  readonly classes: number;
  /** Whether levels are computed again in the backward pass. */
  readonly recompute: boolean;
}

export interface UnetPreset {
  readonly name: string;
  readonly summary: string;
  readonly model: UnetConfig;
  /** `length` is the side of a volume. */
  readonly training: TrainingSettings;
}

const TRAINING: TrainingSettings = {
  batch: 4,
  length: 256,
  steps: 50_000,
  optimizer: "adam",
  learningRate: 1e-3,
  schedule: "cosine",
  warmup: 1000,
  clip: 1,
};

/** Every preset, small ones first. */
export const PRESETS: readonly UnetPreset[] = [
  {
    name: "unet3d-nano",
    summary: "8³ voxels, 2 levels; trains on a CPU in seconds",
    model: { channels: 1, filters: [4, 8], groups: 2, classes: 2, recompute: false },
    training: { ...TRAINING, batch: 2, length: 8, steps: 40, learningRate: 0.01, warmup: 2 },
  },
  {
    name: "unet3d-128",
    summary: "128³ voxels, the sizes of MLPerf's U-Net",
    model: {
      ...{ channels: 1, filters: [32, 64, 128, 256, 320], groups: 8, classes: 3, recompute: true },
    },
    training: { ...TRAINING, batch: 8, length: 128 },
  },
  {
    name: "unet3d-256",
    summary: "256³ voxels, as GSPMD split them; filters unverified",
    model: {
      ...{ channels: 1, filters: [32, 64, 128, 256, 320], groups: 8, classes: 3, recompute: true },
    },
    training: TRAINING,
  },
];

/** @throws ConfigError when there is no such preset, with the nearest name */
export function presetByName(name: string): UnetPreset {
  return namedOne("preset", PRESETS, name);
}

/** @throws ConfigError when a volume cannot be halved as often as there are levels */
export function checkSide({ filters }: UnetConfig, side: number): void {
  const step = 2 ** (filters.length - 1);
  if (side % step === 0) return;
  throw new ConfigError("CONFIG-01", `length: ${side} voxels cannot be halved for every level.`, [
    ["levels", `${filters.length}`],
    ["fix", `choose a multiple of ${step}`],
  ]);
}
