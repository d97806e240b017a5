/** @file A program that is linear in some operands, run backwards, as a program of its own. */

import { isLinear, type MaybeZero, type Operand } from "../../core/op.ts";
import type { Program } from "../../core/program.ts";
import type { Tensor } from "../../core/tensor.ts";
import { closedProgram } from "../../transforms/trace.ts";
import { pullBack } from "../../transforms/vjp.ts";
import { fullLike } from "../creation.ts";

/** How a linear program and its transpose fit together. */
export interface Transposition {
  /** Operands that the program is not linear in. */
  readonly given: readonly Tensor[];
  /** Cotangents that are not zero. */
  readonly cotangents: readonly Tensor[];
  /** `(given, cotangents) -> (cotangents of the linear operands)`, zeros written out. */
  transposed(program: Program): Program;
  /** Results of the transpose at the linear operands, null at the others. */
  spread(results: readonly Tensor[]): readonly MaybeZero[];
}

export function transposition(
  operands: readonly Operand[],
  cotangents: readonly MaybeZero[],
): Transposition {
  const known = operands.map((x) => (isLinear(x) ? null : x));
  const given = known.filter((x) => x !== null);
  const present = cotangents.filter((ct) => ct !== null);
  const forms = [...given, ...present].map((x) => x.aval);
  const filled = (list: readonly MaybeZero[], next: Iterator<Tensor>) =>
    list.map((x) => (x === null ? null : (next.next().value ?? null)));
  return {
    given,
    cotangents: present,
    transposed: (program) =>
      closedProgram(`${program.name}.transposed`, forms, (xs) => {
        const next = xs.values();
        const operandsIn = filled(known, next);
        return pullBack(program, operandsIn, filled(cotangents, next)).flatMap((ct, i) => {
          const form = program.inputs[i]?.aval;
          return known[i] === null && form !== undefined ? [ct ?? fullLike(form, 0)] : [];
        });
      }),
    spread: (results) => {
      const next = results.values();
      return known.map((x) => (x === null ? (next.next().value ?? null) : null));
    },
  };
}
