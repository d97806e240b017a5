/** @file Declared parameters: what they draw, and what a draw depends on. */

import { describe, expect, test } from "vitest";
import type { Tensor } from "../core/tensor.ts";
import { jit } from "../engines/jit.ts";
import { referenceEngine } from "../engines/reference/reference.ts";
import { random } from "../numpy/index.ts";
import { numbers } from "../testing/tensors.ts";
import {
  abstractParams,
  constant,
  fanInUniform,
  initialise,
  listParams,
  normal,
  ones,
  param,
  type Realised,
} from "./param.ts";

const draw = <T>(specs: T, seed = 1): Promise<Realised<T>> =>
  jit((key: Tensor) => initialise(specs, key) as object, { engine: referenceEngine })(
    random.key(seed),
  ) as Promise<Realised<T>>;

const spec = param({ embed: 30, mlp: 40 }, normal(0.5));
const layers = { embedding: spec, layers: [{ query: spec, scale: param({ embed: 3 }, ones) }] };

describe("a draw", () => {
  test("depends on no other parameter", async () => {
    const more = {
      first: spec,
      ...layers,
      layers: [{ extra: spec, ...layers.layers[0]! }, { query: spec }],
    };
    const [before, after] = [await draw(layers), await draw(more)];
    expect(numbers(after.embedding)).toEqual(numbers(before.embedding));
    expect(numbers(after.layers[0]!.query)).toEqual(numbers(before.layers[0]!.query));
  });

  test("differs between parameters and between seeds", async () => {
    const [one, two] = [await draw(layers, 1), await draw(layers, 2)];
    expect(numbers(one.embedding)).not.toEqual(numbers(one.layers[0]!.query));
    expect(numbers(one.embedding)).not.toEqual(numbers(two.embedding));
    expect(numbers(one.embedding)).toEqual(numbers((await draw(layers, 1)).embedding));
  });

  test("has the moments that were declared", async () => {
    const { gauss, flat, fixed } = await draw({
      gauss: param({ embed: 100, mlp: 100 }, normal(0.5)),
      flat: param({ embed: 100, mlp: 100 }, fanInUniform(12)),
      fixed: param({ embed: 4 }, constant(-2)),
    });
    const moments = (x: Tensor) => {
      const list = numbers(x);
      const mean = list.reduce((a, b) => a + b) / list.length;
      return [
        mean,
        Math.sqrt(list.reduce((a, b) => a + (b - mean) ** 2, 0) / list.length),
      ] as const;
    };
    const [mean, deviation] = moments(gauss);
    expect(Math.abs(mean)).toBeLessThan(0.02);
    expect(Math.abs(deviation / 0.5 - 1)).toBeLessThan(0.03);
    const [centre, spread] = moments(flat);
    expect(Math.abs(centre)).toBeLessThan(0.012);
    expect(Math.abs(spread / Math.sqrt(1 / 12) - 1)).toBeLessThan(0.03);
    expect(Math.max(...numbers(flat).map(Math.abs))).toBeLessThanOrEqual(0.5);
    expect(numbers(fixed)).toEqual([-2, -2, -2, -2]);
  });
});

describe("a declaration", () => {
  test("lists paths, axes and counts", () => {
    const listed = listParams(layers).map(({ path, spec: { axes }, count }) => [path, axes, count]);
    expect(listed).toEqual([
      ["embedding", "embed mlp", 1200],
      ["layers/0/query", "embed mlp", 1200],
      ["layers/0/scale", "embed", 3],
    ]);
  });

  test("stands in for its parameter without allocating it", () => {
    const huge = abstractParams({ table: param({ vocab: 256_000, embed: 8192 }, ones) });
    expect(`${huge.table}`).toBe("float32[vocab 256000, embed 8192]");
  });
});
