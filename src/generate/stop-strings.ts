/** @file Ends a text at the first stop string, and holds back what may become the start of one. */

/** What may be shown after another piece of text. */
export interface StopResult {
  /** Text that no stop string can begin in any more. */
  readonly text: string;
  /** The stop string that ended the text; undefined while it goes on. */
  readonly stop: string | undefined;
}

/** Finds stop strings in a text that comes in pieces, also where a piece ends within one. */
export class StopStrings {
  readonly #stops: readonly string[];
  #held = "";

  /** @param stops - none empty; of those found at one place the first in the list counts */
  constructor(stops: readonly string[]) {
    this.#stops = stops;
  }

  push(piece: string): StopResult {
    const text = this.#held + piece;
    let at = text.length;
    let stop: string | undefined;
    for (const candidate of this.#stops) {
      const found = text.indexOf(candidate);
      if (found < 0 || found >= at) continue;
      at = found;
      stop = candidate;
    }
    if (stop !== undefined) {
      this.#held = "";
      return { text: text.slice(0, at), stop };
    }
    const safe = text.length - this.#hold(text);
    this.#held = text.slice(safe);
    return { text: text.slice(0, safe), stop: undefined };
  }

  /** What was held back, once the text is over. */
  end(): string {
    const text = this.#held;
    this.#held = "";
    return text;
  }

  /** Length of the longest end of `text` that a stop string starts with. */
  #hold(text: string): number {
    let longest = 0;
    for (const stop of this.#stops)
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length--)
        if (text.endsWith(stop.slice(0, length))) longest = length;
    return longest;
  }
}
