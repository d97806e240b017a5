/** @file Random numbers: JAX's answers, their distributions, and equal draws on every engine. */

import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { interpretTogether } from "../../src/core/interpret-together.ts";
import type { Tensor } from "../../src/core/tensor.ts";
import type { Engine } from "../../src/engines/engine.ts";
import { jit } from "../../src/engines/jit.ts";
import { createOnnxEngine } from "../../src/engines/onnx/onnx.ts";
import { referenceEngine } from "../../src/engines/reference/reference.ts";
import { random, tensor } from "../../src/numpy/index.ts";
import { keysOf } from "../../src/numpy/random/threefry.ts";
import { mul } from "../../src/ops/arithmetic.ts";
import { partitionId } from "../../src/ops/collectives.device.ts";
import { full } from "../../src/ops/creation.ts";
import { log } from "../../src/ops/exponential.ts";
import { reshape } from "../../src/ops/layout.ts";
import { slice } from "../../src/ops/pieces.ts";
import { numbers } from "../../src/testing/tensors.ts";
import { programLike } from "../../src/testing/together.ts";
import { vmap } from "../../src/transforms/vmap.ts";

const onnx = await createOnnxEngine();
const ENGINES: readonly Engine[] = [referenceEngine, onnx];
type Drawing = (key: Tensor) => Tensor;
const draw = (engine: Engine, f: Drawing, seed = 42) =>
  jit(f, { name: "draw", engine })(random.key(seed));

/** Several draws from one key in one program: what they share is computed once. */
async function drawAll(
  engine: Engine,
  draws: readonly (readonly [name: string, f: Drawing])[],
  seed = 42,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const f = jit((key: Tensor) => draws.map(([, each]) => each(key)), { name: "draws", engine });
  const results = await f(random.key(seed));
  return new Map(draws.map(([name], i) => [name, numbers(need(results[i]))]));
}

const RECORDED: { readonly draws: Readonly<Record<string, readonly number[]>> } = JSON.parse(
  readFileSync(new URL("../recorded/random.json", import.meta.url), "utf8"),
);

interface Draw {
  readonly f: Drawing;
  /** Largest error relative to the larger of 1 and the number; 0 when absent: bit for bit. */
  readonly error?: number;
}

const PROBABILITIES = [0.1, 0.2, 0.3, 0.4];
const logits = () =>
  tensor(
    rows(
      Array.from({ length: 12 }, (_, i) => Math.log(i + 1)),
      4,
    ),
  );
function rows(list: readonly number[], width: number): number[][] {
  return Array.from({ length: list.length / width }, (_, i) => [
    ...list.slice(i * width, (i + 1) * width),
  ]);
}

/** Logarithms, roots and polynomials round by themselves on each engine. */
const ROUNDED = 1e-6;

