/**
 * @file Control flow inside a traced function: loops and branches that run where the data is. Functions
 * may close over tensors; derivatives pass through to these as well.
 */

import type { AxisName } from "../core/axes.ts";
import { asOneLine } from "../core/builder.ts";
import { DTypeError, ShapeError, TraceError } from "../core/errors.ts";
import type { Program } from "../core/program.ts";
import { type Aval, aval, sameDims, showAval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { leaves, namedLeaves, structureOf, withLeaves } from "../core/tree.ts";
import { add } from "../ops/arithmetic.ts";
import { scan as scanOp } from "../ops/control/scan.ts";
import { switchCase as switchOp } from "../ops/control/switch.ts";
import { whileLoop as whileOp } from "../ops/control/while.ts";
import { full, iota } from "../ops/creation.ts";
import { reshape } from "../ops/layout.ts";
import { convert } from "../ops/logic.ts";
import { traceClosures } from "../transforms/closure.ts";
import { abstract, refill } from "../transforms/trace.ts";

export interface ScanOptions {
  /** Number of steps; needed where there are no sequences. */
  readonly length?: number;
  /** Start with the last elements; results keep the places of their elements. */
  readonly reverse?: boolean;
}

/**
 * A loop over the first axis of `sequences` that carries `initial` along.
 *
 * @param step - `(carry, element) => [next carry, result]`; traced once, whatever the length
 * @param initial - a tree of tensors; every step must return one of the same form
 * @param sequences - a tree of tensors of equal length along their first axis; `[]` for none
 * @returns the last carry, and the results stacked along a new first axis
 * @throws ShapeError when lengths differ or a carry changes its form
 */
export function scan<C, X, Y>(
  step: (carry: C, element: X) => readonly [carry: C, result: Y],
  initial: C,
  sequences: X,
  options: ScanOptions = {},
): readonly [carry: C, results: Y] {
  return asOneLine(() => {
    const { length, axis } = steps(leaves(sequences, "scan: sequences"), options.length);
    const element = withLeaves(
      sequences,
      leaves(sequences).map((x) => abstract(aval(x.dtype, x.dims.slice(1), x.names.slice(1)))),
    );
    const checked = (carry: C, x: X): readonly [C, Y] => {
      const [next, result] = step(carry, x);
      return [sameCarry("scan", initial, next), result];
    };
    const { programs, captured, results } = traceClosures("scan", [checked], [initial, element]);
    const [body] = programs as [Program];
    const [result] = results as [readonly [C, Y]];
    const carries = leaves(initial, "scan: carry");
    const own = body.inputs.length - captured.length;
    const outputs = scanOp([...captured, ...carries, ...leaves(sequences)], {
      // Constants come first in the op.
      body: { ...body, inputs: [...body.inputs.slice(own), ...body.inputs.slice(0, own)] },
      constants: captured.length,
      carries: carries.length,
      length,
      reverse: options.reverse ?? false,
      axis,
    });
    return refill(result, outputs);
  });
}

function steps(
  sequences: readonly Tensor[],
  wanted: number | undefined,
): { readonly length: number; readonly axis: AxisName } {
  const length = wanted ?? sequences[0]?.dims[0];
  if (length === undefined || !Number.isInteger(length) || length < 0) {
    throw new ShapeError("SHAPE-01", "scan: the number of steps is not known.", [
      ["sequences", sequences.map((x) => showAval(x.aval)).join(", ") || "none"],
      ["fix", "pass sequences with a first axis, or { length }"],
    ]);
  }
  const wrong = sequences.find((x) => x.dims[0] !== length);
  if (wrong !== undefined) {
    throw new ShapeError(
      "SHAPE-01",
      `scan: ${showAval(wrong.aval)} does not have ${length} elements along its first axis`,
    );
  }
  const names = new Set(sequences.map((x) => x.names[0] ?? null));
  return { length, axis: names.size === 1 ? ([...names][0] ?? null) : null };
}

/** The next carry under the axis names of the first. @throws ShapeError where forms differ */
function sameCarry<C>(name: string, initial: C, next: C): C {
  if (structureOf(initial) !== structureOf(next)) {
    throw new ShapeError("SHAPE-01", `${name}: the carry changes its structure.`, [
      ["first", structureOf(initial)],
      ["then", structureOf(next)],
    ]);
  }
  const wanted = leaves(initial);
  const renamed = namedLeaves(next).map(({ leaf, path }, i) => {
    const like = wanted[i]?.aval ?? leaf.aval;
    if (leaf.dtype !== like.dtype || !sameDims(leaf.dims, like.dims)) {
      throw new ShapeError("SHAPE-01", `${name}: the carry changes its form.`, [
        ["at", path === "" ? "(the whole carry)" : path],
        ["first", showAval(like)],
        ["then", showAval(leaf.aval)],
      ]);
    }
    return reshape(leaf, leaf.dims, like.names);
  });
  return withLeaves(next, renamed);
}

/** As `scan` without a carry: `f` of every element, one after the other. */
export function map<X, Y>(f: (element: X) => Y, sequences: X): Y {
  return scan<readonly [], X, Y>((carry, x) => [carry, f(x)], [], sequences)[1];
}

/**
 * `carry = step(i, carry)` for i from `start` up to but not including `end`.
 *
 * The bounds are numbers, so that the loop has a derivative in both directions; `whileLoop` takes bounds
 * that are computed.
 *
 * @param step - i is an `int32[]`
 */
export function forLoop<C>(
  start: number,
  end: number,
  step: (i: Tensor, carry: C) => C,
  initial: C,
): C {
  return asOneLine(() => {
    const length = Math.max(0, end - start);
    const counts = iota(aval("int32", [length]), 0);
    const places = add(counts, full(start, counts.aval));
    const body = (carry: C, i: Tensor): readonly [C, readonly []] => [step(i, carry), []];
    return scan(body, initial, places)[0];
  });
}

/**
 * `carry = step(carry)` as long as `test(carry)` holds. Has a forward derivative; how far to go back is
 * not known, so `grad` refuses it: use `scan` with a mask there.
 *
 * @param test - returns a `bool[]`
 */
export function whileLoop<C>(test: (carry: C) => Tensor, step: (carry: C) => C, initial: C): C {
  return asOneLine(() => {
    const testing = traceClosures("test", [test], [initial]);
    const stepping = traceClosures(
      "body",
      [(carry: C) => sameCarry("whileLoop", initial, step(carry))],
      [initial],
    );
    const carries = leaves(initial, "whileLoop: carry");
    const constantsFirst = (program: Program | undefined): Program => {
      if (program === undefined) throw new Error("whileLoop: no program");
      const { inputs } = program;
      const state = inputs.slice(0, carries.length);
      return { ...program, inputs: [...inputs.slice(carries.length), ...state] };
    };
    const outputs = whileOp([...testing.captured, ...stepping.captured, ...carries], {
      test: constantsFirst(testing.programs[0]),
      body: constantsFirst(stepping.programs[0]),
      testConstants: testing.captured.length,
      bodyConstants: stepping.captured.length,
    });
    return withLeaves(initial, outputs);
  });
}

/**
 * `yes(…operands)` where `test` holds, else `no(…operands)`; only one of them runs.
 *
 * @param test - a `bool[]`
 * @throws ShapeError when the branches give results of different forms
 */
export function cond<A extends readonly unknown[], R>(
  test: Tensor,
  yes: (...operands: A) => R,
  no: (...operands: A) => R,
  ...operands: A
): R {
  if (test.dtype !== "bool" || test.rank > 0)
    throw new DTypeError("DTYPE-01", `cond: the test must be bool[], not ${showAval(test.aval)}`);
  return asOneLine(() => switchCase(convert(test, "int32"), [no, yes], ...operands));
}

/**
 * The branch at `index`, which is clamped to the list.
 *
 * @param index - an `int32[]`
 * @throws ShapeError when the branches give results of different forms
 */
export function switchCase<A extends readonly unknown[], R>(
  index: Tensor,
  branches: readonly ((...operands: A) => R)[],
  ...operands: A
): R {
  return asOneLine(() => {
    const { programs, captured, results } = traceClosures("branch", branches, operands);
    const [first, ...rest] = results;
    if (first === undefined) throw new TraceError("TRACE-01", "switchCase: needs a branch");
    const wanted = structureOf(first);
    rest.forEach((result, i) => {
      if (structureOf(result) !== wanted)
        throw new ShapeError("SHAPE-01", "switchCase: branches return different trees.", [
          ["branch 0", wanted],
          [`branch ${i + 1}`, structureOf(result)],
        ]);
    });
    const forms = leaves(first).map((x) => x.aval);
    const outputs = switchOp([index, ...leaves(operands), ...captured], { branches: programs });
    return refill(
      first,
      outputs.map((y, i) => named(y, forms[i])),
    );
  });
}

function named(y: Tensor, like: Aval | undefined): Tensor {
  return like === undefined ? y : reshape(y, y.dims, like.names);
}
