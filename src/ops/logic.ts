/** @file Element-wise ops on truth values and bits, choice between two values, and conversion of dtypes. */

import { apply } from "../core/builder.ts";
import { type DType, dtypeFacts, isFloat } from "../core/dtype.ts";
import { DTypeError } from "../core/errors.ts";
import { build, get, mapElements } from "../core/ndarray.ts";
import { defineOp, isLinear, notLinear, type One, type Op, type Three } from "../core/op.ts";
import { booleans, integers, random, rejects, sample, values, words } from "../core/samples.ts";
import { aval, showAval } from "../core/shape.ts";
import { pointwise } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { constantOf, fullLike } from "./creation.ts";
import {
  BITS,
  type BinaryOp,
  binary,
  broadcastDims,
  type Call2,
  call2,
  type NoParams,
  noParams,
  SIGNED,
  sameForms,
  simplifyElementwise,
  spread,
} from "./families.ts";

const truth = { none: "a truth value" } as const;

function comparison(
  name: string,
  onnx: string,
  direction: string,
  test: (x: number, y: number) => boolean,
): BinaryOp {
  return binary(name, {
    dtypes: SIGNED,
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
    ],
  });
}

export const equalOp: BinaryOp = comparison("equal", "Equal", "EQ", (x, y) => x === y);
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

function bitwise(
  name: string,
  logical: string,
  stablehlo: string,
  f: (x: number, y: number) => number,
): BinaryOp {
  return binary(name, {
    dtypes: BITS,
    jvp: { none: "bits" },
    transpose: notLinear("bits"),
    evaluate: (x, y, dtype) => (dtype === "uint32" ? f(x, y) >>> 0 : f(x, y)),
    onnx: (g, x, y, z) => g.node(z.dtype === "bool" ? logical : `Bitwise${logical}`, [x, y], z),
    stablehlo,
    samples: () => [
      sample("words", [words(5), words(5)], noParams, false),
      sample("truth", [booleans(6), booleans(6)], noParams, false),
    ],
  });
}

export const andOp: BinaryOp = bitwise("and", "And", "stablehlo.and", (x, y) => x & y);
export const and: Call2 = call2(andOp);
export const orOp: BinaryOp = bitwise("or", "Or", "stablehlo.or", (x, y) => x | y);
export const or: Call2 = call2(orOp);
export const xorOp: BinaryOp = bitwise("xor", "Xor", "stablehlo.xor", (x, y) => x ^ y);
export const xor: Call2 = call2(xorOp);

function shift(
  name: string,
  direction: string,
  stablehlo: string,
  f: (x: number, y: number) => number,
): BinaryOp {
  return binary(name, {
    dtypes: ["uint32"],
    jvp: { none: "bits" },
    transpose: notLinear("bits"),
    evaluate: (x, y) => (y >= 32 ? 0 : f(x, y) >>> 0),
    onnx: (g, x, y, z) => g.node("BitShift", [x, y], z, { direction: { string: direction } }),
    stablehlo,
    samples: () => [
      sample(
        "words",
        [words(6), values(aval("uint32", [6]), 0, 1, 7, 13, 24, 31)],
        noParams,
        false,
      ),
    ],
  });
}

export const shiftLeftOp: BinaryOp = shift(
  "shiftLeft",
  "LEFT",
  "stablehlo.shift_left",
  (x, y) => x << y,
);
export const shiftLeft: Call2 = call2(shiftLeftOp);
export const shiftRightOp: BinaryOp = shift(
  "shiftRight",
  "RIGHT",
  "stablehlo.shift_right_logical",
  (x, y) => x >>> y,
);
export const shiftRight: Call2 = call2(shiftRightOp);

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
      g.node("Where", xs, { dtype: z.dtype, dims: broadcastDims(...xs.map((x) => x.dims)) }),
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
