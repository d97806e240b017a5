/** @file The roofline of small programs, by hand. */

import { describe, expect, test } from "vitest";
import { groupsAlong, makeMesh, wholeAxis } from "../core/mesh.ts";
import { aval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { conv, einsum, exp, scan } from "../numpy/index.ts";
import { allGather, allReduce, reduceScatter } from "../ops/collectives.ts";
import { abstract, trace } from "../transforms/trace.ts";
import { deviceNamed } from "./devices.ts";
import { exchangesOf } from "./exchanges.ts";
import { exchangeSeconds, productFlops, stepTime } from "./roofline.ts";

const form = (sizes: Record<string, number>) =>
  abstract(aval("float32", Object.values(sizes), Object.keys(sizes)));
const v3 = deviceNamed("tpu-v3");

/** One product of 2 · 64 · 512 · 256 FLOPs. */
const product = (x: Tensor, w: Tensor) => einsum("row in, in out -> row out", x, w);
const operands = [form({ row: 64, in: 512 }), form({ in: 512, out: 256 })] as [Tensor, Tensor];

describe("work", () => {
  test("of a product is two for each point of its index space", () => {
    const { program } = trace("f", product, operands);
    const work = program.equations.map(productFlops).reduce((a, b) => a + b, 0);
    expect(work).toBe(2 * 64 * 512 * 256);
  });

  test("of a batched product counts the batch once", () => {
    const f = (x: Tensor, y: Tensor) => einsum("b i k, b k j -> b i j", x, y);
    const { program } = trace("f", f, [form({ b: 3, i: 4, k: 5 }), form({ b: 3, k: 5, j: 6 })]);
    expect(stepTime(program, v3).flops).toBe(2 * 3 * 4 * 5 * 6);
  });

  test("of a convolution is two for each element of the result and of its kernel", () => {
    const f = (x: Tensor, w: Tensor) => conv(x, w, { padding: "same" });
    const { program } = trace("f", f, [
      form({ batch: 2, channel: 3, height: 8, width: 8 }),
      form({ filter: 4, channel: 3, taps: 3, more: 3 }),
    ]);
    expect(stepTime(program, v3).flops).toBe(2 * (2 * 4 * 8 * 8) * (3 * 3 * 3));
  });

  test("of a loop is that of a step, as often as it runs", () => {
    const step = (y: Tensor, w: Tensor) =>
      [einsum("row in, in out -> row out", y, w).as("row in"), []] as const;
    const f = (x: Tensor, ws: Tensor) => scan(step, x, ws)[0];
    const { program } = trace("f", f, [form({ row: 4, in: 8 }), form({ layer: 5, in: 8, out: 8 })]);
    expect(stepTime(program, v3).flops).toBe(5 * 2 * 4 * 8 * 8);
  });
});

describe("time", () => {
  test("a small product takes what its memory traffic takes, in 16 bits", () => {
    const { program } = trace("f", product, operands);
    const bytes = 2 * (64 * 512 + 512 * 256 + 64 * 256);
    const byWork = (2 * 64 * 512 * 256) / (61.5e12 * 0.1);
    const byMemory = bytes / (450e9 * 0.3);
    const { products, total } = stepTime(program, v3);
    expect(products).toBeCloseTo(Math.max(byWork, byMemory), 12);
    expect(total).toBe(products);
    const [wide] = [stepTime(program, v3, { width: 4 })];
    expect(wide.products).toBeCloseTo(Math.max(byWork, 2 * byMemory), 12);
  });

  test("a large one takes its work at 0.95 of the peak", () => {
    const { program } = trace("f", product, [
      form({ row: 8192, in: 8192 }),
      form({ in: 8192, out: 8192 }),
    ]);
    expect(stepTime(program, v3).products).toBeCloseTo((2 * 8192 ** 3) / (61.5e12 * 0.95), 9);
  });

  test("element-wise ops in a row write once", () => {
    const { program } = trace("f", (x: Tensor) => exp(exp(exp(x))), [form({ row: 1 << 20 })]);
    expect(stepTime(program, v3).memory).toBeCloseTo((2 * 2 ** 20) / (450e9 * 0.6), 12);
  });
});

describe("exchanges", () => {
  const mesh = makeMesh({ x: 8, y: 16 });
  const [alongX, alongY] = ["x", "y"].map((name) => groupsAlong(mesh, [wholeAxis(mesh, name)]));
  const x = form({ row: 4096, column: 4096 });
  const whole = 2 * 4096 * 4096;
  const seconds = (f: (y: Tensor) => Tensor) => {
    const { program } = trace("f", f, [x]);
    const [exchange] = exchangesOf(program);
    if (exchange === undefined) throw new Error("no exchange");
    return exchangeSeconds(exchange, v3, 2, mesh);
  };

  test("a sum over devices sends twice what it scatters, at 0.8 of the links", () => {
    const one = ((15 / 16) * whole) / (100e9 * 0.8);
    expect(seconds((y) => allReduce(y, alongY ?? []))).toBeCloseTo(2 * one + 16e-6, 9);
    expect(seconds((y) => reduceScatter(y, 0, alongY ?? []))).toBeCloseTo(one + 8e-6, 9);
  });

  test("along the axis whose chips two cores share, half as fast", () => {
    const sent = ((7 / 8) * 8 * whole) / (50e9 * 0.8);
    expect(seconds((y) => allGather(y, 0, alongX ?? []))).toBeCloseTo(sent + 7e-6, 9);
  });

  test("hidden behind products as far as these last", () => {
    const f = (y: Tensor, w: Tensor) =>
      allReduce(einsum("row column, column out -> row out", y, w), alongY ?? []);
    const { program } = trace("f", f, [x, form({ column: 4096, out: 4096 })]);
    const apart = stepTime(program, v3, { mesh });
    const beside = stepTime(program, v3, { mesh, overlap: true });
    expect(apart.total).toBeCloseTo(apart.products + apart.memory + apart.exchanges, 12);
    expect(beside.total).toBeCloseTo(
      beside.products + beside.memory + Math.max(0, beside.exchanges - beside.products),
      12,
    );
    expect(beside.total).toBeLessThan(apart.total);
  });
});
