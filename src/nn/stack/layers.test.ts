/** @file The loop over layers: as the layers written out, with values, results, gradients and initial draws. */

import { expect, test } from "vitest";
import type { Tensor } from "../../core/tensor.ts";
import { jit } from "../../engines/jit.ts";
import { einsum, random } from "../../numpy/index.ts";
import { double } from "../../testing/double.ts";
import { differs, drawn, numbers, read } from "../../testing/tensors.ts";
import { valueAndGrad } from "../../transforms/vjp.ts";
import { initialise, normal, param, zeros } from "../param.ts";
import { layered, layerOf, type ScanLayersOptions, scanLayers } from "./layers.ts";

const CLOSE = { rtol: 1e-11, atol: 1e-12 };
const [LAYERS, EMBED] = [4, 3];

interface Layer {
  readonly weight: Tensor;
  readonly shift: Tensor;
}

const p: Layer = {
  weight: drawn(1, { layer: LAYERS, embed: EMBED, mlp: EMBED }),
  shift: drawn(2, { layer: LAYERS, mlp: EMBED }),
};
const x = drawn(3, { batch: 2, embed: EMBED });

/** `x + tanh(x·weight + shift)`, and its mean beside it. */
const layer = (y: Tensor, own: Layer) => {
  const hidden = einsum("batch embed, embed mlp -> batch mlp", y, own.weight).add(own.shift).tanh();
  const next = y.add(hidden.as("batch embed"));
  return [next, { mean: next.mean("embed") }] as const;
};

const run = (options: ScanLayersOptions) =>
  double((q: Layer, y: Tensor) => {
    const [last, { mean }] = scanLayers(layer, y, q, options);
    const [loss, slopes] = valueAndGrad((r: Layer) =>
      scanLayers(layer, y, r, options)[0].square().sum(),
    )(q);
    return { last, mean, loss, weight: slopes.weight, shift: slopes.shift };
  })(p, x);

test("is what plain loops compute", async () => {
  const { last, mean } = await run({});
  const [weight, shift, start] = [read(p.weight), read(p.shift), read(x)];
  let rows = [0, 1].map((b) => Array.from({ length: EMBED }, (_, e) => start(b, e)));
  const means: number[] = [];
  for (let l = 0; l < LAYERS; l++) {
    rows = rows.map((row) =>
      row.map(
        (v, m) => v + Math.tanh(row.reduce((sum, a, e) => sum + a * weight(l, e, m), shift(l, m))),
      ),
    );
    means.push(...rows.map((row) => row.reduce((a, b) => a + b) / EMBED));
  }
  expect(differs(last, rows.flat(), CLOSE)).toBeUndefined();
  expect(mean.names).toEqual(["layer", "batch"]);
  expect(differs(mean, means, CLOSE)).toBeUndefined();
});

test.each([
  { unroll: true },
  { checkpoint: true },
  { checkpoint: ["contract"] },
  { unroll: true, checkpoint: true },
])("with %j it is the same, gradients among it", async (options) => {
  const [scanned, other] = [await run({}), await run(options)];
  for (const name of ["last", "mean", "loss", "weight", "shift"] as const)
    expect(differs(other[name], numbers(scanned[name]), CLOSE), name).toBeUndefined();
});

test("one layer of a stack has the form it was declared with", async () => {
  const one = await double((q: Layer) => layerOf(q, 2))(p);
  expect(one.weight.names).toEqual(["embed", "mlp"]);
  expect(numbers(one.weight)).toEqual(numbers(p.weight).slice(2 * EMBED ** 2, 3 * EMBED ** 2));
});

test("each layer draws by a key of its own, whatever the depth", async () => {
  const specs = { weight: param({ embed: 5, mlp: 4 }, normal(2)), shift: param({ mlp: 4 }, zeros) };
  const draw = (count: number) =>
    jit((key: Tensor) => initialise(layered(specs, count), key))(random.key(7));
  const [two, five] = [await draw(2), await draw(5)];
  expect([five.weight.dims, five.weight.names]).toEqual([
    [5, 5, 4],
    ["layer", "embed", "mlp"],
  ]);
  const [short, long] = [numbers(two.weight), numbers(five.weight)];
  expect(long.slice(0, 40)).toEqual(short);
  expect(short.slice(0, 20)).not.toEqual(short.slice(20));
  const variance = long.reduce((sum, v) => sum + v * v, 0) / long.length;
  expect(Math.abs(variance / 4 - 1)).toBeLessThan(0.5); // 100 numbers
  expect(numbers(five.shift).every((v) => v === 0)).toBe(true);
});
