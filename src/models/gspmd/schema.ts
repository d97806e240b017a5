/** @file Strict reading of a saved decoder configuration: a misspelt or missing key stops the run. */

import { z } from "zod";
import { ShardingError } from "../../core/errors.ts";
import { layersPerStage, scheduleOf } from "../../nn/index.ts";
import { count, readStrict } from "../../train/strict.ts";
import { type DecoderConfig, RECOMPUTES } from "./config.ts";

const model: z.ZodType<DecoderConfig> = z
  .strictObject({
    layers: z.int().positive().max(4096),
    embed: count,
    mlp: count,
    head: count,
    dim: count,
    vocab: count,
    feedForward: z.enum(["gated", "plain"]),
    activation: z.enum(["gelu", "relu", "silu"]),
    positions: z.enum(["relative-bias", "learned", "rotary"]),
    context: count,
    tied: z.boolean(),
    experts: z
      .int()
      .nonnegative()
      .max(2 ** 16),
    capacityFactor: z.number().positive(),
    auxWeight: z.number().nonnegative(),
    recompute: z.enum(RECOMPUTES),
    pipeline: z
      .strictObject({ stages: count, microbatches: count, rounds: count.exactOptional() })
      .exactOptional(),
  })
  .check(({ value, issues }) => {
    const say = (key: string, message: string) =>
      issues.push({ code: "custom", input: value, path: [key], message });
    if (value.experts > 0 && value.layers % 2 !== 0)
      say("layers", `every other layer is sparse, so ${value.layers} must be even`);
    if (value.experts === 1) say("experts", "a token takes its two best; choose 0, or 2 at least");
    if (value.positions === "rotary" && value.dim % 2 !== 0)
      say("dim", `rotary positions turn pairs; ${value.dim} is odd`);
    if (value.pipeline === undefined) return;
    if (value.experts > 0) say("pipeline", "a model with experts has no stages");
    try {
      scheduleOf(value.pipeline);
      layersPerStage(value.layers, value.pipeline);
    } catch (error) {
      if (!(error instanceof ShardingError)) throw error;
      say("pipeline", error.headline);
    }
  });

/** @throws ConfigError naming every key that is wrong */
export function readModel(value: unknown): DecoderConfig {
  return readStrict(model, value, "model", "a GSPMD decoder");
}
