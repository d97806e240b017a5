/** @file First and second derivatives of a function against slopes, in double precision. */

import { isFloat } from "../core/dtype.ts";
import { stored, type Tensor } from "../core/tensor.ts";
import { leaves, mapTree } from "../core/tree.ts";
import { jvp } from "../transforms/jvp.ts";
import { grad } from "../transforms/vjp.ts";
import { double } from "./double.ts";
import { differs, drawnTree, numbers } from "./tensors.ts";

const STEP = 1e-5;
/** A central difference of this step is right to about the step's square, and to rounding over the step. */
const SLOPE = { rtol: 1e-5, atol: 1e-7 };

/** The tree moved along another of the same form; doubles stay behind the word float32. */
function moved<T>(at: T, along: T, by: number): T {
  const steps = new Map(leaves(at).map((x, i) => [x, leaves(along)[i]]));
  return mapTree(at, (x) => {
    const step = steps.get(x);
    if (step === undefined || !isFloat(x.dtype)) return x;
    const list = numbers(step);
    return stored(
      x.aval,
      Float64Array.from(numbers(x), (value, i) => value + by * (list[i] ?? 0)),
    );
  });
}

/**
 * Why `grad(loss)` is not the slope of `loss` along some direction, or its own derivative not the slope
 * of `grad(loss)`; undefined when both are.
 *
 * @param at - a tree of float tensors, each standing there once
 */
export async function derivativesDiffer<T>(
  loss: (x: T) => Tensor,
  at: T,
): Promise<string | undefined> {
  const along = drawnTree(at, () => 0);
  const [value, slope] = [double(loss), double(grad(loss) as (x: T) => T)];
  const [above, below] = [moved(at, along, STEP), moved(at, along, -STEP)];
  const rise = (await value(above)).item() - (await value(below)).item();
  const directions = leaves(along);
  const gradient = leaves(await slope(at)).reduce((sum, g, i) => {
    const step = numbers(directions[i] as Tensor);
    return sum + numbers(g).reduce((total, x, j) => total + x * (step[j] ?? 0), 0);
  }, 0);
  const expected = rise / (2 * STEP);
  if (!(Math.abs(gradient - expected) <= SLOPE.atol + SLOPE.rtol * Math.abs(expected)))
    return `the gradient says ${gradient}, the slope is ${expected}`;

  const second = double((x: T, dx: T) => jvp(grad(loss) as (y: T) => T, [x], [dx])[1]);
  const [high, low] = [leaves(await slope(above)), leaves(await slope(below))];
  for (const [i, tangent] of leaves(await second(at, along)).entries()) {
    const [a, b] = [numbers(high[i] as Tensor), numbers(low[i] as Tensor)];
    const slopes = a.map((x, j) => (x - (b[j] ?? 0)) / (2 * STEP));
    const why = differs(tangent, slopes, SLOPE);
    if (why !== undefined) return `second derivative of leaf ${i}: ${why}`;
  }
  return undefined;
}
