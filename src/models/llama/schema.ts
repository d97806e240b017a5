/** @file Strict reading of a saved Llama configuration: a misspelt or missing key stops the run. */

import { z } from "zod";
import { readStrict } from "../../train/strict.ts";
import type { LlamaConfig } from "./config.ts";

const count = z.int().positive();
const positive = z.number().positive();

const model: z.ZodType<LlamaConfig> = z
  .strictObject({
    layers: count,
    embed: count,
    mlp: count,
    head: count,
    kvHead: count,
    dim: count,
    vocab: count,
    context: count,
    rotaryTheta: positive,
    rotaryScaling: z
      .discriminatedUnion("kind", [
        z.strictObject({ kind: z.literal("linear"), factor: z.number().min(1) }),
        z.strictObject({
          kind: z.literal("llama3"),
          factor: z.number().min(1),
          lowFrequencyFactor: positive,
          highFrequencyFactor: positive,
          originalLength: count,
        }),
      ])
      .nullable(),
    window: count.nullable(),
    biases: z.enum(["none", "query-key-value", "all"]),
    normEpsilon: positive,
    tied: z.boolean(),
    experts: z.int().nonnegative(),
    expertsPerToken: z.int().nonnegative(),
    auxWeight: z.number().nonnegative(),
  })
  .check(({ value, issues }) => {
    const say = (key: string, message: string) =>
      issues.push({ code: "custom", input: value, path: [key], message });
    const { head, kvHead, dim, experts, expertsPerToken, rotaryScaling } = value;
    if (head % kvHead !== 0) {
      say("kvHead", `${kvHead} does not divide the ${head} heads of queries`);
    }
    if (dim % 2 !== 0) say("dim", `rotary positions turn pairs; ${dim} is odd`);
    const fewest = experts === 0 ? 0 : 1;
    if (expertsPerToken < fewest || expertsPerToken > experts) {
      say("expertsPerToken", `choose from ${fewest} to the ${experts} experts`);
    }
    if (
      rotaryScaling?.kind === "llama3" &&
      rotaryScaling.highFrequencyFactor <= rotaryScaling.lowFrequencyFactor
    ) {
      say("rotaryScaling.highFrequencyFactor", "it must be above lowFrequencyFactor");
    }
  });

/** @throws ConfigError naming every key that is wrong, with the nearest known one */
export function readModel(value: unknown): LlamaConfig {
  return readStrict(model, value, "model", "a Llama");
}
