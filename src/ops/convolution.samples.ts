/** @file Samples and rejections of convolution: every option, alone and with the others. */

import { type Rejection, random, rejects, type Sample, sample } from "../core/samples.ts";
import { aval } from "../core/shape.ts";
import type { ConvolveKernelParams, ConvolveParams } from "./convolution.ts";
import { axesOf, plainWindow } from "./sliding-window.ts";

type Pairs = readonly (readonly [number, number])[];

/** One convolution of small operands; what is not said is plain. */
interface Case {
  readonly label: string;
  /** `[batch, channel, space…]` */
  readonly x: readonly number[];
  /** `[out, in / groups, window…]`, or transposed */
  readonly w: readonly number[];
  readonly stride?: readonly number[];
  readonly padding?: Pairs;
  readonly inputDilation?: readonly number[];
  readonly dilation?: readonly number[];
  readonly groups?: number;
  readonly transposed?: boolean;
}

const CASES: readonly Case[] = [
  { label: "one space axis", x: [2, 2, 5], w: [3, 2, 3] },
  { label: "two space axes", x: [2, 2, 4, 3], w: [2, 2, 2, 3] },
  { label: "three space axes", x: [1, 2, 3, 2, 3], w: [2, 2, 2, 1, 2] },
  {
    label: "three space axes, every option",
    x: [1, 2, 3, 4, 3],
    w: [2, 1, 2, 2, 2],
    stride: [1, 2, 1],
    padding: [
      [1, 0],
      [1, 1],
      [0, 2],
    ],
    dilation: [1, 1, 2],
    groups: 2,
  },
  { label: "a window of one element", x: [2, 3, 2, 2], w: [2, 3, 1, 1] },
  { label: "one pixel", x: [2, 3, 1, 1], w: [2, 3, 1, 1] },
  { label: "stride that leaves a rest", x: [2, 2, 6, 5], w: [2, 2, 3, 2], stride: [2, 2] },
  { label: "stride past the window", x: [1, 2, 9], w: [2, 2, 2], stride: [4] },
  {
    label: "equal padding",
    x: [2, 2, 4, 3],
    w: [3, 2, 3, 3],
    padding: [
      [1, 1],
      [1, 1],
    ],
  },
  { label: "an even kernel, unequal padding", x: [2, 2, 4], w: [2, 2, 4], padding: [[1, 2]] },
  {
    label: "padding wider than the kernel",
    x: [1, 2, 3, 2],
    w: [2, 2, 2, 1],
    padding: [
      [3, 2],
      [0, 2],
    ],
  },
  {
    label: "negative padding cuts",
    x: [1, 2, 6, 5],
    w: [2, 2, 2, 2],
    padding: [
      [-1, -2],
      [1, -1],
    ],
  },
  {
    label: "negative padding with a stride",
    x: [2, 1, 8],
    w: [2, 1, 3],
    stride: [2],
    padding: [[-1, 1]],
  },
  { label: "a dilated kernel", x: [2, 2, 7], w: [2, 2, 3], dilation: [2] },
  {
    label: "a dilated kernel with stride and padding",
    x: [1, 2, 7, 6],
    w: [2, 2, 3, 2],
    stride: [2, 1],
    dilation: [2, 3],
    padding: [
      [2, 1],
      [1, 1],
    ],
  },
  { label: "a dilated input", x: [2, 2, 4], w: [2, 2, 3], inputDilation: [2], padding: [[1, 2]] },
  {
    label: "both dilated, with a stride",
    x: [1, 2, 3, 4],
    w: [2, 2, 2, 3],
    inputDilation: [3, 2],
    dilation: [2, 2],
    stride: [2, 3],
    padding: [
      [2, 1],
      [3, 2],
    ],
  },
  {
    label: "a dilated input cut by negative padding",
    x: [1, 1, 4],
    w: [1, 1, 2],
    inputDilation: [3],
    padding: [[-2, -1]],
  },
  { label: "groups", x: [2, 4, 4], w: [6, 2, 2], groups: 2 },
  {
    label: "groups with a stride",
    x: [1, 4, 5, 3],
    w: [2, 2, 2, 2],
    groups: 2,
    stride: [2, 1],
    padding: [
      [1, 0],
      [0, 1],
    ],
  },
  { label: "depthwise", x: [2, 3, 4, 4], w: [3, 1, 3, 2], groups: 3 },
  {
    label: "depthwise with a stride",
    x: [2, 3, 5],
    w: [3, 1, 3],
    groups: 3,
    stride: [2],
    padding: [[1, 1]],
  },
  { label: "two outputs for each channel", x: [2, 2, 4], w: [4, 1, 2], groups: 2 },
  { label: "a large window by groups", x: [1, 2, 5, 5], w: [2, 1, 4, 4], groups: 2 },
  { label: "wide groups", x: [1, 16, 3], w: [2, 8, 2], groups: 2 },
  {
    label: "wide groups with a stride",
    x: [1, 16, 3, 2],
    w: [4, 8, 2, 2],
    groups: 2,
    stride: [2, 1],
    padding: [
      [1, 0],
      [0, 1],
    ],
  },
  { label: "small images", x: [3, 4, 2], w: [5, 4, 2], padding: [[1, 0]] },
  { label: "no examples", x: [0, 2, 4], w: [3, 2, 2] },
  { label: "no channels", x: [2, 0, 4], w: [3, 0, 2] },
  { label: "no outputs", x: [2, 2, 4], w: [0, 2, 2] },
  { label: "no window fits", x: [2, 2, 2], w: [3, 2, 4] },
  { label: "nothing but padding", x: [1, 2, 0], w: [2, 2, 2], padding: [[1, 2]] },
  { label: "all is cut off", x: [1, 1, 3], w: [1, 1, 2], padding: [[-4, 6]] },
  { label: "transposed", x: [2, 3, 5], w: [3, 2, 3], padding: [[2, 2]], transposed: true },
  {
    label: "transposed, the way back of a stride",
    x: [2, 3, 3, 2],
    w: [3, 2, 3, 2],
    inputDilation: [2, 3],
    padding: [
      [1, 2],
      [1, 0],
    ],
    transposed: true,
  },
  {
    label: "transposed with padding wider than the kernel",
    x: [1, 2, 3],
    w: [2, 2, 2],
    inputDilation: [2],
    padding: [[4, 3]],
    transposed: true,
  },
  {
    label: "transposed in groups, both dilated, with a stride",
    x: [2, 4, 4],
    w: [4, 3, 3],
    inputDilation: [2],
    dilation: [2],
    stride: [3],
    padding: [[1, 4]],
    groups: 2,
    transposed: true,
  },
  {
    label: "transposed depthwise",
    x: [2, 3, 4],
    w: [3, 1, 2],
    groups: 3,
    padding: [[1, 1]],
    transposed: true,
  },
];

