/** @file Where the largest or smallest element along an axis stands. NaN wins; of ties, the lowest index. */

import { apply } from "../core/builder.ts";
import { isFloat } from "../core/dtype.ts";
import { ShapeError } from "../core/errors.ts";
import type { HloEmitter, HloValue, OnnxEmitter, OnnxValue } from "../core/lowering.ts";
import { at, forLines, put, zeros } from "../core/ndarray.ts";
import { asIs, defineOp, notLinear, type One, type Op, zeroTangent } from "../core/op.ts";
import {
  integers,
  longIntegers,
  random,
  rejects,
  sample,
  specials,
  values,
  words,
} from "../core/samples.ts";
import { type Aval, aval, showAval, without } from "../core/shape.ts";
import { factorNames, rule } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { neg } from "./arithmetic.ts";
import { not } from "./bits.ts";
import { block } from "./block.stablehlo.ts";
import { checkDType, NUMBERS } from "./dtypes.ts";
import { LEAST } from "./magnitude.ts";

export interface ArgMaxParams {
  readonly axis: number;
}

/** int32 place of the largest element along `axis`, which is reduced away. */
export const argMaxOp: Op<ArgMaxParams, One, One> = defineOp<ArgMaxParams, One, One>({
  name: "argMax",
  infer([x], { axis }) {
    checkDType("argMax", x, NUMBERS);
    if (!(axis in x.dims))
      throw new ShapeError("SHAPE-01", `argMax: axis ${axis} is not an axis of ${showAval(x)}`);
    if (x.dims[axis] === 0) {
      throw new ShapeError(
        "SHAPE-01",
        `argMax: ${showAval(x)} has no element to choose along axis ${axis}`,
      );
    }
    return [
      aval(
        "int32",
        without(x.dims, axis),
        x.names.filter((_, i) => i !== axis),
      ),
    ];
  },
  jvp: zeroTangent("a place"),
  transpose: notLinear("a place"),
  batch: ([x], _mapped, { axis }) => [argMax(x, axis + 1)],
  shard: ([x], _y, p) => {
    const factors = factorNames(x.dims.length);
    const kept = factors.filter((_, i) => i !== p.axis);
    return rule(p, [factors], [kept], { moves: factors.filter((_, i) => i === p.axis) });
  },
  evaluate: ([x], { axis }, [y]) => {
    const out = zeros(y);
    let line = 0;
    forLines(x.dims, axis, (base, stride, length) => {
      let best = 0;
      for (let i = 1; i < length; i++) {
        const [a, b] = [at(x, base + i * stride), at(x, base + best * stride)];
        if (a > b || (Number.isNaN(a) && !Number.isNaN(b))) best = i;
      }
      put(out, line++, best);
    });
    return [out];
  },
  simplify: asIs,
  lower: {
    onnx: (g, [x], { axis }, { inputs: [from], outputs: [y] }) => [
      argMaxOnnx(g, g.exact(x, from.dims), axis, y),
    ],
    stablehlo: (h, [x], { axis }, [y]) => [argMaxStablehlo(h, x, axis, y)],
  },
  samples: () => [
    sample("rows", [random(3, 4)], { axis: 1 }, false),
    sample("an outer axis", [random(3, 2, 2)], { axis: 0 }, false),
    sample("a middle axis", [random(2, 4, 3)], { axis: 1 }, false),
    sample("one element", [random(1)], { axis: 0 }, false),
    sample("no lines", [random(0, 2)], { axis: 1 }, false),
    sample("ties", [values(aval("float32", [2, 4]), 1, 3, 3, 2, 0, -0, 0, -0)], { axis: 1 }, false),
    sample("specials", [specials()], { axis: 0 }, false),
    sample(
      "NaN first, last and alone",
      [values(aval("float32", [4, 2]), NaN, 1, Infinity, NaN, NaN, NaN, -Infinity, -Infinity)],
      { axis: 1 },
      false,
    ),
    sample("integers", [integers(-3, 3, 2, 5)], { axis: 1 }, false),
    sample(
      "the least integers",
      [values(aval("int32", [3]), -(2 ** 31), -(2 ** 31), -(2 ** 31))],
      { axis: 0 },
      false,
    ),
    sample("words", [words(4, 3)], { axis: 0 }, false),
    sample("long integers", [longIntegers(2, 5)], { axis: 1 }, false),
  ],
  rejects: () => [
    rejects(
      "an empty axis",
      [aval("float32", [2, 0])],
      { axis: 1 },
      "argMax: float32[2, 0] has no element to choose along axis 1",
    ),
    rejects(
      "an axis past the end",
      [aval("float32", [3])],
      { axis: 1 },
      "argMax: axis 1 is not an axis of float32[3]",
    ),
  ],
});

