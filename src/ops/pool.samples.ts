/** @file Samples and rejections of pooling windows. */

import {
  integers,
  type Rejection,
  random,
  rejects,
  type Sample,
  type SampleInput,
  sample,
  values,
  words,
} from "../core/samples.ts";
import { aval } from "../core/shape.ts";
import type { WindowMaxParams, WindowSumParams } from "./pool.ts";
import { plainWindow } from "./sliding-window.ts";

interface Case {
  readonly label: string;
  readonly x: SampleInput;
  readonly window: Partial<WindowSumParams> & { readonly taps: readonly number[] };
  readonly differentiable?: boolean;
}

/** Windows that both sums and maxima take. */
const COMMON: readonly Case[] = [
  { label: "one axis", x: random(2, 5), window: { taps: [2] } },
  { label: "no axis before", x: random(4, 3), window: { taps: [2, 3] } },
  { label: "halves", x: random(1, 2, 4, 6), window: { taps: [2, 2], stride: [2, 2] } },
  {
    label: "overlapping, with padding",
    x: random(2, 5, 4),
    window: {
      taps: [3, 3],
      stride: [2, 2],
      padding: [
        [1, 1],
        [1, 1],
      ],
    },
  },
  {
    label: "three axes, unequal padding",
    x: random(2, 3, 2, 4),
    window: {
      taps: [2, 1, 3],
      stride: [1, 2, 2],
      padding: [
        [0, 1],
        [0, 0],
        [2, 1],
      ],
    },
  },
  { label: "stride that leaves a rest", x: random(1, 8), window: { taps: [3], stride: [3] } },
  { label: "stride past the window", x: random(2, 7), window: { taps: [2], stride: [3] } },
  { label: "dilated", x: random(2, 7), window: { taps: [3], dilation: [2], padding: [[2, 1]] } },
  {
    label: "dilated, padding wider than the taps",
    x: random(2, 6),
    window: { taps: [2], dilation: [3], stride: [2], padding: [[3, 2]] },
  },
  { label: "negative padding cuts", x: random(2, 7), window: { taps: [2], padding: [[-2, -1]] } },
  { label: "a window of one element", x: random(2, 3), window: { taps: [1] } },
  { label: "one window", x: random(2, 3, 2), window: { taps: [3, 2] } },
  { label: "no window fits", x: random(2, 2), window: { taps: [3] } },
  { label: "nothing before", x: random(0, 4), window: { taps: [2] } },
  {
    label: "integers",
    x: integers(-9, 9, 2, 6),
    window: { taps: [3], stride: [2], padding: [[1, 0]] },
  },
  { label: "words", x: words(2, 5), window: { taps: [2], padding: [[0, 1]] } },
];

const line = (...elements: number[]): SampleInput =>
  values(aval("float32", [elements.length]), ...elements);

const SUMS: readonly Case[] = [
  ...COMMON,
  {
    label: "the way back of halves",
    x: random(1, 2, 3),
    window: {
      taps: [2, 2],
      inputDilation: [2, 2],
      padding: [
        [1, 1],
        [1, 2],
      ],
    },
  },
  {
    label: "the way back of windows that leave a gap",
    x: random(2, 3),
    window: { taps: [2], inputDilation: [4], stride: [2], padding: [[1, 3]] },
  },
  {
    label: "the way back of overlapping windows",
    x: random(2, 3),
    window: { taps: [3], inputDilation: [2], padding: [[1, 2]] },
  },
  {
    label: "everything dilated",
    x: random(2, 4),
    window: { taps: [3], inputDilation: [3], dilation: [2], stride: [2], padding: [[3, -1]] },
  },
  {
    label: "integers, dilated",
    x: integers(-9, 9, 4),
    window: { taps: [2], inputDilation: [2], dilation: [2], padding: [[1, 2]] },
  },
  { label: "padding alone", x: random(2, 0), window: { taps: [2], padding: [[2, 1]] } },
  {
    label: "infinities and NaN",
    x: line(1, Infinity, 2, 3, -Infinity, 4, 5, NaN, 6),
    window: { taps: [2] },
    differentiable: false,
  },
];

