/** @file Reductions of integers as ONNX nodes, where the kernel of that name saturates, errs or is missing. */

import { type DType, dtypeFacts } from "../core/dtype.ts";
import type { OnnxEmitter, OnnxValue } from "../core/lowering.ts";
import { type Aval, dimOf } from "../core/shape.ts";

/** int32 and uint32 through int64: sums of them do not wrap in a kernel, they stop at the greatest; and uint32 has none. */
export function inLong(
  g: OnnxEmitter,
  x: OnnxValue,
  output: Aval,
  reduced: (x: OnnxValue, form: Aval) => OnnxValue,
): OnnxValue {
  if (output.dtype !== "int32" && output.dtype !== "uint32") return reduced(x, output);
  const cast = (value: OnnxValue, dtype: DType) =>
    g.node("Cast", [value], { dtype, dims: value.dims }, { to: { int: dtypeFacts(dtype).onnx } });
  return cast(reduced(cast(x, "int64"), { ...output, dtype: "int64" }), output.dtype);
}

/** Pairs are combined by an element-wise node, then pairs of pairs: log₂ n rounds. `nothing` is the result of no elements. */
export function halving(
  g: OnnxEmitter,
  x: OnnxValue,
  axes: readonly number[],
  y: Aval,
  nothing: number,
  combine: (a: OnnxValue, b: OnnxValue, form: Pick<Aval, "dtype" | "dims">) => OnnxValue,
): OnnxValue {
  const kept = x.dims.map((_, i) => i).filter((i) => !axes.includes(i));
  const rest = kept.map((axis) => dimOf(x, axis));
  const count = axes.reduce((n, axis) => n * dimOf(x, axis), 1);
  if (count === 0) return g.constant(y.dtype, [], [nothing]);
  let list = g.reshape(g.transpose(x, [...axes, ...kept]), [count, ...rest]);
  const form = (length: number) => ({ dtype: y.dtype, dims: [length, ...rest] });
  const cut = (from: number, to: number) =>
    g.node(
      "Slice",
      [list, ...[from, to, 0].map((place) => g.constant("int64", [1], [place]))],
      form(to - from),
    );
  for (let n = count; n > 1; n = Math.ceil(n / 2)) {
    const half = Math.floor(n / 2);
    const paired = combine(cut(0, half), cut(half, 2 * half), form(half));
    list =
      n % 2 === 0
        ? paired
        : g.node("Concat", [paired, cut(n - 1, n)], form(half + 1), { axis: { int: 0 } });
  }
  return g.reshape(list, y.dims);
}
