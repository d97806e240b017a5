/** @file Strict reading of a saved GLaM configuration: a misspelt or missing key stops the run. */

import { z } from "zod";
import { ConfigError } from "../../core/errors.ts";
import { GROUPINGS, routingRule } from "../../nn/index.ts";
import type { GlamConfig, TrainingConfig } from "./config.ts";

const count = z.int().positive();

const model: z.ZodType<GlamConfig> = z.strictObject({
  layers: count,
  embed: count,
  mlp: count,
  head: count,
  dim: count,
  vocab: count,
  experts: z.int().nonnegative(),
  router: z.string(),
  grouping: z.enum(GROUPINGS),
  capacityFactor: z.number().positive(),
  activation: z.enum(["gelu", "relu"]),
  extraLogit: z.boolean(),
  auxWeight: z.number().nonnegative(),
  zWeight: z.number().nonnegative(),
});

const training: z.ZodType<TrainingConfig> = z.strictObject({
  batch: count,
  length: count,
  steps: count,
  optimizer: z.enum(["adafactor", "adamw"]),
  learningRate: z.number().positive(),
  schedule: z.enum(["inverse-square-root", "cosine"]),
  warmup: z.int().nonnegative(),
  clip: z.number().positive(),
});

function read<T>(schema: z.ZodType<T>, value: unknown, section: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new ConfigError(
    "CONFIG-01",
    `config: the section "${section}" is not one of a GLaM.`,
    result.error.issues.map((issue) => [issue.path.join(".") || section, issue.message] as const),
  );
}

/** @throws ConfigError naming every key that is wrong */
export function readModel(value: unknown): GlamConfig {
  const config = read(model, value, "model");
  routingRule(config.router);
  return config;
}

/** @throws ConfigError naming every key that is wrong */
export function readTraining(value: unknown): TrainingConfig {
  return read(training, value, "training");
}
