/** @file Element-wise functions where the op's own record is no independent witness, and functions made of several ops. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type DType, fromNumbers } from "../src/core/dtype.ts";
import { fromData, type Tensor } from "../src/core/tensor.ts";
import { jit } from "../src/engines/jit.ts";
import { createOnnxEngine } from "../src/engines/onnx/onnx.ts";
import { referenceEngine } from "../src/engines/reference/reference.ts";
import * as np from "../src/numpy/index.ts";
import { double } from "../src/testing/double.ts";
import { differs, doubles, numbers } from "../src/testing/tensors.ts";
import { grad } from "../src/transforms/vjp.ts";

const ENGINES = [referenceEngine, await createOnnxEngine()];
const list = (dtype: DType, values: readonly number[]) =>
  fromData(dtype, [values.length], fromNumbers(dtype, values));

/** 2⁻³⁰ to 2⁻¹, of both signs: where `eˣ − 1` and `log(1 + x)` cancel. */
const SMALL = [...Array(30).keys()].flatMap((i) => [1.37 * 2 ** -(i + 2), -1.37 * 2 ** -(i + 2)]);

describe.each(ENGINES)("on $name", (engine) => {
  test.each([
    ["expm1", np.expm1, Math.expm1],
    ["log1p", np.log1p, Math.log1p],
    ["sinh", np.sinh, Math.sinh],
    ["tanh", np.tanh, Math.tanh],
    ["asinh", np.asinh, Math.asinh],
    ["atanh", np.atanh, Math.atanh],
    ["asin", np.asin, Math.asin],
    ["cbrt", np.cbrt, Math.cbrt],
  ] as const)("%s is accurate near 0, relative to itself", async (_name, f, exact) => {
    const x = list("float32", SMALL);
    const y = await jit((z: Tensor) => f(z), { engine })(x);
    const wanted = numbers(x).map((z) => exact(z));
    expect(differs(y, wanted, { rtol: 6e-7, atol: 0 })).toBeUndefined(); // five units in the last place
  });

  // Maclaurin series in double precision; alternating, but exact enough up to 3.
  const erf = (z: number) => {
    let [term, sum] = [z, z];
    for (let n = 1; n < 120; n++) {
      term *= (-z * z) / n;
      sum += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  };

  test("erf is its series, and erfInv inverts it over the whole range", async () => {
    const at = [-3, -2.1, -0.5, -1e-3, 0, 1e-5, 0.1, 0.99, 2.5];
    const y = await jit((z: Tensor) => np.erf(z), { engine })(list("float32", at));
    expect(
      differs(
        y,
        at.map((z) => erf(Math.fround(z))),
        { rtol: 5e-7, atol: 0 },
      ),
    ).toBeUndefined();
    const inside = [-0.999, -0.9, -0.5, -1e-3, 0, 0.1, 0.7, 0.99, 0.9999];
    const z = await jit((u: Tensor) => np.erfInv(u), { engine })(list("float32", inside));
    numbers(z).forEach((value, i) => {
      expect(erf(value)).toBeCloseTo(inside[i] ?? NaN, 6);
    });
  });

  const whole = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
  const small = fc.integer({ min: -6, max: 6 });
  const integer = fc.oneof(whole, small);
  const rows = fc.array(fc.tuple(integer, integer), { minLength: 8, maxLength: 8 });

  test("quotients and remainders of integers make up the whole, and have their signs", async () => {
    const f = jit(
      (x: Tensor, y: Tensor) => [np.div(x, y), np.rem(x, y), np.floorDiv(x, y), np.mod(x, y)],
      {
        engine,
      },
    );
    await fc.assert(
      fc.asyncProperty(rows, async (pairs) => {
        const [x, y] = [pairs.map(([a]) => a), pairs.map(([, b]) => b)];
        const [q = [], r = [], down = [], m = []] = (
          await f(list("int32", x), list("int32", y))
        ).map(numbers);
        for (const [i, [a, b]] of pairs.entries()) {
          const at = (values: readonly number[]) => values[i] ?? NaN;
          if (b === 0) {
            expect([at(q), at(r), at(down), at(m)]).toEqual([-1, a, -1, a]);
            continue;
          }
          expect((Math.imul(at(q), b) + at(r)) | 0).toBe(a);
          expect((Math.imul(at(down), b) + at(m)) | 0).toBe(a);
          expect(Math.abs(at(r))).toBeLessThan(Math.abs(b));
          expect(Math.abs(at(m))).toBeLessThan(Math.abs(b));
          expect(at(r) === 0 || at(r) < 0 === a < 0).toBe(true);
          expect(at(m) === 0 || at(m) < 0 === b < 0).toBe(true);
        }
      }),
      { seed: 1, numRuns: 40 },
    );
  });

  test("shifts, counts and powers of integers are JavaScript's", async () => {
    const by = fc.integer({ min: 0, max: 31 });
    const f = jit(
      (x: Tensor, n: Tensor) => {
        const word = np.astype(x, "uint32");
        return [
          np.shiftLeft(x, n),
          np.shiftRight(x, n),
          np.astype(np.shiftRight(word, np.astype(n, "uint32")), "int32"),
          np.astype(np.popcount(word), "int32"),
          np.astype(np.countLeadingZeros(word), "int32"),
          np.power(x, 5),
        ];
      },
      { engine },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(whole, by), { minLength: 6, maxLength: 6 }),
        async (pairs) => {
          const [x, n] = [pairs.map(([a]) => a), pairs.map(([, b]) => b)];
          const answers = (await f(list("int32", x), list("int32", n))).map(numbers);
          const ones = (a: number) =>
            [...(a >>> 0).toString(2)].filter((digit) => digit === "1").length;
          const fifth = (a: number) => Number(BigInt.asIntN(32, BigInt(a) ** 5n));
          expect(answers).toEqual([
            pairs.map(([a, b]) => a << b),
            pairs.map(([a, b]) => a >> b),
            pairs.map(([a, b]) => (a >>> b) | 0),
            x.map(ones),
            x.map((a) => Math.clz32(a)),
            x.map(fifth),
          ]);
        },
      ),
      { seed: 2, numRuns: 30 },
    );
  });
});

