/** @file The error function in float64 as nodes; ONNX Runtime's kernel knows float32 alone. */

import type { OnnxEmitter, OnnxValue } from "../core/lowering.ts";

/** Distance of the places at which `complement` takes its integrand: its error is `e^−(π/h)²`, 7e-18. */
const STEP = 0.5;
/** Terms until `e^−t²` is below 1e-17. */
const PLACES = 13;
/** Beyond, the complement is no normal number any more. */
const FAR = 26;
/** Below, a series keeps erf's own digits, which `1 − complement` would lose. */
const NEAR = 0.5;
/** Of that series; the next is below 1e-17. */
const TERMS = 12;

/** `erf x`: by `2/√π Σ (−1)ⁿ x^(2n+1) / (n! (2n+1))` near 0, by its complement elsewhere. */
export function errorFunction(g: OnnxEmitter, x: OnnxValue): OnnxValue {
  const { constant, node } = writer(g, x);
  const size = node("Abs", x);
  const squared = node("Mul", x, x);
  const coefficients: number[] = [];
  for (let n = 0, factorial = 1; n < TERMS; n++, factorial *= -n)
    coefficients.unshift(2 / Math.sqrt(Math.PI) / (factorial * (2 * n + 1)));
  const series = coefficients
    .slice(1)
    .reduce((sum, c) => node("Add", node("Mul", sum, squared), constant(c)), constant(coefficients[0] ?? 0)); // biome-ignore format: one line
  const far = node("Mul", node("Sign", x), node("Sub", constant(1), complement(g, size)));
  const near = g.node("Less", [size, constant(NEAR)], { dtype: "bool", dims: x.dims });
  return node("Where", near, node("Mul", x, series), far);
}

/**
 * `1 − erf x` for x ≥ 0, with all its digits: the midpoint rule for `2/π x e^−x² ∫ e^−t² / (t² + x²) dt`, to which the
 * residue at the integrand's pole belongs while that is nearer than π/h:
 * `2/π h x e^−x² Σ e^−t² / (t² + x²) + 2 / (1 + e^(2πx/h))` over `t = (n + ½) h`.
 *
 * @see Matta and Reichel, Mathematics of Computation 25 (1971), 339
 */
export function complement(g: OnnxEmitter, x: OnnxValue): OnnxValue {
  const { constant, node } = writer(g, x);
  const held = node("Min", x, constant(FAR));
  const squared = node("Mul", held, held);
  const terms = Array.from({ length: PLACES }, (_, n) => {
    const t = (n + 0.5) * STEP;
    return node("Div", constant(Math.exp(-t * t)), node("Add", squared, constant(t * t)));
  });
  const sum = terms.reduce((total, term) => node("Add", total, term));
  const scale = node("Mul", constant((2 * STEP) / Math.PI), node("Mul", held, node("Exp", node("Neg", squared)))); // biome-ignore format: one line
  const power = node("Exp", node("Mul", constant((2 * Math.PI) / STEP), held));
  const residue = node("Div", constant(2), node("Add", constant(1), power));
  const truth = { dtype: "bool" as const, dims: x.dims };
  const nearby = g.node("Less", [held, constant(Math.PI / STEP)], truth);
  return node("Add", node("Mul", scale, sum), node("Where", nearby, residue, constant(0)));
}

function writer(g: OnnxEmitter, { dtype, dims }: OnnxValue) {
  return {
    constant: (value: number) => g.constant(dtype, [], [value]),
    node: (op: string, ...xs: OnnxValue[]) => g.node(op, xs, { dtype, dims }),
  };
}
