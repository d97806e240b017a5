/** @file The two forms of a response, `text_completion` and `chat.completion`, whole and in chunks. */

import type { FinishReason, Piece, TokenText } from "../generate/request.ts";

export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
}

export function usageOf(prompt: number, completion: number): Usage {
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
  };
}

/** What is the same in all chunks of a response. */
export interface ResponseHead {
  readonly id: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly model: string;
}

/** A choice that has ended. */
export interface WholeChoice extends Piece {
  readonly reason: FinishReason;
}

/** How a response is laid out. One per response: it counts characters for offsets. */
export interface ResponseFormat {
  /** Before the first piece of a choice; undefined where nothing is. */
  opening(index: number): object | undefined;
  piece(index: number, piece: Piece): object;
  closing(index: number, reason: FinishReason): object;
  /** The chunk after the last choice. */
  usage(usage: Usage): object;
  whole(choices: readonly WholeChoice[], usage: Usage): object;
}

/** `logprobs` of a completion: lists by token, offsets into the choice's text. */
function completionLogprobs(tokens: readonly TokenText[], offset: number): object {
  let at = offset;
  const offsets = tokens.map(({ text }) => {
    const own = at;
    at += text.length;
    return own;
  });
  return {
    tokens: tokens.map(({ text }) => text),
    token_logprobs: tokens.map(({ logProbability }) => logProbability),
    top_logprobs: tokens.map(({ top, logProbability }) =>
      logProbability === null
        ? null
        : Object.fromEntries(top.map((token) => [token.text, token.logProbability])),
    ),
    text_offset: offsets,
  };
}

export function completionFormat(head: ResponseHead, logprobs: boolean): ResponseFormat {
  const base = { id: head.id, object: "text_completion", created: head.created, model: head.model };
  const offsets = new Map<number, number>();
  const choiceOf = (index: number, piece: Piece, reason: FinishReason | null) => {
    const offset = offsets.get(index) ?? 0;
    const shown = piece.tokens.reduce((sum, { text }) => sum + text.length, 0);
    offsets.set(index, offset + shown);
    return {
      text: piece.text,
      index,
      logprobs: logprobs ? completionLogprobs(piece.tokens, offset) : null,
      finish_reason: reason,
    };
  };
  return {
    opening: () => undefined,
    piece: (index, piece) => ({ ...base, choices: [choiceOf(index, piece, null)] }),
    closing: (index, reason) => ({
      ...base,
      choices: [{ text: "", index, logprobs: null, finish_reason: reason }],
    }),
    usage: (usage) => ({ ...base, choices: [], usage }),
    whole: (choices, usage) => ({
      ...base,
      choices: choices.map((choice, index) => choiceOf(index, choice, choice.reason)),
      usage,
    }),
  };
}

/** `logprobs` of a chat: a record per token. */
function chatLogprobs(tokens: readonly TokenText[]): object {
  const record = (text: string, logprob: number | null) => ({
    token: text,
    logprob,
    // Part of a character has no text of its own.
    bytes: text.includes("\ufffd") ? null : [...new TextEncoder().encode(text)],
  });
  const content = tokens.map(({ text, logProbability, top }) => ({
    ...record(text, logProbability),
    top_logprobs: top.map((token) => record(token.text, token.logProbability)),
  }));
  return { content, refusal: null };
}

export function chatFormat(head: ResponseHead, logprobs: boolean): ResponseFormat {
  const { id, created, model } = head;
  const base = (object: string) => ({ id, object, created, model });
  const chunk = (choices: readonly object[]) => ({
    ...base("chat.completion.chunk"),
    choices,
  });
  const told = (tokens: readonly TokenText[]) => (logprobs ? chatLogprobs(tokens) : null);
  return {
    opening: (index) =>
      chunk([
        {
          index,
          delta: { role: "assistant", content: "" },
          logprobs: null,
          finish_reason: null,
        },
      ]),
    piece: (index, { text, tokens }) =>
      chunk([{ index, delta: { content: text }, logprobs: told(tokens), finish_reason: null }]),
    closing: (index, reason) =>
      chunk([{ index, delta: {}, logprobs: null, finish_reason: reason }]),
    usage: (usage) => ({ ...chunk([]), usage }),
    whole: (choices, usage) => ({
      ...base("chat.completion"),
      choices: choices.map(({ text, tokens, reason }, index) => ({
        index,
        message: { role: "assistant", content: text, refusal: null },
        logprobs: told(tokens),
        finish_reason: reason,
      })),
      usage,
    }),
  };
}
