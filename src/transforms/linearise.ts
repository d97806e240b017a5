/** @file Programs split into their value and their derivative, which is linear in the tangents. */

import { Builder, writing } from "../core/builder.ts";
import type { Program } from "../core/program.ts";
import { pushForward } from "./jvp.ts";

/** A program's value and its derivative, with what the derivative needs of the value between them. */
export interface Linearised {
  /** `(inputs) -> (outputs, residuals)` */
  readonly primal: Program;
  /** `(tangents of the moving inputs, residuals) -> (tangents of the moving outputs)` */
  readonly tangent: Program;
  /** Which outputs move with the inputs. */
  readonly moves: readonly boolean[];
}

/** @param moving - which inputs have tangents; only floats may */
export function lineariseProgram(program: Program, moving: readonly boolean[]): Linearised {
  const outer = new Builder(program.name);
  const inner = new Builder(`${program.name} linear`, { kind: "linear" });
  return writing(outer, () => {
    const primals = program.inputs.map((v) => outer.input(v.aval));
    const duals = writing(inner, () => {
      const tangents = program.inputs.map((v, i) =>
        moving[i] === true ? inner.input(v.aval) : null,
      );
      return pushForward(program, primals, tangents);
    });
    const { program: tangent, captured } = inner.finish(
      duals.flatMap((dual) => dual.tangent ?? []),
    );
    const { program: primal } = outer.finish([...duals.map((dual) => dual.primal), ...captured]);
    return { primal, tangent, moves: duals.map((dual) => dual.tangent !== null) };
  });
}
