/** @file One request to a server, as a client makes it: whole or streamed, to its end or given up. */

import type { LoadRequest } from "./serve-load.ts";

export interface Target {
  /** With `/v1`. */
  readonly url: string;
  readonly token: string;
}

/** How a request went. */
export interface Outcome {
  readonly kind: "whole" | "streamed" | "abandoned" | "refused" | "failed";
  /** What came; of an abandoned one the beginning. */
  readonly text: string;
  readonly milliseconds: number;
  /** Until the first text of a stream; NaN otherwise. */
  readonly firstMilliseconds: number;
  /** Tokens that the server counted; of an abandoned one none. */
  readonly tokens: number;
  /** Of a refused one, seconds until another try. */
  readonly retryAfter: number;
  /** Of a failed one, what is wrong. */
  readonly error: string;
}

/** Whether to stream, and after how many pieces to go away. */
export interface Manner {
  readonly stream: boolean;
  readonly pieces: number | undefined;
}

interface Chunk {
  readonly error?: { readonly message: string };
  readonly usage?: { readonly completion_tokens: number } | null;
  readonly choices: readonly {
    readonly text?: string;
    readonly message?: { readonly content: string };
    readonly delta?: { readonly content?: string };
  }[];
}

/** Longer than any answer takes: what has not come by then is lost. */
const PATIENCE_MS = 120_000;
const PATHS = { completion: "/completions", chat: "/chat/completions" };

export async function ask(
  { url, token }: Target,
  { kind, body }: LoadRequest,
  { stream, pieces }: Manner,
): Promise<Outcome> {
  const started = performance.now();
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new Error("no answer")), PATIENCE_MS);
  let text = "";
  let tokens = 0;
  let first = Number.NaN;
  const outcome = (how: Outcome["kind"], more: Partial<Outcome> = {}): Outcome => ({
    kind: how,
    text,
    milliseconds: performance.now() - started,
    firstMilliseconds: first,
    tokens,
    retryAfter: 0,
    error: "",
    ...more,
  });
  try {
    const answer = await fetch(url + PATHS[kind], {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({
        ...body,
        ...(stream ? { stream, stream_options: { include_usage: true } } : {}),
      }),
      signal: controller.signal,
    });
    if (answer.status === 429) {
      await answer.text();
      return outcome("refused", { retryAfter: Number(answer.headers.get("retry-after") ?? 1) });
    }
    if (!answer.ok) return outcome("failed", { error: `${answer.status} ${await answer.text()}` });
    if (!stream) {
      const whole = (await answer.json()) as Chunk;
      text = textOf(whole);
      tokens = whole.usage?.completion_tokens ?? 0;
      return outcome("whole");
    }
    let seen = 0;
    let ended = false;
    for await (const event of eventsOf(answer)) {
      if (event === "[DONE]") {
        ended = true;
        break;
      }
      const chunk = JSON.parse(event) as Chunk;
      if (chunk.error !== undefined) return outcome("failed", { error: chunk.error.message });
      const piece = textOf(chunk);
      if (piece !== "" && Number.isNaN(first)) first = performance.now() - started;
      text += piece;
      tokens = chunk.usage?.completion_tokens ?? tokens;
      if (pieces !== undefined && piece !== "" && ++seen >= pieces) {
        controller.abort();
        return outcome("abandoned");
      }
    }
    return ended ? outcome("streamed") : outcome("failed", { error: "the stream broke off" });
  } catch (error) {
    return outcome("failed", {
      error: String(error instanceof Error ? (error.cause ?? error) : error),
    });
  } finally {
    clearTimeout(timer);
  }
}

function textOf({ choices: [choice] }: Chunk): string {
  return choice?.text ?? choice?.message?.content ?? choice?.delta?.content ?? "";
}

/** Data of server-sent events. */
async function* eventsOf(answer: Response): AsyncGenerator<string, void> {
  if (answer.body === null) return;
  let held = "";
  for await (const text of answer.body.pipeThrough(new TextDecoderStream())) {
    const events = (held + text).split("\n\n");
    held = events.pop() ?? "";
    for (const event of events) yield event.replace(/^data: /, "");
  }
}
