/** @file Elements of 16 bits and transposed matrices against plain loops. */

import { describe, expect, test } from "vitest";
import { fromHalf } from "../core/half.ts";
import { narrow, transpose, widen } from "./elements.ts";

const ALL = Uint16Array.from({ length: 65_536 }, (_, i) => i);
const bytesOf = (data: Float32Array | Uint16Array) =>
  new Uint8Array(data.slice().buffer as ArrayBuffer);

describe.each(["bfloat16", "float16"] as const)("%s", (dtype) => {
  test("every pattern is widened to the number it stands for", () => {
    const wide = widen(dtype, bytesOf(ALL));
    for (const bits of ALL) expect(wide[bits]).toBe(fromHalf(dtype, bits));
  });

  test("every number comes back as its pattern", () => {
    const { data, overflows } = narrow(dtype, widen(dtype, bytesOf(ALL)));
    expect(overflows).toBe(0);
    // A NaN is one of many patterns.
    const numbers = [...ALL].filter((bits) => !Number.isNaN(fromHalf(dtype, bits)));
    for (const bits of numbers) expect(data[bits]).toBe(bits);
  });
});

test("what is too large for 16 bits is counted; what was infinite is not", () => {
  const data = Float32Array.of(
    1,
    65_504,
    65_519,
    65_520,
    -1e6,
    Number.POSITIVE_INFINITY,
    Number.NaN,
  );
  expect(narrow("float16", data).overflows).toBe(2);
  expect(narrow("bfloat16", data).overflows).toBe(0);
  expect(narrow("float32", data)).toEqual({ data, overflows: 0 });
});

test.each([
  [1, 1],
  [3, 70],
  [33, 64],
  [100, 31],
])("a matrix of %i rows and %i columns is turned", (rows, columns) => {
  const data = Float32Array.from({ length: rows * columns }, (_, i) => i);
  const turned = transpose(data, rows, columns);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) expect(turned[c * rows + r]).toBe(data[r * columns + c]);
  }
  expect(transpose(turned, columns, rows)).toEqual(data);
});
