/** @file What a folder says of generating: `generation_config.json`, with `config.json` behind it. */

import { z } from "zod";
import type { Fact } from "../core/errors.ts";
import { COPY_AGAIN, hubError } from "./errors.ts";
import type { JsonObject } from "./json-files.ts";

/** Settings that a command takes where its user gives none; absent ones are the command's own. */
export interface GenerationDefaults {
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
  /** Tokens to add. */
  readonly maxTokens?: number;
  /** Ids at which a text ends. */
  readonly endTokens: readonly number[];
  /** Id with which a text begins. */
  readonly beginToken?: number;
}

const id = z.int().nonnegative();
const ids = z.union([id.transform((one) => [one]), z.array(id)]).nullish();

const tokensSchema = z.looseObject({ eos_token_id: ids, bos_token_id: id.nullish() });
const schema = tokensSchema.extend({
  do_sample: z.boolean().nullish(),
  temperature: z.number().nonnegative().nullish(),
  top_k: z.int().nonnegative().nullish(),
  top_p: z.number().positive().max(1).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  repetition_penalty: z.number().positive().nullish(),
  max_new_tokens: z.int().positive().nullish(),
});

/**
 * @param generation - of `generation_config.json`, where there is one
 * @param where - path of the folder, for errors
 * @throws CheckpointError naming the keys that are out of range, or token ids outside the vocabulary
 */
export function readGeneration(
  config: JsonObject,
  generation: JsonObject | undefined,
  vocab: number,
  where: string,
): GenerationDefaults {
  const own = parse(schema, generation ?? {}, `${where}/generation_config.json`);
  const behind = parse(tokensSchema, config, `${where}/config.json`);
  // A greedy configuration says nothing of how to sample.
  const sampling =
    own.do_sample === true
      ? {
          ...given("temperature", own.temperature),
          ...given("topK", own.top_k),
          ...given("topP", own.top_p),
          ...given("minP", own.min_p),
        }
      : {};
  const defaults = {
    ...sampling,
    ...given("repetitionPenalty", own.repetition_penalty),
    ...given("maxTokens", own.max_new_tokens),
    endTokens: own.eos_token_id ?? behind.eos_token_id ?? [],
    ...given("beginToken", own.bos_token_id ?? behind.bos_token_id),
  };
  const outside = defaults.endTokens.find((token) => token >= vocab);
  if (outside !== undefined) {
    throw hubError(
      `${where} ends texts at token ${outside}, which the model does not have.`,
      [["vocabulary", `0 to ${vocab - 1}`]],
      "copy config.json and generation_config.json from the same checkpoint",
    );
  }
  return defaults;
}

function given<K extends string, V>(key: K, value: V | null | undefined): { [P in K]?: V } {
  return value === null || value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}

function parse<T>(schema: z.ZodType<T>, value: JsonObject, path: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw hubError(
    `${path} is not a configuration of generation.`,
    result.error.issues.map((issue): Fact => [issue.path.join(".") || "file", issue.message]),
    COPY_AGAIN,
  );
}

/** `generation_config.json` of an exported model. */
export function writeGeneration(defaults: GenerationDefaults): JsonObject {
  const { temperature, topK, topP, minP, repetitionPenalty, maxTokens } = defaults;
  const samples = [temperature, topK, topP, minP].some((value) => value !== undefined);
  return {
    ...given("bos_token_id", defaults.beginToken),
    ...(defaults.endTokens.length === 0 ? {} : { eos_token_id: oneOrAll(defaults.endTokens) }),
    ...(samples ? { do_sample: true } : {}),
    ...given("temperature", temperature),
    ...given("top_k", topK),
    ...given("top_p", topP),
    ...given("min_p", minP),
    ...given("repetition_penalty", repetitionPenalty),
    ...given("max_new_tokens", maxTokens),
  };
}

function oneOrAll(tokens: readonly number[]): number | readonly number[] {
  const [first] = tokens;
  return tokens.length === 1 && first !== undefined ? first : tokens;
}
