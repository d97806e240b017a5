/** @file Reshapes, transposes, broadcasts, pieces of tensors: what moves elements and computes nothing. */

import type { Tensor } from "../../core/tensor.ts";
import { add, exp, mul } from "../../numpy/arithmetic.ts";
import { expandDims, reshape, transpose } from "../../numpy/layout.ts";
import {
  concatenate,
  flip,
  pad,
  repeat,
  roll,
  slice,
  split,
  stack,
  tile,
} from "../../numpy/pieces.ts";
import { define, gradients, halfSquare, type PartitionCase } from "./case.ts";

/** Sizes and sharding before and after, on a mesh. */
const RESHAPES: readonly (readonly [from: string, to: string, mesh: string])[] = [
  ["8 6 [x, -]", "48 [x]", "x=4"],
  ["48 [x]", "8 6 [x, -]", "x=4"],
  ["8 6 [-, x]", "48 [x]", "x=2,y=4"],
  ["48 [x]", "6 8 [-, x]", "x=4"],
  ["8 4 6 [x, -, -]", "8 24 [x, -]", "x=4"],
  ["8 24 [x, y]", "8 4 6 [x, y, -]", "x=2,y=4"],
  ["8 4 6 [x, y, -]", "32 6 [x+y, -]", "x=2,y=4"],
  ["32 6 [x+y, -]", "8 4 6 [x, y, -]", "x=2,y=4"],
  ["6 2 [x, -]", "12 [x]", "x=4"],
  ["12 [x]", "6 2 [x, -]", "x=4"],
  ["10 4 [x, -]", "40 [x]", "x=4"],
  ["4 16 [-, x]", "4 4 4 [-, x, -]", "x=4"],
  ["2 4 8 [x, y, z]", "8 8 [x+y, z]", "x=2,y=2,z=2"],
  ["8 1 [x, -]", "1 8 [-, x]", "x=4"],
];

