/** @file Meshes that are no power of two, of one device, with axes of one; axes in parts; whole numbers and halves. */

import type { Tensor } from "../../core/tensor.ts";
import { gelu } from "../../numpy/activations.ts";
import { add, astype, mul, neg, rem } from "../../numpy/arithmetic.ts";
import { einsum } from "../../numpy/einsum.ts";
import { max, softmax, sum } from "../../numpy/reduce.ts";
import { hvp } from "../../transforms/hessian.ts";
import { jvp } from "../../transforms/jvp.ts";
import { vmap } from "../../transforms/vmap.ts";
import { arrow, define, gradients, halfSquare, type PartitionCase, whole } from "./case.ts";

const up = (x: Tensor, w: Tensor) => einsum("batch in, in mid -> batch mid", x, w);
const down = (x: Tensor, w: Tensor) => einsum("batch mid, mid out -> batch out", x, w);
const mlp = (x: Tensor, w1: Tensor, w2: Tensor) => down(gelu(up(x, w1)), w2);

/** Mesh, then shardings of examples, the first weight, the second one. */
const ODD: readonly (readonly [mesh: string, x: string, w1: string, w2: string])[] = [
  ["x=3", "[x, -]", "[-, -]", "[-, -]"],
  ["x=3", "[-, -]", "[-, x]", "[x, -]"],
  ["x=5", "[x, -]", "[x, -]", "[-, x]"],
  ["x=2,y=3", "[x, -]", "[-, y]", "[y, -]"],
  ["x=3,y=2", "[x, y]", "[y, x]", "[x, y]"],
  ["x=7", "[x, -]", "[-, x]", "[x, -]"],
  ["x=1", "[x, -]", "[-, -]", "[-, -]"],
  ["x=1,y=4", "[x, -]", "[-, y]", "[y, -]"],
  ["x=8", "[x, -]", "[-, -]", "[-, -]"],
  ["x=2,y=2,z=2", "[x+z, -]", "[-, y]", "[y, -]"],
];

const steps = ODD.map(([mesh, x, w1, w2]) =>
  define(
    `mesh/step on ${mesh}, ${arrow([x, w1, w2], [w1, w2])}`,
    mesh,
    [`10 6 ${x}`, `6 12 ${w1}`, `12 5 ${w2}`],
    [w1, w2],
    (y, a, b) => gradients((c, d) => halfSquare(mlp(y, c, d)), [a, b]),
  ),
);

const PARTS: readonly (readonly [mesh: string, from: string, to: string])[] = [
  ["x=4", "[x, -]", "[x:(1)2, x:(2)2]"],
  ["x=4", "[x:(1)2, x:(2)2]", "[x:(2)2, x:(1)2]"],
  ["x=4", "[x:(2)2, -]", "[x:(1)2, -]"],
  ["x=2,y=4", "[x+y:(1)2, -]", "[-, y]"],
  ["x=2,y=4", "[y:(2)2, x]", "[x, y]"],
  ["x=3", "[x, -]", "[-, x]"],
  ["x=6", "[x, -]", "[-, x]"],
  ["x=2,y=3", "[x, y]", "[y, x]"],
  ["x=2,y=3", "[x+y, -]", "[y+x, -]"],
];

const moves = PARTS.map(([mesh, from, to]) =>
  define(`mesh/12×12 ${arrow([from], [to])} on ${mesh}`, mesh, [`12 12 ${from}`], to, (x) =>
    neg(x),
  ),
);

export const meshes: readonly PartitionCase[] = [
  ...steps,
  ...moves,
  define("mesh/softmax over three devices", "x=3", ["4 10 [-, x]"], "[-, x]", (x) => softmax(x, 1)),
  define("mesh/largest over six devices", "x=2,y=3", ["7 10 [x, y]"], "[]", (x) => max(x)),
  define("dtype/sum of whole numbers", "x=4", [whole("10 6 [x, -]", 100, -100)], "[-]", (x) =>
    sum(x, 0),
  ),
  define("dtype/remainders", "x=2,y=4", [whole("10 6 [x, y]", 100)], "[x]", (x) =>
    sum(rem(x, 7), 1),
  ),
  define("dtype/16 bits between", "x=4", ["16 8 [x, -]"], "[-, x]", (x) =>
    astype(mul(astype(x, "bfloat16"), 2), "float32"),
  ),
  define(
    "derivative/forward",
    "x=2,y=4",
    ["8 6 [x, -]", "6 8 [-, y]", "8 6 [y, -]", "8 6 [x, -]"],
    ["[x, -]", "[x, -]"],
    (x, w1, w2, dx) => jvp((y: Tensor) => mlp(y, w1, w2), [x], [dx]),
  ),
  define(
    "derivative/Hessian times a vector",
    "x=2,y=4",
    ["8 6 [x, -]", "6 8 [-, y]", "8 6 [y, -]", "6 8 [-, y]"],
    "[-, y]",
    (x, w1, w2, v) => hvp((w: Tensor) => halfSquare(mlp(x, w, w2)), [w1], v),
  ),
  define(
    "derivative/gradients of each example",
    "x=4",
    ["8 6 [x, -]", "6 4 [-, -]"],
    "[x, -, -]",
    (x, w) =>
      vmap(
        (row: Tensor) =>
          gradients((v) => halfSquare(einsum("in, in out -> out", row, v)), [w])[0] as Tensor,
      )(x),
  ),
  define(
    "derivative/of inputs and weights alike",
    "x=2,y=4",
    ["8 6 [x, -]", "6 8 [-, y]", "8 6 [y, -]"],
    ["[x, -]", "[-, y]", "[y, -]"],
    (...xs) => gradients((x, w1, w2) => halfSquare(add(x, mlp(x, w1, w2))), xs),
  ),
];
