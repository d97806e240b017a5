/** @file From chosen tokens to text: whole characters only, nothing of a stop string, tokens with their text. */

import type { TextStream, Tokenizer } from "../data/tokenizer.ts";
import type { Piece, TokenText } from "./request.ts";
import type { TokenReport } from "./sampling/log-probabilities.ts";
import { StopStrings } from "./stop-strings.ts";

interface Pending {
  readonly token: TokenText;
  /** Length of the text before the token. */
  readonly start: number;
  /** Length of the text once the token has been added. */
  readonly end: number;
}

/** Text of one answer as its tokens come. */
export class Writer {
  readonly #tokenizer: Tokenizer;
  readonly #stream: TextStream;
  readonly #stops: StopStrings;
  readonly #pending: Pending[] = [];
  #written = 0;
  #shown = 0;

  constructor(tokenizer: Tokenizer, stops: readonly string[]) {
    this.#tokenizer = tokenizer;
    this.#stream = tokenizer.stream();
    this.#stops = new StopStrings(stops);
  }

  /** @returns what may be shown now, and whether a stop string ended the text */
  push(id: number, report: TokenReport | undefined): Piece & { readonly stopped: boolean } {
    const start = this.#written;
    const piece = this.#stream.push(id);
    this.#written += piece.length;
    if (report !== undefined) {
      const token = tokenText(this.#tokenizer, report);
      this.#pending.push({ token, start, end: this.#written });
    }
    const { text, stop } = this.#stops.push(piece);
    this.#shown += text.length;
    return { text, tokens: this.#release(stop !== undefined), stopped: stop !== undefined };
  }

  /** What is left once no token follows. */
  end(): Piece & { readonly stopped: boolean } {
    const last = this.#stops.push(this.#stream.end());
    const text = last.stop === undefined ? last.text + this.#stops.end() : last.text;
    this.#shown += text.length;
    const stopped = last.stop !== undefined;
    const tokens = stopped
      ? this.#release(true)
      : this.#pending.splice(0).map(({ token }) => token);
    return { text, tokens, stopped };
  }

  /** Tokens whose text is shown; at a stop string, those that have some text before it. */
  #release(stopped: boolean): TokenText[] {
    const shown = this.#shown;
    const keep = this.#pending.findIndex(({ start, end }) => (stopped ? start : end - 1) >= shown);
    const count = keep < 0 ? this.#pending.length : keep;
    return this.#pending.splice(0, count).map(({ token }) => token);
  }
}

export function tokenText(
  tokenizer: Tokenizer,
  {
    id,
    logProbability,
    top,
  }: Omit<TokenReport, "logProbability"> & {
    readonly logProbability: number | null;
  },
): TokenText {
  return {
    id,
    text: tokenizer.decode([id], { special: "show" }),
    logProbability,
    top: top.map((other) => ({
      text: tokenizer.decode([other.id], { special: "show" }),
      logProbability: other.logProbability,
    })),
  };
}
