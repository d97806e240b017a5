/** @file Activations against their formulas, at their kinks and far out. */

import { describe, expect, test } from "vitest";
import type { Tensor } from "../src/core/tensor.ts";
import { jit } from "../src/engines/jit.ts";
import { createOnnxEngine } from "../src/engines/onnx/onnx.ts";
import {
  elu,
  gelu,
  geluErf,
  hardTanh,
  leakyRelu,
  mish,
  relu,
  silu,
  softplus,
} from "../src/numpy/index.ts";
import { double } from "../src/testing/double.ts";
import { derivativesDiffer } from "../src/testing/slopes.ts";
import { differs, drawn, filled, numbers } from "../src/testing/tensors.ts";
import { grad } from "../src/transforms/vjp.ts";

const engine = await createOnnxEngine();

/** Φ by Simpson's rule on the density from −12. */
function phi(x: number): number {
  const n = 4000;
  const h = (x + 12) / n;
  const density = (i: number) => Math.exp(-((i * h - 12) ** 2) / 2) / Math.sqrt(2 * Math.PI);
  let sum = density(0) + density(n);
  for (let i = 1; i < n; i++) sum += density(i) * (i % 2 === 1 ? 4 : 2);
  return (sum * h) / 3;
}

interface Activation {
  readonly name: string;
  readonly f: (x: Tensor) => Tensor;
  readonly formula: (x: number) => number;
  /** Slope at 0, and at ±100. */
  readonly slopes: readonly [number, number, number];
}

const ACTIVATIONS: readonly Activation[] = [
  { name: "relu", f: relu, formula: (x) => Math.max(x, 0), slopes: [0, 0, 1] },
  {
    name: "leakyRelu",
    f: (x) => leakyRelu(x, 0.25),
    formula: (x) => (x > 0 ? x : 0.25 * x),
    slopes: [0.25, 0.25, 1],
  },
  {
    name: "elu",
    f: (x) => elu(x, 2),
    formula: (x) => (x > 0 ? x : 2 * Math.expm1(x)),
    slopes: [2, 0, 1],
  },
  { name: "silu", f: silu, formula: (x) => x / (1 + Math.exp(-x)), slopes: [0.5, 0, 1] },
  { name: "softplus", f: softplus, formula: (x) => Math.log1p(Math.exp(x)), slopes: [0.5, 0, 1] },
  {
    name: "mish",
    f: mish,
    formula: (x) => x * Math.tanh(Math.log1p(Math.exp(x))),
    slopes: [0.6, 0, 1], // tanh(log 2)
  },
  {
    name: "hardTanh",
    f: (x) => hardTanh(x, -1.5, 0),
    formula: (x) => Math.min(Math.max(x, -1.5), 0),
    slopes: [0, 0, 0],
  },
  { name: "geluErf", f: geluErf, formula: (x) => x * phi(x), slopes: [0.5, 0, 1] },
  {
    name: "gelu",
    f: gelu,
    formula: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
    slopes: [0.5, 0, 1],
  },
];

describe.each([...ACTIVATIONS])("$name", ({ f, formula, slopes }) => {
  const x = drawn(1, { batch: 24 }, 4);

  test("is its formula", async () => {
    const expected = numbers(x).map(formula);
    expect(differs(await double(f)(x), expected, { rtol: 1e-9, atol: 1e-9 })).toBeUndefined();
    const single = await jit(f, { engine })(x);
    expect(differs(single, expected, { rtol: 1e-5, atol: 1e-6 })).toBeUndefined();
  });

  test("its derivatives are slopes, and are as stated at 0 and far out", async () => {
    expect(await derivativesDiffer((y: Tensor) => f(y).mul(f(y)).sum(), x)).toBeUndefined();
    const places = filled({ batch: 3 }, (i) => [0, -100, 100][i]!);
    const slope = await jit(
      grad((y: Tensor) => f(y).sum()),
      { engine },
    )(places);
    expect(differs(slope, slopes, { rtol: 1e-6, atol: 1e-6 })).toBeUndefined();
  });

  test("lets NaN through", async () => {
    const nan = filled({ batch: 1 }, () => NaN);
    expect(numbers(await jit(f, { engine })(nan))).toEqual([NaN]);
  });
});

test("elu keeps the digits of tiny numbers", async () => {
  const x = filled({ batch: 2 }, (i) => [-1e-6, -1e-20][i]!);
  const y = await jit((z: Tensor) => elu(z), { engine })(x);
  expect(differs(y, numbers(x).map(Math.expm1), { rtol: 1e-6, atol: 0 })).toBeUndefined();
});
