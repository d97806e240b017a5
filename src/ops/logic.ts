/** @file Comparisons, tests of kind, choice between two values, and conversion of dtypes. NaN compares as false. */

import { apply } from "../core/builder.ts";
import { type DType, dtypeFacts, isFloat } from "../core/dtype.ts";
import { DTypeError } from "../core/errors.ts";
import { build, get, mapElements } from "../core/ndarray.ts";
import { defineOp, isLinear, notLinear, type One, type Op, type Three } from "../core/op.ts";
import {
  booleans,
  integers,
  pairs,
  random,
  rejects,
  sample,
  specials,
  values,
  words,
} from "../core/samples.ts";
import { aval, showAval } from "../core/shape.ts";
import { pointwise } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { not, or } from "./bits.ts";
import { constantOf, fullLike } from "./creation.ts";
import { ALL, FLOATS, NUMBERS } from "./dtypes.ts";
import {
  type BinaryOp,
  binary,
  broadcastDims,
  type Call1,
  type Call2,
  call1,
  call2,
  type NoParams,
  noParams,
  sameForms,
  simplifyElementwise,
  spread,
  type UnaryOp,
  unary,
  whereOnnx,
} from "./families.ts";

const truth = { none: "a truth value" } as const;

function comparison(
  name: string,
  onnx: string,
  direction: string,
  test: (x: number, y: number) => boolean,
  dtypes: readonly DType[] = NUMBERS,
): BinaryOp {
  return binary(name, {
    dtypes,
    result: "bool",
    jvp: truth,
    transpose: notLinear("a truth value"),
    evaluate: (x, y) => Number(test(x, y)),
    onnx,
    stablehlo: `stablehlo.compare ${direction},`,
    samples: () => [
      sample(
        "numbers",
        [values(aval("float32", [4]), 1, 2, 3, NaN), values(aval("float32", [4]), 2, 2, 1, 1)],
        noParams,
        false,
      ),
      sample("integers", [integers(-2, 2, 6), integers(-2, 2, 6)], noParams, false),
      sample("words", [words(5), words(5)], noParams, false),
      sample("specials and ties", pairs(NaN, Infinity, -Infinity, -0, 0, 1), noParams, false),
    ],
  });
}

export const equalOp: BinaryOp = comparison("equal", "Equal", "EQ", (x, y) => x === y, ALL);
export const equal: Call2 = call2(equalOp);
export const lessOp: BinaryOp = comparison("less", "Less", "LT", (x, y) => x < y);
export const less: Call2 = call2(lessOp);
export const greaterEqualOp: BinaryOp = comparison(
  "greaterEqual",
  "GreaterOrEqual",
  "GE",
  (x, y) => x >= y,
);
export const greaterEqual: Call2 = call2(greaterEqualOp);

export const greater: Call2 = (x, y) => less(y, x);
export const lessEqual: Call2 = (x, y) => greaterEqual(y, x);
/** The opposite of `equal`: true where either is NaN. */
export const notEqual: Call2 = (x, y) => not(equal(x, y));

export const isFiniteOp: UnaryOp = unary("isFinite", {
  dtypes: FLOATS,
  result: "bool",
  jvp: { none: "a truth value" },
  transpose: { none: "a truth value" },
  evaluate: (x) => Number(Number.isFinite(x)),
  onnx: (g, x, y) => {
    const form = { dtype: "bool" as const, dims: y.dims };
    const unusual = g.node("Or", [g.node("IsNaN", [x], form), g.node("IsInf", [x], form)], form);
    return g.node("Not", [unusual], form);
  },
  stablehlo: "stablehlo.is_finite",
  samples: () => [sample("all kinds", [specials()], noParams, false)],
});
export const isFiniteElement: Call1 = call1(isFiniteOp);

/** Whether an element is NaN, the one value that differs from itself. */
export function isNaNElement(x: Tensor): Tensor {
  return notEqual(x, x);
}

/** Whether an element is +∞ or −∞. */
export function isInfElement(x: Tensor): Tensor {
  return or(equal(x, fullLike(x, Infinity)), equal(x, fullLike(x, -Infinity)));
}

// ---- three operands, and conversion -------------------------------------------------------------