/** Our call of each recorded draw. */
const DRAWS: Readonly<Record<string, Draw>> = {
  "fold 7": { f: (key) => random.fold(key, 7) },
  "split 3": { f: (key) => random.keys(key, 3) },
  "normal of split keys": {
    f: (key) => vmap((own: Tensor) => random.normal(own, [2]))(random.keys(key, 3)),
    error: ROUNDED,
  },
  "bits [2, 3]": { f: (key) => random.bits(key, [2, 3]) },
  "uniform [8]": { f: (key) => random.uniform(key, [8]) },
  "uniform -1 3 [2, 4]": { f: (key) => random.uniform(key, [2, 4], { low: -1, high: 3 }) },
  // XLA multiplies and adds in one rounding.
  "uniform 0.1 0.7 [8]": {
    f: (key) => random.uniform(key, [8], { low: 0.1, high: 0.7 }),
    error: 2 ** -24,
  },
  "uniform float16 [8]": { f: (key) => random.uniform(key, [8], { dtype: "float16" }) },
  "uniform bfloat16 [8]": { f: (key) => random.uniform(key, [8], { dtype: "bfloat16" }) },
  "uniform float64 [8]": { f: (key) => random.uniform(key, [8], { dtype: "float64" }) },
  "normal [2, 8]": { f: (key) => random.normal(key, [2, 8]), error: ROUNDED },
  "truncatedNormal -2 2 [8]": {
    f: (key) => random.truncatedNormal(key, [8], { low: -2, high: 2 }),
    error: ROUNDED,
  },
  "truncatedNormal 0.5 inf [8]": {
    f: (key) => random.truncatedNormal(key, [8], { low: 0.5, high: Infinity }),
    error: ROUNDED,
  },
  "logNormal 0.5 [8]": { f: (key) => random.logNormal(key, [8], { sigma: 0.5 }), error: ROUNDED },
  "exponential [8]": { f: (key) => random.exponential(key, [8]), error: ROUNDED },
  "pareto 3 [8]": { f: (key) => random.pareto(key, [8], { b: 3 }), error: ROUNDED },
  "rayleigh 2 [8]": { f: (key) => random.rayleigh(key, [8], { scale: 2 }), error: ROUNDED },
  "cauchy [8]": { f: (key) => random.cauchy(key, [8]), error: ROUNDED },
  "gumbel [8]": { f: (key) => random.gumbel(key, [8]), error: ROUNDED },
  "gumbel high [8]": { f: (key) => random.gumbel(key, [8], { mode: "high" }), error: ROUNDED },
  "laplace [8]": { f: (key) => random.laplace(key, [8]), error: ROUNDED },
  "logistic [8]": { f: (key) => random.logistic(key, [8]), error: ROUNDED },
  "gamma 0.4 [8]": { f: (key) => random.gamma(key, 0.4, [8]), error: ROUNDED },
  "gamma of four [2, 4]": {
    f: (key) => random.gamma(key, tensor([0.1, 1, 3, 50]), [2, 4]),
    error: ROUNDED,
  },
  "logGamma 0.01 [8]": { f: (key) => random.logGamma(key, 0.01, [8]), error: ROUNDED },
  "beta 0.5 2 [8]": { f: (key) => random.beta(key, 0.5, 2, [8]), error: ROUNDED },
  "dirichlet of four [2]": {
    f: (key) => random.dirichlet(key, tensor([0.1, 1, 3, 5]), [2]),
    error: ROUNDED,
  },
  "chiSquare 3 [8]": { f: (key) => random.chiSquare(key, 3, [8]), error: ROUNDED },
  "studentT 5 [8]": { f: (key) => random.studentT(key, 5, [8]), error: ROUNDED },
  "bernoulli 0.3 [16]": { f: (key) => random.bernoulli(key, 0.3, [16]) },
  "bernoulli of four [3, 4]": {
    f: (key) => random.bernoulli(key, tensor(PROBABILITIES), [3, 4]),
  },
  "rademacher [16]": { f: (key) => random.rademacher(key, [16]) },
  "randint -5 17 [16]": { f: (key) => random.randint(key, [16], { low: -5, high: 17 }) },
  "randint 0 2000000011 [8]": {
    f: (key) => random.randint(key, [8], { low: 0, high: 2000000011 }),
  },
  "randint int32 [8]": {
    f: (key) => random.randint(key, [8], { low: -(2 ** 31), high: 2 ** 31 - 1 }),
  },
  categorical: { f: (key) => random.categorical(key, logits()) },
  "categorical along 0": { f: (key) => random.categorical(key, logits(), { axis: 0 }) },
  "categorical, 5 draws": { f: (key) => random.categorical(key, logits(), { draws: 5 }) },
  "categorical, 2 without replacement": {
    f: (key) => random.categorical(key, logits(), { draws: 2, replace: false }),
  },
  "permutation 1": { f: (key) => random.permutation(key, 1) },
  "permutation 20": { f: (key) => random.permutation(key, 20) },
  "permutation 2000, every 100th": {
    f: (key) => slice(reshape(random.permutation(key, 2000), [20, 100]), [0, 0], [20, 1]),
  },
  "choice of 10 [2, 4]": { f: (key) => random.choice(key, 10, [2, 4]) },
  "choice of 10 [4] without replacement": {
    f: (key) => random.choice(key, 10, [4], { replace: false }),
  },
  "choice of 4 [8] by p": { f: (key) => random.choice(key, 4, [8], { p: tensor(PROBABILITIES) }) },
  "choice of 4 [3] by p without replacement": {
    f: (key) => random.choice(key, 4, [3], { p: tensor(PROBABILITIES), replace: false }),
  },
};

