/** @file Loops and branches with split values inside, their gradients, and random numbers. */

import { values } from "../../core/samples.ts";
import { aval } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { relu } from "../../numpy/activations.ts";
import { add, greater, less, mul, where } from "../../numpy/arithmetic.ts";
import { cond, forLoop, scan, switchCase, whileLoop } from "../../numpy/control.ts";
import { checkpoint } from "../../numpy/derivatives.ts";
import { einsum } from "../../numpy/einsum.ts";
import { full, scalar } from "../../numpy/indexing.ts";
import { as } from "../../numpy/layout.ts";
import { bernoulli } from "../../numpy/random/discrete.ts";
import { normal } from "../../numpy/random/distributions.ts";
import { sum } from "../../numpy/reduce.ts";
import { shard } from "../../numpy/shard.ts";
import { scale } from "../../ops/arithmetic.ts";
import { tanh } from "../../ops/hyperbolic.ts";
import {
  type Argument,
  define,
  gradients,
  halfSquare,
  number,
  type PartitionCase,
} from "./case.ts";

const times = (x: Tensor, w: Tensor) => einsum("batch in, in out -> batch out", x, w);

/** `[time, batch, in]` through a plain recurrent cell. */
function recurrent(xs: Tensor, start: Tensor, w: Tensor, u: Tensor): readonly [Tensor, Tensor] {
  return scan(
    (h: Tensor, x: Tensor) => {
      const next = tanh(add(times(x, w), times(as(h, "batch in"), u)));
      return [next, next];
    },
    start,
    xs,
  );
}

/** Mesh, then shardings of inputs, state, and both weights. */
const CELLS: readonly (readonly [string, string, string, string, string])[] = [
  ["x=4", "[-, x, -]", "[x, -]", "[-, -]", "[-, -]"],
  ["x=4", "[-, -, -]", "[-, x]", "[-, x]", "[-, x]"],
  ["x=2,y=4", "[-, x, -]", "[x, y]", "[-, y]", "[-, y]"],
];

const cells = CELLS.flatMap(([mesh, xs, h, w, u]) => {
  const args = [`5 8 4 ${xs}`, `8 8 ${h}`, `4 8 ${w}`, `8 8 ${u}`];
  const stacked = `[-, ${h.slice(1)}`;
  return [
    define(`loop/recurrent, state ${h} on ${mesh}`, mesh, args, [h, stacked], (...all) => [
      ...recurrent(...(all as [Tensor, Tensor, Tensor, Tensor])),
    ]),
    define(`loop/gradients of recurrent, state ${h} on ${mesh}`, mesh, args, [w, u], (a, b, c, d) =>
      gradients((e, f) => halfSquare(recurrent(a, b, e, f)[0]), [c, d]),
    ),
  ];
});

/** Layers with stacked weights: `[layer, in, mid]` and back. */
function stack(x: Tensor, up: Tensor, down: Tensor, keep: boolean): Tensor {
  const layer = (h: Tensor, w1: Tensor, w2: Tensor) =>
    add(h, times(as(relu(times(h, w1)), "batch in"), w2));
  const step = keep ? checkpoint(layer) : layer;
  return scan(
    (h: Tensor, [w1, w2]: readonly [Tensor, Tensor]) => [step(h, w1, w2), []] as const,
    x,
    [up, down] as const,
  )[0];
}

const STACKS: readonly (readonly [string, string, string, string, string])[] = [
  ["DP", "x=4", "[x, -]", "[-, -, -]", "[-, -, -]"],
  ["Megatron", "x=4", "[-, -]", "[-, -, x]", "[-, x, -]"],
  ["dp × tp", "x=2,y=4", "[x, -]", "[-, -, y]", "[-, y, -]"],
  ["2D", "x=2,y=4", "[x, y]", "[-, x, y]", "[-, y, x]"],
];

const stacks = STACKS.flatMap(([name, mesh, x, up, down]) => {
  const args = [`8 8 ${x}`, `3 8 16 ${up}`, `3 16 8 ${down}`];
  return [
    define(`loop/layers, ${name}`, mesh, args, x, (a, b, c) => stack(a, b, c, false)),
    define(`loop/layers, step, ${name}`, mesh, args, [up, down], (a, b, c) =>
      gradients((d, e) => halfSquare(stack(a, d, e, false)), [b, c]),
    ),
  ];
});

/** A key of random numbers. */
const KEY: Argument = { input: values(aval("uint32", [2]), 7, 11), sharding: "[-]" };

export const loops: readonly PartitionCase[] = [
  ...cells,
  ...stacks,
  define(
    "loop/layers, recomputed",
    "x=2,y=4",
    ["8 8 [x, -]", "3 8 16 [-, -, y]", "3 16 8 [-, y, -]"],
    ["[-, -, y]", "[-, y, -]"],
    (a, b, c) => gradients((d, e) => halfSquare(stack(a, d, e, true)), [b, c]),
  ),
  define("loop/for, an annotation inside", "x=4", ["8 8 [x, -]"], "[x, -]", (x) =>
    forLoop(0, 3, (_i, h: Tensor) => shard(scale(add(h, h), 0.5), ["x", null]), x),
  ),
  define("loop/for with the count", "x=4", ["8 8 [x, -]"], "[x, -]", (x) =>
    forLoop(0, 4, (i, h: Tensor) => where(greater(i, scalar(1, "int32")), add(h, h), h), x),
  ),
  define("loop/while a sum is small", "x=4", ["8 8 [x, -]"], "[x, -]", (x) =>
    whileLoop(
      (h: Tensor) => less(sum(mul(h, h)), scalar(500)),
      (h: Tensor) => add(h, h),
      x,
    ),
  ),
  define("branch/cond of a sum", "x=4", ["8 8 [x, -]"], "[x, -]", (x) =>
    cond(
      greater(sum(x), scalar(0)),
      (y: Tensor) => add(y, y),
      (y: Tensor) => scale(y, -1),
      x,
    ),
  ),
  define(
    "branch/switch, products inside",
    "x=4",
    ["8 8 [x, -]", "8 8 [x, -]", number(1)],
    "[x, -]",
    (x, w, i) =>
      switchCase(
        i,
        [(a: Tensor, b: Tensor) => add(a, b), (a: Tensor, b: Tensor) => times(a, b)],
        x,
        w,
      ),
  ),
  define("branch/gradient of cond", "x=4", ["8 8 [x, -]"], "[x, -]", (x) =>
    gradients(
      (y) =>
        halfSquare(
          cond(
            greater(sum(y), scalar(100)),
            (z: Tensor) => add(z, z),
            (z: Tensor) => mul(z, z),
            y,
          ),
        ),
      [x],
    ),
  ),
  define("random/normal numbers, split", "x=4", ["8 6 [x, -]", KEY], "[x, -]", (x, key) =>
    add(x, normal(key, [8, 6])),
  ),
  define("random/dropout on two axes", "x=2,y=4", ["8 6 [x, y]", KEY], "[x, y]", (x, key) =>
    where(bernoulli(key, 0.7, [8, 6]), x, full(0, [8, 6])),
  ),
];
