/** @file Bodies of requests, checked: what is known, what is known but does nothing here, what is refused. */

import { z } from "zod";
import { suggestion } from "../core/errors.ts";
import { closest } from "../core/text.ts";
import { type ApiError, badRequest } from "./api-error.ts";

const flag = z.boolean().nullish();
const share = z.number().gt(0).max(1).nullish();
const penalty = z.number().min(-2).max(2).nullish();
const count = z.int().min(1).max(128).nullish();
const tokens = z.int().min(1).nullish();
const ignored = z.unknown().optional();
const tokenIds = z.array(z.int().nonnegative());

/** Sampling, in the names that the field has agreed on; those OpenAI lacks are vLLM's. */
const sampling = {
  temperature: z.number().min(0).max(2).nullish(),
  top_p: share,
  top_k: z.int().min(-1).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  typical_p: share,
  presence_penalty: penalty,
  frequency_penalty: penalty,
  repetition_penalty: z.number().gt(0).nullish(),
  no_repeat_ngram_size: z.int().nonnegative().nullish(),
  logit_bias: z
    .record(z.string().regex(/^\d+$/, "keys are token ids"), z.number().min(-100).max(100))
    .nullish(),
  bad_token_ids: tokenIds.nullish(),
  seed: z.int().nullish(),
};

const common = {
  ...sampling,
  model: z.string().nullish(),
  n: count,
  stop: z
    .union([z.string().min(1), z.array(z.string().min(1)).max(16)], {
      error: "must be a text, or a list of up to 16 texts, none of them empty",
    })
    .nullish(),
  stop_token_ids: tokenIds.nullish(),
  ignore_eos: flag,
  stream: flag,
  stream_options: z.strictObject({ include_usage: flag, include_obfuscation: flag }).nullish(),
  truncate_prompt_tokens: tokens,
  /** Known, and without an effect on what is answered. */
  user: z.string().nullish(),
  metadata: ignored,
  store: ignored,
  service_tier: ignored,
  safety_identifier: ignored,
  prompt_cache_key: ignored,
  prompt_cache_retention: ignored,
};

const completionSchema = z.strictObject({
  ...common,
  prompt: z
    .union(
      [z.string(), tokenIds.min(1), z.array(z.string()).min(1), z.array(tokenIds.min(1)).min(1)],
      {
        error: "must be a text, a list of texts, a list of token ids, or a list of such lists",
      },
    )
    .nullish(),
  max_tokens: z.int().nonnegative().nullish(),
  best_of: count,
  echo: flag,
  logprobs: z.int().min(0).max(20).nullish(),
  suffix: ignored,
});

const textParts = z.array(z.strictObject({ type: z.literal("text"), text: z.string() }));
const messageSchema = z.looseObject({
  role: z.enum(["system", "developer", "user", "assistant"]),
  content: z.union([z.string(), textParts], {
    error: 'must be a text, or a list of {"type": "text", "text"}',
  }),
});

const chatSchema = z.strictObject({
  ...common,
  messages: z.array(messageSchema).min(1),
  max_tokens: tokens,
  max_completion_tokens: tokens,
  logprobs: flag,
  top_logprobs: z.int().min(0).max(20).nullish(),
  response_format: z.strictObject({ type: z.literal("text") }).nullish(),
  modalities: z.tuple([z.literal("text")]).nullish(),
  tools: z.array(z.unknown()).max(0).nullish(),
  tool_choice: z.enum(["none", "auto"]).nullish(),
  parallel_tool_calls: ignored,
  reasoning_effort: ignored,
  verbosity: ignored,
});

type Maybe<T> = T | null | undefined;

/** What both kinds of request may say. Null is the same as nothing. */
export interface CommonBody {
  readonly model?: Maybe<string>;
  readonly n?: Maybe<number>;
  readonly temperature?: Maybe<number>;
  readonly top_p?: Maybe<number>;
  readonly top_k?: Maybe<number>;
  readonly min_p?: Maybe<number>;
  readonly typical_p?: Maybe<number>;
  readonly presence_penalty?: Maybe<number>;
  readonly frequency_penalty?: Maybe<number>;
  readonly repetition_penalty?: Maybe<number>;
  readonly no_repeat_ngram_size?: Maybe<number>;
  readonly logit_bias?: Maybe<Readonly<Record<string, number>>>;
  readonly bad_token_ids?: Maybe<readonly number[]>;
  readonly seed?: Maybe<number>;
  readonly stop?: Maybe<string | readonly string[]>;
  readonly stop_token_ids?: Maybe<readonly number[]>;
  readonly ignore_eos?: Maybe<boolean>;
  readonly stream?: Maybe<boolean>;
  readonly stream_options?: Maybe<{ readonly include_usage?: Maybe<boolean> }>;
  readonly truncate_prompt_tokens?: Maybe<number>;
}

export interface CompletionBody extends CommonBody {
  readonly prompt?: Maybe<string | readonly string[] | readonly number[] | readonly number[][]>;
  readonly max_tokens?: Maybe<number>;
  readonly best_of?: Maybe<number>;
  readonly echo?: Maybe<boolean>;
  readonly logprobs?: Maybe<number>;
  readonly suffix?: unknown;
}

export interface ChatBody extends CommonBody {
  readonly messages: readonly {
    readonly role: "system" | "developer" | "user" | "assistant";
    readonly content: string | readonly { readonly text: string }[];
  }[];
  readonly max_tokens?: Maybe<number>;
  readonly max_completion_tokens?: Maybe<number>;
  readonly logprobs?: Maybe<boolean>;
  readonly top_logprobs?: Maybe<number>;
}

/** @throws ApiError 400 naming the first key at fault */
export function readCompletion(body: unknown): CompletionBody {
  return readBody(completionSchema, body);
}

/** @throws ApiError 400 naming the first key at fault */
export function readChat(body: unknown): ChatBody {
  return readBody(chatSchema, body);
}

function readBody<T extends z.ZodObject>(schema: T, body: unknown): z.infer<T> {
  if (typeof body !== "object" || body === null || Array.isArray(body))
    throw badRequest(undefined, "the body must be a JSON object");
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw refusal(issue, Object.keys(schema.shape));
}

function refusal(issue: z.core.$ZodIssue | undefined, known: readonly string[]): ApiError {
  if (issue === undefined) return badRequest(undefined, "the body cannot be read");
  const at = issue.path.map(String).join(".");
  if (issue.code === "unrecognized_keys") {
    const key = issue.keys[0] ?? "";
    const param = at === "" ? key : `${at}.${key}`;
    const near =
      at === "" && closest(key, known) !== undefined ? `; ${suggestion(key, known)}` : "";
    return badRequest(param, `"${param}" is not a parameter${near}`, "unknown_parameter");
  }
  const missing =
    issue.code === "invalid_type" &&
    issue.input === undefined &&
    issue.message.includes("undefined");
  const what = missing ? "is required" : issue.message.replace(/^Invalid input: /, "");
  return badRequest(at, `"${at}": ${what}`);
}
