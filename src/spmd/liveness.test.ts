/** @file Memory of small programs, by hand. */

import { expect, test } from "vitest";
import { aval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { checkpoint, exp, scan } from "../numpy/index.ts";
import { simplifyAll } from "../transforms/simplify.ts";
import { abstract, trace } from "../transforms/trace.ts";
import { valueAndGrad } from "../transforms/vjp.ts";
import { memoryUse } from "./liveness.ts";

const row = (size: number) => abstract(aval("float32", [size], ["row"]));

test("a chain holds two values at once: what is read and what is written", () => {
  const { program } = trace("f", (x: Tensor) => exp(exp(exp(exp(x)))), [row(100)]);
  expect(memoryUse(program)).toEqual({ inputs: 400, peak: 800 });
});

test("what is read later stays", () => {
  const f = (x: Tensor) => {
    const a = exp(x);
    return exp(exp(exp(a))).add(a);
  };
  const { program } = trace("f", f, [row(100)]);
  // exp³ is made from exp² while exp¹ waits.
  expect(memoryUse(program).peak).toBe(3 * 400);
});

test("views and results of no use take nothing after", () => {
  const f = (x: Tensor) => exp(exp(x).reshape([10, 10])).reshape([100]);
  const { program } = trace("f", f, [row(100)]);
  expect(memoryUse(program).peak).toBe(800);
});

test("floats on the way may be narrower than arguments; integers are not", () => {
  const f = (x: Tensor) => exp(exp(x)).astype("int32");
  const { program } = trace("f", f, [row(100)]);
  expect(memoryUse(program, { width: 2 })).toEqual({ inputs: 400, peak: 200 + 400 });
});

test("a result takes the place of an argument that is given away", () => {
  const f = (w: Tensor, g: Tensor) => w.sub(exp(exp(g)));
  const { program } = trace("f", f, [row(100), row(100)]);
  expect(memoryUse(program)).toEqual({ inputs: 800, peak: 800 });
  // Both exps are new, at half their width; the difference is written over w.
  expect(memoryUse(program, { donated: 1, width: 2 })).toEqual({ inputs: 800, peak: 400 });
});

test("results keep their width", () => {
  const { program } = trace("f", (x: Tensor) => exp(exp(x)), [row(100)]);
  expect(memoryUse(program, { width: 2 }).peak).toBe(200 + 400);
});

test("a loop holds its results, and what one step makes", () => {
  const f = (x: Tensor, zs: Tensor) =>
    scan((y: Tensor, z: Tensor) => [exp(exp(exp(y))), z] as const, x, zs);
  const stacked = abstract(aval("float32", [8, 50], ["layer", "row"]));
  const { program } = trace("f", f, [row(100), stacked]);
  // The last carry, eight stacked results, and two values of a step at once.
  expect(memoryUse(program)).toEqual({ inputs: 400 + 1600, peak: 400 + 1600 + 800 });
});

test("layers that are computed again keep one value each, not all", () => {
  const depth = 16;
  const inside = 6;
  const layer = (y: Tensor) => Array.from({ length: inside }).reduce<Tensor>((z) => exp(z), y);
  const peakOf = (again: boolean) => {
    const step = again ? checkpoint(layer) : layer;
    const f = (x: Tensor) =>
      Array.from({ length: depth })
        .reduce<Tensor>((y) => step(y), x)
        .sum();
    const { program } = trace("f", (x: Tensor) => valueAndGrad(f)(x), [row(1000)]);
    return memoryUse(simplifyAll(program)).peak / 4000;
  };
  // Every exp keeps its result; with checkpoints each layer keeps what goes into it, and one layer is whole at a time.
  expect(peakOf(false)).toBeGreaterThanOrEqual(depth * inside);
  expect(peakOf(true)).toBeLessThanOrEqual(depth + inside + 3);
});
