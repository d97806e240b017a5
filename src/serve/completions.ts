/** @file `/v1/completions` and `/v1/chat/completions`: from a checked body to choices that are being written. */

import type { Answer } from "../generate/answer.ts";
import { promptIds } from "../generate/generator.ts";
import type { GenerationRequest } from "../generate/request.ts";
import { badRequest } from "./api-error.ts";
import { chatIds, type Message } from "./chat-template.ts";
import { type Choice, echoChoice, plainChoice, promptChoice } from "./choice.ts";
import { fitToContext, samplingOf, seedOf, stopsOf, stopTokens } from "./generation-plan.ts";
import type { ChatBody, CommonBody, CompletionBody } from "./request-schema.ts";
import type { ServedModel, ServeLimits } from "./served-model.ts";

/** What a body asks of the engine. */
export interface Plan {
  /** One per text. */
  readonly requests: readonly GenerationRequest[];
  /** Tokens of all prompts, each counted once. */
  readonly promptTokens: number;
  readonly choiceOf: (answer: Answer, at: number) => Choice;
  readonly select: (choices: readonly Choice[]) => readonly Choice[];
  readonly logprobs: boolean;
}

const LIKE_ALL = (choices: readonly Choice[]) => choices;

/** @throws ApiError 400 for what cannot be done */
export function planCompletion(
  body: CompletionBody,
  model: ServedModel,
  limits: ServeLimits,
): Plan {
  if (body.suffix !== undefined && body.suffix !== null)
    throw badRequest("suffix", '"suffix": this model goes on with texts; it cannot fill a gap');
  const n = body.n ?? 1;
  const bestOf = body.best_of ?? n;
  if (bestOf < n) throw badRequest("best_of", `"best_of": ${bestOf} is less than "n", ${n}`);
  if (bestOf > n && body.stream === true)
    throw badRequest("best_of", '"best_of": the best is known at the end only; not with "stream"');
  const asked = body.max_tokens ?? 16;
  if (asked === 0 && body.echo !== true)
    throw badRequest("max_tokens", '"max_tokens": 0 makes sense with "echo" only');
  const prompts = promptsOf(body, model);
  const fitted = prompts.map((ids) =>
    fitToContext(
      {
        ids,
        maxTokens: Math.max(1, asked),
        promptParam: "prompt",
        maxTokensParam: "max_tokens",
        truncate: body.truncate_prompt_tokens,
      },
      model,
      limits,
    ),
  );
  const logprobs = body.logprobs ?? undefined;
  const requests = fitted.flatMap((place) =>
    requestsFor(place, body, model, bestOf, {
      logProbabilities: logprobs ?? (bestOf > n ? 0 : undefined),
      promptLogProbabilities: body.echo === true && logprobs !== undefined,
      stop: stopsOf(body),
    }),
  );
  return {
    requests,
    promptTokens: fitted.reduce((sum, { prompt }) => sum + prompt.length, 0),
    logprobs: logprobs !== undefined,
    choiceOf(answer, at) {
      if (body.echo !== true) return plainChoice(answer);
      const text = model.tokenizer.decode(fitted[Math.floor(at / bestOf)]?.prompt ?? []);
      return asked === 0 ? promptChoice(answer, text) : echoChoice(answer, text);
    },
    select:
      bestOf === n
        ? LIKE_ALL
        : (choices) =>
            prompts.flatMap((_, i) => best(choices.slice(i * bestOf, (i + 1) * bestOf), n)),
  };
}

/** @throws ApiError 400 for what cannot be done */
export function planChat(body: ChatBody, model: ServedModel, limits: ServeLimits): Plan {
  if ((body.top_logprobs ?? 0) > 0 && body.logprobs !== true)
    throw badRequest("top_logprobs", '"top_logprobs" needs "logprobs": true');
  const place = fitToContext(
    {
      ids: chatIds(model.tokenizer, model.chat, body.messages.map(messageOf)),
      maxTokens: body.max_completion_tokens ?? body.max_tokens ?? undefined,
      promptParam: "messages",
      maxTokensParam: body.max_completion_tokens == null ? "max_tokens" : "max_completion_tokens",
      truncate: body.truncate_prompt_tokens,
    },
    model,
    limits,
  );
  const logprobs = body.logprobs === true;
  return {
    requests: requestsFor(place, body, model, body.n ?? 1, {
      logProbabilities: logprobs ? (body.top_logprobs ?? 0) : undefined,
      promptLogProbabilities: false,
      stop: [...stopsOf(body), ...model.chat.stop],
    }),
    promptTokens: place.prompt.length,
    logprobs,
    choiceOf: plainChoice,
    select: LIKE_ALL,
  };
}

function messageOf({ role, content }: ChatBody["messages"][number]): Message {
  return {
    role: role === "developer" ? "system" : role,
    content: typeof content === "string" ? content : content.map(({ text }) => text).join(""),
  };
}

function requestsFor(
  place: Pick<GenerationRequest, "prompt" | "maxTokens">,
  body: CommonBody,
  model: ServedModel,
  count: number,
  rest: Pick<GenerationRequest, "logProbabilities" | "promptLogProbabilities" | "stop">,
): GenerationRequest[] {
  const sampling = samplingOf(body);
  return Array.from({ length: count }, (_, choice) => ({
    ...place,
    ...rest,
    stopTokens: stopTokens(body, model),
    sampling: { ...sampling, seed: seedOf(sampling.seed, choice) },
  }));
}

function promptsOf({ prompt }: CompletionBody, { tokenizer }: ServedModel): Int32Array[] {
  const list = typeof prompt === "string" ? [prompt] : (prompt ?? [""]);
  const texts = list.filter((one) => typeof one === "string");
  if (texts.length > 0) return texts.map((text) => promptIds(tokenizer, text));
  const lists = list.filter((one) => typeof one === "object");
  if (lists.length > 0) return lists.map((ids) => Int32Array.from(ids));
  return [Int32Array.from(list.filter((one) => typeof one === "number"))];
}

/** The likeliest per token. */
function best(choices: readonly Choice[], count: number): Choice[] {
  const score = ({ answer: { finish } }: Choice) => finish.logProbability / finish.answerTokens;
  return choices.toSorted((a, b) => score(b) - score(a)).slice(0, count);
}