describe.each(ENGINES.map((engine) => ({ name: engine.name, engine })))("$name", ({ engine }) => {
  test("has a call for every draw that was recorded", () => {
    expect(Object.keys(DRAWS).sort()).toEqual(Object.keys(RECORDED.draws).sort());
  });

  // float64 runs on the reference engine only.
  const ours = Object.entries(DRAWS).filter(
    ([name]) => engine === referenceEngine || !name.includes("float64"),
  );
  let drawn: ReadonlyMap<string, readonly number[]> = new Map();
  beforeAll(async () => {
    drawn = await drawAll(
      engine,
      ours.map(([name, { f }]) => [name, f]),
    );
  });

  test.each(ours)("draws JAX's %s", (name, { error = 0 }) => {
    const actual = drawn.get(name) ?? [];
    const expected = RECORDED.draws[name] ?? [];
    expect(actual.length).toBe(expected.length);
    expected.forEach((y, i) => {
      const x = actual[i] ?? NaN;
      if (error === 0)
        expect(x).toBe(Number.isInteger(y) || name.includes("64") ? y : Math.fround(y));
      else expect(Math.abs(x - y)).toBeLessThanOrEqual(error * Math.max(1, Math.abs(y)));
    });
  });
});

/** Standard normal distribution function, by the series of erf, in double precision. */
function normalBelow(x: number): number {
  if (Math.abs(x) > 6) return x > 0 ? 1 : 0;
  let [term, sum] = [x, x];
  for (let n = 1; Math.abs(term) > 1e-17; n++) {
    term *= (x * x) / (2 * n + 1);
    sum += term;
  }
  return 0.5 + (Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)) * sum;
}

