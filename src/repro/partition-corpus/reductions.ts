/** @file Reductions, softmax, norms: along split axes, beside them, with gradients, of uneven sizes. */

import type { Tensor } from "../../core/tensor.ts";
import { layerNorm, rmsNorm } from "../../numpy/normalisation.ts";
import * as r from "../../numpy/reduce.ts";
import { define, gradients, halfSquare, type PartitionCase } from "./case.ts";

const BY_NAME: Readonly<Record<string, (x: Tensor, axes: readonly number[]) => Tensor>> = {
  ...{ sum: r.sum, mean: r.mean, max: r.max, min: r.min, prod: r.prod },
  ...{ variance: r.variance, logSumExp: r.logSumExp, countNonzero: r.countNonzero },
};

/** What, sizes and sharding, axes, sharding of the result, mesh. */
type Row = readonly [
  what: string,
  x: string,
  axes: readonly number[],
  result: string,
  mesh?: string,
];

const REDUCTIONS: readonly Row[] = [
  ["sum", "16 64 [x, -]", [0], "[-]"],
  ["sum", "16 64 [x, -]", [0], "[x]"],
  ["sum", "16 64 [x, -]", [1], "[x]"],
  ["sum", "10 6 [x, -]", [0], "[-]"],
  ["sum", "16 8 [x, y]", [0, 1], "[]", "x=2,y=4"],
  ["sum", "16 8 [x, y]", [1], "[x]", "x=2,y=4"],
  ["sum", "16 8 [x, y]", [1], "[x+y]", "x=2,y=4"],
  ["sum", "4 8 6 [x, y, z]", [0, 2], "[y]", "x=2,y=2,z=2"],
  ["sum", "3 5 [x, -]", [0], "[-]"],
  ["mean", "16 64 [x, -]", [0], "[-]"],
  ["mean", "10 6 [x, -]", [0], "[-]"],
  ["max", "16 64 [-, x]", [1], "[-]"],
  ["max", "10 7 [x, y]", [0, 1], "[]", "x=2,y=4"],
  ["min", "9 6 [x, -]", [0], "[-]"],
  ["prod", "8 6 [x, -]", [0], "[-]"],
  ["variance", "16 64 [-, x]", [1], "[-]"],
  ["variance", "10 6 [x, -]", [0], "[-]"],
  ["logSumExp", "16 64 [-, x]", [1], "[-]"],
  ["logSumExp", "10 6 [x, -]", [0], "[-]"],
  ["countNonzero", "16 64 [-, x]", [1], "[-]"],
];

const reduced = REDUCTIONS.map(([what, x, axes, result, mesh = "x=4"]) =>
  define(
    `reduce/${what} of ${x} along ${axes.join("+")} → ${result} on ${mesh}`,
    mesh,
    [x],
    result,
    (y) => (BY_NAME[what] as (x: Tensor, axes: readonly number[]) => Tensor)(y, axes),
  ),
);

const soft: readonly PartitionCase[] = [
  define("norm/softmax along its split axis", "x=4", ["16 64 [-, x]"], "[-, x]", (x) =>
    r.softmax(x, 1),
  ),
  define("norm/softmax beside it", "x=4", ["16 64 [x, -]"], "[x, -]", (x) => r.softmax(x, 1)),
  define("norm/softmax, uneven", "x=4", ["6 10 [-, x]"], "[-, x]", (x) => r.softmax(x, 1)),
  define("norm/softmax over two axes", "x=2,y=4", ["16 32 [-, x+y]"], "[-, x+y]", (x) =>
    r.softmax(x, 1),
  ),
  define("norm/log-softmax", "x=2,y=4", ["16 32 [x, y]"], "[x, y]", (x) => r.logSoftmax(x, 1)),
  define("norm/gradient of softmax", "x=4", ["16 64 [-, x]"], "[-, x]", (x) =>
    gradients((y) => halfSquare(r.softmax(y, 1)), [x]),
  ),
  define("norm/argmax along its split axis", "x=4", ["8 16 [-, x]"], "[-]", (x) => r.argmax(x, 1)),
  define("norm/argmin, uneven", "x=4", ["8 10 [-, x]"], "[-]", (x) => r.argmin(x, 1)),
  define("norm/argmax beside it", "x=4", ["8 16 [x, -]"], "[x]", (x) => r.argmax(x, 1)),
];

type Norm = (x: Tensor, scale: Tensor, bias: Tensor) => Tensor;
const NORMS: Readonly<Record<string, Norm>> = {
  layer: (x, scale, bias) => layerNorm(x, { scale, bias }),
  rms: (x, scale) => rmsNorm(x, { scale }),
};

const LAYOUTS: readonly (readonly [mesh: string, x: string, scale: string])[] = [
  ["x=4", "16 64 [x, -]", "64 [-]"],
  ["x=4", "16 64 [-, x]", "64 [x]"],
  ["x=2,y=4", "16 64 [x, y]", "64 [y]"],
  ["x=4", "6 10 [-, x]", "10 [x]"],
];

const norms = Object.entries(NORMS).flatMap(([name, norm]) =>
  LAYOUTS.flatMap(([mesh, x, scale]) => {
    const sharding = x.slice(x.indexOf("["));
    return [
      define(`norm/${name} norm of ${x} on ${mesh}`, mesh, [x, scale, scale], sharding, norm),
      define(
        `norm/gradients of ${name} norm of ${x} on ${mesh}`,
        mesh,
        [x, scale, scale],
        [sharding, scale.slice(scale.indexOf("["))],
        (y, s, b) => gradients((a, c) => halfSquare(norm(a, c, b)), [y, s]),
      ),
    ];
  }),
);

export const reductions: readonly PartitionCase[] = [...reduced, ...soft, ...norms];
