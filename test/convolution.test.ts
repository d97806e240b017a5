/** @file Convolution as people call it, against plain loops; its transpose; derivatives of derivatives. */

import { describe, expect, test } from "vitest";
import { fromData, type Tensor } from "../src/core/tensor.ts";
import { jit } from "../src/engines/jit.ts";
import { type ConvOptions, conv, convTranspose, samePadding } from "../src/numpy/index.ts";
import { double } from "../src/testing/double.ts";
import { differs, drawn, indices, numbers, read } from "../src/testing/tensors.ts";
import { jvp } from "../src/transforms/jvp.ts";
import { abstract, trace } from "../src/transforms/trace.ts";
import { grad } from "../src/transforms/vjp.ts";

const CLOSE = { rtol: 1e-11, atol: 1e-12 };
const SINGLE = { rtol: 2e-5, atol: 2e-6 };

const x = drawn(1, { batch: 2, channel: 4, height: 5, width: 4 });
const kernel = drawn(2, { filter: 6, channel: 2, kh: 3, kw: 2 });
const OPTIONS = {
  groups: 2,
  stride: [2, 1],
  padding: [[1, 2], 1],
  dilation: [1, 2],
} satisfies ConvOptions;

/** The definition with the options above: `[batch, filter, height, width]` in 3 × 4 windows. */
const expected = indices(2, 6, 3, 4).map(([n = 0, o = 0, p = 0, q = 0]) => {
  let total = 0;
  for (const [c = 0, a = 0, b = 0] of indices(2, 3, 2)) {
    const [i, j] = [2 * p + a - 1, q + 2 * b - 1];
    if (i < 0 || i > 4 || j < 0 || j > 3) continue;
    total += read(x)(n, 2 * Math.floor(o / 3) + c, i, j) * read(kernel)(o, c, a, b);
  }
  return total;
});

const unnamed = (t: Tensor) => fromData(t.dtype, t.dims, t.data());

function refusal(f: (a: Tensor, b: Tensor, c: Tensor) => Tensor, ...forms: Tensor[]): string {
  try {
    trace(
      "f",
      f as (...xs: Tensor[]) => Tensor,
      forms.map(({ aval }) => abstract(aval)),
    );
  } catch (error) {
    return `\n${(error as Error).message.replace(/\.test\.ts:\d+/g, ".test.ts:LINE")}\n`;
  }
  throw new Error("nothing was refused");
}

describe("conv", () => {
  test("is the sum over channels of the group and taps of the window", async () => {
    const y = await double((a: Tensor, w: Tensor) => conv(a, w, OPTIONS))(x, kernel);
    expect(y.names).toEqual(["batch", "filter", "height", "width"]);
    expect(differs(y, expected, CLOSE)).toBeUndefined();
    const single = await jit((a: Tensor, w: Tensor) => conv(a, w, OPTIONS))(x, kernel);
    expect(differs(single, expected, SINGLE)).toBeUndefined();
  });

  test("reads any order of axes and keeps it", async () => {
    const last = (a: Tensor, w: Tensor) =>
      conv(a.order("batch height width channel"), w, { ...OPTIONS, as: "channel" });
    const y = await double(last)(x, kernel);
    expect(y.names).toEqual(["batch", "height", "width", "channel"]);
    const back = (a: Tensor, w: Tensor) => last(a, w).order("batch channel height width");
    expect(differs(await double(back)(x, kernel), expected, CLOSE)).toBeUndefined();
  });

  test("takes axes by index where nothing is named", async () => {
    const f = (a: Tensor, w: Tensor) => conv(a, w, { ...OPTIONS, channel: 0, space: [3, 1] });
    const moved = await double((a: Tensor) => a.order("channel width batch height"))(x);
    const y = await double(f)(unnamed(moved), unnamed(kernel));
    expect(y.dims).toEqual([6, 4, 2, 3]);
    const again = indices(2, 6, 3, 4).map(([n = 0, o = 0, p = 0, q = 0]) => read(y)(o, q, n, p));
    const wanted = fromData("float64", [2, 6, 3, 4], Float64Array.from(again));
    expect(differs(wanted, expected, CLOSE)).toBeUndefined();
  });

  test("takes several batch axes, or none", async () => {
    const stacked = (a: Tensor, w: Tensor) => conv(a.reshape([2, 1, 4, 5, 4]), w, OPTIONS);
    const y = await double(stacked)(x, kernel);
    expect(y.dims).toEqual([2, 1, 6, 3, 4]);
    expect(differs(y, expected, CLOSE)).toBeUndefined();
    const first = (a: Tensor, w: Tensor) =>
      conv(a.slice("batch", 0, 1).reshape([4, 5, 4], "channel height width"), w, OPTIONS);
    const one = await double(first)(x, kernel);
    expect(one.names).toEqual(["filter", "height", "width"]);
    expect(differs(one, expected.slice(0, 72), CLOSE)).toBeUndefined();
  });

  test("adds a bias to every filter", async () => {
    const bias = drawn(3, { filter: 6 });
    const f = (a: Tensor, w: Tensor, b: Tensor) => conv(a, w, { ...OPTIONS, bias: b });
    const y = await double(f)(x, kernel, bias);
    const shifted = expected.map((value, i) => value + read(bias)(Math.floor(i / 12) % 6));
    expect(differs(y, shifted, CLOSE)).toBeUndefined();
  });
});

