/** @file Strict reading of a saved GLaM configuration: a misspelt or missing key stops the run. */

import { z } from "zod";
import { CAPACITY_RULES, GROUPINGS } from "../../nn/index.ts";
import { count, readStrict } from "../../train/strict.ts";
import { type GlamConfig, routerFor } from "./config.ts";

const model: z.ZodType<GlamConfig> = z.strictObject({
  layers: z.int().positive().max(4096),
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
  routerOptions: z.record(z.string(), z.unknown()), // each rule knows its own
  grouping: z.enum(GROUPINGS),
  capacityFactor: z.number().positive(),
  capacityRule: z.enum(CAPACITY_RULES),
  dropless: z.boolean(),
  sharedExperts: z
    .int()
    .nonnegative()
    .max(2 ** 16),
  routedScale: z.number().positive(),
  activation: z.enum(["gelu", "relu"]),
  extraLogit: z.boolean(),
  auxWeight: z.number().nonnegative(),
  routerZWeight: z.number().nonnegative(),
  zWeight: z.number().nonnegative(),
});

/** @throws ConfigError naming every key that is wrong */
export function readModel(value: unknown): GlamConfig {
  const config = readStrict(model, value, "model", "a GLaM");
  routerFor(config);
  return config;
}
