/** @file Convolution layers against the functions they are made of. */

import { describe, expect, test } from "vitest";
import type { Tensor } from "../core/tensor.ts";
import { jit } from "../engines/jit.ts";
import { conv, convTranspose, random } from "../numpy/index.ts";
import { double } from "../testing/double.ts";
import { differs, drawn, numbers } from "../testing/tensors.ts";
import {
  convolution,
  convolutionParams,
  convolutionTranspose,
  convolutionTransposeParams,
} from "./convolution.ts";
import { initialise } from "./param.ts";

const CLOSE = { rtol: 1e-11, atol: 1e-12 };
const x = drawn(1, { batch: 2, height: 4, width: 5, channel: 6 });
const sizes = { channels: 6, filters: 4, window: [3, 2], groups: 2 };

describe("layers", () => {
  test("are declared with their axes and start with the variance of their inputs", async () => {
    const { kernel, bias } = convolutionParams(sizes);
    expect([kernel.axes, kernel.dims]).toEqual(["filter channel window0 window1", [4, 3, 3, 2]]);
    expect([bias?.axes, bias?.dims]).toEqual(["filter", [4]]);
    const wide = convolutionParams({ channels: 32, filters: 64, window: [3] });
    const fresh = await jit(() => initialise(wide, random.key(1)))();
    const list = numbers(fresh.kernel);
    const variance = list.reduce((sum, v) => sum + v * v, 0) / list.length;
    expect(variance * 32 * 3).toBeGreaterThan(0.9);
    expect(variance * 32 * 3).toBeLessThan(1.1);
    expect(numbers(fresh.bias!).every((v) => v === 0)).toBe(true);
  });

  test("convolve and add the bias, in x's own order, so that they can follow each other", async () => {
    const p = {
      kernel: drawn(2, { filter: 4, channel: 3, window0: 3, window1: 2 }),
      bias: drawn(3, { filter: 4 }),
    };
    const options = { groups: 2, padding: "same", stride: 2 } as const;
    const y = await double((q: typeof p, a: Tensor) => convolution(q, a, options))(p, x);
    expect([y.names, y.dims]).toEqual([
      ["batch", "height", "width", "channel"],
      [2, 2, 3, 4],
    ]);
    const plain = (q: typeof p, a: Tensor) =>
      conv(a, q.kernel, { ...options, as: "channel" }).add(q.bias.as("channel"));
    expect(differs(y, numbers(await double(plain)(p, x)), CLOSE)).toBeUndefined();
  });

  test("go back up", async () => {
    const { kernel } = convolutionTransposeParams(sizes);
    expect(kernel.dims).toEqual([6, 2, 3, 2]);
    const p = {
      kernel: drawn(4, { channel: 6, filter: 2, window0: 3, window1: 2 }),
      bias: drawn(5, { filter: 4 }),
    };
    const options = { groups: 2, padding: "same", stride: 2 } as const;
    const y = await double((q: typeof p, a: Tensor) => convolutionTranspose(q, a, options))(p, x);
    expect([y.names, y.dims]).toEqual([
      ["batch", "height", "width", "channel"],
      [2, 8, 10, 4],
    ]);
    const plain = (q: typeof p, a: Tensor) =>
      convTranspose(a, q.kernel, { ...options, as: "channel" }).add(q.bias.as("channel"));
    expect(differs(y, numbers(await double(plain)(p, x)), CLOSE)).toBeUndefined();
  });
});