const sizes = (text: string) => text.replace(/\[.*/, "").trim().split(" ").map(Number);
const behind = (text: string) => text.slice(text.indexOf("["));

const reshapes = RESHAPES.map(([from, to, mesh]) =>
  define(`layout/reshape ${from} → ${to} on ${mesh}`, mesh, [from], behind(to), (x) =>
    reshape(x, sizes(to)),
  ),
);

const TRANSPOSES: readonly (readonly [from: string, to: string, mesh: string])[] = [
  ["16 8 [x, -]", "[-, x]", "x=4"],
  ["16 8 [x, -]", "[x, -]", "x=4"],
  ["16 8 [x, y]", "[y, x]", "x=2,y=4"],
  ["16 8 [x, y]", "[x, y]", "x=2,y=4"],
  ["10 6 [x, -]", "[-, x]", "x=4"],
];

const transposes = TRANSPOSES.map(([from, to, mesh]) =>
  define(`layout/transpose ${from} → ${to} on ${mesh}`, mesh, [from], to, (x) =>
    transpose(x, [1, 0]),
  ),
);

type Piece = readonly [
  what: string,
  args: readonly string[],
  result: string,
  f: (...xs: readonly Tensor[]) => Tensor | readonly Tensor[],
  mesh?: string,
];

const PIECES: readonly Piece[] = [
  ["reverse", ["16 [x]"], "[x]", (x) => flip(x)],
  ["reverse, uneven", ["10 [x]"], "[x]", (x) => flip(x)],
  ["reverse beside", ["16 6 [x, -]"], "[x, -]", (x) => flip(x, 1)],
  ["roll by 1", ["16 [x]"], "[x]", (x) => roll(x, 0, 1)],
  ["roll by 5 of 16 × 4", ["16 4 [x, -]"], "[x, -]", (x) => roll(x, 0, 5)],
  ["roll by −1, uneven", ["10 [x]"], "[x]", (x) => roll(x, 0, -1)],
  ["concatenate along the split axis", ["8 [x]", "8 [x]"], "[x]", (x, y) => concatenate([x, y], 0)],
  [
    ...(["concatenate beside it", ["8 4 [x, -]", "8 6 [x, -]"], "[x, -]"] as const),
    (x, y) => concatenate([x, y], 1),
  ],
  [
    ...(["concatenate three, uneven", ["5 [x]", "8 [x]", "3 [-]"], "[x]"] as const),
    (...xs) => concatenate(xs, 0),
  ],
  ["stack", ["8 4 [x, -]", "8 4 [x, -]"], "[-, x, -]", (x, y) => stack([x, y])],
  ["slice 2 to 14 of 16", ["16 [x]"], "[x]", (x) => slice(x, 0, 2, 14)],
  ["slice every second", ["16 4 [x, -]"], "[x, -]", (x) => slice(x, 0, 0, 16, 2)],
  ["slice the first half", ["16 4 [x, -]"], "[x, -]", (x) => slice(x, 0, 0, 8)],
  ["slice one row → whole", ["16 4 [x, -]"], "[-, -]", (x) => slice(x, 0, 5, 6)],
  ["slice beside", ["16 8 [x, -]"], "[x, -]", (x) => slice(x, 1, 2, 5)],
  [
    "split in two",
    ["16 8 [x, -]"],
    "[x, -]",
    (x) => mul(...(split(x, 1, [4, 4]) as [Tensor, Tensor])),
  ],
  ["pad by 2 and 2", ["12 [x]"], "[x]", (x) => pad(x, { 0: { before: 2, after: 2 } })],
  ["pad the end", ["12 [x]"], "[x]", (x) => pad(x, { 0: { after: 4 } }, 1)],
  ["pad between", ["8 [x]"], "[x]", (x) => pad(x, { 0: { between: 1 } })],
  ["pad beside", ["8 5 [x, -]"], "[x, -]", (x) => pad(x, { 1: { before: 1, after: 2 } })],
  ["cut by padding", ["16 [x]"], "[x]", (x) => pad(x, { 0: { before: -1, after: -3 } })],
  ["tile", ["8 4 [x, -]"], "[-, x, -]", (x) => reshape(tile(x, 0, 2), [2, 8, 4])],
  ["repeat", ["8 4 [x, -]"], "[x, -]", (x) => repeat(x, 0, 2)],
  [
    ...(["gradient of slice", ["16 [x]"], "[x]"] as const),
    (x) => gradients((y) => halfSquare(slice(y, 0, 2, 14)), [x]),
  ],
  [
    ...(["gradient of roll", ["16 [x]"], "[x]"] as const),
    (x) => gradients((y) => halfSquare(mul(y, roll(y, 0, 1))), [x]),
  ],
  [
    ...(["gradients of concatenate", ["8 [x]", "8 [x]"], "[x]"] as const),
    (x, y) => gradients((a) => halfSquare(concatenate([a, y], 0)), [x]),
  ],
  ["shifts within two axes", ["8 8 [x, y]"], "[x, y]", (x) => add(x, roll(x, 0, 1)), "x=2,y=4"],
];

const pieces = PIECES.map(([what, args, result, f, mesh = "x=4"]) =>
  define(`piece/${what}`, mesh, args, result, f),
);

const BROADCASTS: readonly Piece[] = [
  ["bias, split alike", ["16 8 [x, y]", "8 [y]"], "[x, y]", (x, b) => add(x, b), "x=2,y=4"],
  ["bias, whole", ["16 8 [x, y]", "8 [-]"], "[x, y]", (x, b) => add(x, b), "x=2,y=4"],
  ["bias, split otherwise", ["16 8 [x, y]", "8 [x]"], "[x, y]", (x, b) => add(x, b), "x=2,y=4"],
  ["two layouts added", ["16 8 [x, -]", "16 8 [-, x]"], "[x, -]", (x, y) => add(x, y)],
  ["outer product", ["8 [x]", "6 [y]"], "[x, y]", (x, y) => mul(expandDims(x, 1), y), "x=2,y=4"],
  ["element-wise, uneven", ["10 7 [x, y]"], "[x, y]", (x) => exp(add(x, x)), "x=2,y=4"],
  [
    ...(["gradient of a bias", ["16 8 [x, y]", "8 [y]"], "[y]"] as const),
    (x, b) => gradients((c) => halfSquare(add(x, c)), [b]),
    "x=2,y=4",
  ],
];

const broadcasts = BROADCASTS.map(([what, args, result, f, mesh = "x=4"]) =>
  define(`broadcast/${what}`, mesh, args, result, f),
);

export const layouts: readonly PartitionCase[] = [
  ...reshapes,
  ...transposes,
  ...pieces,
  ...broadcasts,
];
