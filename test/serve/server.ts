/** @file A server in front of a decoder without a model, and the stock client that talks to it. */

import OpenAI from "openai";
import { byteTokenizer } from "../../src/data/tokenizer.ts";
import { type EngineOptions, GenerationEngine } from "../../src/generate/engine.ts";
import { PLAIN_TEMPLATE } from "../../src/serve/chat-template.ts";
import { DEFAULT_LIMITS, type ServeLimits } from "../../src/serve/served-model.ts";
import { type RunningServer, startServer } from "../../src/serve/server.ts";
import { type HashDecoder, hashDecoder } from "../generate/hash-decoder.ts";

export const LETTERS: readonly number[] = Array.from("abcdefghij .,\n", (letter) =>
  letter.charCodeAt(0),
);
export const TOKEN = "a-token-for-tests";

export interface TestServer extends RunningServer {
  readonly client: OpenAI;
  readonly engine: GenerationEngine;
  readonly decoder: HashDecoder;
  /** What the server thought to be its own fault. */
  readonly errors: unknown[];
  /** A request as it is, with the right token. */
  ask(path: string, init?: RequestInit): Promise<Response>;
}

export interface TestServerOptions {
  readonly limits?: Partial<ServeLimits>;
  readonly engine?: Partial<EngineOptions>;
  readonly token?: string | undefined;
}

export async function testServer({
  limits = {},
  engine: engineOptions = {},
  ...rest
}: TestServerOptions = {}): Promise<TestServer> {
  const decoder = hashDecoder({ among: LETTERS });
  const slots = engineOptions.slots ?? 8;
  const engine = new GenerationEngine(decoder, byteTokenizer, {
    context: 512,
    ...engineOptions,
    slots,
  });
  const errors: unknown[] = [];
  const token = "token" in rest ? rest.token : TOKEN;
  const server = await startServer({
    model: {
      name: "hash",
      created: 1_700_000_000,
      tokenizer: byteTokenizer,
      engine,
      slots,
      chat: PLAIN_TEMPLATE,
    },
    limits: { ...DEFAULT_LIMITS, ...limits },
    access: { token, host: "127.0.0.1" },
    port: 0,
    onError: (error) => errors.push(error),
  });
  return {
    ...server,
    engine,
    decoder,
    errors,
    client: new OpenAI({ baseURL: `${server.url}/v1`, apiKey: TOKEN, maxRetries: 0 }),
    ask: (path, init = {}) =>
      fetch(server.url + path, {
        ...init,
        headers: { authorization: `Bearer ${TOKEN}`, ...init.headers },
      }),
  };
}

interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | null;
  };
}

/** What an answer says in the form of an error. */
export const errorOf = async (answer: Response): Promise<ErrorBody["error"]> =>
  ((await answer.json()) as ErrorBody).error;

/** A completion to ask for. */
export const plain: OpenAI.CompletionCreateParamsNonStreaming = {
  model: "hash",
  prompt: "abc",
  max_tokens: 30,
  seed: 7,
};
