/**
 * @file Single ops along whose axes data moves, with random sizes, windows and boxes: halos wider than a shard, unequal
 * on both sides, more devices than elements, padding that cuts off.
 */

import type { Op } from "../../core/op.ts";
import { integers, random, type Sample, sample, values } from "../../core/samples.ts";
import { aval, sizeOf } from "../../core/shape.ts";
import { convolveKernelOp, convolveOp } from "../../ops/convolution.ts";
import { cumsumOp } from "../../ops/cumulative.ts";
import { dynamicSliceOp, dynamicUpdateSliceOp } from "../../ops/dynamic.ts";
import { reshapeOp, reverseOp } from "../../ops/layout.ts";
import { concatenateOp, padOp, sliceOp, splitOp } from "../../ops/pieces.ts";
import { windowPickOp, windowPutOp } from "../../ops/pool.places.ts";
import { windowArgMaxOp, windowMaxOp, windowSumOp } from "../../ops/pool.ts";
import { axesOf, elementUnder, type SlidingWindow } from "../../ops/sliding-window.ts";
import { argsortOp } from "../../ops/sort.ts";
import type { Draw } from "./random-case.ts";

export interface DrawnOp {
  readonly op: Op;
  readonly sample: Sample;
}

interface Drawn {
  readonly sizes: readonly number[];
  readonly taps: readonly number[];
  readonly window: SlidingWindow;
  /** Windows along each axis. */
  readonly counts: readonly number[];
}

const between = (draw: Draw, low: number, high: number): number => low + draw(high - low + 1);

/** One or two space axes with a window that makes at least one result. */
function drawWindow(draw: Draw, dilates: boolean): Drawn {
  for (;;) {
    const rank = 1 + draw(2);
    const each = (f: () => number) => Array.from({ length: rank }, f);
    const sizes = each(() => between(draw, 1, rank === 1 ? 17 : 8));
    const taps = each(() => between(draw, 1, rank === 1 ? 7 : 4));
    const plain = draw(2) === 0;
    const step = (most: number) => each(() => (plain ? 1 : between(draw, 1, most)));
    const window = {
      stride: each(() => between(draw, 1, 3)),
      padding: each(() => 0).map(() => [between(draw, -2, 5), between(draw, -2, 5)] as const),
      inputDilation: dilates ? step(3) : each(() => 1),
      dilation: step(3),
    };
    const counts = axesOf(window, sizes, taps).map(({ count }) => count);
    if (counts.every((count) => count > 0 && count < 20)) return { sizes, taps, window, counts };
  }
}

/** A window of which no place holds nothing but padding. */
function drawFilled(draw: Draw): Drawn {
  for (;;) {
    const drawn = drawWindow(draw, false);
    const filled = axesOf(drawn.window, drawn.sizes, drawn.taps).every((axis) =>
      Array.from({ length: axis.count }, (_, p) =>
        Array.from({ length: axis.taps }, (_, k) => elementUnder(axis, p, k)),
      ).every((elements) => elements.some((element) => element !== undefined)),
    );
    if (filled) return drawn;
  }
}

function drawConvolve(draw: Draw): DrawnOp {
  const { sizes, taps, window } = drawWindow(draw, true);
  const groups = 1 + draw(2);
  const [into, out] = [groups * (1 + draw(2)), groups * (1 + draw(2))];
  const transposed = draw(2) === 0;
  const kernel = transposed ? [into, out / groups] : [out, into / groups];
  const inputs = [random(1 + draw(3), into, ...sizes), random(...kernel, ...taps)];
  return drawn(convolveOp, inputs, { ...window, groups, transposed });
}

function drawKernel(draw: Draw): DrawnOp {
  const { sizes, taps, window, counts } = drawWindow(draw, true);
  const groups = 1 + draw(2);
  const [into, out, batch] = [groups * (1 + draw(2)), groups * (1 + draw(2)), 1 + draw(3)];
  const inputs = [random(batch, into, ...sizes), random(batch, out, ...counts)];
  return drawn(convolveKernelOp, inputs, { ...window, groups, taps });
}

function drawPool(op: unknown, draw: Draw): DrawnOp {
  const sums = op === windowSumOp;
  const { sizes, taps, window } = sums ? drawWindow(draw, true) : drawFilled(draw);
  const { inputDilation, ...bare } = window;
  const params = sums ? { ...bare, inputDilation, taps } : { ...bare, taps };
  return drawn(op, [random(1 + draw(3), ...sizes)], params);
}

/** Places under windows, picked from elements or put back. */
function drawPlaces(draw: Draw): DrawnOp {
  const { sizes, taps, window, counts } = drawFilled(draw);
  const { stride, padding, dilation } = window;
  const params = { stride, padding, dilation, taps, sizes };
  const batch = 1 + draw(2);
  const axes = axesOf(window, sizes, taps);
  const places = Array.from({ length: batch * sizeOf(counts) }, (_, w) => {
    let [place, rest] = [0, sizeOf(counts)];
    for (const axis of axes) {
      rest /= axis.count;
      const p = Math.floor(w / rest) % axis.count;
      const under = Array.from({ length: axis.taps }, (_, k) => elementUnder(axis, p, k));
      const inside = under.flatMap((element) => (element === undefined ? [] : [element]));
      place = place * axis.length + (inside[draw(inside.length)] ?? 0);
    }
    return place;
  });
  const at = values(aval("int32", [batch, ...counts]), ...places);
  return draw(2) === 0
    ? drawn(windowPickOp, [random(batch, ...sizes), at], params)
    : drawn(windowPutOp, [random(batch, ...counts), at], params);
}

