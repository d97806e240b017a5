/** @file Norms against plain loops, with and without scale and bias, along any axis; batch statistics over calls. */

import { describe, expect, test } from "vitest";
import type { Tensor } from "../src/core/tensor.ts";
import { jit } from "../src/engines/jit.ts";
import { createOnnxEngine } from "../src/engines/onnx/onnx.ts";
import {
  batchNorm,
  batchNormInference,
  groupNorm,
  layerNorm,
  logSoftmax,
  logSumExp,
  rmsNorm,
  softmax,
} from "../src/numpy/index.ts";
import { double } from "../src/testing/double.ts";
import { derivativesDiffer } from "../src/testing/slopes.ts";
import { differs, drawn, filled, indices, numbers, read } from "../src/testing/tensors.ts";
import { grad } from "../src/transforms/vjp.ts";

const DOUBLE = { rtol: 1e-7, atol: 1e-8 }; // counts and epsilons were folded in single precision
const SINGLE = { rtol: 1e-4, atol: 1e-5 };
const engine = await createOnnxEngine();

const SIZES = { batch: 2, channel: 4, pos: 3 } as const;
const x = drawn(1, SIZES, 2);
const places = indices(2, 4, 3) as [number, number, number][];
const scale = drawn(2, { channel: 4 });
const bias = drawn(3, { channel: 4 });

/** Every element of x, normalised by mean and variance of the elements that share its key. */
function normalised(
  key: (b: number, c: number, p: number) => number,
  epsilon: number,
  mean = true,
) {
  const groups = new Map<number, number[]>();
  for (const at of places)
    groups.set(key(...at), [...(groups.get(key(...at)) ?? []), read(x)(...at)]);
  return places.map((at) => {
    const own = groups.get(key(...at))!;
    const middle = mean ? own.reduce((a, v) => a + v, 0) / own.length : 0;
    const variance = own.reduce((a, v) => a + (v - middle) ** 2, 0) / own.length;
    return (read(x)(...at) - middle) / Math.sqrt(variance + epsilon);
  });
}

const withChannels = (rows: readonly number[]) =>
  rows.map((v, i) => v * read(scale)(places[i]![1]) + read(bias)(places[i]![1]));

async function agrees(f: (y: Tensor) => Tensor, expected: readonly number[]): Promise<void> {
  const y = await double(f)(x);
  expect(y.aval).toEqual(x.aval);
  expect(differs(y, expected, DOUBLE)).toBeUndefined();
  expect(differs(await jit(f, { engine })(x), expected, SINGLE)).toBeUndefined();
  const curved = (z: Tensor) => f(z).mul(f(z)).mul(f(z)).sum();
  expect(await derivativesDiffer(curved, x)).toBeUndefined();
}

describe("layerNorm", () => {
  test("of the last axis", () =>
    agrees(
      (y) => layerNorm(y),
      normalised((b, c) => 4 * b + c, 1e-5),
    ));

  test("of any axis, with scale and bias", () =>
    agrees(
      (y) => layerNorm(y, { axis: "channel", scale, bias, epsilon: 0.1 }),
      withChannels(normalised((b, _c, p) => 3 * b + p, 0.1)),
    ));

  test("refuses a bias of another length", async () => {
    const f = (y: Tensor) => layerNorm(y, { axis: "pos", bias });
    await expect(jit(f, { engine }).compile(x)).rejects.toThrow(
      "layerNorm: the bias must have one number per element of axis pos.",
    );
  });
});

test("rmsNorm of any axis", () =>
  agrees(
    (y) => rmsNorm(y, { axis: 1, epsilon: 0.1 }),
    normalised((b, _c, p) => 3 * b + p, 0.1, false),
  ));

describe("groupNorm", () => {
  test("over two groups of channels", () =>
    agrees(
      (y) => groupNorm(y, { groups: 2, scale, bias, epsilon: 0.1 }),
      withChannels(normalised((b, c) => 2 * b + Math.floor(c / 2), 0.1)),
    ));

  test("refuses groups that do not divide the channels", async () => {
    const f = (y: Tensor) => groupNorm(y, { groups: 3 });
    await expect(jit(f, { engine }).compile(x)).rejects.toThrow(
      "groupNorm: 3 groups do not divide the 4 channels of float32[batch 2, channel 4, pos 3]",
    );
  });
});

describe("batchNorm", () => {
  const running = {
    mean: filled({ channel: 4 }, () => 0),
    variance: filled({ channel: 4 }, () => 1),
  };

  test("normalises every channel over all else", () =>
    agrees(
      (y) => batchNorm(y, { running, scale, bias, epsilon: 0.1 }).y,
      withChannels(normalised((_b, c) => c, 0.1)),
    ));

  test("its running statistics come to be those of the data, and inference uses them", async () => {
    const step = double((mean: Tensor, variance: Tensor) => ({
      ...batchNorm(x, { running: { mean, variance }, decay: 0.5 }).running,
    }));
    let now = { ...running };
    for (let i = 0; i < 40; i++) now = await step(now.mean, now.variance);
    const channel = (c: number) => places.filter((at) => at[1] === c).map((at) => read(x)(...at));
    const means = [0, 1, 2, 3].map((c) => channel(c).reduce((a, v) => a + v, 0) / 6);
    const variances = means.map(
      (mean, c) => channel(c).reduce((a, v) => a + (v - mean) ** 2, 0) / 5, // unbiased: 6 − 1
    );
    expect(differs(now.mean, means, DOUBLE)).toBeUndefined();
    expect(differs(now.variance, variances, DOUBLE)).toBeUndefined();

    const y = await double((z: Tensor) => batchNormInference(z, { running: now, scale, bias }))(x);
    const expected = places.map((at) => {
      const [, c] = at;
      return (read(x)(...at) - means[c]!) / Math.sqrt(variances[c]! + 1e-5);
    });
    expect(differs(y, withChannels(expected), DOUBLE)).toBeUndefined();
  });

  test("no gradient flows through the running statistics", async () => {
    const kept = (y: Tensor) => {
      const { mean, variance } = batchNorm(y, { running }).running;
      return mean.mul(variance).sum().add(y.sum());
    };
    const slope = await double(grad(kept))(x);
    expect(new Set(numbers(slope))).toEqual(new Set([1]));
  });
});

describe("softmax, its logarithm and its normaliser", () => {
  const powers = (at: readonly [number, number, number]) =>
    [0, 1, 2, 3].map((c) => Math.exp(read(x)(at[0], c, at[2])));
  const total = (at: readonly [number, number, number]) => powers(at).reduce((a, v) => a + v, 0);

  test("along a middle axis", async () => {
    await agrees(
      (y) => softmax(y, "channel"),
      places.map((at) => powers(at)[at[1]]! / total(at)),
    );
    await agrees(
      (y) => logSoftmax(y, 1),
      places.map((at) => read(x)(...at) - Math.log(total(at))),
    );
    const y = await double((z: Tensor) => logSumExp(z, -2))(x);
    expect(y.names).toEqual(["batch", "pos"]);
    const sums = (indices(2, 3) as [number, number][]).map(([b, p]) => Math.log(total([b, 0, p])));
    expect(differs(y, sums, { rtol: 1e-12, atol: 1e-12 })).toBeUndefined();
  });

  test("logSoftmax keeps digits where softmax is 0", async () => {
    const far = filled({ row: 3 }, (i) => [0, -200, -400][i]!);
    const y = await jit((z: Tensor) => logSoftmax(z, 0), { engine })(far);
    expect(numbers(y)).toEqual([0, -200, -400]);
  });
});
