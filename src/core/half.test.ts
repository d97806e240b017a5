import { expect, test } from "vitest";
import { fromHalf, type HalfName, toHalf } from "./half.ts";
import { sampleStream } from "./samples.ts";

const FORMATS: readonly HalfName[] = ["float16", "bfloat16"];

test.each(FORMATS)("every %s survives the way to a number and back", (format) => {
  for (let bits = 0; bits < 65536; bits++) {
    const value = fromHalf(format, bits);
    if (Number.isNaN(value)) expect(fromHalf(format, toHalf(format, value))).toBeNaN();
    else if (toHalf(format, value) !== bits) expect(toHalf(format, value)).toBe(bits);
  }
});

test("bfloat16 is the upper half of a float32", () => {
  const words = new Uint32Array(1);
  const floats = new Float32Array(words.buffer);
  for (let bits = 0; bits < 65536; bits++) {
    words[0] = bits * 65536;
    const value = floats[0] ?? 0;
    if (!Object.is(fromHalf("bfloat16", bits), value) && !Number.isNaN(value))
      expect(fromHalf("bfloat16", bits)).toBe(value);
  }
});

test.each(FORMATS)("a number becomes the nearest %s, and the even one of two", (format) => {
  const next = sampleStream(7);
  const ordered = Array.from({ length: 0x7c00 }, (_, bits) => bits).filter((bits) =>
    Number.isFinite(fromHalf(format, bits)),
  );
  for (let i = 0; i < 3_000; i++) {
    const bits = ordered[Math.floor(next() * (ordered.length - 1))] ?? 0;
    const [low, high] = [fromHalf(format, bits), fromHalf(format, bits + 1)];
    const middle = low + (high - low) / 2;
    const even = bits % 2 === 0 ? bits : bits + 1;
    const value = low + (high - low) * next();
    expect(toHalf(format, middle)).toBe(even);
    expect(toHalf(format, -value)).toBe(0x8000 | (value < middle ? bits : bits + 1));
  }
});

test("known patterns of binary16", () => {
  expect(
    [0, -0, 1, 65504, 65519, 65520, Infinity, -Infinity, 2 ** -24, 2 ** -25, 2 ** -26].map((x) =>
      toHalf("float16", x),
    ),
  ).toEqual([0, 0x8000, 0x3c00, 0x7bff, 0x7bff, 0x7c00, 0x7c00, 0xfc00, 1, 0, 0]);
});
