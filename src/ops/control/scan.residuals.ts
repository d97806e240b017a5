/** @file What a loop has to keep of each step: of a small value spread over a large shape, only the small one. */

import { replay } from "../../core/builder.ts";
import type { Equation, Program, Variable } from "../../core/program.ts";
import { sizeOf } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { broadcastOp } from "../creation.ts";
import { reshapeOp } from "../layout.ts";

/** A value as something smaller, and how it is made of it again. */
export interface Kept {
  readonly source: Variable;
  again(source: Tensor): Tensor;
}

/** Ops of one operand that cost nothing where their result is read. */
const VIEWS: ReadonlySet<unknown> = new Set([broadcastOp, reshapeOp]);

/** How each value of a program is best kept: as it is, or as what it is a copy of. */
export function keeperOf({ equations }: Program): (v: Variable) => Kept {
  const makers = new Map<Variable, Equation>();
  for (const equation of equations) for (const y of equation.outputs) makers.set(y, equation);
  return (v) => {
    const path: Equation[] = [];
    let source = v;
    for (let maker = makers.get(v); maker !== undefined; maker = makers.get(source)) {
      const [x] = maker.inputs;
      if (!VIEWS.has(maker.op) || x === undefined) break;
      path.unshift(maker);
      source = x;
    }
    if (sizeOf(source.aval.dims) >= sizeOf(v.aval.dims)) return { source: v, again: (x) => x };
    const step = (x: Tensor, equation: Equation) => replay(equation, [x])[0] as Tensor;
    return { source, again: (x) => path.reduce(step, x) };
  };
}