function paramsOf(c: Case): ConvolveParams {
  const { stride, padding, inputDilation, dilation } = plainWindow(c.x.length - 2);
  return {
    stride: c.stride ?? stride,
    padding: c.padding ?? padding,
    inputDilation: c.inputDilation ?? inputDilation,
    dilation: c.dilation ?? dilation,
    groups: c.groups ?? 1,
    transposed: c.transposed ?? false,
  };
}

export function convolveSamples(): readonly Sample<ConvolveParams>[] {
  return CASES.map((c) => sample(c.label, [random(...c.x), random(...c.w)], paramsOf(c)));
}

/** The same windows, seen from their results. */
export function convolveKernelSamples(): readonly Sample<ConvolveKernelParams>[] {
  return CASES.filter(({ transposed }) => transposed !== true).map((c) => {
    const { transposed: _, ...window } = paramsOf(c);
    const [batch = 0, , ...space] = c.x;
    const [outs = 0, , ...taps] = c.w;
    const counts = axesOf(window, space, taps).map(({ count }) => count);
    return sample(c.label, [random(...c.x), random(batch, outs, ...counts)], { ...window, taps });
  });
}

const LINE: ConvolveParams = { ...plainWindow(1), groups: 1, transposed: false };

export function convolveRejects(): readonly Rejection<ConvolveParams>[] {
  const x = aval("float32", [2, 3, 5], ["batch", "channel", "pos"]);
  const w = aval("float32", [4, 3, 2]);
  return [
    rejects(
      "channels last",
      [aval("float32", [2, 5, 3], ["batch", "pos", "channel"]), w],
      LINE,
      "convolve: the input has 5 channels, the kernel takes 3.\n  input     float32[batch 2, pos 5, channel 3]",
    ),
    rejects(
      "groups that do not divide",
      [x, aval("float32", [4, 1, 2])],
      { ...LINE, groups: 3 },
      "convolve: 3 groups do not divide the 4 outputs of the kernel.",
    ),
    rejects(
      "no space axis",
      [aval("float32", [2, 3]), aval("float32", [4, 3])],
      LINE,
      "convolve: operands must both have two axes and then one to three space axes.",
    ),
    rejects(
      "strides for another rank",
      [x, w],
      { ...LINE, stride: [1, 1] },
      "convolve: stride has 2 entries for 1 space axes.",
    ),
    rejects(
      "a step of zero",
      [x, w],
      { ...LINE, dilation: [0] },
      "convolve: dilation must be whole numbers ≥ 1.",
    ),
    rejects(
      "half a pad",
      [x, w],
      { ...LINE, padding: [[0.5, 0]] },
      "padding must be whole numbers.",
    ),
    rejects("an empty window", [x, aval("float32", [4, 3, 0])], LINE, "convolve: window must be"),
    rejects(
      "another channel axis",
      [x, aval("float32", [4, 3, 2], ["filter", "embed", null])],
      LINE,
      'convolve: axis "channel" meets axis "embed".',
    ),
    rejects(
      "integers",
      [aval("int32", [2, 3, 5]), aval("int32", [4, 3, 2])],
      LINE,
      "convolve: takes float32, float64, float16, bfloat16, not int32[2, 3, 5]",
    ),
    rejects(
      "two dtypes",
      [x, aval("float64", [4, 3, 2])],
      LINE,
      "convolve: operands have unequal dtypes.",
    ),
  ];
}

export function convolveKernelRejects(): readonly Rejection<ConvolveKernelParams>[] {
  const params = { ...plainWindow(1), groups: 1, taps: [2] };
  const x = aval("float32", [2, 3, 5]);
  return [
    rejects(
      "a result of another size",
      [x, aval("float32", [2, 4, 5])],
      params,
      "convolveKernel: a window of [2] makes [2, 4, 4] of the input.",
    ),
    rejects(
      "groups that do not divide",
      [x, aval("float32", [2, 4, 4])],
      { ...params, groups: 2 },
      "convolveKernel: 2 groups do not divide 3 and 4 channels.",
    ),
  ];
}