describe("20,000 draws", () => {
  const count = 20_000;
  const few = 3000;

  /** Kolmogorov and Smirnov: the largest gap between the drawn and the exact distribution function. */
  function largestGap(list: readonly number[], below: (x: number) => number): number {
    const sorted = [...list].sort((a, b) => a - b);
    return Math.max(
      ...sorted.map((x, i) =>
        Math.max((i + 1) / sorted.length - below(x), below(x) - i / sorted.length),
      ),
    );
  }

  const truncated = (x: number) =>
    (normalBelow(x) - normalBelow(-1)) / (normalBelow(2) - normalBelow(-1));
  const continuous: readonly [string, Drawing, (x: number) => number][] = [
    ["uniform", (key) => random.uniform(key, [count], { low: -1, high: 3 }), (x) => (x + 1) / 4],
    ["normal", (key) => random.normal(key, [count]), normalBelow],
    [
      "truncated normal",
      (key) => random.truncatedNormal(key, [count], { low: -1, high: 2 }),
      truncated,
    ],
    [
      "log-normal",
      (key) => random.logNormal(key, [count], { sigma: 2 }),
      (x) => normalBelow(Math.log(x) / 2),
    ],
    ["exponential", (key) => random.exponential(key, [count]), (x) => 1 - Math.exp(-x)],
    // Of parameters whose distribution functions are elementary; fewer numbers, since each is a loop.
    ["gamma", (key) => random.gamma(key, 2, [few]), (x) => 1 - (1 + x) * Math.exp(-x)],
    [
      "small gamma",
      (key) => random.gamma(key, 0.5, [few]),
      (x) => 2 * normalBelow(Math.sqrt(2 * x)) - 1,
    ],
    [
      "arcsine",
      (key) => random.beta(key, 0.5, 0.5, [few]),
      (x) => (2 / Math.PI) * Math.asin(Math.sqrt(x)),
    ],
    [
      "Student's",
      (key) => random.studentT(key, 2, [few]),
      (x) => 0.5 + x / (2 * Math.sqrt(2 + x * x)),
    ],
    ["Pareto", (key) => random.pareto(key, [count], { b: 3 }), (x) => 1 - x ** -3],
    ["Rayleigh", (key) => random.rayleigh(key, [count]), (x) => 1 - Math.exp((-x * x) / 2)],
    ["Cauchy", (key) => random.cauchy(key, [count]), (x) => 0.5 + Math.atan(x) / Math.PI],
    ["Gumbel", (key) => random.gumbel(key, [count]), (x) => Math.exp(-Math.exp(-x))],
    [
      "fine Gumbel",
      (key) => random.gumbel(key, [count], { mode: "high" }),
      (x) => Math.exp(-Math.exp(-x)),
    ],
    [
      "Laplace",
      (key) => random.laplace(key, [count]),
      (x) => (x < 0 ? Math.exp(x) / 2 : 1 - Math.exp(-x) / 2),
    ],
    ["logistic", (key) => random.logistic(key, [count]), (x) => 1 / (1 + Math.exp(-x))],
  ];
  test.each(continuous)("of %s numbers have its distribution function", (name, _f, below) => {
    // Beyond 1.95 / √n the chance is 1 in 1,000; the seed is fixed.
    const list = need(drawn.get(name));
    expect(largestGap(list, below)).toBeLessThan(1.95 / Math.sqrt(list.length));
  });

  /** Pearson's χ² of counts against probabilities. */
  function chiSquare(list: readonly number[], probabilities: readonly number[], first = 0): number {
    const counts = probabilities.map((_, k) => list.filter((x) => x === first + k).length);
    expect(counts.reduce((a, b) => a + b)).toBe(list.length);
    return probabilities.reduce((sum, p, k) => {
      const expected = p * list.length;
      return sum + ((counts[k] ?? 0) - expected) ** 2 / expected;
    }, 0);
  }

  const even = (n: number) => Array<number>(n).fill(1 / n);
  const discrete: readonly [string, Drawing, readonly number[], number][] = [
    ["coin", (key) => random.bernoulli(key, 0.3, [count]), [0.7, 0.3], 0],
    ["integer", (key) => random.randint(key, [count], { low: -3, high: 4 }), even(7), -3],
    [
      "category",
      (key) => random.categorical(key, log(tensor(PROBABILITIES)), { draws: count }),
      PROBABILITIES,
      0,
    ],
    [
      "choice",
      (key) => random.choice(key, 4, [count], { p: tensor(PROBABILITIES) }),
      PROBABILITIES,
      0,
    ],
    [
      "first place of a permutation",
      (key) =>
        vmap((own: Tensor) => slice(random.permutation(own, 5), [0], [1]))(random.keys(key, count)),
      even(5),
      0,
    ],
  ];
  test.each(discrete)("of a %s come as often as they should", (name, _f, probabilities, first) => {
    // χ² with up to 6 degrees of freedom exceeds 22.5 once in 1,000.
    expect(chiSquare(need(drawn.get(name)), probabilities, first)).toBeLessThan(22.5);
  });

  let drawn: ReadonlyMap<string, readonly number[]> = new Map();
  beforeAll(async () => {
    const all = [...continuous, ...discrete].map(([name, f]) => [name, f] as const);
    drawn = await drawAll(onnx, [...all, ["signs", (key) => random.rademacher(key, [count])]], 7);
  });

  test("of signs are balanced", () => {
    const signs = need(drawn.get("signs"));
    expect(signs.every((x) => Math.abs(x) === 1)).toBe(true);
    // The standard deviation of the sum is √20,000 = 141.
    expect(Math.abs(signs.reduce((a, b) => a + b))).toBeLessThan(3.3 * 141);
  });

  test("stay inside what they are truncated to, however thin", async () => {
    for (const [low, high] of [
      [-2, 2],
      [3, 3.001],
      [-Infinity, -4],
      [5, Infinity],
    ] as const) {
      const list = numbers(
        await draw(onnx, (key) => random.truncatedNormal(key, [1000], { low, high }), 7),
      );
      expect(list.every((x) => x > Math.fround(low) && x < Math.fround(high))).toBe(true);
      expect(Math.max(...list.map(Math.abs))).toBeLessThan(6);
    }
  });
});

