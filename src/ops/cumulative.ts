/** @file Running sums, products, extremes and log-sums along one axis. Integers wrap around. */

import { apply } from "../core/builder.ts";
import { ShapeError } from "../core/errors.ts";
import type { OnnxEmitter, OnnxValue } from "../core/lowering.ts";
import { at, forLines, put, zeros } from "../core/ndarray.ts";
import { defineOp, linear, type One, type Op } from "../core/op.ts";
import { between, integers, random, rejects, sample, values, words } from "../core/samples.ts";
import { type Aval, aval, dimOf, showAval } from "../core/shape.ts";
import { factorNames, rule } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { mul } from "./arithmetic.ts";
import { fullLike } from "./creation.ts";
import { checkDType, NUMBERS } from "./dtypes.ts";
import { logAddExp } from "./exponential.ts";
import { GREATEST, LEAST, maximum, minimum } from "./magnitude.ts";
import { concatenate, slice } from "./pieces.ts";

/** Params of the op. */
export interface CumsumParams {
  readonly axis: number;
  /** Sum from the end towards the start. */
  readonly reverse: boolean;
}

/** Running sum along one axis: `y[i] = Σ x[j], j ≤ i`. */
export const cumsumOp: Op<CumsumParams, One, One> = defineOp<CumsumParams, One, One>({
  name: "cumsum",
  infer([x], { axis }) {
    checkDType("cumsum", x, NUMBERS);
    if (!(axis in x.dims))
      throw new ShapeError("SHAPE-01", `cumsum: axis ${axis} is not an axis of ${showAval(x)}`);
    return [x];
  },
  jvp: linear,
  // Its transpose runs the other way.
  transpose: {
    kind: "rule",
    apply: ([ct], _x, p) => [ct === null ? null : cumsum(ct, p.axis, { reverse: !p.reverse })],
  },
  batch: ([x], _mapped, p) => [cumsum(x, p.axis + 1, { reverse: p.reverse })],
  shard: ([x], _y, p) => {
    // A prefix needs every earlier element.
    const factors = factorNames(x.dims.length);
    return rule(p, [factors], [factors], { moves: factors.slice(p.axis, p.axis + 1) });
  },
  evaluate: ([x], { axis, reverse }, [y]) => {
    const out = zeros(y);
    forLines(x.dims, axis, (base, stride, length) => {
      let total = 0;
      for (let step = 0; step < length; step++) {
        const i = base + stride * (reverse ? length - 1 - step : step);
        total += at(x, i);
        put(out, i, total);
      }
    });
    return [out];
  },
  simplify: () => null,
  lower: {
    onnx: (g, [x], { axis, reverse }, { inputs: [from], outputs: [y] }) => [
      inSigned(g, g.exact(x, from.dims), y, (whole, form) =>
        g.node("CumSum", [whole, g.constant("int64", [], [axis])], form, {
          reverse: { int: Number(reverse) },
        }),
      ),
    ],
    stablehlo: (h, [x], { axis, reverse }, [y]) => {
      const before = x.dims.map((_, i) =>
        i === axis && !reverse ? Math.max(0, dimOf(x, axis) - 1) : 0,
      );
      const after = x.dims.map((_, i) =>
        i === axis && reverse ? Math.max(0, dimOf(x, axis) - 1) : 0,
      );
      const window = x.dims.map((_, i) => (i === axis ? Math.max(1, dimOf(x, axis)) : 1));
      const zero = h.splat(0, aval(y.dtype, []));
      const scalar = h.type(zero);
      const padding = before.map((low, i) => `[${low}, ${after[i]}]`).join(", ");
      return [
        h.line(
          `"stablehlo.reduce_window"(${x.name}, ${zero.name}) <{window_dimensions = array<i64: ${window.join(", ")}>, padding = dense<[${padding}]> : tensor<${x.dims.length}x2xi64>}> ({\n` +
            `    ^bb0(%p: ${scalar}, %q: ${scalar}):\n      %s = stablehlo.add %p, %q : ${scalar}\n      stablehlo.return %s : ${scalar}\n    }) : (${h.type(x)}, ${scalar}) -> ${h.type(y)}`,
          y,
        ),
      ];
    },
  },
  samples: () => [
    sample("rows", [random(3, 4)], { axis: 1, reverse: false }),
    sample("from the end", [random(2, 5)], { axis: 1, reverse: true }),
    sample("outer axis", [between(0, 1, 3, 2)], { axis: 0, reverse: false }),
    sample("an empty axis", [random(2, 0)], { axis: 1, reverse: false }),
    sample("one element", [random(1)], { axis: 0, reverse: false }),
    sample(
      "specials",
      [values(aval("float32", [4]), 1, Infinity, -Infinity, 2)],
      { axis: 0, reverse: true },
      false,
    ),
    sample("integers", [integers(0, 9, 6)], { axis: 0, reverse: false }),
    sample("wrapping integers", [integers(2 ** 30, 2 ** 31, 5)], { axis: 0, reverse: true }, false),
    sample("wrapping words", [words(2, 5)], { axis: 1, reverse: false }, false),
  ],
  rejects: () => [
    rejects(
      "an axis past the end",
      [aval("float32", [3, 4])],
      { axis: 2, reverse: false },
      "cumsum: axis 2 is not an axis of float32[3, 4]",
    ),
  ],
});

