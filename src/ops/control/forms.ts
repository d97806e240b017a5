/** @file What all ops that hold programs share: checks of forms, which axes stay whole, who moves with whom. */

import { ShapeError } from "../../core/errors.ts";
import type { Variable } from "../../core/program.ts";
import { type Aval, aval, sameDims, showAval } from "../../core/shape.ts";
import { replicated, type ShardingRule } from "../../core/sharding-rule.ts";

/** Equal dtype and sizes; axis names may differ. */
export function fits(x: Aval, like: Aval): boolean {
  return x.dtype === like.dtype && sameDims(x.dims, like.dims);
}

/** @throws ShapeError naming the first of `given` that is not as wanted */
export function checkForms(
  name: string,
  what: string,
  given: readonly Aval[],
  wanted: readonly Variable[],
): void {
  if (given.length !== wanted.length) {
    throw new ShapeError(
      "SHAPE-01",
      `${name}: ${given.length} ${what}s, but the program takes ${wanted.length}`,
    );
  }
  given.forEach((x, i) => {
    const like = wanted[i]?.aval;
    if (like !== undefined && !fits(x, like)) {
      throw new ShapeError(
        "SHAPE-01",
        `${name}: ${what} ${i + 1} is ${showAval(x)}, but the program takes ${showAval(like)}`,
      );
    }
  });
}

/** The form with another axis in front. */
export function stackedForm(x: Aval, length: number, name: string | null): Aval {
  return aval(x.dtype, [length, ...x.dims], [x.names.includes(name) ? null : name, ...x.names]);
}

/** No axis may be split: what a program does with it is not known from outside. */
export function whole<P>(
  inputs: readonly Aval[],
  outputs: readonly Aval[],
  params: P,
): ShardingRule<P> {
  return replicated(
    inputs.map((x) => x.dims.length),
    outputs.map((y) => y.dims.length),
    params,
  );
}

/**
 * Marks the carries of a loop that the marked operands reach in any number of steps.
 *
 * @param marked - operands of the body; its carries stand at `from` and after, one per new carry
 * @param look - what one step tells: which of its outputs are reached, and anything else
 * @returns the steady marks, and what the step told about them
 */
export function untilSteady<T extends { readonly reached: readonly boolean[] }>(
  marked: readonly boolean[],
  { from, carries }: { readonly from: number; readonly carries: number },
  look: (marked: readonly boolean[]) => T,
): { readonly marked: readonly boolean[]; readonly told: T } {
  const told = look(marked);
  const next = marked.map((m, i) => m || (i < from + carries && told.reached[i - from] === true));
  return next.every((m, i) => m === marked[i])
    ? { marked, told }
    : untilSteady(next, { from, carries }, look);
}
