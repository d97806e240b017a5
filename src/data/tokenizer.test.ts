import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DataError } from "../core/errors.ts";
import { byteTokenizer } from "./tokenizer.ts";

const runs = { seed: 7, numRuns: 300 };
const text = fc.string({ unit: "grapheme", maxLength: 40 });

describe("byteTokenizer", () => {
  it("gives UTF-8 bytes", () => {
    expect([...byteTokenizer.encode("aé€")]).toEqual([97, 195, 169, 226, 130, 172]);
    expect(byteTokenizer.encode("").length).toBe(0);
  });

  it("decodes what it encoded, a byte order mark included", () => {
    expect(byteTokenizer.decode(byteTokenizer.encode("\ufeffx"))).toBe("\ufeffx");
    fc.assert(
      fc.property(text, (s) => byteTokenizer.decode(byteTokenizer.encode(s)) === s),
      runs,
    );
  });

  it("holds back an open character and says when it never ends", () => {
    const stream = byteTokenizer.stream();
    expect([0xf0, 0x9f, 0x90, 0x8b, 0x41].map((id) => stream.push(id))).toEqual([
      "",
      "",
      "",
      "🐋",
      "A",
    ]);
    expect(stream.push(0xe2)).toBe("");
    expect(stream.end()).toBe("\ufffd");
  });

  it("streams to the same text as decoding at once, for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (ids) => {
        const stream = byteTokenizer.stream();
        const pieces = Array.from(ids, (id) => stream.push(id)).join("");
        return pieces + stream.end() === byteTokenizer.decode(ids);
      }),
      runs,
    );
  });

  it("names an id outside the vocabulary", () => {
    expect(() => byteTokenizer.decode([256])).toThrow(DataError);
    expect(() => byteTokenizer.stream().push(-1)).toThrow(
      "decode: -1 is not a token of the byte tokenizer.",
    );
  });
});