describe("a piece of an array", () => {
  const whole = [6, 4];
  type Draws = (key: Tensor, dims: readonly number[], options?: random.DrawOptions) => Tensor;
  const kinds: readonly [string, Draws][] = [
    ["bits", random.bits],
    ["normal", random.normal],
    [
      "gumbel, high",
      (key, dims, options) => random.gumbel(key, dims, { mode: "high", ...options }),
    ],
    ["gamma", (key, dims, options) => random.gamma(key, 0.7, dims, options)],
    [
      "randint",
      (key, dims, options) => random.randint(key, dims, { low: 0, high: 99, ...options }),
    ],
    ["bernoulli", (key, dims, options) => random.bernoulli(key, 0.5, dims, options)],
  ];

  test.each(kinds)("has the numbers that the whole has there: %s", async (_name, f) => {
    for (const engine of ENGINES) {
      const piece = { of: whole, at: [2, 1] };
      expect(numbers(await draw(engine, (key) => f(key, [3, 2], { piece })))).toEqual(
        numbers(await draw(engine, (key) => slice(f(key, whole), [2, 1], [5, 3]))),
      );
    }
  });

  test.each(kinds)(
    "that each of four devices draws for itself makes up the whole: %s",
    (_name, f) => {
      const key = random.key(3);
      const all = interpretTogether(
        programLike("whole", (own) => [f(need(own), [8, 3])], [[array(key)]]),
        [[array(key)]],
      );
      const place = (own: Tensor) => {
        const at = [mul(partitionId(4), full(2, partitionId(4).aval)), 0];
        return f(own, [2, 3], { piece: { of: [8, 3], at } });
      };
      const devices = Array.from({ length: 4 }, () => [array(key)]);
      const pieces = interpretTogether(
        programLike("piece", (own) => [place(need(own))], devices),
        devices,
      );
      expect(pieces.flatMap(([y]) => [...need(y).data].map(Number))).toEqual(
        [...need(all[0]?.[0]).data].map(Number),
      );
    },
  );

  test("has names for all axes or for none", async () => {
    await expect(
      draw(referenceEngine, (key) => random.normal(key, [3, 2], { axes: "batch" })),
    ).rejects.toThrow('random: "batch" names 1 axes, but the sizes are [3, 2]');
  });

  test("must lie inside its array", async () => {
    const outside = draw(referenceEngine, (key) =>
      random.normal(key, [3, 2], { piece: { of: whole, at: [4, 0] } }),
    );
    await expect(outside).rejects.toThrow("random: the piece does not lie inside its array.");
  });
});

function array(x: Tensor) {
  return { dtype: x.dtype, dims: x.dims, data: x.data() };
}

function need<T>(x: T | undefined): T {
  if (x === undefined) throw new Error("a value is missing");
  return x;
}

describe("on both engines", () => {
  const both = async (f: Drawing) => [
    numbers(await draw(referenceEngine, f)),
    numbers(await draw(onnx, f)),
  ];

  test.each<[string, Drawing]>([
    ["bits", (key) => random.bits(key, [10, 100])],
    ["uniform numbers", (key) => random.uniform(key, [10, 10, 10], { low: -2, high: 5 })],
    ["float16 numbers", (key) => random.uniform(key, [100], { dtype: "float16" })],
    ["folded keys", (key) => random.fold(random.fold(key, "layers/0/query"), 2 ** 40 + 3)],
    ["integers", (key) => random.randint(key, [1000], { low: -7, high: 1000 })],
    ["coins", (key) => random.bernoulli(key, 0.25, [1000])],
    ["permutations", (key) => random.permutation(key, 300)],
    ["categories", (key) => random.categorical(key, logits(), { draws: 50 })],
  ])("%s are equal bit for bit", async (_name, f) => {
    const [x, y] = await both(f);
    expect(y).toEqual(x);
  });

  test.each<[string, Drawing]>([
    ["normal", (key) => random.normal(key, [1000])],
    ["exponential", (key) => random.exponential(key, [1000])],
    ["Gumbel", (key) => random.gumbel(key, [1000])],
    ["Laplace", (key) => random.laplace(key, [1000])],
  ])("%s numbers are equal up to the rounding of logarithms and roots", async (_name, f) => {
    const [x = [], y = []] = await both(f);
    x.forEach((value, i) => {
      expect(Math.abs(value - (y[i] ?? NaN))).toBeLessThan(2e-6 * Math.max(1, Math.abs(value)));
    });
  });
});

