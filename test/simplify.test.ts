/** @file Simplified programs, equation by equation, and what the verifier refuses. */

import { describe, expect, test } from "vitest";
import { type Equation, type Program, type Variable, variable } from "../src/core/program.ts";
import { type Aval, aval } from "../src/core/shape.ts";
import { NO_SOURCE } from "../src/core/source.ts";
import type { Tensor } from "../src/core/tensor.ts";
import { verify } from "../src/core/verify.ts";
import { add, addOp, div, mul, neg, negOp, scale, sub } from "../src/ops/arithmetic.ts";
import { contract, labels } from "../src/ops/contract.ts";
import { broadcast, full, fullLike, iota, literal } from "../src/ops/creation.ts";
import { exp } from "../src/ops/exponential.ts";
import { tanh } from "../src/ops/hyperbolic.ts";
import { reshape, transpose } from "../src/ops/layout.ts";
import { concatenate, pad, slice } from "../src/ops/pieces.ts";
import { sum } from "../src/ops/sum.ts";
import { simplify } from "../src/transforms/simplify.ts";
import { grad } from "../src/transforms/vjp.ts";
import { all, array, f64, programOf, refusal, run, text } from "./programs.ts";

describe("simplification", () => {
  const form = f64([2, 3], ["batch", "embed"]);
  const simpler = (f: (...xs: Tensor[]) => unknown, ...forms: Aval[]) =>
    verify(simplify(programOf(f, ...forms)), "simplify");
  const names = (program: Program) => program.equations.map(({ op }) => op.name);

  test("merges equal subexpressions", () => {
    const f = (x: Tensor, y: Tensor) => mul(exp(add(x, y)), exp(add(x, y)));
    expect(names(programOf(f, form, form))).toEqual(["add", "exp", "add", "exp", "mul"]);
    expect(names(simpler(f, form, form))).toEqual(["add", "exp", "mul"]);
  });

  test("does not merge equations that differ in params or names", () => {
    const f = (x: Tensor) => [
      sum(x, [0]),
      sum(x, [1]),
      reshape(x, [6]),
      reshape(x, [6], ["token"]),
    ];
    expect(simpler(f, form).equations.length).toBe(4);
  });

  test("removes what no output needs, and keeps unused inputs", () => {
    const program = simpler((x, y) => [exp(y!), tanh(x!)].slice(1), form, form);
    expect(names(program)).toEqual(["tanh"]);
    expect(program.inputs.length).toBe(2);
  });

  test.each<[string, (x: Tensor) => Tensor, string[]]>([
    ["x · 1", (x) => mul(x, fullLike(x, 1)), []],
    ["1 · x", (x) => mul(fullLike(x, 1), x), []],
    ["x + 0", (x) => add(x, fullLike(x, 0)), []],
    ["0 + x", (x) => add(fullLike(x, 0), x), []],
    ["x − 0", (x) => sub(x, fullLike(x, 0)), []],
    ["0 − x", (x) => sub(fullLike(x, 0), x), ["neg"]],
    ["x / 1", (x) => div(x, fullLike(x, 1)), []],
    ["x / 4", (x) => div(x, fullLike(x, 4)), ["full", "mul"]],
    ["x / 3 keeps its last bit", (x) => div(x, fullLike(x, 3)), ["full", "div"]],
    ["−(−x)", (x) => neg(neg(x)), []],
    ["2 · (3 · x)", (x) => scale(scale(x, 3), 2), ["full", "mul"]],
    ["x · −1", (x) => scale(x, -1), ["neg"]],
    ["x · 0 may be NaN and stays", (x) => scale(x, 0), ["full", "mul"]],
    ["a transpose of a transpose", (x) => transpose(transpose(x, [1, 0]), [1, 0]), []],
    ["reshape of reshape", (x) => reshape(reshape(x, [6]), x.dims, x.names), []],
    ["a whole slice of nothing padded", (x) => slice(pad(x, [0, 0], [0, 0]), [0, 0], [2, 3]), []],
    ["a concatenation of one", (x) => concatenate([x], 0), []],
    [
      "a broadcast below exp",
      (x) => exp(broadcast(x, { dims: [4, 2, 3], axes: [1, 2], names: [null, null, null] })),
      ["exp", "broadcast"],
    ],
    ["exp of a constant", (x) => add(x, exp(fullLike(x, 0))), ["full", "add"]],
    [
      "a sum of a constant",
      (x) => mul(sum(x, [0]), sum(fullLike(x, 2), [0])),
      ["sum", "full", "mul"],
    ],
    [
      "small literals",
      (x) => mul(sum(x, [0]), add(literal(f64([3]), [1, 2, 3]), iota(f64([3]), 0))),
      ["sum", "literal", "mul"],
    ],
  ])("%s", (_label, f, expected) => {
    expect(names(simpler(f as never, form))).toEqual(expected);
    run(f as never, array([2, 3], 1, -2, 3, 0.5, 0.25, -7));
  });

  test("two operands broadcast alike are added before they are broadcast", () => {
    const wide = (x: Tensor) => broadcast(x, { dims: [4, 3], axes: [1], names: [null, null] });
    const program = simpler(
      (x, y) => add(wide(x!), mul(wide(y!), full(2, f64([4, 3])))),
      f64([3]),
      f64([3]),
    );
    expect(text(program)).toMatchInlineSnapshot(`
      "
      program f(a: float64[3], b: float64[3]) -> (f) {
        c: float64[3] = full() {"value":2,"dtype":"float64","dims":[3],"names":[null]}
        d: float64[3] = mul(b, c)
        e: float64[3] = add(a, d)
        f: float64[4, 3] = broadcast(e) {"dims":[4,3],"axes":[1],"names":[null,null]}
      }
      "
    `);
  });

  test("a contraction absorbs the transposes of its operands", () => {
    const f = (x: Tensor, y: Tensor) =>
      contract(transpose(x, [1, 0]), transpose(y, [1, 0]), labels("i k, k j -> i j"));
    expect(text(simpler(f, f64([3, 2]), f64([4, 3])))).toMatchInlineSnapshot(`
      "
      program f(a: float64[3, 2], b: float64[4, 3]) -> (c) {
        c: float64[2, 4] = contract(a, b) {"lhs":["k","i"],"rhs":["j","k"],"out":["i","j"]}
      }
      "
    `);
  });

  test("cycles of three axes are composed and absorbed in the right order", () => {
    const cycle = (x: Tensor) => transpose(x, [2, 0, 1]);
    const absorbed = (x: Tensor, y: Tensor) => contract(cycle(x), y, labels("k i j, k l -> i j l"));
    const x = array([2, 2, 3], ...Array.from({ length: 12 }, (_, i) => i * i - 5));
    run(absorbed as never, x, array([3, 1], 1, -2, 0.5));
    expect(text(simpler(absorbed as never, f64([2, 2, 3]), f64([3, 1])))).toMatchInlineSnapshot(`
      "
      program f(a: float64[2, 2, 3], b: float64[3, 1]) -> (c) {
        c: float64[2, 2, 1] = contract(a, b) {"lhs":["i","j","k"],"rhs":["k","l"],"out":["i","j","l"]}
      }
      "
    `);
    run((x) => cycle(cycle(x!)), x);
    expect(text(simpler((x) => cycle(cycle(x!)), f64([2, 4, 3])))).toMatchInlineSnapshot(`
      "
      program f(a: float64[2, 4, 3]) -> (b) {
        b: float64[4, 3, 2] = transpose(a) {"order":[1,2,0]}
      }
      "
    `);
    expect(names(simpler((x) => cycle(cycle(cycle(x!))), f64([2, 4, 3])))).toEqual([]);
  });

  test("inputs as results, results twice, and names stay", () => {
    const f = (x: Tensor) => [x, neg(neg(x)), add(x, fullLike(f64([2, 3]), 0)), reshape(x, x.dims)];
    const program = simpler(f, form);
    expect(text(program)).toMatchInlineSnapshot(`
      "
      program f(a: float64[batch 2, embed 3]) -> (a, a, a, b) {
        b: float64[2, 3] = reshape(a) {"dims":[2,3],"names":[null,null]}
      }
      "
    `);
  });

  test("is done after one pass", () => {
    const f = (x: Tensor) => grad((y: Tensor) => all(exp(mul(tanh(y), scale(y, 3)))))(x);
    const once = simpler(f, form);
    expect(text(simplify(once))).toBe(text(once));
  });

  // Fails until simplifyElementwise drops source names that the broadcast replaces.
  test("a broadcast that renames does not clash with one of another name", () => {
    const f = (x: Tensor, y: Tensor) => {
      const wide = (v: Tensor) =>
        broadcast(v, { dims: [2, 3], axes: [1], names: ["group", "slot"] });
      return mul(wide(x), wide(y));
    };
    expect(simpler(f, f64([3], ["token"]), f64([3], ["expert"])).outputs[0]?.aval.names).toEqual([
      "group",
      "slot",
    ]);
  });
});

