/** @file What the clients of `bench serve` ask: a fixed list of requests of every kind, drawn from a seed. */

import { drawBelow } from "../data/permutation.ts";

/** One request of the list. Its answer is known, since everything in it is fixed. */
export interface LoadRequest {
  readonly kind: "completion" | "chat";
  /** The body, without `stream`. */
  readonly body: Readonly<Record<string, unknown>>;
}

const WORDS =
  "the sea was calm and a ship lay still while men on deck spoke of home where rain fell upon green hills all night long".split(
    " ",
  );
const STOPS = [["."], ["\n"], [" the", "\n\n"]];

/** Requests with prompts of 1 to `longest` words, some of them sharing their beginning. */
export function loadRequests(count: number, longest: number, maxTokens: number): LoadRequest[] {
  return Array.from({ length: count }, (_, i) => {
    const draw = (below: number, what: number) => drawBelow(below, i, what);
    // Short ones are more frequent than long ones, as with people.
    const length = 1 + draw(1 + draw(longest, 0), 1);
    const start = draw(2, 2) === 0 ? 0 : draw(WORDS.length, 3);
    const prompt = Array.from(
      { length },
      (_, word) => WORDS[(start + word * (1 + (start % 3))) % WORDS.length] ?? "",
    ).join(" ");
    const common = {
      max_tokens: 1 + draw(maxTokens, 4),
      temperature: [0, 0.7, 1][draw(3, 5)],
      top_p: [1, 0.9][draw(2, 6)],
      top_k: [0, 20][draw(2, 7)],
      presence_penalty: [0, 0.5][draw(2, 8)],
      seed: draw(10_000, 9),
      ...(draw(4, 10) === 0 ? { stop: STOPS[draw(STOPS.length, 11)] } : {}),
    };
    return draw(3, 12) === 0
      ? { kind: "chat", body: { ...common, messages: [{ role: "user", content: prompt }] } }
      : { kind: "completion", body: { ...common, prompt } };
  });
}
