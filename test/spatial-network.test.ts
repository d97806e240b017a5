/** @file A convolutional network whose images are cut along height and width: pieces are the whole, and talk little. */

import { expect, test } from "vitest";
import { makeMesh } from "../src/core/mesh.ts";
import { random } from "../src/core/samples.ts";
import type { Tensor } from "../src/core/tensor.ts";
import { gelu } from "../src/ops/activations.ts";
import { add, mul, scale, sub } from "../src/ops/arithmetic.ts";
import { contract } from "../src/ops/contract.ts";
import { convolve } from "../src/ops/convolution.ts";
import { broadcast, fullLike } from "../src/ops/creation.ts";
import { rsqrt } from "../src/ops/exponential.ts";
import { windowMax, windowSum } from "../src/ops/pool.ts";
import { plainWindow } from "../src/ops/sliding-window.ts";
import { restore, sum } from "../src/ops/sum.ts";
import { type OnMesh, onMesh } from "../src/testing/partitioned.ts";
import { grad } from "../src/transforms/vjp.ts";

type Weights = readonly [image: Tensor, first: Tensor, gain: Tensor, second: Tensor, head: Tensor];

const square = (stride: number, padding: number) => ({
  ...plainWindow(2),
  ...{ stride: [stride, stride], groups: 1, transposed: false },
  padding: [
    [padding, padding],
    [padding, padding],
  ] as const,
});

/** Each channel less its mean, over its deviation, over batch and space. */
function normalised(x: Tensor, gain: Tensor): Tensor {
  const axes = [0, 2, 3];
  const count = axes.reduce((product, axis) => product * (x.dims[axis] ?? 1), 1);
  const mean = (y: Tensor) => restore(scale(sum(y, axes), 1 / count), x.aval, axes);
  const centred = sub(x, mean(x));
  const inverse = rsqrt(add(mean(mul(centred, centred)), fullLike(x.aval, 1e-3)));
  return mul(mul(centred, inverse), broadcast(gain, { dims: x.dims, axes: [1], names: x.names }));
}

function network(pool: (x: Tensor) => Tensor, [image, first, gain, second, head]: Weights): Tensor {
  const wide = gelu(normalised(convolve(image, first, square(1, 1)), gain));
  const narrow = gelu(convolve(pool(wide), second, square(2, 1)));
  const features = sum(narrow, [2, 3]);
  return contract(features, head, { lhs: ["n", "c"], rhs: ["c", "k"], out: ["n", "k"] });
}

const pooled = { taps: [3, 3], stride: [2, 2], padding: [[1, 1], [1, 1]], dilation: [1, 1] } as const; // biome-ignore format: one line
const means = (x: Tensor) => scale(windowSum(x, { ...pooled, inputDilation: [1, 1] }), 1 / 9);
const maxima = (x: Tensor) => windowMax(x, pooled);

/** Height 18 and width 13: uneven, and more so after each stride. */
const operands = [
  [random(2, 3, 18, 13), "[-, -, h, w]"],
  [random(4, 3, 3, 3), "[-, -, -, -]"],
  [random(4), "[-]"],
  [random(4, 4, 3, 3), "[-, -, -, -]"],
  [random(4, 4), "[-, -]"],
] as const;
const weights = ["[-, -, h, w]", "[-, -, -, -]", "[-]", "[-, -, -, -]", "[-, -]"];
const mesh = makeMesh({ h: 2, w: 2 });
/** What a device has of the first layer's result, and of the largest weight. */
const ACTIVATION = 4 * 2 * 4 * 9 * 7;
const WEIGHT = 4 * 4 * 4 * 3 * 3;

/** Only edges go to neighbours, and only sums as large as weights to all. */
function expectsLittleTalk({ exchanges }: OnMesh): void {
  const kinds = new Set(exchanges.map(({ kind }) => kind));
  expect([...kinds].sort()).toEqual(["allReduce", "collectivePermute"]);
  for (const { kind, bytes } of exchanges)
    expect(bytes).toBeLessThanOrEqual(kind === "allReduce" ? 1.5 * WEIGHT : ACTIVATION / 4);
}

const pools = [
  ["means", means],
  ["maxima", maxima],
] as const;

test.each(pools)("pools of %s, forward", (_, pool) => {
  const run = (...xs: readonly Tensor[]) => [network(pool, xs as unknown as Weights)];
  const own = onMesh(mesh, run, operands, ["[-, -]"]);
  expect(own.error()).toBeLessThan(1e-5);
  expectsLittleTalk(own);
});

test.each(pools)("pools of %s, backward", (_, pool) => {
  const loss = (xs: Weights) => {
    const y = network(pool, xs);
    return sum(mul(y, y), [0, 1]);
  };
  const own = onMesh(mesh, (...xs) => [...grad(loss)(xs as unknown as Weights)], operands, weights);
  expect(own.error()).toBeLessThan(1e-5);
  expectsLittleTalk(own);
});
