/** @file `roll`: elements move on along an axis, and those that leave come in at the other end. */

import { apply } from "../core/builder.ts";
import { ShapeError } from "../core/errors.ts";
import { build, get } from "../core/ndarray.ts";
import { defineOp, linear, type One, type Op } from "../core/op.ts";
import { booleans, random, rejects, sample } from "../core/samples.ts";
import { aval, dimOf, showAval } from "../core/shape.ts";
import { factorNames, rule } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { type Decomposition, onnxThrough, stablehloThrough } from "./decomposition.ts";
import { concatenate, split } from "./pieces.ts";

export interface RollParams {
  readonly axis: number;
  /** Places that every element moves on: 0 < shift < length of the axis. */
  readonly shift: number;
}

/**
 * Element i moves to place (i + shift) mod length. An op of its own and not a split with a concatenation: along a split
 * axis either of those would move nearly everything, and both together move only what crosses a border.
 */
export const rollOp: Op<RollParams, One, One> = defineOp<RollParams, One, One>({
  name: "roll",
  infer([x], { axis, shift }) {
    const length = x.dims[axis];
    if (length !== undefined && Number.isInteger(shift) && 0 < shift && shift < length) return [x];
    throw new ShapeError(
      "SHAPE-01",
      `roll: ${shift} places are no part of a turn along axis ${axis} of ${showAval(x)}`,
    );
  },
  jvp: linear,
  transpose: {
    kind: "rule",
    apply: ([ct], [x], { axis, shift }) => [
      ct === null ? null : roll(ct, axis, dimOf(x.aval, axis) - shift),
    ],
  },
  batch: ([x], _mapped, { axis, shift }) => [roll(x, axis + 1, shift)],
  shard: ([x], _y, p) => {
    const factors = factorNames(x.dims.length);
    return rule(p, [factors], [factors], { moves: factors.slice(p.axis, p.axis + 1) });
  },
  evaluate: ([x], { axis, shift }, [y]) => {
    const length = dimOf(x, axis);
    return [
      build(y, (index) =>
        get(
          x,
          index.map((i, at) => (at === axis ? (i + length - shift) % length : i)),
        ),
      ),
    ];
  },
  simplify([x], { axis, shift }) {
    const [source] = x.inputs;
    if (x.op !== (rollOp as unknown as Op) || source === undefined) return null;
    const inner = x.params as RollParams;
    return inner.axis === axis ? [roll(source, axis, inner.shift + shift)] : null;
  },
  lower: {
    onnx: onnxThrough((...all) => decompose(...all)),
    stablehlo: stablehloThrough((...all) => decompose(...all)),
  },
  samples: () => [
    sample("a row by one", [random(5)], { axis: 0, shift: 1 }),
    sample("the outer axis", [random(3, 2)], { axis: 0, shift: 2 }),
    sample("the inner axis, half a turn", [random(2, 4)], { axis: 1, shift: 2 }),
    sample("truth", [booleans(4)], { axis: 0, shift: 3 }, false),
  ],
  rejects: () => [
    rejects(
      "a whole turn",
      [aval("float32", [3])],
      { axis: 0, shift: 3 },
      "roll: 3 places are no part of a turn along axis 0 of float32[3]",
    ),
    rejects(
      "another axis",
      [aval("float32", [3])],
      { axis: 1, shift: 1 },
      "roll: 1 places are no part of a turn along axis 1 of float32[3]",
    ),
  ],
});

const decompose: Decomposition<RollParams, One, One> = ([x], { axis, shift }) => {
  const parts = split(x, axis, [dimOf(x.aval, axis) - shift, shift]);
  return [concatenate([...parts].reverse(), axis)];
};

/** Elements moved on by any whole number of places, back by a negative one. */
export function roll(x: Tensor, axis: number, shift: number): Tensor {
  const length = dimOf(x.aval, axis);
  const part = length === 0 ? 0 : ((shift % length) + length) % length;
  return part === 0 ? x : apply(rollOp, [x], { axis, shift: part })[0];
}
