/** @file scatter-set, -max and -min as StableHLO text. */

import type { HloEmitter, HloValue } from "../core/lowering.ts";
import type { Each, One, Three } from "../core/op.ts";
import { aval, dimOf, sizeOf } from "../core/shape.ts";
import { clampedStablehlo, gatherStablehlo, scatterStablehlo } from "./indexing.stablehlo.ts";
import type { ScatterParams } from "./scatter.ts";

/**
 * XLA leaves open which of several updates stays. The largest position is the last update, whatever
 * the order; so positions are scattered by maximum, and rows gathered by them.
 */
export function scatterSetStablehlo(
  h: HloEmitter,
  [x, u, indices]: Each<Three, HloValue>,
  { batchDims, distinct }: ScatterParams,
): Each<One, HloValue> {
  if (sizeOf(u.dims) === 0) return [x]; // XLA wants room for one row
  const size = dimOf(x, batchDims);
  const count = sizeOf(indices.dims);
  const clamped = clampedStablehlo(h, indices, size);
  if (distinct === 1) return [scatterStablehlo(h, x, clamped, u, batchDims, null)];
  const reshape = (value: HloValue, dims: readonly number[]) =>
    h.line(
      `stablehlo.reshape ${value.name} : (${h.type(value)}) -> ${h.type({ ...value, dims })}`,
      aval(value.dtype, dims),
    );
  const list = aval("int32", [count]);
  const own = reshape(h.line(`stablehlo.iota dim = 0 : ${h.type(list)}`, list), indices.dims);
  const places = aval("int32", x.dims.slice(0, batchDims + 1));
  const nobody = h.splat(-1, places);
  const last = scatterStablehlo(h, nobody, clamped, own, batchDims, "stablehlo.maximum");
  const zero = h.splat(0, places);
  const someone = h.elementwise("stablehlo.compare GE,", [last, zero], {
    ...places,
    dtype: "bool",
  });
  const rows = reshape(u, [count, ...x.dims.slice(batchDims + 1)]);
  const [chosen] = gatherStablehlo(h, [rows, last], 0, [aval(x.dtype, x.dims)]);
  const test = h.broadcast(
    someone,
    places.dims.map((_, i) => i),
    x.dims,
  );
  return [
    h.line(
      `stablehlo.select ${test.name}, ${chosen.name}, ${x.name} : ${h.type(test)}, ${h.type(x)}`,
      x,
    ),
  ];
}

export function scatterExtremeStablehlo(
  h: HloEmitter,
  [x, u, indices]: Each<Three, HloValue>,
  { batchDims }: ScatterParams,
  combine: "maximum" | "minimum",
): Each<One, HloValue> {
  if (sizeOf(u.dims) === 0) return [x];
  const clamped = clampedStablehlo(h, indices, dimOf(x, batchDims));
  return [scatterStablehlo(h, x, clamped, u, batchDims, `stablehlo.${combine}`)];
}
