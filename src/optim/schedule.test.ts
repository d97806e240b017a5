/** @file Schedules against those of PyTorch and Optax, and by their laws. */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { fromData, type Tensor } from "../core/tensor.ts";
import { jit } from "../engines/jit.ts";
import { referenceEngine } from "../engines/reference/reference.ts";
import { double } from "../testing/double.ts";
import { join, oneCycle, warmRestarts, warmup, wsd } from "./composed-schedules.ts";
import {
  constant,
  cosine,
  exponential,
  inverseSquareRoot,
  linear,
  piecewise,
  polynomial,
  type Schedule,
} from "./schedule.ts";

const recorded = JSON.parse(
  readFileSync(new URL("../../test/recorded/schedules.json", import.meta.url), "utf8"),
) as {
  readonly at: readonly number[];
  readonly rates: Readonly<Record<string, readonly number[]>>;
};

describe("PyTorch's and Optax's rates", () => {
  const ours: Readonly<Record<string, Schedule>> = {
    linear: linear(1, 0.1, 100),
    polynomial: polynomial(1, 0.1, 100, 2.5),
    exponential: exponential(0.5, 0.4, 30),
    "exponential in stairs": exponential(0.5, 0.4, 30, { stairs: true }),
    piecewise: piecewise(0.8, 0.5, [30, 70]),
    cosine: cosine(0.6, 100, 0.06),
    "warm-up and cosine": warmup(cosine(0.6, 90, 0.03), 10),
    "warm-up, stable, decay": wsd(0.6, { warmup: 10, steps: 100, decay: 30 }, { to: 0.006 }),
    MultiStepLR: piecewise(1, 0.1, [30, 70]),
    OneCycleLR: oneCycle(0.5, 100),
    CosineAnnealingWarmRestarts: warmRestarts(1, 30, { to: 0.1 }),
    "CosineAnnealingWarmRestarts, twice as long": warmRestarts(1, 10, { growth: 2 }),
  };

  test("all that were recorded are here", () => {
    expect(Object.keys(ours)).toEqual(Object.keys(recorded.rates));
  });

  test.each(Object.entries(ours))("of %s", async (name, schedule) => {
    const run = double((t: Tensor) => schedule(t));
    for (const [i, step] of recorded.at.entries()) {
      const rate = (await run(fromData("float32", [], Float64Array.of(step)))).item();
      // Factors such as 1/30 are rounded to single precision where they are traced.
      expect(rate, `step ${step}`).toBeCloseTo(recorded.rates[name]![i]!, 6);
    }
  });

  test.each(Object.entries(ours))("%s says its name and its numbers", (_, { description }) => {
    expect(description).toMatch(/[a-z]{3}.*\d/);
  });
});

describe("schedules", () => {
  const compiled = (schedule: Schedule) => {
    const run = jit((t: Tensor) => schedule(t), { engine: referenceEngine });
    return async (t: number) => (await run(fromData("float32", [], Float32Array.of(t)))).item();
  };

  test("the inverse square root is GLaM's (§11.6)", async () => {
    const at = compiled(inverseSquareRoot(0.01, 10_000));
    for (const [t, rate] of [
      [0, 0.01],
      [1, 0.01],
      [5000, 0.01],
      [10_000, 0.01],
      [40_000, 0.005],
      [250_000, 0.002],
    ] as const) {
      expect(await at(t)).toBeCloseTo(rate, 8);
    }
    expect(await compiled(inverseSquareRoot(0.02, 0))(4)).toBeCloseTo(0.01, 8);
  });

  test("a warm-up of n steps rises by an nth each, to where its schedule starts", async () => {
    const at = compiled(warmup(linear(0.8, 0, 100), 4));
    for (const [step, rate] of [0.2, 0.4, 0.6, 0.8, 0.8, 0.792].entries())
      expect(await at(step)).toBeCloseTo(rate, 6);
  });

  test("join gives each schedule steps of its own", async () => {
    const at = compiled(join(constant(0.5), [10, linear(1, 0, 10)], [15, constant(0.1)]));
    for (const [step, rate] of [
      [0, 0.5],
      [9, 0.5],
      [10, 1],
      [12, 0.8],
      [14, 0.6],
      [15, 0.1],
      [99, 0.1],
    ] as const)
      expect(await at(step)).toBeCloseTo(rate, 6);
  });

  test("wsd may fall as 1 − √x", async () => {
    const phases = { warmup: 0, steps: 100, decay: 25 };
    const at = compiled(wsd(0.4, phases, { fall: "one-minus-sqrt" }));
    expect(await at(74)).toBeCloseTo(0.4, 6);
    expect(await at(75 + 16)).toBeCloseTo(0.4 * (1 - 0.8), 6);
    expect(await at(100)).toBeCloseTo(0, 6);
  });

  test("restarts stay exact far out: the last step of a long period is near its end", async () => {
    const at = compiled(warmRestarts(1, 1000, { growth: 2 }));
    const start = 1000 * (2 ** 12 - 1);
    expect(await at(start)).toBe(1);
    expect(await at(start - 1)).toBeLessThan(1e-6);
    expect(await at(start + 2_048_000)).toBeCloseTo(0.5, 6);
  });
});
