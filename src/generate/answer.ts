/** @file An answer under way: the engine writes pieces, one reader takes them when it likes. */

import type { Finish, Piece, TokenText } from "./request.ts";

/**
 * What the engine hands to whoever asked.
 *
 * The engine never waits for the reader: pieces not yet taken grow together into one, so a slow reader
 * holds at most one answer's text, and no slot.
 */
export class Answer implements AsyncIterable<Piece> {
  /** Tokens of the prompt, once they are known and were asked for. */
  promptTokens: readonly TokenText[] = [];
  #text = "";
  #tokens: TokenText[] = [];
  #finish: Finish | undefined;
  #error: unknown;
  #failed = false;
  #cancelled = false;
  #wake: (() => void) | undefined;

  /** Engine: adds text. */
  write({ text, tokens }: Piece): void {
    if (text === "" && tokens.length === 0) return;
    this.#text += text;
    this.#tokens.push(...tokens);
    this.#notify();
  }

  /** Engine: the answer is whole. */
  end(finish: Finish): void {
    this.#finish = finish;
    this.#notify();
  }

  /** Engine: there will be no more. */
  fail(error: unknown): void {
    this.#failed = true;
    this.#error = error;
    this.#notify();
  }

  /** Reader: nobody wants the rest; the engine frees the slot before its next step. */
  cancel(): void {
    this.#cancelled = true;
    this.#notify();
  }

  get cancelled(): boolean {
    return this.#cancelled;
  }

  /** How it ended. @throws Error before it has */
  get finish(): Finish {
    if (this.#finish === undefined) throw new Error("the answer has not ended");
    return this.#finish;
  }

  /** Pieces until the answer ends, is cancelled, or fails. Leaving the loop early cancels. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Piece, void> {
    try {
      for (;;) {
        if (this.#text !== "" || this.#tokens.length > 0) {
          const piece = { text: this.#text, tokens: this.#tokens };
          this.#text = "";
          this.#tokens = [];
          yield piece;
        } else if (this.#failed) throw this.#error;
        else if (this.#finish !== undefined || this.#cancelled) return;
        else await this.#change();
      }
    } finally {
      if (this.#finish === undefined) this.cancel();
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}

/** The whole text of an answer, with all reported tokens. */
export async function readAnswer(answer: Answer): Promise<Piece> {
  let text = "";
  const tokens: TokenText[] = [];
  for await (const piece of answer) {
    text += piece.text;
    tokens.push(...piece.tokens);
  }
  return { text, tokens };
}