describe("padding", () => {
  test('"same" makes a window per stride, begun or not, the odd element at the end', () => {
    for (const [length = 0, taps = 0, stride = 0, dilation = 0] of indices(9, 4, 3, 2)) {
      const [n, k, s, d] = [length + 1, taps + 1, stride + 1, dilation + 1];
      const [low, high] = samePadding(n, k, s, d);
      expect(high - low === 0 || high - low === 1).toBe(true);
      const room = n + low + high - ((k - 1) * d + 1);
      expect(Math.floor(room / s) + 1, `${n} ${k} ${s} ${d}`).toBe(Math.ceil(n / s));
      if (low > 0) expect(room - 1).toBeLessThan((Math.ceil(n / s) - 1) * s);
    }
  });

  test('"same" and numbers come to the same convolution', async () => {
    const f = (a: Tensor, w: Tensor) =>
      conv(a, w, { groups: 2, padding: "same" }).sub(
        conv(a, w, { groups: 2, padding: [1, [0, 1]] }),
      );
    expect(numbers(await double(f)(x, kernel)).every((value) => value === 0)).toBe(true);
  });
});

describe("convTranspose", () => {
  const inner = (a: Tensor, b: Tensor) => a.mul(b).sum();
  /** A name, options, what they leave over at the end, and a height. */
  const cases: readonly [string, ConvOptions, number | readonly number[], number][] = [
    ["plain", {}, 0, 5],
    ["stride, whose rest is said by outputPadding", { stride: [2, 3] }, [0, 2], 5],
    ["numbers", { padding: [1, [0, 1]] }, 0, 5],
    ["same", { padding: "same" }, 0, 5],
    ["same with a stride that divides", { stride: 2, padding: "same" }, 0, 4],
    ["dilation", { dilation: [2, 1] }, 0, 5],
    ["all", { stride: [2, 1], padding: [[1, 2], 1], dilation: [1, 2] }, [1, 0], 5],
  ];

  test.each(cases)(
    "is what conv transposes to, ⟨conv x, y⟩ = ⟨x, convTranspose y⟩: %s",
    async (_, options, outputPadding, height) => {
      const image = drawn(1, { batch: 2, channel: 4, height, width: 4 });
      for (const groups of [1, 2]) {
        const w = drawn(4, { filter: 6, channel: 4 / groups, kh: 3, kw: 2 });
        const y = await double((a: Tensor, v: Tensor) => conv(a, v, { ...options, groups }))(
          image,
          w,
        );
        const ct = drawn(5, { batch: 2, filter: 6, height: y.dims[2]!, width: y.dims[3]! });
        // the same kernel: its filters are the channels of what goes back
        const back = (c: Tensor, v: Tensor) =>
          convTranspose(c, v, { ...options, groups, outputPadding });
        const there = await double((a: Tensor, v: Tensor, c: Tensor) =>
          inner(conv(a, v, { ...options, groups }), c),
        )(image, w, ct);
        const again = await double((a: Tensor, v: Tensor, c: Tensor) =>
          inner(back(c, v).as("batch channel height width"), a),
        )(image, w, ct);
        expect(again.item()).toBeCloseTo(there.item(), 10);
      }
    },
  );

  test('"same" makes stride times as many elements', async () => {
    for (const [k = 0, s = 0] of indices(4, 3)) {
      const w = drawn(6, { channel: 4, filter: 2, kh: k + 1, kw: k + 1 });
      const f = (a: Tensor, v: Tensor) => convTranspose(a, v, { stride: s + 1, padding: "same" });
      const y = await double(f)(x, w);
      expect(y.dims).toEqual([2, 2, 5 * (s + 1), 4 * (s + 1)]);
    }
  });
});

