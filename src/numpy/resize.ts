/** @file Other lengths of space axes: nearest and linear resizing, and means over a given number of parts. */

import { ShapeError } from "../core/errors.ts";
import { aval, dimOf, showAval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import * as e from "../ops/arithmetic.ts";
import { and } from "../ops/bits.ts";
import { contract } from "../ops/contract.ts";
import { broadcast, full, fullLike, iota } from "../ops/creation.ts";
import { checkDType, FLOATS } from "../ops/dtypes.ts";
import { gather } from "../ops/indexing.ts";
import { reshape } from "../ops/layout.ts";
import { convert, less } from "../ops/logic.ts";
import { abs, maximum, minimum } from "../ops/magnitude.ts";
import { floor } from "../ops/rounding.ts";
import { sum } from "../ops/sum.ts";
import { avgPool } from "./pool.ts";
import { type SpaceAxes, spaceOf } from "./window-options.ts";

/** New lengths of some axes. */
export interface Lengths {
  /** By axis name, `{ height: 64, width: 64 }`, or a list for `space`, which are the last axes when absent. */
  readonly to: readonly number[] | Readonly<Record<string, number>>;
  readonly space?: SpaceAxes;
}

/** Calls `step(x, axis, from, to)` for every axis that changes its length. */
function alongAxes(
  operation: string,
  x: Tensor,
  { to, space }: Lengths,
  step: (x: Tensor, axis: number, from: number, to: number) => Tensor,
): Tensor {
  const isList = (list: Lengths["to"]): list is readonly number[] => Array.isArray(list);
  const lengths = isList(to) ? to : Object.values(to);
  const given = isList(to) ? space : Object.keys(to);
  return spaceOf(operation, x, given, lengths.length).reduce((y, axis, i) => {
    const [from, wanted] = [dimOf(y.aval, axis), lengths[i] ?? 0];
    if (!Number.isInteger(wanted) || wanted < 1 || from < 1) {
      throw new ShapeError(
        "SHAPE-01",
        `${operation}: axis ${x.names[axis] ?? axis} cannot go from ${from} to ${wanted} elements.`,
        [["x", showAval(x.aval)]],
      );
    }
    return from === wanted ? y : step(y, axis, from, wanted);
  }, x);
}

/**
 * x sampled at other lengths of its space axes, by the half-pixel convention: element i covers `[i, i+1)`,
 * and new element j has its centre at `(j + ½)·from / to` of the old ones.
 *
 * - `"nearest"` takes the element in which the centre lies, the upper one on a border: the `nearest-exact`
 *   of PyTorch. Any dtype.
 * - `"linear"` weighs the two elements whose centres are next to it, and repeats the edge beyond the first
 *   and last centre: bilinear along two axes, PyTorch's `align_corners=False`. Floats. Each axis is a
 *   matrix product, so an infinity makes NaN of its whole line. Going down, nothing is smoothed first.
 */
export function resize(
  x: Tensor,
  options: Lengths & { readonly method: "nearest" | "linear" },
): Tensor {
  if (options.method === "nearest") return alongAxes("resize", x, options, nearest);
  checkDType("resize", x.aval, FLOATS);
  return alongAxes("resize", x, options, (y, axis, from, to) =>
    mapped(y, axis, interpolation(from, to)),
  );
}

function nearest(x: Tensor, axis: number, from: number, to: number): Tensor {
  if (to % from === 0) return repeated(x, axis, to / from);
  const places = iota(aval("float32", [to]), 0);
  // ⌊(2j + 1)·from / 2·to⌋: whole numbers below 2²³, so the one rounding cannot cross a whole number
  const doubled = e.add(e.scale(places, 2 * from), fullLike(places, from));
  const line = convert(floor(e.div(doubled, fullLike(places, 2 * to))), "int32");
  const lead = x.dims.slice(0, axis);
  const at = broadcast(line, {
    dims: [...lead, to],
    axes: [axis],
    names: [...lead, to].map(() => null),
  });
  const y = gather(x, at, axis, to < from ? 1 : 0);
  return reshape(y, y.dims, x.names);
}

/** Every element `times` times. */
function repeated(x: Tensor, axis: number, times: number): Tensor {
  const dims = [...x.dims.slice(0, axis + 1), times, ...x.dims.slice(axis + 1)];
  const wide = broadcast(x, {
    dims,
    axes: dims.map((_, i) => i).filter((i) => i !== axis + 1),
    names: dims.map(() => null),
  });
  const merged = x.dims.map((dim, i) => (i === axis ? dim * times : dim));
  return reshape(wide, merged, x.names);
}

/** `y[…, j, …] = Σ matrix[j, i] x[…, i, …]` along one axis. */
function mapped(x: Tensor, axis: number, matrix: Tensor): Tensor {
  const labels = x.dims.map((_, i) => `axis${i}`);
  const own = labels[axis] ?? "";
  const out = labels.map((label, i) => (i === axis ? "to" : label));
  const y = contract(reshape(x, x.dims), convert(matrix, x.dtype), {
    lhs: labels,
    rhs: ["to", own],
    out,
  });
  return reshape(y, y.dims, x.names);
}

/** Row j and column i of a `[to, from]` matrix, as numbers that float32 holds exactly. */
function grid(from: number, to: number): readonly [row: Tensor, column: Tensor] {
  const form = aval("float32", [to, from]);
  return [iota(form, 0), iota(form, 1)];
}

/**
 * Weights of linear interpolation: a hat of width 1 round the old centre. With all lengths times 2·to the
 * numbers are whole, so that the only rounding is the last division.
 */
function interpolation(from: number, to: number): Tensor {
  const [j, i] = grid(from, to);
  const number = (value: number) => fullLike(j, value);
  const centre = e.add(e.scale(j, 2 * from), number(from - to));
  const inside = minimum(maximum(centre, number(0)), number(2 * to * (from - 1)));
  const distance = abs(e.sub(inside, e.scale(i, 2 * to)));
  return maximum(e.sub(number(1), e.div(distance, number(2 * to))), number(0));
}

/**
 * Means over `to` parts of each axis, part j being the elements from `⌊j·from/to⌋` to before
 * `⌈(j + 1)·from/to⌉`: parts overlap where `to` does not divide the length, as in PyTorch. Floats.
 */
export function adaptiveAvgPool(x: Tensor, options: Lengths): Tensor {
  checkDType("adaptiveAvgPool", x.aval, FLOATS);
  return alongAxes("adaptiveAvgPool", x, options, (y, axis, from, to) =>
    from % to === 0
      ? avgPool(y, { window: [from / to], space: [axis] })
      : mapped(y, axis, parts(from, to)),
  );
}

/** Row j: equal weights on part j. */
function parts(from: number, to: number): Tensor {
  const [j, i] = grid(from, to);
  const one = full(1, j.aval);
  const after = less(e.scale(j, from), e.scale(e.add(i, one), to)); // j·from < (i + 1)·to
  const before = less(e.scale(i, to), e.scale(e.add(j, one), from)); // i·to < (j + 1)·from
  const inside = convert(and(after, before), "float32");
  const count = broadcast(sum(inside, [1]), { dims: j.dims, axes: [0], names: j.names });
  return e.div(inside, count);
}
