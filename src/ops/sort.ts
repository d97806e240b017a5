/** @file Sorting: the op finds the order, a permutation; sorted values are gathered by it. */

import { apply } from "../core/builder.ts";
import { ShapeError } from "../core/errors.ts";
import { at, forLines, type NdArray, put, zeros } from "../core/ndarray.ts";
import {
  asIs,
  defineOp,
  type Each,
  type Many,
  notLinear,
  type One,
  type Op,
  zeroTangent,
} from "../core/op.ts";
import {
  booleans,
  integers,
  longIntegers,
  random,
  rejects,
  sample,
  specials,
  values,
  words,
} from "../core/samples.ts";
import { type Aval, aval, sameDims, showAval } from "../core/shape.ts";
import { factorNames, rule } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { ALL, checkDType } from "./dtypes.ts";
import { repeat } from "./families.ts";
import { gather } from "./indexing.ts";
import { inverse, transpose } from "./layout.ts";
import { argsortOnnx, argsortStablehlo } from "./sort.lowering.ts";

export interface ArgsortParams {
  readonly axis: number;
  /** From the largest to the smallest. */
  readonly descending: boolean;
}

/**
 * The places of elements along an axis in sorted order, int32.
 *
 * Several operands of equal dims are one key: the first decides, the next where it ties. The order is stable: whole
 * ties keep theirs, descending too. NaN comes last, descending too; −0 and 0 tie.
 */
export const argsortOp: Op<ArgsortParams, Many, One> = defineOp<ArgsortParams, Many, One>({
  name: "argsort",
  infer(keys, { axis }) {
    const forms = keys as readonly Aval[];
    const [first] = forms;
    if (first === undefined) throw new ShapeError("SHAPE-01", "argsort: needs at least one key");
    for (const key of forms) checkDType("argsort", key, ALL);
    if (!forms.every((key) => sameDims(key.dims, first.dims))) {
      throw new ShapeError(
        "SHAPE-01",
        "argsort: keys have unequal sizes.",
        forms.map((key, i) => [`key ${i + 1}`, showAval(key)] as const),
      );
    }
    if (!(axis in first.dims))
      throw new ShapeError(
        "SHAPE-01",
        `argsort: axis ${axis} is not an axis of ${showAval(first)}`,
      );
    return [{ ...first, dtype: "int32" }];
  },
  jvp: zeroTangent("an order of places"),
  transpose: notLinear("an order of places"),
  batch: (keys, mapped, p, size) => [
    argsort(
      (keys as readonly Tensor[]).map((key, i) => (mapped[i] === true ? key : repeat(key, size))),
      { ...p, axis: p.axis + 1 },
    ),
  ],
  shard: (keys, [y], p) => {
    const factors = factorNames(y.dims.length);
    const operands = (keys as readonly Aval[]).map(() => factors);
    return rule(p, operands, [factors], { moves: factors.slice(p.axis, p.axis + 1) });
  },
  evaluate(keys, { axis, descending }, [y]) {
    const out = zeros(y);
    const list = keys as readonly NdArray[];
    forLines(y.dims, axis, (base, stride, length) => {
      const compare = (i: number, j: number) => {
        for (const key of list) {
          const order = compareNumbers(
            at(key, base + i * stride),
            at(key, base + j * stride),
            descending,
          );
          if (order !== 0) return order;
        }
        return i - j;
      };
      Array.from({ length }, (_, i) => i)
        .sort(compare)
        .forEach((from, i) => {
          put(out, base + i * stride, from);
        });
    });
    return [out];
  },
  simplify: asIs,
  lower: {
    onnx: (g, keys, p, { inputs, outputs: [y] }) => [
      argsortOnnx(
        g,
        keys.map((key, i) => g.exact(key, (inputs as readonly Aval[])[i]?.dims ?? [])),
        p,
        y,
      ),
    ],
    stablehlo: (h, keys, p, [y]) => [argsortStablehlo(h, keys, p, y)],
  },
  samples() {
    const three = (dtype: "float32" | "int32", ...elements: number[]) =>
      values(aval(dtype, [6]), ...elements);
    return [false, true].flatMap((descending) => {
      const way = descending ? "falling" : "rising";
      const one = (label: string, axis: number, ...keys: Parameters<typeof sample>[1][number][]) =>
        sample(`${label}, ${way}`, keys, { axis, descending }, false);
      return [
        one("rows", 1, random(3, 5)),
        one("an outer axis", 0, random(4, 2)),
        one("one element", 0, random(1)),
        one("nothing", 1, random(2, 0)),
        one("no lines", 1, random(0, 3)),
        one("ties", 0, three("float32", 2, 1, 2, 1, 2, 1)),
        one("specials", 0, specials(Infinity, NaN, 3.4e38)),
        one("integers", 1, integers(-3, 3, 2, 6)),
        one("extreme integers", 0, three("int32", 0, -(2 ** 31), 2 ** 31 - 1, -1, 2 ** 31 - 2, 1)),
        one("words", 0, words(6)),
        one("long integers", 0, longIntegers(6)),
        one("truth", 0, booleans(6)),
        one("two keys", 0, three("int32", 1, 0, 1, 0, 1, 0), three("float32", 3, 2, 1, 2, NaN, 0)),
        one("NaN in the first key", 0, three("float32", NaN, 1, NaN, 1, NaN, 0), integers(0, 3, 6)),
      ];
    });
  },
  rejects: () => [
    rejects("no key", [], { axis: 0, descending: false }, "argsort: needs at least one key"),
    rejects(
      "an axis past the end",
      [aval("float32", [3])],
      { axis: 1, descending: false },
      "argsort: axis 1 is not an axis of float32[3]",
    ),
    rejects(
      "keys of two sizes",
      [aval("float32", [3]), aval("float32", [4])],
      { axis: 0, descending: false },
      "argsort: keys have unequal sizes.",
    ),
  ],
});

/** Below 0 when a comes first; NaN after all else. */
function compareNumbers(a: number, b: number, descending: boolean): number {
  const [strange, other] = [Number.isNaN(a), Number.isNaN(b)];
  if (strange || other) return Number(strange) - Number(other);
  return a === b ? 0 : a < b === descending ? 1 : -1;
}

/** Places in sorted order, by several keys. */
export function argsort(keys: readonly Tensor[], params: ArgsortParams): Tensor {
  return apply(argsortOp, keys as Each<Many, Tensor>, params)[0];
}

/** Operands in the order of the first `keys` of them; gradients find their way back through the permutation. */
export function sort(
  operands: readonly Tensor[],
  { keys, ...params }: ArgsortParams & { readonly keys: number },
): readonly Tensor[] {
  const order = argsort(operands.slice(0, keys), params);
  return operands.map((x) => permute(x, order, params.axis));
}

/** `y[…, i, …] = x[…, order[…, i, …], …]` for a permutation along `axis`. */
function permute(x: Tensor, order: Tensor, axis: number): Tensor {
  const last = x.rank - 1;
  const places = [...x.dims.map((_, i) => i).filter((i) => i !== axis), axis];
  const distinct = 1; // no place is named twice
  const y = gather(transpose(x, places), transpose(order, places), last, distinct);
  return transpose(y, inverse(places));
}
