/** @file A model that is being served, with what every request has to respect. */

import type { Tokenizer } from "../data/tokenizer.ts";
import type { GenerationEngine } from "../generate/engine.ts";
import type { ChatTemplate } from "./chat-template.ts";

export interface ServeLimits {
  /** Requests that may wait beside those that are written. */
  readonly queue: number;
  /** Most tokens of one answer. */
  readonly maxTokens: number;
  /** Most bytes of a body. */
  readonly bodyBytes: number;
  /** Most seconds from the arrival of a request to the last byte of its answer. */
  readonly seconds: number;
  /** Requests of one client address at a time; 0 for no limit. */
  readonly perClient: number;
}

export const DEFAULT_LIMITS: ServeLimits = {
  queue: 256,
  maxTokens: 1024,
  bodyBytes: 2 ** 20,
  seconds: 300,
  perClient: 0,
};

export interface ServedModel {
  /** As clients name it. */
  readonly name: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly tokenizer: Tokenizer;
  readonly engine: GenerationEngine;
  /** Texts that are written at once. */
  readonly slots: number;
  readonly chat: ChatTemplate;
}
