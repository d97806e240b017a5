/** @file Out of memory names what is large. */

import { expect, test } from "vitest";
import { jit } from "../src/engines/jit.ts";
import { exp, fromData, mul, sum, type Tensor } from "../src/numpy/index.ts";

const LARGE = 2 ** 20;
const x = fromData("float32", [LARGE], new Float32Array(LARGE));
const said = async (run: Promise<unknown>) => {
  try {
    await run;
  } catch (error) {
    return `\n${(error as Error).message.replace(/\.test\.ts:\d+/g, ".test.ts:LINE")}\n`;
  }
  throw new Error("it fits");
};

test("a value inside", async () => {
  const outer = (y: Tensor) => sum(exp(mul(y.reshape([LARGE, 1]), y)));
  expect(await said(jit(outer)(x))).toMatchInlineSnapshot(`
    "
    outer: there is not enough memory to run it.
      asked for    4.00 TiB
      largest 1    4.00 TiB: float32[1048576, 1048576], made by mul at test/memory-error.test.ts:LINE in outer
      largest 2    4.00 TiB: float32[1048576, 1048576], made by exp at test/memory-error.test.ts:LINE in outer
      largest 3    4.00 MiB: float32[1048576], input 1
      largest 4    4 B: float32[], made by sum at test/memory-error.test.ts:LINE in outer
      fix          use a smaller batch, wrap layers in checkpoint(…), or split what is that large    [MEMORY-01]
    "
  `);
});

test("a result", async () => {
  const outer = (y: Tensor) => exp(mul(y.reshape([LARGE, 1]), y));
  expect(await said(jit(outer)(x))).toMatchInlineSnapshot(`
    "
    outer: there is not enough memory to run it.
      largest 1    4.00 TiB: float32[1048576, 1048576], made by mul at test/memory-error.test.ts:LINE in outer
      largest 2    4.00 TiB: float32[1048576, 1048576], made by exp at test/memory-error.test.ts:LINE in outer
      largest 3    4.00 MiB: float32[1048576], input 1
      fix          use a smaller batch, wrap layers in checkpoint(…), or split what is that large    [MEMORY-01]
    "
  `);
});