test("logAddExp takes the larger, and shares the gradient by softmax", async () => {
  const [x, y] = [
    doubles({ pos: 4 }, (i) => [0, 1000, -3, 2][i] ?? 0),
    doubles({ pos: 4 }, (i) => [0, 999, 4, 2][i] ?? 0),
  ];
  const pairs = numbers(x).map((a, i) => [a, numbers(y)[i] ?? NaN] as const);
  const close = { rtol: 1e-12, atol: 0 };
  const value = await double(np.logAddExp as (a: Tensor, b: Tensor) => Tensor)(x, y);
  const wanted = pairs.map(([a, b]) => Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b))));
  expect(differs(value, wanted, close)).toBeUndefined();
  const slopes = await double(grad((a: Tensor, b: Tensor) => np.logAddExp(a, b).sum()))(x, y);
  expect(
    differs(
      slopes,
      pairs.map(([a, b]) => 1 / (1 + Math.exp(b - a))),
      close,
    ),
  ).toBeUndefined();
});

test("power takes tensors and numbers, whole ones as products", async () => {
  const x = doubles({ pos: 3 }, (i) => [2, -3, 0.5][i] ?? 0);
  const close = { rtol: 1e-12, atol: 0 };
  for (const p of [0, 1, 2, 7, -3]) {
    const y = await double((z: Tensor) => z.power(p))(x);
    expect(
      differs(
        y,
        numbers(x).map((z) => z ** p),
        close,
      ),
    ).toBeUndefined();
  }
  const half = await double((z: Tensor) => np.power(np.abs(z), 0.5))(x);
  expect(
    differs(
      half,
      numbers(x).map((z) => Math.sqrt(Math.abs(z))),
      close,
    ),
  ).toBeUndefined();
  const slopes = await double(grad((z: Tensor) => z.power(3).sum()))(x);
  expect(
    differs(
      slopes,
      numbers(x).map((z) => 3 * z * z),
      close,
    ),
  ).toBeUndefined();
});
