/** @file Random numbers: JAX's answers, their moments, and equal draws on every engine. */

import { describe, expect, test } from "vitest";
import type { Tensor } from "../src/core/tensor.ts";
import type { Engine } from "../src/engines/engine.ts";
import { jit } from "../src/engines/jit.ts";
import { createOnnxEngine } from "../src/engines/onnx/onnx.ts";
import { referenceEngine } from "../src/engines/reference/reference.ts";
import * as random from "../src/numpy/random.ts";
import { numbers } from "../src/testing/tensors.ts";

const ENGINES: readonly Engine[] = [referenceEngine, await createOnnxEngine()];
const draw = (engine: Engine, f: (key: Tensor) => Tensor, seed = 42) =>
  jit(f, { name: "draw", engine })(random.key(seed));

describe.each([...ENGINES])("$name", (engine) => {
  // jax 0.10.2, jax.random with PRNGKey(42).
  test("draws what JAX draws", async () => {
    expect(numbers(await draw(engine, (key) => random.bits(key, [4])))).toEqual([
      2098992034, 2919706841, 2646866425, 2409546199,
    ]);
    const uniform = numbers(await draw(engine, (key) => random.uniform(key, [3])));
    [0.48870957, 0.6797972, 0.6162715].forEach((x, i) => {
      expect(uniform[i]).toBe(Math.fround(x));
    });
    const normal = numbers(await draw(engine, (key) => random.normal(key, [5])));
    [-0.02830462, 0.46713185, 0.29570296, 0.15354592, -0.12403282].forEach((x, i) => {
      expect(normal[i]).toBeCloseTo(x, 6);
    });
  });

  test("folds and splits keys as JAX does", async () => {
    const folded = await draw(engine, (key) => random.fold(key, 7));
    expect(numbers(folded)).toEqual([2547012911, 1371500959]);
    const second = await draw(engine, (key) => random.split(key, 3)[1]!);
    expect(numbers(second)).toEqual(numbers(await draw(engine, (key) => random.fold(key, 1))));
  });
});

describe("100,000 draws", () => {
  test("have the moments of their distribution", async () => {
    const count = 100_000;
    const [, engine] = ENGINES as [Engine, Engine];
    const moment = (list: readonly number[], k: number) =>
      list.reduce((sum, x) => sum + x ** k, 0) / list.length;
    const normal = numbers(await draw(engine, (key) => random.normal(key, [count])));
    // Standard errors are about 0.003, 0.0045, 0.012 and 0.031.
    expect(Math.abs(moment(normal, 1))).toBeLessThan(0.012);
    expect(Math.abs(moment(normal, 2) - 1)).toBeLessThan(0.018);
    expect(Math.abs(moment(normal, 3))).toBeLessThan(0.05);
    expect(Math.abs(moment(normal, 4) - 3)).toBeLessThan(0.13);
    const flat = numbers(
      await draw(engine, (key) => random.uniform(key, [count], { low: -1, high: 3 })),
    );
    expect(Math.abs(moment(flat, 1) - 1)).toBeLessThan(0.015);
    expect(Math.abs(moment(flat, 2) - 7 / 3)).toBeLessThan(0.035);
    expect(flat.every((x) => x >= -1 && x < 3)).toBe(true);
  });
});

describe("on both engines", () => {
  const same = async (f: (key: Tensor) => Tensor, digits?: number) => {
    const [a, b] = [await draw(ENGINES[0]!, f), await draw(ENGINES[1]!, f)];
    const [x, y] = [numbers(a), numbers(b)];
    if (digits === undefined) expect(y).toEqual(x);
    else for (let i = 0; i < x.length; i++) expect(y[i]).toBeCloseTo(x[i]!, digits);
  };

  test("bits, uniform numbers and keys are equal bit for bit", async () => {
    await same((key) => random.bits(key, [1000]));
    await same((key) => random.uniform(key, [10, 100]));
    await same((key) => random.fold(random.fold(key, "layers/0/query"), 2 ** 40 + 3));
  });

  test("normal and Gumbel numbers are equal up to rounding of log and root", async () => {
    await same((key) => random.normal(key, [1000]), 5);
    await same((key) => random.gumbel(key, [1000]), 4);
  });
});

describe("a key", () => {
  const [reference] = ENGINES as [Engine];
  const bits = async (f: (key: Tensor) => Tensor, seed: number) =>
    numbers(await draw(reference, (key) => random.bits(f(key), [4]), seed));

  test("of a large seed keeps all its bits", async () => {
    expect(numbers(random.key(2 ** 33 + 5))).toEqual([2, 5]);
    expect(await bits((key) => key, 5)).not.toEqual(await bits((key) => key, 2 ** 33 + 5));
  });

  test("depends on what it was folded with, not on what else was drawn", async () => {
    const a = await bits((key) => random.fold(key, "a"), 1);
    const late = await bits((key) => {
      random.fold(key, "b");
      return random.fold(key, "a");
    }, 1);
    expect(late).toEqual(a);
    expect(await bits((key) => random.fold(key, "b"), 1)).not.toEqual(a);
  });

  test("folded with a name is folded with the name's FNV-1a hash", async () => {
    for (const [name, hash] of [
      ["", 0x811c9dc5],
      ["a", 0xe40c292c],
      ["foobar", 0xbf9cf968],
    ] as const) {
      const named = await bits((key) => random.fold(key, name), 1);
      expect(named).toEqual(await bits((key) => random.fold(key, hash), 1));
    }
  });

  test("a longer draw starts with the shorter one", async () => {
    const first = numbers(await draw(reference, (key) => random.uniform(key, [7])));
    const more = numbers(await draw(reference, (key) => random.uniform(key, [3, 5])));
    expect(more.slice(0, 7)).toEqual(first);
  });
});