/** The kernel lacks uint32; int32 wraps to the same bits. */
function inSigned(
  g: OnnxEmitter,
  x: OnnxValue,
  output: Aval,
  summed: (x: OnnxValue, form: Aval) => OnnxValue,
): OnnxValue {
  if (output.dtype !== "uint32") return summed(x, output);
  const signed = { ...output, dtype: "int32" as const };
  const from = g.node("Cast", [x], signed, { to: { int: 6 } });
  return g.node("Cast", [summed(from, signed)], output, { to: { int: 12 } });
}

/** How a running value runs. */
export interface Run {
  /** From the end towards the start. */
  readonly reverse?: boolean;
  /** Without the element itself: the first value is that of nothing. */
  readonly exclusive?: boolean;
}

export function cumsum(
  x: Tensor,
  axis: number,
  { reverse = false, exclusive = false }: Run = {},
): Tensor {
  const [y] = apply(cumsumOp, [x], { axis, reverse });
  return exclusive ? shifted(y, axis, reverse, 0) : y;
}

/** Running product; its derivative divides by nothing, so it is right at zeros. */
export function cumprod(x: Tensor, axis: number, run: Run = {}): Tensor {
  return running("cumprod", x, axis, run, mul, 1);
}

/** Running maximum. NaN wins from where it stands on; the gradient of a tie goes to the first that it met. */
export function cummax(x: Tensor, axis: number, run: Run = {}): Tensor {
  return running("cummax", x, axis, run, maximum, LEAST[x.dtype]);
}

/** Running minimum; NaN and ties as for `cummax`. */
export function cummin(x: Tensor, axis: number, run: Run = {}): Tensor {
  return running("cummin", x, axis, run, minimum, GREATEST[x.dtype]);
}

/** Running `log Σ eˣ`, of floats. */
export function cumLogSumExp(x: Tensor, axis: number, run: Run = {}): Tensor {
  return running("cumLogSumExp", x, axis, run, logAddExp, -Infinity);
}

/**
 * Prefixes under an associative operation in log₂ n rounds, each of which doubles the reach of every element
 * (Hillis and Steele, 1986). `combine` gets what lies nearer the start of the run first.
 */
function running(
  name: string,
  x: Tensor,
  axis: number,
  { reverse = false, exclusive = false }: Run,
  combine: (nearer: Tensor, farther: Tensor) => Tensor,
  nothing: number,
): Tensor {
  checkDType(name, x.aval, NUMBERS);
  const n = dimOf(x.aval, axis);
  let y = x;
  for (let reach = 1; reach < n; reach *= 2) {
    const [low, high] = [along(y, axis, 0, n - reach), along(y, axis, reach, n)];
    y = reverse
      ? concatenate([combine(high, low), along(y, axis, n - reach, n)], axis)
      : concatenate([along(y, axis, 0, reach), combine(low, high)], axis);
  }
  return exclusive ? shifted(y, axis, reverse, nothing) : y;
}

/** One place on in the direction of the run, with `nothing` in the first place. */
function shifted(y: Tensor, axis: number, reverse: boolean, nothing: number): Tensor {
  const n = dimOf(y.aval, axis);
  if (n === 0) return y;
  const one = fullLike(
    { ...y.aval, dims: y.dims.map((dim, i) => (i === axis ? 1 : dim)) },
    nothing,
  );
  return reverse
    ? concatenate([along(y, axis, 1, n), one], axis)
    : concatenate([one, along(y, axis, 0, n - 1)], axis);
}

function along(x: Tensor, axis: number, from: number, to: number): Tensor {
  return slice(
    x,
    x.dims.map((_, i) => (i === axis ? from : 0)),
    x.dims.map((dim, i) => (i === axis ? to : dim)),
  );
}
