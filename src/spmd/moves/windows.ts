/**
 * @file Convolution and pooling along split dimensions: the elements that a device's own outputs need come from its
 * neighbours, and the op runs by itself.
 */

import { apply } from "../../core/builder.ts";
import type { Tensor } from "../../core/tensor.ts";
import { add, div, mul, rem } from "../../ops/arithmetic.ts";
import type { ConvolveKernelParams, ConvolveParams } from "../../ops/convolution.ts";
import { broadcast, fullLike } from "../../ops/creation.ts";
import { less, select } from "../../ops/logic.ts";
import { LEAST } from "../../ops/magnitude.ts";
import type { WindowMaxParams, WindowSumParams } from "../../ops/pool.ts";
import type { SlidingWindow } from "../../ops/sliding-window.ts";
import { haloAlong, type WindowedDim, windowSplit } from "../halo/halo.ts";
import type { DimWindow } from "../halo/halo-window.ts";
import { hereAlong, numberHere } from "../halo/place-numbers.ts";
import { localParams, type MoveQuestion, type MoveRule, moveRule, splitDims } from "./move-rule.ts";

/** The split dimensions of the first operand, with the windows over them. */
function windowed(
  question: MoveQuestion,
  window: SlidingWindow,
  taps: readonly number[],
): WindowedDim[] {
  const rank = question.equation.inputs[0]?.aval.dims.length ?? 0;
  const lead = rank - taps.length;
  return splitDims(question, "operand", 0).map((split) => {
    const at = split.dim - lead;
    const [low, high] = window.padding[at] ?? [0, 0];
    return {
      ...split,
      window: {
        ...{ taps: taps[at] ?? 1, stride: window.stride[at] ?? 1, low, high },
        ...{ inputDilation: window.inputDilation[at] ?? 1, dilation: window.dilation[at] ?? 1 },
      },
    };
  });
}

/** The window with those of the split dimensions as they are over a device's elements. */
function onDevice(
  window: SlidingWindow,
  lead: number,
  dims: readonly WindowedDim[],
  own: readonly DimWindow[],
): SlidingWindow {
  const at = new Map(dims.map(({ dim }, i) => [dim - lead, own[i]]));
  return {
    stride: window.stride,
    dilation: window.dilation,
    padding: window.padding.map((pair, i) => {
      const here = at.get(i);
      return here === undefined ? pair : [here.low, here.high];
    }),
    inputDilation: window.inputDilation.map((n, i) => at.get(i)?.inputDilation ?? n),
  };
}

export const convolveMoves: MoveRule = moveRule((question) => {
  const { mesh, equation } = question;
  const p = localParams<ConvolveParams>(question);
  const [x, w] = question.operands as readonly [Tensor, Tensor];
  const taps = equation.inputs[1]?.aval.dims.slice(2) ?? [];
  const dims = windowed(question, p, taps);
  const y = windowSplit(mesh, x, dims, { outside: 0 }, (tensor, own) => {
    const params = { ...p, ...onDevice(p, 2, dims, own) };
    return apply(equation.op, [tensor, w], params)[0] as Tensor;
  });
  return [y];
});

/** Windows of x meet the elements of y that a device has; the kernels that come of it are summands. */
export const convolveKernelMoves: MoveRule = moveRule((question) => {
  const { mesh, equation } = question;
  const p = localParams<ConvolveKernelParams>(question);
  const [x, y] = question.operands as readonly [Tensor, Tensor];
  const dims = windowed(question, p, p.taps);
  // Elements under no window of the device meet the zeros behind the last element of y, and must not be NaN.
  const w = windowSplit(mesh, x, dims, { outside: 0, behind: 0 }, (tensor, own) => {
    const params = { ...p, ...onDevice(p, 2, dims, own) };
    return apply(equation.op, [tensor, y], params)[0] as Tensor;
  });
  return [w];
});

export const windowSumMoves: MoveRule = moveRule((question) => {
  const { mesh, equation } = question;
  const p = equation.params as WindowSumParams;
  const [x] = question.operands as readonly [Tensor];
  const dims = windowed(question, p, p.taps);
  const lead = x.rank - p.taps.length;
  const y = windowSplit(mesh, x, dims, { outside: 0 }, (tensor, own) => {
    const params = { ...p, ...onDevice(p, lead, dims, own) };
    return apply(equation.op, [tensor], params)[0] as Tensor;
  });
  return [y];
});

/** windowMax, or windowArgMax with places in what the device has. */
function largest(question: MoveQuestion) {
  const { mesh, equation } = question;
  const p = equation.params as WindowMaxParams;
  const [x] = question.operands as readonly [Tensor];
  const bare = { ...p, inputDilation: p.taps.map(() => 1) };
  const dims = windowed(question, bare, p.taps);
  const lead = x.rank - p.taps.length;
  let sizes: readonly number[] = [];
  const y = windowSplit(mesh, x, dims, { outside: LEAST[x.dtype] }, (tensor, own) => {
    sizes = tensor.dims.slice(lead);
    const { stride, padding, dilation } = onDevice(bare, lead, dims, own);
    return apply(equation.op, [tensor], { ...{ stride, padding, dilation }, taps: p.taps })[0] as Tensor; // biome-ignore format: one line
  });
  return { y, dims, lead, sizes, dilation: p.dilation };
}

export const windowMaxMoves: MoveRule = moveRule((question) => [largest(question).y]);

/** Places in what the device has become places in the whole. */
export const windowArgMaxMoves: MoveRule = moveRule((question) => {
  const { mesh, equation } = question;
  const { y, dims, lead, sizes, dilation } = largest(question);
  const whole = equation.inputs[0]?.aval.dims.slice(lead) ?? [];
  const all = (value: number) => fullLike(y.aval, value);
  let place = all(0);
  let stride = sizes.reduce((product, size) => product * size, 1);
  sizes.forEach((size, i) => {
    stride /= Math.max(1, size);
    const local = rem(div(y, all(Math.max(1, stride))), all(Math.max(1, size)));
    const split = dims.find(({ dim }) => dim - lead === i);
    let at = local;
    if (split !== undefined) {
      const here = hereAlong(mesh, split.axes);
      const start = numberHere(here, haloAlong(split).starts);
      at = add(local, broadcast(start, { dims: y.dims, axes: [], names: y.names }));
      // A window of nothing but −∞ finds it in the padding first: its first element is meant.
      const step = all(dilation[i] ?? 1);
      const first = rem(add(rem(at, step), step), step);
      at = select(less(at, all(0)), first, at);
    }
    place = add(mul(place, all(whole[i] ?? 1)), at);
  });
  return [place];
});