describe("a key", () => {
  const bits = async (f: Drawing, seed: number) =>
    numbers(await draw(referenceEngine, (key) => random.bits(f(key), [4]), seed));

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

  test("folded with a tensor is folded with its number", async () => {
    const seven = await bits((key) => random.fold(key, 7), 1);
    expect(await bits((key) => random.fold(key, tensor(7, "int32")), 1)).toEqual(seven);
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

  test("split gives the keys that it is folded into", async () => {
    const second = await bits((key) => need(random.split(key, 3)[1]), 1);
    expect(second).toEqual(await bits((key) => random.fold(key, 1), 1));
  });
});

describe("permutations", () => {
  test.each([0, 1, 2, 3, 17, 2000])("of %i are permutations", async (n) => {
    const order = numbers(await draw(onnx, (key) => random.permutation(key, n), n));
    expect(order.sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
  });

  test("of rows keep the rows", async () => {
    const table = tensor(
      rows(
        Array.from({ length: 12 }, (_, i) => i),
        3,
      ),
    );
    const shuffled = numbers(await draw(onnx, (key) => random.shuffle(key, table, 0)));
    const order = numbers(await draw(onnx, (key) => random.permutation(key, 4)));
    expect(shuffled).toEqual(order.flatMap((row) => [3 * row, 3 * row + 1, 3 * row + 2]));
  });
});

describe("refuses", () => {
  const refused = (f: Drawing) => draw(referenceEngine, f);

  test.each<[string, Drawing, string]>([
    [
      "integers as uniform numbers",
      (key) => random.uniform(key, [2], { dtype: "int32" }),
      "uniform: draws floats, not int32",
    ],
    [
      "an empty range of integers",
      (key) => random.randint(key, [2], { low: 3, high: 3 }),
      "randint: there is no integer from 3 to below 3",
    ],
    [
      "an empty truncation",
      (key) => random.truncatedNormal(key, [2], { low: 1, high: 1 }),
      "truncatedNormal: there is no number between 1 and 1",
    ],
    [
      "more draws than categories",
      (key) => random.categorical(key, logits(), { draws: 5, replace: false }),
      "categorical: 5 draws without replacement from axis 1 of float32[3, 4], which has 4 categories",
    ],
    [
      "more choices than there are",
      (key) => random.choice(key, 3, [2, 2], { replace: false }),
      "choice: 4 draws without replacement from 3",
    ],
    [
      "a choice from nothing",
      (key) => random.choice(key, 0, [2]),
      "choice: there is nothing to choose from",
    ],
    [
      "probabilities of another length",
      (key) => random.choice(key, 3, [2], { p: tensor(PROBABILITIES) }),
      "choice: p is float32[4], one probability for each of 3 is needed",
    ],
  ])("%s", async (_name, f, message) => {
    await expect(refused(f)).rejects.toThrow(message);
  });
});

describe("an array of more than 2³² elements", () => {
  const of = [2 ** 14 + 3, 3, 2 ** 31 - 1] as const; // about 2⁴⁶ elements
  test.each([[[0, 0, 0]], [[5, 1, 2 ** 31 - 4]], [[2 ** 14, 2, 7]], [[8191, 1, 2 ** 30 + 12345]]])(
    "has the keys of its places at %j",
    async (at) => {
      const draw = (k: random.Key) => keysOf(k, [2, 1, 3], { piece: { of, at } });
      const flat = (i: number, j: number) =>
        Number(
          (BigInt(at[0] ?? 0) + BigInt(i)) * BigInt(of[1]) * BigInt(of[2]) +
            BigInt(at[1] ?? 0) * BigInt(of[2]) +
            BigInt((at[2] ?? 0) + j),
        );
      const folds = (k: random.Key) =>
        [0, 1].flatMap((i) => [0, 1, 2].map((j) => random.fold(k, flat(i, j))));
      const key = random.key(11);
      const drawn = (await jit(draw)(key)).numbers();
      const wanted = (await jit(folds)(key)).flatMap((pair) => pair.numbers());
      expect(drawn).toEqual(wanted);
    },
  );
});