/** ArgMax passes over NaN, so lines with one are searched once more, for it; uint32 has no kernel. */
function argMaxOnnx(g: OnnxEmitter, x: OnnxValue, axis: number, y: Aval): OnnxValue {
  const keep = { keepdims: { int: 0 } };
  const cast = (z: OnnxValue, form: Pick<Aval, "dtype" | "dims">, to: number) =>
    g.node("Cast", [z], form, { to: { int: to } });
  const place = (z: OnnxValue) => {
    const long = { ...y, dtype: "int64" as const };
    return cast(g.node("ArgMax", [z], long, { axis: { int: axis }, ...keep }), y, 6);
  };
  if (x.dtype === "uint32") return place(cast(x, { dtype: "int64", dims: x.dims }, 7));
  if (!isFloat(x.dtype)) return place(x);
  const strange = g.node("IsNaN", [x], { dtype: "bool", dims: x.dims });
  const any = g.node(
    "ReduceMax",
    [strange, g.constant("int64", [1], [axis])],
    { ...y, dtype: "bool" },
    keep,
  );
  const first = place(cast(strange, { dtype: "int32", dims: x.dims }, 6));
  return g.node("Where", [any, first, place(x)], y);
}

/** A reduction of (value, place) pairs; the pair that it starts from loses against every element. */
function argMaxStablehlo(h: HloEmitter, x: HloValue, axis: number, y: Aval): HloValue {
  const places = aval("int32", x.dims);
  const counting = h.line(`stablehlo.iota dim = ${axis} : ${h.type(places)}`, places);
  const [value, place, truth] = [aval(x.dtype, []), aval("int32", []), aval("bool", [])];
  const least = h.splat(LEAST[x.dtype], value);
  const beyond = h.splat(2 ** 31 - 1, place);
  const better = block(h, [value, place, value, place], (a, i, b, j) => {
    const compare = (direction: string, p: HloValue, q: HloValue) =>
      h.elementwise(`stablehlo.compare ${direction},`, [p, q], truth);
    const both = (p: HloValue, q: HloValue) => h.elementwise("stablehlo.and", [p, q], truth);
    const either = (p: HloValue, q: HloValue) => h.elementwise("stablehlo.or", [p, q], truth);
    const [strangeA, strangeB] = [compare("NE", a, a), compare("NE", b, b)];
    const above = either(
      compare("GT", a, b),
      both(strangeA, h.elementwise("stablehlo.not", [strangeB], truth)),
    );
    const tied = either(compare("EQ", a, b), both(strangeA, strangeB));
    const first = either(above, both(tied, compare("LT", i, j)));
    return [
      h.elementwise("stablehlo.select", [first, a, b], value),
      h.elementwise("stablehlo.select", [first, i, j], place),
    ];
  });
  const scalars = `${h.type(value)}, ${h.type(place)}`;
  const best = { dtype: x.dtype, dims: y.dims };
  const results = h.lines(
    `"stablehlo.reduce"(${x.name}, ${counting.name}, ${least.name}, ${beyond.name}) <{dimensions = array<i64: ${axis}>}> ${better} : (${h.type(x)}, ${h.type(places)}, ${scalars}) -> (${h.type(best)}, ${h.type(y)})`,
    [best, y],
  );
  return results[1] ?? counting;
}

export function argMax(x: Tensor, axis: number): Tensor {
  return apply(argMaxOp, [x], { axis })[0];
}

/** int32 place of the smallest element. Turning all bits turns round the order of integers; a sign would lose the least. */
export function argMin(x: Tensor, axis: number): Tensor {
  return argMax(isFloat(x.dtype) ? neg(x) : not(x), axis);
}
