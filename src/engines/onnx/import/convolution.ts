/** @file Convolutions: plain, transposed, of integers. */

import { sizeOf } from "../../../core/shape.ts";
import type { Tensor } from "../../../core/tensor.ts";
import * as np from "../../../numpy/index.ts";
import { type ConvolveParams, convolve } from "../../../ops/convolution.ts";
import { reshape } from "../../../ops/layout.ts";
import { pad } from "../../../ops/pieces.ts";
import type { Call, Result } from "./call.ts";
import { along } from "./forms.ts";
import { type Operators, operator } from "./operator.ts";
import { quantised, targetOf } from "./quantise.ts";
import { type TensorValue, tensorValue } from "./value.ts";
import { extent, fittingHigh, padsOf, windowOf } from "./window.ts";

function plainParams(call: Call, x: Tensor, w: Tensor): ConvolveParams {
  const space = x.dims.slice(2);
  const window = windowOf(call, space, w.dims.slice(2));
  const high = fittingHigh(window, space);
  return {
    stride: window.stride,
    padding: window.low.map((low, i) => [low, high[i] ?? 0] as const),
    inputDilation: space.map(() => 1),
    dilation: window.dilation,
    groups: call.int("group", 1),
    transposed: false,
  };
}

function withBias(y: Tensor, bias: Tensor | undefined): Tensor {
  return bias === undefined ? y : np.add(y, along(bias, 1, y.rank));
}

function conv(call: Call): Tensor {
  const [x, w] = [call.x(0), call.x(1)];
  return withBias(convolve(x, w, plainParams(call, x, w)), call.maybe(2));
}

