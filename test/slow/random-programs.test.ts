/**
 * @file Random straight-line programs over matrices of one size: every transform keeps its promise.
 *
 * Each step applies one registry op, or a short chain that ends in the same size, to earlier values.
 * Only smooth ops take part, so that central differences exist everywhere; the one comparison is with
 * an input, whose elements stay away from 0.
 */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { interpret } from "../../src/core/interpret.ts";
import { at, build, type NdArray } from "../../src/core/ndarray.ts";
import type { Program } from "../../src/core/program.ts";
import { parseProgram, printProgram } from "../../src/core/program-text.ts";
import { aval } from "../../src/core/shape.ts";
import type { Tensor } from "../../src/core/tensor.ts";
import { verify } from "../../src/core/verify.ts";
import { gelu } from "../../src/ops/activations.ts";
import { add, div, mul, neg, scale, sub } from "../../src/ops/arithmetic.ts";
import { contract, labels } from "../../src/ops/contract.ts";
import { broadcast, fullLike, iota, literal } from "../../src/ops/creation.ts";
import { cumsum } from "../../src/ops/cumulative.ts";
import { exp, log, logistic, rsqrt, sqrt } from "../../src/ops/exponential.ts";
import { tanh } from "../../src/ops/hyperbolic.ts";
import { gather, scatterAdd } from "../../src/ops/indexing.ts";
import { reshape, transpose } from "../../src/ops/layout.ts";
import * as logic from "../../src/ops/logic.ts";
import { rmsNorm } from "../../src/ops/normalisation.ts";
import { concatenate, pad, slice, split } from "../../src/ops/pieces.ts";
import { OPS_BY_NAME } from "../../src/ops/registry.ts";
import { logSumExp, softmax } from "../../src/ops/softmax.ts";
import { sum } from "../../src/ops/sum.ts";
import { inner } from "../../src/testing/laws.ts";
import { difference } from "../../src/testing/matchers.ts";
import { jvp } from "../../src/transforms/jvp.ts";
import { simplify } from "../../src/transforms/simplify.ts";
import { grad } from "../../src/transforms/vjp.ts";
import { vmap } from "../../src/transforms/vmap.ts";
import { all, programOf } from "../programs.ts";

const RUNS = 150;
const N = 3;
const DIMS = [N, N] as const;

const form = aval("float64", DIMS);
const CLOSE = { rtol: 1e-9, atol: 1e-9 };

const wide = (x: Tensor, axis: 0 | 1) =>
  broadcast(x, { dims: DIMS, axes: [axis], names: [null, null] });
const places = (x: Tensor) => literal(aval("int32", [N]), x.rank === 2 ? [2, 0, 2] : [0, 1, 2]);

/** What a step may do: with two earlier values and the first input. */
const STEPS: Readonly<Record<string, (x: Tensor, y: Tensor, input: Tensor) => Tensor>> = {
  add,
  sub,
  mul,
  neg,
  tanh,
  logistic,
  gelu,
  softmax,
  "exp of tanh": (x) => exp(tanh(x)),
  "log of 2 + tanh": (x) => log(add(tanh(x), fullLike(x, 2))),
  "x / (2 + tanh y)": (x, y) => div(x, add(tanh(y), fullLike(y, 2))),
  "root of 1 + x²": (x) => sqrt(add(mul(x, x), fullLike(x, 1))),
  "root of 1 / (1 + x²)": (x) => rsqrt(add(mul(x, x), fullLike(x, 1))),
  "times 1": (x) => mul(fullLike(x, 1), x),
  "times −2": (x) => scale(x, -2),
  halved: (x) => div(x, fullLike(x, 2)),
  "plus 0": (x) => add(x, fullLike(x, 0)),
  "1 − x": (x) => sub(fullLike(x, 1), x),
  select: (x, y, input) => logic.select(logic.greaterEqual(input, fullLike(input, 0)), x, y),
  "select by a constant": (x, y) => logic.select(logic.less(fullLike(x, 1), fullLike(x, 2)), x, y),
  matrices: (x, y) => contract(x, y, labels("i k, k j -> i j")),
  "by a transposed": (x, y) => contract(x, transpose(y, [1, 0]), labels("i k, k j -> j i")),
  "row products": (x, y) => wide(contract(x, y, labels("i k, i k -> i")), 0),
  transpose: (x) => transpose(x, [1, 0]),
  reshape: (x) => reshape(tanh(reshape(x, [N * N])), DIMS),
  "sum of rows": (x) => wide(sum(x, [1]), 0),
  "sum of columns": (x, y) => mul(wide(sum(x, [0]), 1), y),
  "logSumExp of rows": (x) => wide(logSumExp(x), 0),
  "sum of all": (x) => broadcast(all(x), { dims: DIMS, axes: [], names: [null, null] }),
  rmsNorm: (x, y) => rmsNorm(x, sum(y, [0]), 0.1),
  cumsum: (x) => cumsum(x, 1, { reverse: true }),
  "a box, padded": (x) => pad(slice(x, [1, 0], [3, 2]), [0, 1], [1, 0]),
  "rows in another order": (x) => concatenate([...split(x, 0, [1, 2])].reverse(), 0),
  "two halves of two": (x, y) => concatenate([slice(x, [0, 0], [1, N]), slice(y, [1, 0], DIMS)], 0),
  gather: (x) => gather(x, places(x)),
  scatterAdd: (x) => scatterAdd(x, places(x), { batchDims: 0, distinct: 0, size: N, name: null }),
  "plus a count": (x) => add(x, iota(form, 1)),
};