describe("the verifier refuses", () => {
  const form = f64([2]);
  const equation = (op: unknown, inputs: Variable[], outputs: Variable[]): Equation =>
    ({ op, params: {}, inputs, outputs, source: NO_SOURCE }) as Equation;
  const program = (inputs: Variable[], equations: Equation[], outputs: Variable[]): Program => ({
    name: "broken",
    inputs,
    equations,
    outputs,
  });
  const refused = (...parts: Parameters<typeof program>) =>
    refusal(() => verify(program(...parts), "a pass"));
  const [x, y, z] = [variable(form), variable(form), variable(form)] as const;

  test("a use before the definition", () => {
    expect(
      refused([x], [equation(addOp, [x, y], [z]), equation(negOp, [x], [y])], [z]),
    ).toMatchInlineSnapshot(`
      "
      a pass: left a program that is not well-formed.
        program    broken
        at         add
        rule       operand float64[2] is not defined before its use    [PROGRAM-01]
      "
    `);
  });

  test("an output of another form than the op infers", () => {
    const wrong = variable(aval("float32", [2]));
    expect(refused([x], [equation(negOp, [x], [wrong])], [wrong])).toMatchInlineSnapshot(`
      "
      a pass: left a program that is not well-formed.
        program    broken
        at         neg
        rule       output 0 says float32[2], the op infers float64[2]    [PROGRAM-01]
      "
    `);
    const renamed = variable(f64([2], ["batch"]));
    expect(refused([x], [equation(negOp, [x], [renamed])], [renamed])).toMatchInlineSnapshot(`
      "
      a pass: left a program that is not well-formed.
        program    broken
        at         neg
        rule       output 0 says float64[batch 2], the op infers float64[2]    [PROGRAM-01]
      "
    `);
  });

  test("a second definition", () => {
    expect(
      refused([x], [equation(negOp, [x], [y]), equation(addOp, [x, x], [y])], [y]),
    ).toMatchInlineSnapshot(`
      "
      a pass: left a program that is not well-formed.
        program    broken
        at         add
        rule       float64[2] is defined twice    [PROGRAM-01]
      "
    `);
    expect(refused([x, x], [], [x])).toMatchInlineSnapshot(`
      "
      a pass: left a program that is not well-formed.
        program    broken
        at         inputs
        rule       float64[2] is defined twice    [PROGRAM-01]
      "
    `);
  });

  test("another number of outputs, an output that nobody defines, a size that is none", () => {
    expect(refused([x], [equation(negOp, [x], [y, z])], [y])).toMatchInlineSnapshot(`
      "
      a pass: left a program that is not well-formed.
        program    broken
        at         neg
        rule       2 outputs, the op has 1    [PROGRAM-01]
      "
    `);
    expect(refused([x], [], [y])).toMatchInlineSnapshot(`
      "
      a pass: left a program that is not well-formed.
        program    broken
        at         outputs
        rule       float64[2] is never defined    [PROGRAM-01]
      "
    `);
    expect(refused([variable(f64([2.5]))], [], [])).toMatchInlineSnapshot(`
      "
      a pass: left a program that is not well-formed.
        program    broken
        at         inputs
        rule       float64[2.5] has a size of 2.5    [PROGRAM-01]
      "
    `);
    expect(refused([variable({ ...form, names: [] })], [], [])).toMatchInlineSnapshot(`
      "
      a pass: left a program that is not well-formed.
        program    broken
        at         inputs
        rule       float64[2] has 0 names for 1 axes    [PROGRAM-01]
      "
    `);
  });
});
