/** @file Sends the choices of a response, at once when all are whole, or as server-sent events. */

import { readAnswer } from "../generate/answer.ts";
import type { Piece, TokenText } from "../generate/request.ts";
import { apiErrorOf } from "./api-error.ts";
import { type Choice, mergeChoices } from "./choice.ts";
import { type ResponseFormat, type Usage, usageOf, type WholeChoice } from "./format.ts";
import type { OpenRequest } from "./open-request.ts";

/** What is told on the way. */
export interface ResponseWatch {
  /** The first text is on its way. */
  onFirst(): void;
  /** Everything is. */
  onEnd(): void;
  onError(error: unknown): void;
}

/** A response that waits to be sent. */
export interface PendingResponse {
  readonly request: OpenRequest;
  readonly format: ResponseFormat;
  readonly choices: readonly Choice[];
  /** Tokens of all prompts, each counted once. */
  readonly promptTokens: number;
  /** Of more choices than are wanted, those to send, once all are whole. */
  readonly select: (choices: readonly Choice[]) => readonly Choice[];
  readonly watch: ResponseWatch;
}

/** Waits for all choices. @throws ApiError when the request was ended, and what the engine reports */
export async function wholeResponse(pending: PendingResponse): Promise<object> {
  const { request, choices, format, watch, select, promptTokens } = pending;
  try {
    const pieces = new Map(
      await Promise.all(
        choices.map(async (choice) => {
          const piece = await readChoice(choice);
          watch.onFirst();
          return [choice, piece] as const;
        }),
      ),
    );
    request.check();
    const sent = select(choices).map((choice): WholeChoice => {
      const { text = "", tokens = [] } = pieces.get(choice) ?? {};
      return { text, tokens, reason: choice.finish().reason };
    });
    // What was written and thrown away has been computed all the same.
    const body = format.whole(sent, usageOf(promptTokens, tokensOf(choices)));
    watch.onEnd();
    return body;
  } finally {
    request.close();
  }
}

async function readChoice({ answer, pieces }: Choice): Promise<Piece> {
  if (pieces === answer) return readAnswer(answer);
  let text = "";
  const tokens: TokenText[] = [];
  for await (const piece of pieces) {
    text += piece.text;
    tokens.push(...piece.tokens);
  }
  return { text, tokens };
}

function tokensOf(choices: readonly Choice[]): number {
  return choices.reduce((sum, choice) => sum + choice.finish().tokens, 0);
}

/** Sends pieces as they come; pieces for a slow reader wait in the engine's answer, grown into one. */
export function streamedResponse(
  pending: PendingResponse,
  includeUsage: boolean,
): ReadableStream<Uint8Array> {
  const events = eventsOf(pending, includeUsage);
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await events.next();
        if (done === true) controller.close();
        else controller.enqueue(encoder.encode(`data: ${value}\n\n`));
      },
      cancel: () => pending.request.end("gone"),
    },
    { highWaterMark: 0 },
  );
}

async function* eventsOf(
  { request, choices, format, watch, promptTokens }: PendingResponse,
  includeUsage: boolean,
): AsyncGenerator<string, void> {
  try {
    for (const index of choices.keys()) {
      const opening = format.opening(index);
      if (opening !== undefined) yield JSON.stringify(withUsage(opening, includeUsage));
    }
    for await (const { index, choice, piece } of mergeChoices(choices)) {
      request.check();
      watch.onFirst();
      const event =
        piece === undefined
          ? format.closing(index, choice.finish().reason)
          : format.piece(index, piece);
      yield JSON.stringify(withUsage(event, includeUsage));
    }
    if (includeUsage) yield JSON.stringify(format.usage(usageOf(promptTokens, tokensOf(choices))));
    watch.onEnd();
    yield "[DONE]";
  } catch (error) {
    // The status has been sent long ago, so clients look for an error among the events.
    watch.onError(error);
    yield JSON.stringify(apiErrorOf(error).body());
  } finally {
    request.close();
  }
}

/** When usage comes at the end, every chunk before it says that it is not there yet. */
function withUsage(
  event: object,
  includeUsage: boolean,
): object & { readonly usage?: Usage | null } {
  return includeUsage ? { ...event, usage: null } : event;
}
