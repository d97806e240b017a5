import { expect, test } from "vitest";
import { sampleStream } from "../../core/samples.ts";
import { axesOf, elementUnder } from "../../ops/sliding-window.ts";
import { type DimWindow, haloOf, localWindowOf, outputsOf, PLAIN_WINDOW } from "./halo-window.ts";

const window = (taps: number, low: number, high: number, rest: Partial<DimWindow> = {}) => ({
  ...PLAIN_WINDOW,
  ...{ taps, low, high },
  ...rest,
});

/** N, n, the window, and what is known of it: S, outputs per shard, length, left and right halos of all shards. */
const KNOWN: readonly (readonly [
  name: string,
  size: number,
  shards: number,
  window: DimWindow,
  sizes: readonly [block: number, perShard: number, length: number],
  left: readonly number[],
  right: readonly number[],
])[] = [
  ["same", 16, 4, window(3, 1, 1), [4, 4, 6], [1, 1, 1, 1], [1, 1, 1, 1]],
  ["stride 2", 16, 4, window(3, 0, 1, { stride: 2 }), [4, 2, 5], [0, 0, 0, 0], [1, 1, 1, 1]],
  ["uneven", 15, 4, window(3, 1, 1, { stride: 2 }), [4, 2, 5], [1, 1, 1, 1], [0, 0, 0, 0]],
  ["valid", 16, 4, window(5, 0, 0), [4, 3, 7], [0, 1, 2, 3], [3, 2, 1, 0]],
  ["causal", 16, 4, window(5, 4, 0), [4, 4, 8], [4, 4, 4, 4], [0, 0, 0, 0]],
  ["wider than a shard", 16, 4, window(11, 5, 5), [4, 4, 14], [5, 5, 5, 5], [5, 5, 5, 5]],
  ["stride 3", 20, 4, window(3, 0, 0, { stride: 3 }), [5, 2, 6], [0, -1, -2, -3], [1, 2, 3, 4]],
  ["dilated taps", 16, 4, window(3, 4, 4, { dilation: 4 }), [4, 4, 12], [4, 4, 4, 4], [4, 4, 4, 4]],
  ["dilated input", 8, 4, window(3, 1, 2, { inputDilation: 2 }), [2, 4, 3], [0, 0, 0, 0], [1, 1, 1, 1]],
  ["first layer", 224, 8, window(7, 3, 3, { stride: 2 }), [28, 14, 33], Array(8).fill(3), Array(8).fill(2)],
  ["slice [2:14]", 16, 4, window(1, -2, -2), [4, 3, 3], [-2, -1, 0, 1], [1, 0, -1, -2]],
  ["pad (2, 2)", 12, 4, window(1, 2, 2), [3, 4, 4], [2, 1, 0, -1], [-1, 0, 1, 2]],
  ["blocks of 4 to 3", 16, 4, window(1, 0, -4), [4, 3, 3], [0, 1, 2, 3], [-1, -2, -3, -4]],
  ["blocks of 3 to 4", 12, 4, window(1, 0, 4), [3, 4, 4], [0, -1, -2, -3], [1, 2, 3, 4]],
]; // biome-ignore format: a table

test.each(KNOWN)("halos of %s", (_, size, shards, own, sizes, left, right) => {
  const halo = haloOf(own, size, shards);
  expect([halo.block, halo.perShard, halo.length]).toEqual(sizes);
  expect(halo.left).toEqual(left);
  expect(halo.right).toEqual(right);
});

function drawnWindow(seed: number): readonly [DimWindow, size: number, shards: number] {
  const next = sampleStream(seed);
  const draw = (low: number, high: number) => low + Math.floor(next() * (high - low + 1));
  const own: DimWindow = {
    ...{ taps: draw(1, 6), stride: draw(1, 4), low: draw(-4, 7), high: draw(-4, 7) },
    ...{ inputDilation: draw(1, 3), dilation: draw(1, 3) },
  };
  return [own, draw(1, 24), draw(2, 8)];
}

/** Outputs of a window that adds up, over elements at places of their own; what lies outside counts 0. */
function sums({ taps, stride, dilation }: DimWindow, count: number, at: (place: number) => number) {
  return Array.from({ length: count }, (_, o) =>
    Array.from({ length: taps }, (_, k) => at(o * stride + k * dilation)).reduce((a, b) => a + b),
  );
}

test("a shard that holds its halo makes the outputs of the whole, for windows of all kinds", () => {
  let tested = 0;
  for (let seed = 0; seed < 1500; seed++) {
    const [own, size, shards] = drawnWindow(seed);
    const { taps, stride, low, high, inputDilation, dilation } = own;
    const [axis] = axesOf(
      {
        ...{ stride: [stride], padding: [[low, high]], inputDilation: [inputDilation] },
        dilation: [dilation],
      },
      [size],
      [taps],
    );
    if (axis === undefined) throw new RangeError("one axis");
    expect(outputsOf(own, size)).toBe(axis.count);
    if (axis.count === 0) continue;
    tested++;
    const numbers = Array.from({ length: size }, (_, g) => 1 + ((seed + 7919 * g) % 1009));
    const value = (g: number) => numbers[g] ?? 0;
    const whole = Array.from({ length: axis.count }, (_, p) =>
      Array.from({ length: taps }, (_, k) => elementUnder(axis, p, k))
        .map((g) => (g === undefined ? 0 : value(g)))
        .reduce((a, b) => a + b),
    );
    const halo = haloOf(own, size, shards);
    const { window: left, dilate } = localWindowOf(halo);
    for (let i = 0; i < shards; i++) {
      const wanted = whole.slice(i * halo.perShard, (i + 1) * halo.perShard);
      const [start, count] = [halo.starts[i] ?? 0, halo.counts[i] ?? 0];
      expect(count).toBeLessThanOrEqual(halo.length);
      // Behind what is needed stands a number that would be seen in any sum.
      const held = Array.from({ length: halo.length }, (_, j) =>
        j < count ? value(start + j) : 1e6,
      );
      const apart = dilate === null ? left.inputDilation : inputDilation;
      const first = dilate === null ? left.low : (halo.offsets[i] ?? 0);
      const made = sums(left, wanted.length, (place) => {
        const j = (place - first) / apart;
        return Number.isInteger(j) ? (held[j] ?? 0) : 0;
      });
      expect(made).toEqual(wanted);
    }
  }
  expect(tested).toBeGreaterThan(1000);
});

test("no shard asks for elements out of its reach", () => {
  for (let seed = 0; seed < 500; seed++) {
    const [own, size, shards] = drawnWindow(seed);
    const halo = haloOf(own, size, shards);
    const { taps, stride, low, inputDilation, dilation } = own;
    for (let i = 0; i < halo.working; i++) {
      const outputs = Math.min(halo.perShard, halo.outputs - i * halo.perShard);
      const from = stride * halo.perShard * i - low;
      const to = from + stride * (outputs - 1) + (taps - 1) * dilation;
      const inReach = Array.from({ length: 200 }, (_, k) => k - 80).filter(
        (g) => g * inputDilation >= from && g * inputDilation <= to,
      );
      expect(halo.counts[i]).toBe(inReach.length);
      if (inReach.length > 0) expect(halo.starts[i]).toBe(inReach[0]);
    }
  }
});