/** `test ? x : y`, element by element. */
export const selectOp: Op<NoParams, Three, One> = defineOp<NoParams, Three, One>({
  name: "select",
  infer([test, x, y]) {
    if (test.dtype !== "bool")
      throw new DTypeError("DTYPE-01", `select: the test must be bool, not ${showAval(test)}`);
    const value = sameForms("select", [x, y]);
    return [sameForms("select", [value, { ...test, dtype: value.dtype }])];
  },
  jvp: {
    kind: "rule",
    apply: ([, dx, dy], [test, x, y]) => [
      dx === null && dy === null ? null : select(test, dx ?? fullLike(x, 0), dy ?? fullLike(y, 0)),
    ],
  },
  transpose: {
    kind: "rule",
    apply: ([ct], [test, x, y]) => {
      if (ct === null || isLinear(test)) return [null, null, null];
      const zero = fullLike(ct, 0);
      return [
        null,
        isLinear(x) ? select(test, ct, zero) : null,
        isLinear(y) ? select(test, zero, ct) : null,
      ];
    },
  },
  batch: (inputs, mapped, _params, size) => apply(selectOp, spread(inputs, mapped, size), noParams),
  shard: ([test]) => pointwise(test.dims.length, 3, noParams),
  evaluate: ([test, x, y], _params, [z]) => [
    build(z, (index) => (get(test, index) !== 0 ? get(x, index) : get(y, index))),
  ],
  simplify(inputs, params, outputs) {
    const test = constantOf(inputs[0]);
    if (test !== null) return [(test !== 0 ? inputs[1] : inputs[2]).tensor];
    return simplifyElementwise(selectOp, inputs, params, outputs);
  },
  lower: {
    onnx: (g, xs, _params, { outputs: [z] }) => [
      whereOnnx(g, ...xs, { dtype: z.dtype, dims: broadcastDims(...xs.map((x) => x.dims)) }),
    ],
    stablehlo: (h, [test, x, y], _params, [z]) => [
      h.line(
        `stablehlo.select ${test.name}, ${x.name}, ${y.name} : ${h.type(test)}, ${h.type(z)}`,
        z,
      ),
    ],
  },
  samples: () => [
    sample("numbers", [booleans(2, 3), random(2, 3), random(2, 3)], noParams),
    sample("integers", [booleans(4), integers(0, 5, 4), integers(0, 5, 4)], noParams),
    sample("words", [booleans(4), words(4), words(4)], noParams, false),
    sample("truth", [booleans(6), booleans(6), booleans(6)], noParams, false),
    sample(
      "specials",
      [values(aval("bool", [13]), 1, 0, 1), specials(), specials()],
      noParams,
      false,
    ),
    sample("nothing", [booleans(0), random(0), random(0)], noParams, false),
  ],
  rejects: () => [
    rejects(
      "a test that is no truth value",
      [aval("float32", [2]), aval("float32", [2]), aval("float32", [2])],
      noParams,
      "select: the test must be bool, not float32[2]",
    ),
  ],
});

export function select(test: Tensor, x: Tensor, y: Tensor): Tensor {
  return apply(selectOp, [test, x, y], noParams)[0];
}

export interface ConvertParams {
  readonly dtype: DType;
}

/** Another dtype: floats to integers cut towards zero, numbers to bool test for not 0. */
export const convertOp: Op<ConvertParams, One, One> = defineOp<ConvertParams, One, One>({
  name: "convert",
  infer: ([x], { dtype }) => [{ ...x, dtype }],
  jvp: {
    kind: "rule",
    apply: ([dx], [x], _y, { dtype }) => [
      dx === null || !isFloat(dtype) || !isFloat(x.dtype) ? null : convert(dx, dtype),
    ],
  },
  transpose: {
    kind: "rule",
    apply: ([ct], [x]) => [ct === null ? null : convert(ct, x.aval.dtype)],
  },
  batch: ([x], _mapped, { dtype }) => [convert(x, dtype)],
  shard: ([x], _y, p) => pointwise(x.dims.length, 1, p),
  evaluate: ([x], { dtype }) => [
    mapElements(x, dtype, (value) =>
      dtype === "bool" ? Number(value !== 0) : isFloat(dtype) ? value : Math.trunc(value),
    ),
  ],
  simplify: (inputs, p, outputs) =>
    inputs[0].tensor.dtype === p.dtype
      ? [inputs[0].tensor]
      : simplifyElementwise(convertOp, inputs, p, outputs),
  lower: {
    // Constants keep their rank, so a converted scalar stays a scalar.
    onnx: (g, [x], { dtype }) => [
      g.node("Cast", [x], { dtype, dims: x.dims }, { to: { int: dtypeFacts(dtype).onnx } }),
    ],
    stablehlo: (h, [x], { dtype }, [y]) => {
      if (dtype !== "bool")
        return [h.line(`stablehlo.convert ${x.name} : (${h.type(x)}) -> ${h.type(y)}`, y)];
      const zero = h.splat(0, x);
      return [
        h.line(
          `stablehlo.compare NE, ${x.name}, ${zero.name} : (${h.type(x)}, ${h.type(x)}) -> ${h.type(y)}`,
          y,
        ),
      ];
    },
  },
  samples: () => [
    sample(
      "to integers",
      [values(aval("float32", [4]), 1.7, -1.7, 0, 3)],
      { dtype: "int32" },
      false,
    ),
    sample("to numbers", [integers(-5, 5, 4)], { dtype: "float32" }, false),
    sample("from truth", [booleans(4)], { dtype: "float32" }, false),
    sample("to truth", [values(aval("float32", [3]), 0, 0.5, -2)], { dtype: "bool" }, false),
    sample("from words", [words(4)], { dtype: "float32" }, false),
    sample("to words", [integers(0, 99, 4)], { dtype: "uint32" }, false),
  ],
  rejects: () => [],
});

export function convert(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x : apply(convertOp, [x], { dtype })[0];
}
