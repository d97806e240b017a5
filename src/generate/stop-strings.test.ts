import fc from "fast-check";
import { expect, test } from "vitest";
import { StopStrings } from "./stop-strings.ts";

/** What is shown when a text comes in these pieces. */
function shown(
  pieces: readonly string[],
  stops: readonly string[],
): { text: string; stop?: string } {
  const matcher = new StopStrings(stops);
  let text = "";
  for (const piece of pieces) {
    const result = matcher.push(piece);
    text += result.text;
    if (result.stop !== undefined) return { text, stop: result.stop };
  }
  return { text: text + matcher.end() };
}

test("a stop string is found across pieces, and nothing of it is shown", () => {
  expect(shown(["one\n", "\n", "two"], ["\n\n"])).toEqual({ text: "one", stop: "\n\n" });
  expect(shown(["one\n", "two"], ["\n\n"])).toEqual({ text: "one\ntwo" });
  expect(shown(["one\n"], ["\n\n"])).toEqual({ text: "one\n" });
  expect(shown(["aab"], ["ab", "aa"])).toEqual({ text: "", stop: "aa" });
});

test("text that may become a stop string waits", () => {
  const matcher = new StopStrings(["User:"]);
  expect(matcher.push("hi Us")).toEqual({ text: "hi ", stop: undefined });
  expect(matcher.push("e me")).toEqual({ text: "Use me", stop: undefined });
  expect(matcher.push(" User")).toEqual({ text: " ", stop: undefined });
  expect(matcher.end()).toBe("User");
});

test("however a text is cut, it ends before the first stop string in it", () => {
  const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(
      fc.array(word, { maxLength: 12 }),
      fc.array(word, { maxLength: 3 }),
      (pieces, stops) => {
        const whole = pieces.join("");
        // The stop that is complete first ends the text, so it is looked for letter by letter.
        let end = Number.POSITIVE_INFINITY;
        for (const stop of stops) {
          const at = whole.indexOf(stop);
          if (at >= 0) end = Math.min(end, at);
        }
        const { text, stop } = shown(pieces, stops);
        if (end === Number.POSITIVE_INFINITY)
          expect({ text, stop }).toEqual({ text: whole, stop: undefined });
        else {
          expect(stops).toContain(stop);
          expect(whole.startsWith(text + (stop ?? ""))).toBe(true);
          for (const other of stops) expect(text).not.toContain(other);
        }
      },
    ),
    { seed: 1, numRuns: 1000 },
  );
});