describe("derivatives of derivatives", () => {
  const loss = (w: Tensor, a: Tensor) => conv(a, w, OPTIONS).tanh().square().sum();
  const [u, v] = [
    drawn(7, { filter: 6, channel: 2, kh: 3, kw: 2 }),
    drawn(8, { filter: 6, channel: 2, kh: 3, kw: 2 }),
  ];
  const hessianTimes = (w: Tensor, a: Tensor, direction: Tensor) =>
    jvp((z: Tensor) => grad(loss)(z, a), [w], [direction])[1];

  test("the Hessian is symmetric and is the slope of the gradient", async () => {
    const both = (w: Tensor, a: Tensor, p: Tensor, q: Tensor) => [
      hessianTimes(w, a, p).mul(q).sum(),
      hessianTimes(w, a, q).mul(p).sum(),
    ];
    const [pq, qp] = await double(both)(kernel, x, u, v);
    expect(pq!.item()).toBeCloseTo(qp!.item(), 9);
    const along = (w: Tensor, a: Tensor, p: Tensor, q: Tensor, step: Tensor) =>
      grad(loss)(w.add(p.mul(step)), a)
        .mul(q)
        .sum();
    const at = async (step: number) =>
      (await double(along)(kernel, x, u, v, fromData("float32", [], Float32Array.of(step)))).item();
    const step = 2 ** -14;
    expect(((await at(step)) - (await at(-step))) / (2 * step)).toBeCloseTo(pq!.item(), 5);
  });

  test("reverse over reverse, by the input and by the kernel, agrees on both engines", async () => {
    const slope = (w: Tensor, a: Tensor) => grad(loss)(w, a).square().sum();
    const twice = (w: Tensor, a: Tensor) => [
      grad(slope)(w, a),
      grad((b: Tensor) => slope(w, b))(a),
    ];
    const reference = await double(twice)(kernel, x);
    const single = await jit(twice)(kernel, x);
    single.forEach((y, i) => {
      // two gradients deep, single precision loses two digits
      expect(differs(y, numbers(reference[i]!), { rtol: 1e-3, atol: 1e-3 })).toBeUndefined();
    });
  });
});

describe("refusals", () => {
  test("channels that do not fit", () => {
    const bad = drawn(1, { batch: 2, height: 5, width: 4, colour: 3 });
    expect(refusal((a, w) => conv(a, w, { groups: 2 }), bad, kernel)).toMatchInlineSnapshot(`
      "
      conv: axis height of x has 5 channels, the kernel takes 4.
        x         float32[batch 2, height 5, width 4, colour 3]
        kernel    float32[filter 6, channel 2, kh 3, kw 2], read as [filter, channel / groups, window…]
        groups    2
        where     test/convolution.test.ts:LINE
        fix       say which axis holds the channels with { channel: … }, or give the kernel as many    [SHAPE-01]
      "
    `);
  });

  test("an axis twice, a list of another length", () => {
    const twice = { groups: 2, space: "channel width" };
    expect(refusal((a, w) => conv(a, w, twice), x, kernel)).toMatchInlineSnapshot(`
      "
      conv: an axis stands twice.
        operand    float32[batch 2, channel 4, height 5, width 4]
        space      channel width
        channel    axis channel
        where      test/convolution.test.ts:LINE    [AXIS-01]
      "
    `);
    const strides = { groups: 2, stride: [1, 2, 3] };
    expect(refusal((a, w) => conv(a, w, strides), x, kernel)).toMatchInlineSnapshot(`
      "
      conv: stride has 3 entries for a window of 2 axes.
        given    stride: [1, 2, 3]
        where    test/convolution.test.ts:LINE
        fix      give one number for all axes, or one for each    [SHAPE-01]
      "
    `);
    const one = { groups: 2, padding: [1] };
    expect(refusal((a, w) => conv(a, w, one), x, kernel)).toMatchInlineSnapshot(`
      "
      conv: padding has 1 entries for a window of 2 axes.
        where    test/convolution.test.ts:LINE
        fix      give one number, "same", "valid", or a number or a pair per axis    [SHAPE-01]
      "
    `);
  });

  test("a bias of another length, too few axes", () => {
    const four = drawn(1, { channel: 4 });
    expect(
      refusal((a, w, bias) => conv(a, w, { groups: 2, bias }), x, kernel, four),
    ).toMatchInlineSnapshot(`
      "
      conv: the bias must have one number per filter, [6], not float32[channel 4]
        where    test/convolution.test.ts:LINE    [SHAPE-01]
      "
    `);
    expect(refusal((a, w) => conv(a, w), four, kernel)).toMatchInlineSnapshot(`
      "
      conv: a kernel has two channel axes and one to three of its window, and x a channel axis beside those.
        x         float32[channel 4]
        kernel    float32[filter 6, channel 2, kh 3, kw 2]
        where     test/convolution.test.ts:LINE    [SHAPE-01]
      "
    `);
  });
});