const TIES: readonly Case[] = [
  {
    label: "ties",
    x: values(aval("float32", [3, 4]), 1, 3, 3, 0, 3, 2, 0, 0, 1, 1, 0, 0),
    window: { taps: [2, 2] },
    differentiable: false,
  },
  {
    label: "a tie of both zeros",
    x: line(-0, 0, 0, -0),
    window: { taps: [2] },
    differentiable: false,
  },
  {
    label: "infinities",
    x: line(-Infinity, -Infinity, 1, Infinity, -Infinity, -3.4e38),
    window: { taps: [2], padding: [[1, 1]] },
    differentiable: false,
  },
];

const MAXIMA: readonly Case[] = [
  ...COMMON,
  ...TIES,
  {
    label: "NaN wins",
    x: line(1, NaN, 2, 3, 4, NaN, NaN, NaN, 5, 1),
    window: { taps: [3], stride: [1] },
    differentiable: false,
  },
  {
    label: "NaN wins in a plane",
    x: values(aval("float32", [3, 3]), NaN, 1, 2, 3, 4, 5, 6, 7, NaN),
    window: {
      taps: [2, 2],
      padding: [
        [1, 0],
        [0, 1],
      ],
    },
    differentiable: false,
  },
  {
    label: "least integers",
    x: values(aval("int32", [4]), -(2 ** 31), -(2 ** 31), 2 ** 31 - 1, 0),
    window: { taps: [2], padding: [[1, 1]] },
  },
];

function sumParams({ window }: Case): WindowSumParams {
  return { ...plainWindow(window.taps.length), ...window };
}

function maxParams(c: Case): WindowMaxParams {
  const { inputDilation: _, ...p } = sumParams(c);
  return p;
}

export function windowSumSamples(): readonly Sample<WindowSumParams>[] {
  return SUMS.map((c) => sample(c.label, [c.x], sumParams(c), c.differentiable));
}

export function windowMaxSamples(): readonly Sample<WindowMaxParams>[] {
  return MAXIMA.map((c) => sample(c.label, [c.x], maxParams(c), c.differentiable));
}

export function windowArgMaxSamples(): readonly Sample<WindowMaxParams>[] {
  const floats = [...COMMON, ...TIES].filter(({ x }) => x.aval.dtype === "float32");
  return floats.map((c) => sample(c.label, [c.x], maxParams(c), false));
}

const LINE: WindowSumParams = { ...plainWindow(1), taps: [2] };
const { inputDilation: _, ...MAX_LINE } = LINE;

export function windowSumRejects(): readonly Rejection<WindowSumParams>[] {
  return [
    rejects(
      "more axes than there are",
      [aval("float32", [3])],
      { ...plainWindow(2), taps: [2, 2] },
      "windowSum: a window moves along the last one to three axes, not 2 of float32[3].",
    ),
    rejects(
      "a window of nothing",
      [aval("float32", [3])],
      { ...LINE, taps: [0] },
      "windowSum: window must be whole numbers ≥ 1.",
    ),
    rejects("truth values", [aval("bool", [3])], LINE, "not bool[3]"),
  ];
}

export function windowMaxRejects(): readonly Rejection<WindowMaxParams>[] {
  return [
    rejects(
      "a window of padding",
      [aval("float32", [2, 3], ["batch", "pos"])],
      { ...MAX_LINE, padding: [[0, 2]] },
      "windowMax: window 3 along axis 1 of float32[batch 2, pos 3] holds nothing but padding.",
    ),
    rejects(
      "nothing to choose",
      [aval("float32", [0])],
      { ...MAX_LINE, padding: [[1, 1]] },
      "windowMax: window 0 along axis 0 of float32[0] holds nothing but padding.",
    ),
  ];
}

export function windowArgMaxRejects(): readonly Rejection<WindowMaxParams>[] {
  return [
    rejects(
      "integers",
      [aval("int32", [4])],
      MAX_LINE,
      "windowArgMax: takes float32, float64, float16, bfloat16, not int32[4]",
    ),
  ];
}
