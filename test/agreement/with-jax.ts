/** @file Our counterparts of JAX's functions: one line for each in recorded/agreement/with_jax.py. */

import type { Tensor } from "../../src/core/tensor.ts";
import * as np from "../../src/numpy/index.ts";
import { hessian, hvp, jacobianForward, jacobianReverse } from "../../src/transforms/hessian.ts";
import { jvp } from "../../src/transforms/jvp.ts";
import { grad } from "../../src/transforms/vjp.ts";
import { vmap } from "../../src/transforms/vmap.ts";
import { FOLDED, lines, loosely, pair, type Table } from "./replay.ts";

const windows: Table = {
  ...lines(
    [
      ["sum", "sum"],
      ["largest", "max"],
      ["smallest", "min"],
    ] as const,
    ([name, how]) => ({
      [`window: ${name}, 1-D`]: (x) => np.reduceWindow(x, how, { window: [3] }),
      [`window: ${name}, dilation 2`]: (x) => np.reduceWindow(x, how, { window: [3], dilation: 2 }),
      [`window: ${name}, 2-D, all unequal`]: (x) =>
        np.reduceWindow(x, how, {
          window: [2, 3],
          stride: [2, 1],
          padding: [
            [1, 0],
            [2, 1],
          ],
          dilation: [2, 1],
        }),
      [`window: ${name}, of an inner axis`]: (x) =>
        np.reduceWindow(x, how, { window: [2], stride: 2, space: [1] }),
    }),
  ),
  "window: sum, 4-D": (x) => np.reduceWindow(x, "sum", { window: [2, 2, 2, 2] }),
  "channels last: conv": (x, k) => np.conv(x, k, { channel: 3 }),
  "channels last: conv, same, stride 2": (x, k) =>
    np.conv(x, k, { channel: 3, padding: "same", stride: 2 }),
  "channels last: conv, groups, dilation": (x, k) =>
    np.conv(x, k, {
      channel: 3,
      groups: 2,
      dilation: [2, 1],
      padding: [
        [1, 0],
        [0, 2],
      ],
    }),
  "channels last: conv, negative padding": (x, k) =>
    np.conv(x, k, {
      channel: 3,
      padding: [
        [-1, 0],
        [1, -1],
      ],
    }),
  ...lines([2, 3, 4, 7, 12], (to) => ({
    [`resize: 4 to ${to}, nearest`]: (x) => np.resize(x, { to: [to], method: "nearest" }),
    [`resize: 4 to ${to}, linear`]: loosely(FOLDED, { double: 1e-7 }, (x) =>
      np.resize(x, { to: [to], method: "linear" }),
    ),
  })),
  "grouped product: three groups": (x, w, sizes) => np.raggedDot(x, w, sizes),
  "grouped product: an empty group": (x, w, sizes) => np.raggedDot(x, w, sizes),
  "grouped product: rows past the last group": (x, w, sizes) => np.raggedDot(x, w, sizes),
  "grouped product: all in one": (x, w, sizes) => np.raggedDot(x, w, sizes),
};

function product(x: Tensor, y: Tensor): Tensor {
  return x.rank === 1
    ? np.einsum("in, in out -> out", x, y).reshape([y.dims[1] ?? 0])
    : np.einsum("row in, in out -> row out", x, y).reshape([x.dims[0] ?? 0, y.dims[1] ?? 0]);
}

function rnn(w: Tensor, u: Tensor, initial: Tensor, xs: Tensor): readonly [Tensor, Tensor] {
  const step = (h: Tensor, x: Tensor) => {
    const next = np.tanh(product(h, w).add(product(x, u)));
    return [next, next.mul(2)] as const;
  };
  return np.scan(step, initial, xs);
}

const identity = (n: number) => np.linalg.identityLike(np.zeros([n, n]));