function drawDims(draw: Draw): number[] {
  return Array.from({ length: 1 + draw(3) }, () => between(draw, 1, 9));
}

function drawSlice(draw: Draw): DrawnOp {
  const dims = drawDims(draw);
  const start = dims.map((size) => draw(size));
  const limit = dims.map((size, i) => between(draw, start[i] ?? 0, size));
  return drawn(sliceOp, [random(...dims)], { start, limit, stride: dims.map(() => 1 + draw(4)) });
}

function drawPad(draw: Draw): DrawnOp {
  for (;;) {
    const dims = drawDims(draw);
    const [low, high] = [0, 1].map(() => dims.map(() => between(draw, -4, 6))) as [
      number[],
      number[],
    ];
    const interior = dims.map(() => draw(3));
    const left = dims.map(
      (size, i) => (size - 1) * ((interior[i] ?? 0) + 1) + 1 + (low[i] ?? 0) + (high[i] ?? 0),
    );
    if (left.every((n) => n >= 0) && sizeOf(left) < 2000)
      return drawn(padOp, [random(...dims)], { low, high, interior, value: 0.5 });
  }
}

function drawReverse(draw: Draw): DrawnOp {
  const dims = drawDims(draw);
  return drawn(reverseOp, [random(...dims)], { axes: dims.flatMap((_, i) => (draw(3) > 0 ? [i] : [])) }); // biome-ignore format: one line
}

function drawConcatenate(draw: Draw): DrawnOp {
  const dims = drawDims(draw);
  const axis = draw(dims.length);
  const parts = Array.from({ length: 1 + draw(4) }, () => random(...dims.with(axis, draw(10))));
  return drawn(concatenateOp, parts, { axis });
}

function drawSplit(draw: Draw): DrawnOp {
  const dims = drawDims(draw);
  const axis = draw(dims.length);
  const sizes = Array.from({ length: 1 + draw(4) }, () => draw(8));
  const whole = sizes.reduce((sum, size) => sum + size, 0);
  return drawn(splitOp, [random(...dims.with(axis, whole))], { axis, sizes });
}

function drawBox(draw: Draw, update: boolean): DrawnOp {
  const dims = drawDims(draw);
  const sizes = dims.map((size) => (draw(3) === 0 ? size : 1 + draw(size)));
  const start = integers(-3, 12, dims.length);
  return update
    ? drawn(dynamicUpdateSliceOp, [random(...dims), random(...sizes), start], {})
    : drawn(dynamicSliceOp, [random(...dims), start], { sizes });
}

function drawReshape(draw: Draw): DrawnOp {
  const dims = Array.from({ length: 2 + draw(2) }, () => between(draw, 1, 8));
  const at = draw(dims.length - 1);
  const [a = 1, b = 1] = dims.slice(at);
  const divisor = [5, 4, 3, 2, 1].find((n) => (a * b) % n === 0) ?? 1;
  const into = [[a * b], [b, a], [(a * b) / divisor, divisor]][draw(3)] ?? [a * b];
  const to = dims.toSpliced(at, 2, ...into);
  const turned = draw(2) === 0;
  const names = (turned ? dims : to).map(() => null);
  return drawn(reshapeOp, [random(...(turned ? to : dims))], { dims: turned ? dims : to, names });
}

function drawCumsum(draw: Draw): DrawnOp {
  const dims = drawDims(draw);
  const axis = draw(dims.length);
  return drawn(cumsumOp, [random(...dims.with(axis, 1 + draw(20)))], { axis, reverse: draw(2) === 0 }); // biome-ignore format: one line
}

function drawSort(draw: Draw): DrawnOp {
  const dims = drawDims(draw);
  const axis = draw(dims.length);
  return drawn(argsortOp, [random(...dims)], { axis, descending: draw(2) === 0 });
}

const DRAWS: readonly ((draw: Draw) => DrawnOp)[] = [
  drawConvolve,
  drawConvolve,
  drawKernel,
  (draw) => drawPool(windowSumOp, draw),
  (draw) => drawPool(windowMaxOp, draw),
  (draw) => drawPool(windowArgMaxOp, draw),
  drawPlaces,
  drawPlaces,
  drawSlice,
  drawPad,
  drawReverse,
  drawConcatenate,
  drawSplit,
  (draw) => drawBox(draw, false),
  (draw) => drawBox(draw, true),
  drawReshape,
  drawCumsum,
  drawSort,
];

/** One of these ops, with random operands and params. */
export function drawMovingOp(draw: Draw): DrawnOp {
  return (DRAWS[draw(DRAWS.length)] ?? drawSlice)(draw);
}

function drawn(op: unknown, inputs: Sample["inputs"], params: object): DrawnOp {
  return { op: op as Op, sample: sample("drawn", inputs, params) as Sample };
}