/** The transpose of a convolution: the input spread by the stride under a kernel that is turned round. */
function convTranspose(call: Call): Tensor {
  const [x, w] = [call.x(0), call.x(1)];
  const space = x.dims.slice(2);
  const taps = w.dims.slice(2);
  const rank = space.length;
  const ones = space.map(() => 1);
  const stride = call.ints("strides") ?? ones;
  const dilation = call.ints("dilations") ?? ones;
  const extra = call.ints("output_padding") ?? space.map(() => 0);
  const reach = taps.map((n, i) => extent(n, dilation[i] ?? 1));
  const wanted = call.ints("output_shape")?.slice(-rank);
  const how = call.oneOf("auto_pad", ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"], "NOTSET");
  const pads = how === "NOTSET" && wanted === undefined ? padsOf(call, rank) : undefined;
  const padding = space.map((n, i) => {
    const s = stride[i] ?? 1;
    const full = s * (n - 1) + (extra[i] ?? 0) + (reach[i] ?? 1);
    let low = pads?.[i] ?? 0;
    let high = pads?.[rank + i] ?? 0;
    if (pads === undefined && how !== "VALID") {
      // What is cut off so that the result has the size wanted; SAME is the input times the stride.
      const total = full - (wanted?.[i] ?? n * s);
      const less = Math.floor(total / 2);
      low = how === "SAME_UPPER" ? less : total - less;
      if (how === "NOTSET") low = total - less;
      high = total - low;
    }
    const edge = (reach[i] ?? 1) - 1;
    return [edge - low, edge - high + (extra[i] ?? 0)] as const;
  });
  const y = convolve(x, w, {
    stride: ones,
    padding,
    inputDilation: stride,
    dilation,
    groups: call.int("group", 1),
    transposed: true,
  });
  return withBias(y, call.maybe(2));
}

/** Single precision adds integers exactly up to this. */
const EXACT = 2 ** 24;
/** Operands are 8-bit integers, less a zero point of 8 bits. */
const LARGEST = 255;

/** A convolution of integers, by exact ones of floats: of the whole numbers, or of their upper and lower halves. */
function integerConvolution(call: Call, x: Tensor, w: Tensor, params: ConvolveParams): Tensor {
  const terms = sizeOf(w.dims.slice(1));
  const run = (a: Tensor, b: Tensor) =>
    np.astype(convolve(np.astype(a, "float32"), np.astype(b, "float32"), params), "int32");
  if (terms * LARGEST * LARGEST < EXACT) return run(x, w);
  if (terms * 16 * 16 >= EXACT) throw call.unsupported(`a sum of ${terms} products`);
  const halves = (y: Tensor) => {
    const upper = np.astype(np.floor(np.div(np.astype(y, "float32"), 16)), "int32");
    return [upper, np.sub(y, np.mul(upper, 16))] as const;
  };
  const [xu, xl] = halves(x);
  const [wu, wl] = halves(w);
  const cross = np.add(run(xu, wl), run(xl, wu));
  return np.add(np.add(np.mul(run(xu, wu), 256), np.mul(cross, 16)), run(xl, wl));
}

/** x less its zero point; padding then stands for zero. */
function centred(x: Tensor, zero: Tensor | undefined, axis: number): Tensor {
  if (zero === undefined) return x;
  return np.sub(x, sizeOf(zero.dims) === 1 ? reshape(zero, []) : along(zero, axis, x.rank));
}

function convInteger(call: Call): TensorValue {
  const x = centred(call.x(0), call.maybe(2), 1);
  const w = centred(call.x(1), call.maybe(3), 0);
  return tensorValue(integerConvolution(call, x, w, plainParams(call, x, w)), "int32");
}

/** x, scale, zero; w, scale, zero; scale and zero of the result; bias. */
function quantisedConv(call: Call): TensorValue {
  const x = centred(call.x(0), call.x(2), 1);
  const w = centred(call.x(3), call.x(5), 0);
  const sum = withBias(integerConvolution(call, x, w, plainParams(call, x, w)), call.maybe(8));
  const scales = np.mul(reshape(call.x(1), []), perChannel(call.x(4), sum.rank));
  const real = np.mul(np.astype(sum, "float32"), scales);
  return quantised(real, reshape(call.x(6), []), reshape(call.x(7), []), targetOf(call, 7));
}

function perChannel(scale: Tensor, rank: number): Tensor {
  return sizeOf(scale.dims) === 1 ? reshape(scale, []) : along(scale, 1, rank);
}

/** Each channel filtered along time by a kernel that sees the past only; the state is the end of that past. */
function causalConvolution(call: Call): readonly Result[] {
  const [x, w] = [call.x(0), call.x(1)];
  const past = (w.dims[2] ?? 1) - 1;
  const state = call.maybe(3);
  const padded =
    state === undefined ? pad(x, [0, 0, past], [0, 0, 0]) : np.concatenate([state, x], 2);
  const y = withBias(
    convolve(padded, w, {
      stride: [1],
      padding: [[0, 0]],
      inputDilation: [1],
      dilation: [1],
      groups: x.dims[1] ?? 1,
      transposed: false,
    }),
    call.maybe(2),
  );
  const smooth = call.oneOf("activation", ["none", "silu", "swish"], "none") !== "none";
  const length = padded.dims[2] ?? 0;
  return [smooth ? np.mul(y, np.logistic(y)) : y, np.slice(padded, 2, length - past, length)];
}

/** Columns of patches added up where they overlap: the transpose of taking patches. */
function columnsToImage(call: Call): Tensor {
  const columns = call.x(0);
  const image = call.numbers(1, "the form of the result");
  const block = call.numbers(2, "the form of the result");
  const rank = image.length;
  const window = windowOf(call, image, block);
  const [batch = 0, width = 0] = columns.dims;
  const channels = width / sizeOf(block);
  // One channel per patch element; a transposed convolution with one-hot kernels puts them in place.
  const apart = reshape(columns, [batch * channels, sizeOf(block), ...window.count]);
  const high = fittingHigh(window, image);
  const eye = np.equal(
    reshape(np.arange(sizeOf(block)), [sizeOf(block), 1]),
    reshape(np.arange(sizeOf(block)), [1, sizeOf(block)]),
  );
  const kernel = reshape(np.astype(eye, columns.dtype), [sizeOf(block), 1, ...block]);
  const y = convolve(apart, kernel, {
    stride: Array<number>(rank).fill(1),
    padding: block.map((n, i) => {
      const edge = extent(n, window.dilation[i] ?? 1) - 1;
      return [edge - (window.low[i] ?? 0), edge - (high[i] ?? 0)] as const;
    }),
    inputDilation: window.stride,
    dilation: window.dilation,
    groups: 1,
    transposed: true,
  });
  return reshape(y, [batch, channels, ...image]);
}

export const CONVOLUTION: Operators = {
  Conv: operator(1, conv),
  ConvTranspose: operator(1, convTranspose),
  ConvInteger: operator(10, convInteger),
  QLinearConv: operator(10, quantisedConv),
  CausalConvWithState: operator(26, causalConvolution),
  Col2Im: operator(18, columnsToImage),
};
