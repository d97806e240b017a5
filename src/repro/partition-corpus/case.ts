/** @file One annotated program of the agreement corpus: a function, a mesh, and how arguments and results lie. */

import type { Program } from "../../core/program.ts";
import { type SampleInput, values } from "../../core/samples.ts";
import { aval } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { mul } from "../../numpy/arithmetic.ts";
import { sum } from "../../numpy/reduce.ts";
import { scale } from "../../ops/arithmetic.ts";
import { closedProgram } from "../../transforms/trace.ts";
import { grad } from "../../transforms/vjp.ts";

/** An argument: what is drawn for it, and its sharding as text. */
export interface Argument {
  readonly input: SampleInput;
  readonly sharding: string;
}

export interface PartitionCase {
  /** `theme/what`, unique. */
  readonly name: string;
  /** `x=2,y=4`. */
  readonly mesh: string;
  readonly arguments: readonly Argument[];
  /** Shardings of the results. */
  readonly results: readonly string[];
  readonly program: () => Program;
}

const FORM = /^([\d ]*)\s*(\[.*\].*)$/;

function form(text: string): { readonly dims: readonly number[]; readonly sharding: string } {
  const [, sizes = "", sharding] = FORM.exec(text) ?? [];
  if (sharding === undefined) throw new RangeError(`"${text}" is no form with a sharding`);
  const dims = sizes.trim() === "" ? [] : sizes.trim().split(/\s+/).map(Number);
  return { dims, sharding };
}

/** float32, uniform in ±1: `floats("64 32 [x, -]")`. */
export function floats(text: string, low = -1, high = 1): Argument {
  const { dims, sharding } = form(text);
  return { input: { aval: aval("float32", dims), fill: { kind: "uniform", low, high } }, sharding };
}

/** int32 in [low, below). */
export function whole(text: string, below: number, low = 0): Argument {
  const { dims, sharding } = form(text);
  const fill = { kind: "integers", low, high: below } as const;
  return { input: { aval: aval("int32", dims), fill }, sharding };
}

/** An int32 scalar that every device has. */
export function number(value: number): Argument {
  return { input: values(aval("int32", []), value), sharding: "[]" };
}

/**
 * @param args - float32 arguments as text, others as what `floats`, `whole` and `number` make
 * @param results - the sharding of each result
 */
export function define(
  name: string,
  mesh: string,
  args: readonly (string | Argument)[],
  results: string | readonly string[],
  f: (...xs: readonly Tensor[]) => Tensor | readonly Tensor[],
): PartitionCase {
  const made = args.map((each) => (typeof each === "string" ? floats(each) : each));
  return {
    ...{ name, mesh, arguments: made },
    results: typeof results === "string" ? [results] : results,
    program: () =>
      closedProgram(
        name.replace(/\W+/g, "_"),
        made.map(({ input }) => input.aval),
        (xs) => {
          const result = f(...xs);
          return Array.isArray(result) ? result : [result as Tensor];
        },
      ),
  };
}

/** Names a table's rows by its theme: `[x, -] · [-, x] → [x, x]`. */
export function arrow(from: readonly string[], to: readonly string[]): string {
  return `${from.join(" · ")} → ${to.join(", ")}`;
}

/** Gradients of a scalar function by all its arguments. */
export function gradients(
  f: (...xs: readonly Tensor[]) => Tensor,
  xs: readonly Tensor[],
): readonly Tensor[] {
  return grad((list: readonly Tensor[]) => f(...list))(xs);
}

/** What gradients are taken of where any scalar will do. */
export function halfSquare(y: Tensor): Tensor {
  return scale(sum(mul(y, y)), 0.5);
}
