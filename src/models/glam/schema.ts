/** @file Strict reading of a saved GLaM configuration: a misspelt or missing key stops the run. */

import { z } from "zod";
import { GROUPINGS, routingRule } from "../../nn/index.ts";
import { configError } from "../../train/config-issues.ts";
import type { GlamConfig, TrainingConfig } from "./config.ts";

/** Far above any model; a damaged file must not ask for all memory before it is seen to be one. */
const count = z
  .int()
  .positive()
  .max(2 ** 24);
const layers = z.int().positive().max(4096);

const model = z.strictObject({
  layers,
  embed: count,
  mlp: count,
  head: count,
  dim: count,
  vocab: count,
  experts: z
    .int()
    .nonnegative()
    .max(2 ** 16),
  router: z.string(),
  grouping: z.enum(GROUPINGS),
  capacityFactor: z.number().positive(),
  activation: z.enum(["gelu", "relu"]),
  extraLogit: z.boolean(),
  auxWeight: z.number().nonnegative(),
  zWeight: z.number().nonnegative(),
});

const training = z.strictObject({
  batch: count,
  length: count,
  steps: z.int().positive(),
  optimizer: z.enum(["adafactor", "adamw"]),
  learningRate: z.number().positive(),
  schedule: z.enum(["inverse-square-root", "cosine"]),
  warmup: z.int().nonnegative(),
  clip: z.number().positive(),
});

const KEYS = { model: Object.keys(model.shape), training: Object.keys(training.shape) };

function read<T>(schema: z.ZodType<T>, value: unknown, section: keyof typeof KEYS): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw configError(section, result.error.issues, KEYS);
}

/** @throws ConfigError naming every key that is wrong */
export function readModel(value: unknown): GlamConfig {
  const config = readStrict(model, value, "model", "a GLaM");
  routingRule(config.router);
  return config;
}
