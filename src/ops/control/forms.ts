/** @file Checks that operands fit the programs that an op holds. */

import { ShapeError } from "../../core/errors.ts";
import type { Variable } from "../../core/program.ts";
import { type Aval, aval, sameDims, showAval } from "../../core/shape.ts";

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