const loops: Table = {
  "loop: recurrent net": rnn,
  "loop: backwards": (c, xs) =>
    np.scan((c: Tensor, x: Tensor) => [c.mul(x).add(1), c.sub(x)] as const, c, xs, {
      reverse: true,
    }),
  "loop: no steps": (c, xs) => np.scan((c: Tensor, x: Tensor) => [c.mul(x), c] as const, c, xs),
  "loop: length alone": (c) =>
    np.scan((c: Tensor) => [np.sin(c), c] as const, c, [], { length: 4 }),
  "loop: two carries, two sequences": (a, b, x, y) => {
    type Two = readonly [Tensor, Tensor];
    const step = ([c, d]: Two, [e, f]: Two): readonly [Two, Tensor] => [[d.mul(e), c.add(f)], c];
    const [last, results] = np.scan(step, [a, b] as const, [x, y] as const);
    return [...last, results];
  },
  "loop: in a loop": (c, xs) =>
    np.scan(
      (c: Tensor, row: Tensor) =>
        np.scan((d: Tensor, x: Tensor) => [np.cos(d).mul(x), d] as const, c, row),
      c,
      xs,
    ),
  "loop: counted": (x) => np.forLoop(0, 4, (i, c: Tensor) => c.mul(x).add(i.astype("float32")), x),
  "loop: hessian times a direction": (w, v, xs) =>
    hvp((w: Tensor) => rnn(w, identity(2), np.full(1, [2]), xs)[1].sum(), [w], v),
  "loop: while, value": (x) =>
    np.whileLoop(
      ([c]) => c.less(20),
      ([c, d]): readonly [Tensor, Tensor] => [c.mul(d), d.add(0.1)],
      [x, x] as readonly [Tensor, Tensor],
    ),
  "loop: while, forward derivative": (x) =>
    jvp(
      (x: Tensor) =>
        np.whileLoop(
          (c: Tensor) => c.less(20),
          (c) => c.mul(x).add(1),
          x,
        ),
      [x],
      [np.scalar(1)],
    ),
  "loop: while, no step": (x) =>
    np.whileLoop(
      (c: Tensor) => c.less(-9),
      (c) => c.add(1),
      x,
    ),
  "branch: taken": (x, y) =>
    np.cond(
      x.sum().greater(0),
      (x: Tensor, y: Tensor) => x.mul(y),
      (x, y) => x.sub(y),
      x,
      y,
    ),
  "branch: not taken": (x, y) =>
    np.cond(
      x.sum().less(0),
      (x: Tensor, y: Tensor) => x.mul(y),
      (x, y) => x.sub(y),
      x,
      y,
    ),
  ...lines([-2, 0, 1, 2, 7], (index) => ({
    [`branch: ${index} of three`]: (i, x) =>
      np.switchCase(i, [np.sin, (x: Tensor) => x.mul(x), (x: Tensor) => x.mul(3)], x),
  })),
  "branch: in a loop": (c, xs) =>
    np.scan(
      (c: Tensor, x: Tensor) =>
        [
          np.cond(
            x.greater(0),
            (c: Tensor) => c.mul(x),
            (c) => x.add(c),
            c,
          ),
          c,
        ] as const,
      c,
      xs,
    ),
};

function cubic(x: Tensor): Tensor {
  return np
    .power(x, 3)
    .mul(np.flip(x, 0))
    .sum()
    .add(np.prod(np.sin(x)));
}

function outer(x: Tensor): Tensor {
  return np.mul(x.reshape([x.dims[0] ?? 0, 1]), np.sin(x));
}

function inSolution(a: Tensor): Tensor {
  return np.linalg
    .solve(a, np.full(1, [2]))
    .square()
    .sum();
}

const derivatives: Table = {
  "derivative: hessian": (x) => hessian(cubic)(x),
  "derivative: jacobian forward": (x) => jacobianForward(outer)(x),
  "derivative: jacobian backward": (x) => jacobianReverse(outer)(x),
  "derivative: along a direction": (x, v) => jvp((x: Tensor) => np.exp(x.neg()).mul(x), [x], [v]),
  "derivative: third": (x) => grad(grad(grad((x: Tensor) => np.tanh(x).mul(x))))(x),
  "derivative: of each example": (w, xs) =>
    vmap((x: Tensor) =>
      grad((w: Tensor) => np.tanh(product(x, np.linalg.matrixTranspose(w))).sum())(w),
    )(xs),
  "derivative: of the gradient of softmax": (x) =>
    grad((x: Tensor) =>
      grad((x: Tensor) => np.softmax(x, 0).slice(0, 0, 1).sum())(x)
        .square()
        .sum(),
    )(x),
  "derivative: of a solution": (a) => grad((a: Tensor) => grad(inSolution)(a).square().sum())(a),
  "derivative: computed again": (x) => np.checkpoint((x: Tensor) => np.sin(np.exp(x)).mul(x))(x),
};

const { fft } = np;

const transforms: Table = {
  ...lines([1, 2, 3, 5, 8, 12, 17, 30], (length) => ({
    [`fourier: forward, ${length}`]: (re, im) => pair(fft.fft({ re, im })),
    [`fourier: inverse, ${length}`]: (re, im) => pair(fft.ifft({ re, im })),
    [`fourier: of reals, ${length}`]: (x) => pair(fft.rfft(x)),
    [`fourier: to reals, ${length}`]: (re, im) => fft.irfft({ re, im }, -1, { length }),
  })),
  ...lines(["ortho", "forward"] as const, (norm) => ({
    [`fourier: forward, ${norm}`]: (re, im) => pair(fft.fft({ re, im }, -1, norm)),
    [`fourier: inverse, ${norm}`]: (re, im) => pair(fft.ifft({ re, im }, -1, norm)),
    [`fourier: of reals, ${norm}`]: (x) => pair(fft.rfft(x, -1, norm)),
    [`fourier: to reals, ${norm}`]: (re, im) => fft.irfft({ re, im }, -1, { norm }),
  })),
  "fourier: along the first axis": (re, im) => pair(fft.fft({ re, im }, 0)),
  "fourier: 2-D": (re, im) => pair(fft.fft2({ re, im })),
  "fourier: 2-D, inverse": (re, im) => pair(fft.ifft2({ re, im })),
  "fourier: 2-D, of reals": (x) => pair(fft.rfftn(x)),
  "fourier: 2-D, to reals": (re, im) => fft.irfftn({ re, im }),
  "fourier: frequencies": () => [fft.fftfreq(5, 0.5), fft.rfftfreq(6)],
  "fourier: middle": (x) => [fft.fftshift(x), fft.ifftshift(x)],
};

