/** @file argsort as ONNX nodes and as StableHLO text. */

import { dtypeFacts, isFloat } from "../core/dtype.ts";
import type { HloEmitter, HloValue, OnnxEmitter, OnnxValue } from "../core/lowering.ts";
import { type Aval, aval, dimOf, sizeOf } from "../core/shape.ts";
import { block } from "./block.stablehlo.ts";
import type { ArgsortParams } from "./sort.ts";

/**
 * Stable passes, from the last key to the first: each sorts what the later keys left in order.
 *
 * TopK of all elements is a stable sort, ties by lower index. It has no order for NaN and lacks some dtypes,
 * so keys become doubles in which ±∞ and NaN are ordinary numbers: float32 ends near 2¹²⁸.
 */
export function argsortOnnx(
  g: OnnxEmitter,
  keys: readonly OnnxValue[],
  { axis, descending }: ArgsortParams,
  y: Aval,
): OnnxValue {
  const n = dimOf(y, axis);
  const cast = (x: OnnxValue, dtype: "float64" | "int64" | "int32") =>
    x.dtype === dtype
      ? x
      : g.node("Cast", [x], { dtype, dims: x.dims }, { to: { int: dtypeFacts(dtype).onnx } });
  if (sizeOf(y.dims) === 0) return cast(keys[0] ?? g.constant("int32", y.dims, []), "int32");
  const chosen = (x: OnnxValue, places: OnnxValue) =>
    g.node("GatherElements", [x, places], x, { axis: { int: axis } });
  let order: OnnxValue | undefined;
  for (const key of [...keys].reverse()) {
    const ordered = sortable(g, key, descending ? -NAN_SIZE : NAN_SIZE);
    const [, places] = g.nodes({
      op: "TopK",
      inputs: [
        order === undefined ? ordered : chosen(ordered, order),
        g.constant("int64", [1], [n]),
      ],
      attributes: { axis: { int: axis }, largest: { int: Number(descending) }, sorted: { int: 1 } },
      outputs: [ordered, { dtype: "int64", dims: y.dims }],
    });
    if (places === undefined) throw new Error("TopK has two outputs");
    order = order === undefined ? places : chosen(order, places);
  }
  return cast(order ?? g.constant("int64", y.dims, []), "int32");
}

/** Beyond all numbers of float32, and beyond what stands for its infinities. */
export const NAN_SIZE: number = 2 ** 300;

/** The key under a dtype and with values that TopK puts in order; `nan` stands for NaN. */
export function sortable(g: OnnxEmitter, key: OnnxValue, nan: number): OnnxValue {
  if (key.dtype === "int64") return key;
  if (!g.runs("float64")) return withoutDoubles(g, key);
  const form = { dtype: "float64" as const, dims: key.dims };
  const double = g.node("Cast", [key], form, { to: { int: dtypeFacts("float64").onnx } });
  if (!isFloat(key.dtype)) return double;
  const constant = (value: number) => g.constant("float64", [], [value]);
  const end = 2 ** 200;
  const held = g.node("Min", [g.node("Max", [double, constant(-end)], form), constant(end)], form);
  const strange = g.node("IsNaN", [key], { dtype: "bool", dims: key.dims });
  return g.node("Where", [strange, constant(nan), held], form);
}

/** Where there are no doubles nothing is promised about NaN and infinities either: see docs/browser.md. */
function withoutDoubles(g: OnnxEmitter, key: OnnxValue): OnnxValue {
  const dtype = isFloat(key.dtype) ? "float32" : "int64";
  if (key.dtype === dtype) return key;
  return g.node("Cast", [key], { dtype, dims: key.dims }, { to: { int: dtypeFacts(dtype).onnx } });
}

/** One stable sort of all keys and of the places, which are what is wanted of it. */
export function argsortStablehlo(
  h: HloEmitter,
  keys: readonly HloValue[],
  { axis, descending }: ArgsortParams,
  y: Aval,
): HloValue {
  const places = h.line(`stablehlo.iota dim = ${axis} : ${h.type(y)}`, y);
  const operands = [...keys, places];
  const scalars = operands.flatMap(({ dtype }) => [aval(dtype, []), aval(dtype, [])]);
  const truth = aval("bool", []);
  const before = block(h, scalars, (...pairs) => {
    const node = (op: string, ...xs: readonly HloValue[]) => h.elementwise(op, xs, truth);
    /** Whether the pairs from key i on are in order: this key's are, or they tie and the later ones are. */
    const inOrder = (i: number): HloValue => {
      const [a, b] = [pairs[2 * i], pairs[2 * i + 1]];
      if (a === undefined || b === undefined) throw new Error(`argsort has no key ${i}`);
      const compare = (direction: string, p: HloValue, q: HloValue) =>
        node(`stablehlo.compare ${direction},`, p, q);
      const ordered = compare(descending ? "GT" : "LT", a, b);
      const equal = compare("EQ", a, b);
      let [first, tied] = [ordered, equal];
      if (isFloat(a.dtype)) {
        const [strangeA, strangeB] = [compare("NE", a, a), compare("NE", b, b)];
        first = node(
          "stablehlo.or",
          ordered,
          node("stablehlo.and", node("stablehlo.not", strangeA), strangeB),
        );
        tied = node("stablehlo.or", equal, node("stablehlo.and", strangeA, strangeB));
      }
      return i + 1 === keys.length
        ? first
        : node("stablehlo.or", first, node("stablehlo.and", tied, inOrder(i + 1)));
    };
    return [inOrder(0)];
  });
  const types = operands.map((x) => h.type(x)).join(", ");
  const sorted = h.lines(
    `"stablehlo.sort"(${operands.map(({ name }) => name).join(", ")}) <{dimension = ${axis} : i64, is_stable = true}> ${before} : (${types}) -> (${types})`,
    operands,
  );
  return sorted.at(-1) ?? places;
}