interface Step {
  readonly name: string;
  readonly x: number;
  readonly y: number;
}

const steps = fc.array(
  fc.record<Step>({ name: fc.constantFrom(...Object.keys(STEPS)), x: fc.nat(20), y: fc.nat(20) }),
  { minLength: 1, maxLength: 8 },
);
const element = fc.integer({ min: 1, max: 100 }).chain((n) => fc.constantFrom(n / 50, -n / 50));
const matrix = fc
  .array(element, { minLength: N * N, maxLength: N * N })
  .map((values): NdArray => build(form, (_index, i) => values[i] ?? 1));
const data = fc.tuple(matrix, matrix);

/** The last value that the steps make from the inputs. */
const functionOf =
  (list: readonly Step[]) =>
  (...inputs: Tensor[]): Tensor => {
    const values = [...inputs];
    const pick = (i: number) => values[i % values.length]!;
    for (const { name, x, y } of list) values.push(STEPS[name]!(pick(x), pick(y), inputs[0]!));
    return values[values.length - 1]!;
  };

/** The program, unless its values grow past what central differences can bear. */
function tame(list: readonly Step[], inputs: readonly NdArray[]): Program {
  const program = programOf(functionOf(list), form, form);
  const all = program.equations.flatMap(({ outputs }) => outputs);
  const values = interpret({ ...program, outputs: all }, inputs);
  fc.pre(values.every((v) => Array.from(v.data, Number).every((x) => Math.abs(x) < 100)));
  return program;
}

function agree(actual: readonly NdArray[], expected: readonly NdArray[]): void {
  expect(actual.length).toBe(expected.length);
  actual.forEach((x, i) => {
    expect(difference(x, expected[i]!, CLOSE)).toBeUndefined();
  });
}

/** How the outputs change along a direction. */
function centralDifference(
  program: Program,
  inputs: readonly NdArray[],
  direction: readonly NdArray[],
): readonly NdArray[] {
  const step = 1e-5;
  const moved = (sign: number) =>
    interpret(
      program,
      inputs.map((x, i) => build(x, (_index, j) => at(x, j) + sign * step * at(direction[i]!, j))),
    );
  const [up, down] = [moved(1), moved(-1)];
  return up.map((y, i) => build(y, (_index, j) => (at(y, j) - at(down[i]!, j)) / (2 * step)));
}

/** Value, gradient by both inputs, and tangent, as one program. */
function everything(list: readonly Step[]): Program {
  const f = functionOf(list);
  return programOf(
    (x, y, dx, dy) => [
      ...grad((p: readonly [Tensor, Tensor]) => all(f(...p)))([x!, y!]),
      ...jvp(f, [x!, y!], [dx!, dy!]),
    ],
    form,
    form,
    form,
    form,
  );
}

