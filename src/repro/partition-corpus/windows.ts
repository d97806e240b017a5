/** @file Convolutions and pooling: examples, channels, filters, space split. */

import type { Tensor } from "../../core/tensor.ts";
import { type ConvOptions, conv, convTranspose } from "../../numpy/convolution.ts";
import { avgPool, maxPool, sumPool } from "../../numpy/pool.ts";
import { define, gradients, halfSquare, type PartitionCase } from "./case.ts";

type Row = readonly [
  what: string,
  mesh: string,
  x: string,
  kernel: string,
  result: string,
  options: ConvOptions,
];

const ROWS: readonly Row[] = [
  ["1-D by examples", "x=4", "4 3 16 [x, -, -]", "5 3 3 [-, -, -]", "[x, -, -]", { padding: 1 }],
  ["1-D by space", "x=4", "2 3 16 [-, -, x]", "5 3 3 [-, -, -]", "[-, -, x]", { padding: 1 }],
  ["1-D by filters", "x=4", "2 3 16 [-, -, -]", "8 3 3 [x, -, -]", "[-, x, -]", { padding: 1 }],
  ["1-D by channels", "x=4", "2 8 16 [-, x, -]", "5 8 3 [-, x, -]", "[-, -, -]", { padding: 1 }],
  ["1-D by space, stride 2", "x=4", "2 3 16 [-, -, x]", "5 3 3 [-, -, -]", "[-, -, x]", { stride: 2, padding: [[0, 1]] }],
  ["1-D by space, valid, 5 taps", "x=4", "2 3 16 [-, -, x]", "4 3 5 [-, -, -]", "[-, -, x]", {}],
  ["1-D by space, causal", "x=4", "2 3 16 [-, -, x]", "4 3 5 [-, -, -]", "[-, -, x]", { padding: [[4, 0]] }],
  ["1-D by space, dilation 4", "x=4", "2 3 16 [-, -, x]", "4 3 3 [-, -, -]", "[-, -, x]", { dilation: 4, padding: 4 }],
  ["1-D by space, 11 taps", "x=4", "2 3 16 [-, -, x]", "4 3 11 [-, -, -]", "[-, -, x]", { padding: 5 }],
  ["1-D by space, uneven", "x=4", "2 3 15 [-, -, x]", "4 3 3 [-, -, -]", "[-, -, x]", { stride: 2, padding: 1 }],
  ["1-D depthwise, channels", "x=4", "2 8 16 [-, x, -]", "8 1 3 [x, -, -]", "[-, x, -]", { groups: 8, padding: 1 }],
  ["2-D by examples and filters", "x=2,y=4", "4 3 8 8 [x, -, -, -]", "8 3 3 3 [y, -, -, -]", "[x, y, -, -]", { padding: 1 }],
  ["2-D by rows", "x=4", "2 3 8 8 [-, -, x, -]", "4 3 3 3 [-, -, -, -]", "[-, -, x, -]", { padding: 1 }],
  ["2-D by rows and columns", "x=2,y=4", "2 3 8 8 [-, -, x, y]", "4 3 3 3 [-, -, -, -]", "[-, -, x, y]", { padding: 1 }],
  ["2-D by examples and rows", "x=2,y=4", "4 3 16 8 [x, -, y, -]", "4 3 3 3 [-, -, -, -]", "[x, -, y, -]", { padding: 1 }],
]; // biome-ignore format: rows are read side by side

const convolutions = ROWS.map(([what, mesh, x, kernel, result, options]) =>
  define(`conv/${what}`, mesh, [x, kernel], result, (y, k) => conv(y, k, options)),
);

const steps = [0, 1, 2, 3, 11, 12].flatMap((i) => {
  const row = ROWS[i];
  if (row === undefined) return [];
  const [what, mesh, x, kernel, , options] = row;
  const behind = (text: string) => text.slice(text.indexOf("["));
  return define(`conv/gradients ${what}`, mesh, [x, kernel], [behind(x), behind(kernel)], (y, k) =>
    gradients((a, b) => halfSquare(conv(a, b, options)), [y, k]),
  );
});

type Pool = readonly [what: string, x: string, result: string, f: (x: Tensor) => Tensor];

const POOLS: readonly Pool[] = [
  ["max of 2, by examples", "4 3 16 [x, -, -]", "[x, -, -]", (x) => maxPool(x, { window: [2] })],
  ["max of 2, by space", "2 3 16 [-, -, x]", "[-, -, x]", (x) => maxPool(x, { window: [2] })],
  [
    ...(["max of 3, overlapping", "2 3 16 [-, -, x]", "[-, -, x]"] as const),
    (x) => maxPool(x, { window: [3], stride: 1, padding: 1 }),
  ],
  ["mean of 2 × 2", "2 3 8 8 [-, -, x, -]", "[-, -, x, -]", (x) => avgPool(x, { window: [2, 2] })],
  [
    ...(["sum of 3, uneven", "2 3 10 [-, -, x]", "[-, -, x]"] as const),
    (x) => sumPool(x, { window: [3], stride: 1, padding: 1 }),
  ],
  [
    ...(["gradient of max of 2", "2 3 16 [-, -, x]", "[-, -, x]"] as const),
    (x) => gradients((y) => halfSquare(maxPool(y, { window: [2] })), [x])[0] as Tensor,
  ],
  [
    ...(["gradient of mean of 2, by examples", "4 3 16 [x, -, -]", "[x, -, -]"] as const),
    (x) => gradients((y) => halfSquare(avgPool(y, { window: [2] })), [x])[0] as Tensor,
  ],
];

const pools = POOLS.map(([what, x, result, f]) => define(`pool/${what}`, "x=4", [x], result, f));

export const windows: readonly PartitionCase[] = [
  ...convolutions,
  ...steps,
  ...pools,
  define(
    "conv/transposed, by space",
    "x=4",
    ["2 3 8 [-, -, x]", "3 4 3 [-, -, -]"],
    "[-, -, x]",
    (x, k) => convTranspose(x, k, { stride: 2, padding: "same" }),
  ),
  define(
    "conv/transposed, by examples",
    "x=4",
    ["4 3 8 [x, -, -]", "3 4 3 [-, -, -]"],
    "[x, -, -]",
    (x, k) => convTranspose(x, k, { stride: 2, padding: "same" }),
  ),
];
