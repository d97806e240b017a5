/** @file Samples and rejections of `scan`. */

import type { Rejection, Sample } from "../../core/samples.ts";
import { between, integers, random, rejects, sample } from "../../core/samples.ts";
import { type Aval, aval } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { closedProgram } from "../../transforms/trace.ts";
import { add, mul, sub } from "../arithmetic.ts";
import { tanh } from "../hyperbolic.ts";
import { convert } from "../logic.ts";
import type { ScanParams } from "./scan.ts";

const scalar = aval("float32", []);
const pair = aval("float32", [2]);

function params(
  forms: readonly Aval[],
  step: (xs: readonly Tensor[]) => readonly Tensor[],
  rest: Omit<ScanParams, "body" | "axis">,
): ScanParams {
  return { body: closedProgram("step", forms, step), axis: null, ...rest };
}

const one = <T>(list: readonly T[], i: number): T => list[i] as T;

/** `c' = tanh(w·c + x)`, gives c'. */
const recurrence = (reverse: boolean, length = 3): ScanParams =>
  params(
    [pair, pair, pair],
    (xs) => {
      const next = tanh(add(mul(one(xs, 0), one(xs, 1)), one(xs, 2)));
      return [next, next];
    },
    { constants: 1, carries: 1, length, reverse },
  );

export const scanSamples = (): readonly Sample<ScanParams>[] => [
  sample("a recurrence", [random(2), random(2), random(3, 2)], recurrence(false)),
  sample("from the end", [random(2), random(2), random(3, 2)], recurrence(true)),
  sample("one step", [random(2), random(2), random(1, 2)], recurrence(false, 1)),
  sample("no step", [random(2), random(2), random(0, 2)], recurrence(false, 0)),
  sample(
    "no sequence: a power",
    [between(0.5, 1.5), random()],
    params([scalar, scalar], (xs) => [mul(one(xs, 0), one(xs, 1))], {
      constants: 1,
      carries: 1,
      length: 4,
      reverse: false,
    }),
  ),
  sample(
    "no carry: a map, with a constant part and an unused result",
    [random(2), random(3, 2)],
    params([pair, pair], (xs) => [mul(tanh(one(xs, 0)), one(xs, 1)), one(xs, 0)], {
      constants: 1,
      carries: 0,
      length: 3,
      reverse: false,
    }),
  ),
  sample(
    "two carries, one of them a count",
    [integers(0, 4), random(2), integers(-3, 3, 4)],
    params(
      [aval("int32", []), pair, aval("int32", [])],
      (xs) => {
        const [count, state, x] = [one(xs, 0), one(xs, 1), one(xs, 2)];
        const total = add(count, x);
        return [total, sub(mul(state, state), state), convert(total, "float32")];
      },
      { constants: 0, carries: 2, length: 4, reverse: false },
    ),
  ),
];

export const scanRejects = (): readonly Rejection<ScanParams>[] => [
  rejects(
    "a sequence of another length",
    [pair, pair, aval("float32", [5, 2])],
    recurrence(false),
    "scan: sequence 1 is float32[5, 2], which does not have 3 elements along its first axis",
  ),
  rejects(
    "another carry than the body takes",
    [pair, aval("float32", [3]), aval("float32", [3, 2])],
    recurrence(false),
    "scan: operand 2 is float32[3], but the program takes float32[2]",
  ),
];