const places: Table = {
  "segments: sum": (x, of) => np.segmentSum(x, { of, count: 4 }),
  "segments: mean": (x, of) => np.segmentMean(x, { of, count: 4 }),
  "segments: largest": (x, of) => np.segmentMax(x, { of, count: 4 }),
  "segments: smallest": (x, of) => np.segmentMin(x, { of, count: 4 }),
  "segments: largest of integers": (x, of) => np.segmentMax(x, { of, count: 3 }),
  "place: slice": (x, start) =>
    np.dynamicSlice(x, { axis: 0, start, size: 2 }, { axis: 1, start: 0, size: 3 }),
  "place: slice past the end": (x, start) => np.dynamicSlice(x, { axis: 0, start, size: 2 }),
  "place: slice before the start": (x, i) =>
    np.dynamicSlice(x, { axis: 0, start: i.sub(9), size: 2 }),
  "place: update": (x, u, start) =>
    np.dynamicUpdateSlice(x, u, { axis: 0, start }, { axis: 1, start: 1 }),
  "place: update past the end": (x, u, start) => np.dynamicUpdateSlice(x, u, { axis: 0, start }),
  "place: set rows": (x, at, u) => np.scatterSet(x, { axis: 0, at }, u),
  "place: set in each row": (x, at, u) => np.scatterSet(x, { axis: 1, at }, u),
  "place: add to rows, twice": (x, at, u) =>
    x.add(np.scatterAdd(u, { at, size: 3, batch: 0, as: null })),
  "place: take with clamped places": (x, at) => np.take(x, at),
  "place: in a batch": (x, at) => np.gather(x, { axis: 1, at }),
  "order: by two keys": (...xs) => np.sortTogether(xs, { keys: 2 }),
  "order: by one of two": (...xs) => np.sortTogether(xs, { axis: 0 }),
  "order: top k": (x) => {
    const { values, indices } = np.topK(x, { along: 1, k: 2 });
    return [values, indices];
  },
  ...lines(
    [
      ["sum", np.cumsum],
      ["product", np.cumprod],
      ["largest", np.cummax],
      ["smallest", np.cummin],
      ["log-sum", np.cumLogSumExp],
    ] as const,
    ([name, run]) => ({
      [`run: ${name}`]: (x) => run(x, 1),
      [`run: ${name}, backwards`]: (x) => run(x, 0, { reverse: true }),
    }),
  ),
  "pieces: joined": (x, y) => np.concatenate([x, y, x], 1),
  "pieces: stacked": (x, y) => np.stack([x, y], undefined, 1),
  "pieces: every second": (x) => np.slice(x, 0, 1, 7, 2),
  "pieces: padded, also between and by less than nothing": (x) =>
    np.pad(x, { 0: { before: 1, after: -1, between: 2 }, 1: { before: -1, after: 2 } }, 0.5),
  "pieces: turned round": (x) => np.flip(x, 0, 2),
  "pieces: rolled": (x) => [np.roll(x, 1, 2), np.roll(x, 0, -1)],
  "pieces: tiled": (x) => np.tile(x, 1, 3),
  "pieces: repeated": (x) => np.repeat(x, 1, 3),
  "pieces: split": (x) => np.split(x, 1, [1, 2, 1]),
};

const integers: Table = {
  "bits: of two words": (x, y) => [np.and(x, y), np.or(x, y), np.xor(x, y), np.not(x)],
  "bits: moved": (x, n) => [np.shiftLeft(x, n), np.shiftRight(x, n)],
  "bits: counted": (x) => [np.popcount(x), np.countLeadingZeros(x)],
  "integers: quotients": (x, y) => [np.div(x, y), np.rem(x, y), np.floorDiv(x, y), np.mod(x, y)],
  "integers: wrap around": (x) => [x.add(x), x.mul(x), x.neg(), np.abs(x)],
  "integers: sums and products": (x) => [np.sum(x), np.prod(x), np.max(x), np.min(x)],
  "element: cube root": (x) => np.cbrt(x),
  "element: one-hot": (i) => np.oneHot(i, 4),
  "element: same where nothing is chosen": (t, x) => np.where(t, np.sqrt(np.where(t, x, 1)), 0),
  "element: log-sum with its own slope": (x) => np.logSumExp(x, 0),
};

export const WITH_JAX: Table = {
  ...windows,
  ...loops,
  ...derivatives,
  ...transforms,
  ...places,
  ...integers,
};
