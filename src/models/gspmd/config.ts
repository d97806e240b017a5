/** @file Sizes of a decoder as GSPMD's authors measured it, and the layer that it is made of. */

import type { PipelineSizes } from "../../nn/index.ts";
import type { CheckpointPolicy } from "../../numpy/index.ts";
import { saveProducts } from "../../numpy/index.ts";
import type { TrainingSettings } from "../../train/settings.ts";

/**
 * What of a layer is computed again for its derivative: nothing; all but its products with weights, which are kept; or
 * everything from what goes into the layer.
 */
export const RECOMPUTES = ["nothing", "all-but-products", "everything"] as const;
export type Recompute = (typeof RECOMPUTES)[number];

/** A decoder-only language model; all layers, or pairs of a dense and a sparse one, are one loop. */
export interface DecoderConfig {
  readonly layers: number;
  readonly embed: number;
  /** Hidden width of a feed-forward layer and of one expert. */
  readonly mlp: number;
  readonly head: number;
  readonly dim: number;
  readonly vocab: number;
  /** Gated: three matrices. Experts are never gated. */
  readonly feedForward: "gated" | "plain";
  readonly activation: "gelu" | "relu" | "silu";
  /** A bias by distance in each layer; a learnt vector for each place; turns. */
  readonly positions: "relative-bias" | "learned" | "rotary";
  /** Places that learnt positions have. */
  readonly context: number;
  /** Whether the output layer is the embedding's table. */
  readonly tied: boolean;
  /** Experts of every other layer; 0 for none. */
  readonly experts: number;
  /** Slots of all experts together, per token of a group. */
  readonly capacityFactor: number;
  /** Coefficient of the balance loss, a mean over sparse layers. */
  readonly auxWeight: number;
  /** What is computed a second time, in the backward pass. */
  readonly recompute: Recompute;
  /** Stages that the layers are cut into; all layers are one loop when absent. Of models without experts. */
  readonly pipeline?: PipelineSizes;
}

/** A named set of sizes with its training recipe. */
export interface DecoderPreset {
  readonly name: string;
  readonly summary: string;
  readonly model: DecoderConfig;
  readonly training: TrainingSettings;
}

/** Layers whose parameters are stacked: all, or every dense one with the sparse one behind it. */
export function loopLength({ layers, experts }: DecoderConfig): number {
  return experts === 0 ? layers : layers / 2;
}

/** How the loop's steps are differentiated. */
export function checkpointOf({ recompute }: DecoderConfig): boolean | CheckpointPolicy {
  if (recompute === "nothing") return false;
  return recompute === "everything" ? true : saveProducts;
}

/** Slots of one expert in a group of so many tokens: one at least. */
export function slotsOf(
  { experts, capacityFactor }: Pick<DecoderConfig, "experts" | "capacityFactor">,
  tokens: number,
): number {
  return Math.min(tokens, Math.max(1, Math.ceil((capacityFactor * tokens) / experts)));
}
