/** @file The reference engine in double precision, so that formulas can be held against plain loops to twelve digits. */

import { createDoubleEngine } from "../engines/double.ts";
import type { Engine } from "../engines/engine.ts";
import { type Jitted, jit } from "../engines/jit.ts";
import { referenceEngine } from "../engines/reference/reference.ts";

export const doubleEngine: Engine = createDoubleEngine(referenceEngine);

/** `jit` on `doubleEngine`. */
export function double<A extends readonly unknown[], R>(f: (...args: A) => R): Jitted<A, R> {
  return jit(f, { name: "double", engine: doubleEngine });
}
