/** @file top-k as StableHLO text. */

import type { HloEmitter, HloValue } from "../core/lowering.ts";
import type { Each, Two } from "../core/op.ts";
import { type Aval, aval } from "../core/shape.ts";

/** A stable descending sort of (value, index) pairs, NaN first, cut after k. */
export function topKStablehlo(
  h: HloEmitter,
  x: HloValue,
  k: number,
  [v, i]: Each<Two, Aval>,
): Each<Two, HloValue> {
  const last = x.dims.length - 1;
  const counting = aval("int32", x.dims);
  const places = h.line(`stablehlo.iota dim = ${last} : ${h.type(counting)}`, counting);
  const f = h.type(aval(x.dtype, []));
  const n = h.type(aval("int32", []));
  const body = `({\n    ^bb0(%a: ${f}, %b: ${f}, %c: ${n}, %d: ${n}):\n      %g = stablehlo.compare GT, %a, %b : (${f}, ${f}) -> tensor<i1>\n      %p = stablehlo.compare NE, %a, %a : (${f}, ${f}) -> tensor<i1>\n      %q = stablehlo.compare EQ, %b, %b : (${f}, ${f}) -> tensor<i1>\n      %n = stablehlo.and %p, %q : tensor<i1>\n      %r = stablehlo.or %g, %n : tensor<i1>\n      stablehlo.return %r : tensor<i1>\n    })`;
  const sorted = h.lines(
    `"stablehlo.sort"(${x.name}, ${places.name}) <{dimension = ${last} : i64, is_stable = true}> ${body} : (${h.type(x)}, ${h.type(places)}) -> (${h.type(x)}, ${h.type(places)})`,
    [aval(x.dtype, x.dims), counting],
  );
  const box = x.dims.map((dim, axis) => `0:${axis === last ? k : dim}`).join(", ");
  const cut = (value: HloValue | undefined, form: Aval) =>
    h.line(
      `stablehlo.slice ${value?.name ?? ""} [${box}] : (${h.type(value ?? form)}) -> ${h.type(form)}`,
      form,
    );
  return [cut(sorted[0], v), cut(sorted[1], i)];
}