describe("random programs", () => {
  test("simplification keeps values and gradients, and is done after one pass", () => {
    fc.assert(
      fc.property(steps, data, data, (list, inputs, moves) => {
        for (const program of [tame(list, inputs), everything(list)]) {
          const simpler = verify(simplify(program), "simplify");
          agree(
            interpret(simpler, [...inputs, ...moves]),
            interpret(program, [...inputs, ...moves]),
          );
          const again = simplify(simpler);
          expect(printProgram(again, { sources: false })).toBe(
            printProgram(simpler, { sources: false }),
          );
        }
      }),
      { numRuns: RUNS },
    );
  });

  test("gradients and tangents are the central differences", () => {
    fc.assert(
      fc.property(steps, data, data, (list, inputs, moves) => {
        const program = tame(list, inputs);
        const [gx, gy, , tangent] = interpret(everything(list), [...inputs, ...moves]);
        const [slope] = centralDifference(program, inputs, moves);
        expect(difference(tangent!, slope!, { rtol: 1e-4, atol: 1e-4 })).toBeUndefined();
        // ⟨∇ Σ f, v⟩ = Σ f′ v, exactly as far as rounding goes.
        const ones = build(form, () => 1);
        const along = inner([gx!, gy!], moves);
        const expected = inner([tangent!], [ones]);
        const size = inner([tangent!], [build(form, (_i, j) => Math.sign(at(tangent!, j)))]);
        expect(Math.abs(along - expected)).toBeLessThanOrEqual(1e-9 * (1 + size) * 100);
      }),
      { numRuns: RUNS },
    );
  });

  test("second derivatives are symmetric, ⟨u, H v⟩ = ⟨v, H u⟩, and the slope of the gradient", () => {
    fc.assert(
      fc.property(steps, data, data, data, (list, inputs, u, v) => {
        tame(list, inputs);
        const f = functionOf(list);
        const gradient = grad((p: readonly [Tensor, Tensor]) => all(f(...p)));
        const product = programOf(
          (x, y, dx, dy) => jvp(gradient, [[x!, y!]], [[dx!, dy!]])[1],
          ...[form, form, form, form],
        );
        const [hv, hu] = [v, u].map((w) => interpret(product, [...inputs, ...w]));
        const size = Math.max(...[...hv!, ...hu!].flatMap((x) => Array.from(x.data, Number)), 1);
        fc.pre(size < 1e4);
        expect(Math.abs(inner(u, hv!) - inner(v, hu!))).toBeLessThanOrEqual(1e-9 * size);
        const first = programOf((x, y) => gradient([x!, y!]), form, form);
        centralDifference(first, inputs, v).forEach((slope, i) => {
          expect(difference(hv![i]!, slope, { rtol: 1e-3, atol: 1e-5 * size })).toBeUndefined();
        });
      }),
      { numRuns: RUNS / 2 },
    );
  });

  test("vmap is the loop, over either input or both", () => {
    const pairs = fc.constantFrom([0, null], [null, 0], [0, 0] as const);
    fc.assert(
      fc.property(steps, data, data, pairs, (list, first, second, axes) => {
        const program = tame(list, first);
        tame(list, second);
        const stacked = first.map((x, i) =>
          axes[i] === null
            ? x
            : build({ dtype: "float64", dims: [2, N, N] }, (_index, flat) =>
                flat < N * N ? at(x, flat) : at(second[i]!, flat - N * N),
              ),
        );
        const forms = stacked.map(({ dtype, dims }) => aval(dtype, dims));
        const mapped = programOf((...xs) => vmap(functionOf(list), axes)(...xs), ...forms);
        const runs = [first, second].map(
          (own) =>
            interpret(
              program,
              first.map((x, i) => (axes[i] === null ? x : own[i]!)),
            )[0]!,
        );
        const looped = build({ dtype: "float64", dims: [2, N, N] }, (_index, flat) =>
          at(runs[flat < N * N ? 0 : 1]!, flat % (N * N)),
        );
        agree(interpret(mapped, stacked), [looped]);
      }),
      { numRuns: RUNS },
    );
  });

  test("printed and parsed, they are the same", () => {
    fc.assert(
      fc.property(steps, (list) => {
        const text = printProgram(everything(list), { sources: false });
        const again = verify(parseProgram(text, OPS_BY_NAME), "parse");
        expect(printProgram(again, { sources: false })).toBe(text);
      }),
      { numRuns: RUNS },
    );
  });
});
