/** @file Fourier transforms: every plan against the sum itself, the engines at long lengths, and NumPy's forms. */

import { describe, expect, test } from "vitest";
import { interpret } from "../src/core/interpret.ts";
import { aval } from "../src/core/shape.ts";
import { fromData, type Tensor, tensor } from "../src/core/tensor.ts";
import { jit } from "../src/engines/jit.ts";
import { createOnnxEngine } from "../src/engines/onnx/onnx.ts";
import { referenceEngine } from "../src/engines/reference/reference.ts";
import * as fft from "../src/numpy/fft.ts";
import { matrixTranspose } from "../src/numpy/linalg.ts";
import { decomposed } from "../src/ops/decomposition.ts";
import { type ComplexList, hostFft, rootOfUnity, type Sign } from "../src/ops/fft.host.ts";
import { type Plan, planOf, smoothLength, transform } from "../src/ops/fft.plan.ts";
import { double } from "../src/testing/double.ts";
import { numbers } from "../src/testing/tensors.ts";

const onnx = await createOnnxEngine();

/** Numbers in ±1, the same ones every time. */
function noise(length: number, seed: number): Float64Array {
  let state = seed;
  return Float64Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** `X[k] = Σ x[j] e^{±2πi jk/n}` as it stands. */
function direct({ re, im }: ComplexList, n: number, sign: Sign): ComplexList {
  const out = { re: new Float64Array(n), im: new Float64Array(n) };
  for (let k = 0; k < n; k++) {
    re.forEach((u, j) => {
      const [c, s] = rootOfUnity((j * k) % n, n, sign);
      const v = im[j] ?? 0;
      out.re[k]! += u * c - v * s;
      out.im[k]! += u * s + v * c;
    });
  }
  return out;
}

function expectNear(actual: ArrayLike<number>, expected: ArrayLike<number>, within: number): void {
  expect(actual.length).toBe(expected.length);
  let worst = 0;
  for (let i = 0; i < expected.length; i++)
    worst = Math.max(worst, Math.abs(Number(actual[i]) - Number(expected[i])));
  expect(worst).toBeLessThanOrEqual(within);
}

test.each([1, 2, 3, 5, 8, 12, 30, 97, 128, 360, 1009])(
  "in double precision, length %i is the sum to twelve digits",
  (n) => {
    const x = { re: noise(n, 1), im: noise(n, 2) };
    for (const sign of [1, -1] as const) {
      const [actual, expected] = [hostFft(x, sign), direct(x, n, sign)];
      expectNear(actual.re, expected.re, 1e-12 * n);
      expectNear(actual.im, expected.im, 1e-12 * n);
    }
  },
);

describe("a plan", () => {
  const matrix = (n: number): Plan => ({ kind: "matrix", n });
  const split = (first: Plan, last: number): Plan => {
    return { kind: "split", n: first.n * last, first, last };
  };
  const chirp = (n: number, inner: Plan): Plan => ({ kind: "chirp", n, inner });
  const plans: readonly (readonly [string, Plan])[] = [
    ["matrix", matrix(6)],
    ["two stages", split(matrix(4), 3)],
    ["three stages", split(split(matrix(2), 3), 4)],
    ["a chirp", chirp(7, split(matrix(4), 4))],
    ["a chirp inside", split(chirp(5, matrix(9)), 2)],
  ];
  const cases = plans.flatMap(([name, plan]) =>
    [1, 3].flatMap((inner) =>
      [plan.n, plan.n - 2].map((length) => ({ name, plan, inner, length })),
    ),
  );
  test.each(cases)("of $name computes the sum, $length of its elements, $inner abreast", (one) => {
    const { plan, inner, length } = one;
    const { n } = plan;
    const batch = 2;
    for (const parts of [1, 2] as const) {
      for (const asked of [
        { keep: n, real: false },
        { keep: Math.floor(n / 2) + 1, real: false },
        { keep: n, real: true },
      ]) {
        const form = aval("float64", [batch, length, inner]);
        const size = batch * length * inner;
        const data = Array.from({ length: parts }, (_, i) => noise(size, i + 3));
        const program = decomposed(
          (xs: readonly Tensor[]): readonly Tensor[] => {
            const y = transform({ re: xs[0]!, im: xs[1] ?? null }, plan, -1, asked);
            return y.im === null ? [y.re] : [y.re, y.im];
          },
          Array(parts).fill(form),
          {},
        );
        const results = interpret(
          program,
          data.map((list) => ({ ...form, data: list })),
        );
        expect(results.length).toBe(asked.real ? 1 : 2);
        for (let b = 0; b < batch; b++) {
          for (let i = 0; i < inner; i++) {
            const line = (list: ArrayLike<number | bigint> | undefined, m: number) =>
              Float64Array.from({ length: list === undefined ? 0 : m }, (_, j) =>
                Number(list?.[(b * m + j) * inner + i]),
              );
            const expected = direct(
              { re: line(data[0], length), im: line(data[1], length) },
              n,
              -1,
            );
            const { keep } = asked;
            expectNear(line(results[0]?.data, keep), expected.re.subarray(0, keep), 1e-12 * n);
            if (!asked.real)
              expectNear(line(results[1]?.data, keep), expected.im.subarray(0, keep), 1e-12 * n);
          }
        }
      }
    }
  });

  test("exists for every length, and a chirp is only for large prime factors", () => {
    const kinds = (plan: Plan): string[] =>
      plan.kind === "split" ? [plan.kind, ...kinds(plan.first)] : [plan.kind];
    for (let n = 1; n < 600; n++) expect(planOf(n).n).toBe(n);
    expect(kinds(planOf(20_000))).not.toContain("chirp");
    expect(kinds(planOf(20_011))).toEqual(["chirp"]);
    expect([1, 7, 11, 1021, 40_021].map(smoothLength)).toEqual([1, 8, 12, 1024, 40_500]);
  });
});

describe("on the onnx engine", () => {
  test.each([
    [365, 3],
    [1000, 2],
    [1031, 2],
  ])("length %i, %i rows, has single precision", async (n, rows) => {
    const data = [noise(n * rows, 5), noise(n * rows, 6)] as const;
    const [re, im] = data.map((list) => fromData("float32", [rows, n], Float32Array.from(list)));
    const f = (a: Tensor, b: Tensor) => {
      const all = fft.fft({ re: a, im: b });
      const half = fft.rfft(a);
      const columns = fft.fft({ re: matrixTranspose(a), im: matrixTranspose(b) }, 0);
      return [
        all.re,
        all.im,
        half.re,
        half.im,
        matrixTranspose(columns.re),
        fft.irfft(half, -1, { length: n }),
      ];
    };
    const results = (await jit(f, { name: "f", engine: onnx })(re!, im!)).map(numbers);
    const m = Math.floor(n / 2) + 1;
    const within = 4e-6 * Math.sqrt(n); // results have the size of √n; a chirp rounds twice
    const near = (y: ArrayLike<number> | undefined, at: number, expected: number) =>
      expectNear([y?.[at] ?? NaN], [expected], within);
    for (let i = 0; i < rows; i++) {
      for (let k = 0; k < n; k += Math.ceil(n / 29)) {
        const [u, v, real, imaginary] = sums(data, n, i, k);
        near(results[0], i * n + k, u);
        near(results[1], i * n + k, v);
        near(results[4], i * n + k, u);
        if (k >= m) continue;
        near(results[2], i * m + k, real);
        near(results[3], i * m + k, imaginary);
      }
    }
    expectNear(results[5]!, data[0], 4e-6);
  });
});

test.each([20_000, 20_011])("length %i on the onnx engine has single precision", async (n) => {
  const x = noise(n, 7);
  const [re, im] = (
    await jit(
      (a: Tensor) => {
        const half = fft.rfft(a);
        return [half.re, half.im];
      },
      { name: "f", engine: onnx },
    )(fromData("float32", [n], Float32Array.from(x)))
  ).map(numbers);
  for (let k = 0; 2 * k < n; k += 1237) {
    const [, , real, imaginary] = sums([x, x], n, 0, k);
    expectNear([re?.[k] ?? NaN, im?.[k] ?? NaN], [real, imaginary], 4e-6 * Math.sqrt(n)); // as above
  }
});

/** Number k of row i: of the complex transform, and of that of the real part. */
function sums([re, im]: readonly [Float64Array, Float64Array], n: number, i: number, k: number) {
  let [u, v, real, imaginary] = [0, 0, 0, 0];
  for (let j = 0; j < n; j++) {
    const [c, s] = rootOfUnity((j * k) % n, n, -1);
    const [x = 0, y = 0] = [re[i * n + j], im[i * n + j]];
    real += x * c;
    imaginary += x * s;
    u += x * c - y * s;
    v += x * s + y * c;
  }
  return [u, v, real, imaginary] as const;
}

describe("the forms of NumPy", () => {
  const run = <R>(f: () => R) => jit(f, { name: "f", engine: referenceEngine })();

  // numpy 2: np.fft.rfft([1, 2, 4, 8]), np.fft.irfft of the same, np.fft.fft2 of a 2 × 2.
  test("have its values", async () => {
    const x = tensor([1, 2, 4, 8]);
    const { half, back, ortho } = await run(() => {
      const z = fft.rfft(x);
      return { half: z, back: fft.irfft(z), ortho: fft.rfft(x, 0, "ortho") };
    });
    expectNear(numbers(half.re), [15, -3, -5], 1e-6);
    expectNear(numbers(half.im), [0, 6, 0], 1e-6);
    expectNear(numbers(back), [1, 2, 4, 8], 1e-6);
    expectNear(numbers(ortho.re), [7.5, -1.5, -2.5], 1e-6);
    const plane = await run(() =>
      fft.fft2(
        tensor([
          [1, 2],
          [3, 5],
        ]),
      ),
    );
    expectNear(numbers(plane.re), [11, -3, -5, 1], 1e-6);
  });

  test("go back to where they came from, also along two and three axes", async () => {
    const data = noise(2 * 3 * 5, 9);
    const x = fromData("float32", [2, 3, 5], Float32Array.from(data), "batch row column");
    const results = await double((y: Tensor) => {
      const z = { re: y, im: y };
      return [
        fft.ifft(fft.fft(z, "row"), "row").im,
        fft.ifft2(fft.fft2(y, ["row", "column"]), ["row", "column"]).re,
        fft.ifftn(fft.fftn(z, undefined, "ortho"), undefined, "ortho").im,
        fft.irfftn(fft.rfftn(y), undefined, { length: 5 }),
        fft.irfft(fft.rfft(y, "batch", "forward"), "batch", { norm: "forward" }),
      ];
    })(x);
    for (const y of results) {
      expect(y.names).toEqual(["batch", "row", "column"]);
      expectNear(numbers(y), Array.from(numbers(x)), 1e-12);
    }
  });

  test("do not read the imaginary parts that cannot be there", async () => {
    const [re, im] = [tensor([3, 1, 2]), tensor([7, 1, -5])];
    const values = await run(() => [
      fft.irfft({ re, im }),
      fft.irfft({ re, im }, 0, { length: 5 }),
    ]);
    // numpy 2: np.fft.irfft([3 + 7j, 1 + 1j, 2 − 5j]), and with n = 5.
    expectNear(numbers(values[0]!), [1.75, -0.25, 0.75, 0.75], 1e-6);
    expectNear(numbers(values[1]!), [1.8, 0.8715411, -1.61362034, 2.66083393, -0.7187547], 1e-6);
  });

  test("shift frequency 0 to the middle, and name the frequencies", async () => {
    const results = await run(() => {
      const f = fft.fftfreq(5, 0.5);
      return [f, fft.rfftfreq(4), fft.fftshift(f), fft.ifftshift(fft.fftshift(f))];
    });
    const [all, half, shifted, back] = results.map(numbers);
    expectNear(all!, [0, 0.4, 0.8, -0.8, -0.4], 1e-7);
    expectNear(half!, [0, 0.25, 0.5], 1e-7);
    expectNear(shifted!, [-0.8, -0.4, 0, 0.4, 0.8], 1e-7);
    expectNear(back!, all!, 0);
  });

  test("refuse a length that does not belong to the half", async () => {
    const re = tensor([1, 2, 3]);
    await expect(run(() => fft.irfft({ re, im: re }, 0, { length: 7 }))).rejects.toThrow(
      "irfft: a length of 7 needs 4 numbers along axis 0, not 3.",
    );
  });
});
