/** @file Norms along the last axis as StableHLO lines; 16-bit floats are computed in float32. */

import type { HloEmitter, HloValue } from "../core/lowering.ts";
import type { Each, Three, Two } from "../core/op.ts";
import { type Aval, dimOf } from "../core/shape.ts";
import { inSingle } from "./half.stablehlo.ts";

/** Words for the lines below, about rows of the form `row` in values of the form `y`. */
function lineWords(h: HloEmitter, y: Aval, row: Aval) {
  const last = y.dims.length - 1;
  const keep = row.dims.map((_, i) => i);
  const times = (a: HloValue, b: HloValue) => h.elementwise("stablehlo.multiply", [a, b], y);
  const size = h.splat(dimOf(y, last), row);
  const meanOf = (v: HloValue) =>
    h.elementwise("stablehlo.divide", [h.reduce("stablehlo.add", v, 0, [last]), size], row);
  return {
    times,
    meanOf,
    rows: (v: HloValue) => h.broadcast(v, keep, y.dims),
    columns: (v: HloValue) => h.broadcast(v, [last], y.dims),
    /** `(mean v² + ε)^(−1/2)` */
    inverseRoot: (v: HloValue, epsilon: number) => {
      const sum = h.elementwise("stablehlo.add", [meanOf(times(v, v)), h.splat(epsilon, row)], row);
      return h.elementwise("stablehlo.rsqrt", [sum], row);
    },
  };
}

export function rmsNormStablehlo(
  h: HloEmitter,
  inputs: Each<Two, HloValue>,
  { epsilon }: { readonly epsilon: number },
  outputs: Each<Two, Aval>,
): Each<Two, HloValue> {
  return inSingle<Two, Two>(h, inputs, outputs, ([x, s], [y, row]) => {
    const { times, rows, columns, inverseRoot } = lineWords(h, y, row);
    const inverse = inverseRoot(x, epsilon);
    return [times(times(x, rows(inverse)), columns(s)), inverse];
  });
}

export function layerNormStablehlo(
  h: HloEmitter,
  inputs: Each<Three, HloValue>,
  { epsilon }: { readonly epsilon: number },
  outputs: Each<Three, Aval>,
): Each<Three, HloValue> {
  return inSingle<Three, Three>(h, inputs, outputs, ([x, s, b], [y, row]) => {
    const { times, meanOf, rows, columns, inverseRoot } = lineWords(h, y, row);
    const mean = meanOf(x);
    const centred = h.elementwise("stablehlo.subtract", [x, rows(mean)], y);
    const inverse = inverseRoot(centred, epsilon);
    const scaled = times(times(centred, rows(inverse)), columns(s));
    return [h.elementwise("stablehlo.add", [scaled, columns(b)], y), mean, inverse];
  });
}
