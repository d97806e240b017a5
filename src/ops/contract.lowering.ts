/** @file The contraction as matrix products of ONNX and StableHLO. */

import type { HloEmitter, HloValue, OnnxEmitter, OnnxValue } from "../core/lowering.ts";
import type { Each, One, Two } from "../core/op.ts";
import { type Aval, aval, dimOf, sizeOf } from "../core/shape.ts";
import type { ContractParams } from "./contract.ts";

/** Labels by their part in a matrix product: batch, rows of the left, columns of the right, summed. */
interface Roles {
  readonly batch: readonly string[];
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  readonly summed: readonly string[];
}

function rolesOf({ lhs, rhs, out }: ContractParams): Roles {
  return {
    batch: out.filter((label) => lhs.includes(label) && rhs.includes(label)),
    rows: out.filter((label) => !rhs.includes(label)),
    columns: out.filter((label) => !lhs.includes(label)),
    summed: lhs.filter((label) => !out.includes(label)),
  };
}

interface Matrix {
  readonly value: OnnxValue;
  readonly transposed: boolean;
}

/**
 * Chooses, in this order: a product element by element when nothing is summed or nothing else is
 * left; `Gemm` without batch labels; `FusedMatMul` with them. Both take transposed operands as they
 * are, so a Transpose node appears only where labels of different roles interleave.
 */
export function contractOnnx(
  g: OnnxEmitter,
  [x, y]: Each<Two, OnnxValue>,
  p: ContractParams,
  {
    inputs: [xForm, yForm],
    outputs: [z],
  }: { readonly inputs: Each<Two, Aval>; readonly outputs: Each<One, Aval> },
): Each<One, OnnxValue> {
  // Kernels may leave a sum over nothing as their memory was.
  if (sizeOf(xForm.dims) === 0 || sizeOf(yForm.dims) === 0)
    return [g.exact(g.constant(z.dtype, [], [0]), z.dims)];
  const roles = rolesOf(p);
  const sizes = new Map<string, number>();
  p.lhs.forEach((label, i) => {
    sizes.set(label, dimOf(xForm, i));
  });
  p.rhs.forEach((label, i) => {
    sizes.set(label, dimOf(yForm, i));
  });
  const sizesOf = (labels: readonly string[]) => labels.map((label) => sizes.get(label) ?? 1);
  if (roles.summed.length === 0 || (roles.rows.length === 0 && roles.columns.length === 0)) {
    return [productAndSum(g, x, y, p, roles, sizesOf, z)];
  }
  const repeated = oneByMany(g, [x, y], p, roles, [xForm, yForm], sizesOf, z);
  if (repeated !== null) return [repeated];
  const left = matrix(
    g,
    g.exact(x, xForm.dims),
    p.lhs,
    roles.batch,
    roles.rows,
    roles.summed,
    sizesOf,
  );
  const right = matrix(
    g,
    g.exact(y, yForm.dims),
    p.rhs,
    roles.batch,
    roles.summed,
    roles.columns,
    sizesOf,
  );
  // Where the result wants columns before rows, the product is formed transposed: (A B)ᵀ = Bᵀ Aᵀ.
  const first = p.out.find((label) => roles.rows.includes(label) || roles.columns.includes(label));
  const swap = first !== undefined && roles.columns.includes(first);
  const natural = swap
    ? [...roles.batch, ...roles.columns, ...roles.rows]
    : [...roles.batch, ...roles.rows, ...roles.columns];
  const rows = sizeOf(sizesOf(swap ? roles.columns : roles.rows));
  const columns = sizeOf(sizesOf(swap ? roles.rows : roles.columns));
  const a = swap ? { value: right.value, transposed: !right.transposed } : left;
  const b = swap ? { value: left.value, transposed: !left.transposed } : right;
  const batch = roles.batch.length === 0 ? [] : [sizeOf(sizesOf(roles.batch))];
  const product = multiply(g, a, b, aval(z.dtype, [...batch, rows, columns]));
  const shaped = g.reshape(product, sizesOf(natural));
  return [
    g.transpose(
      shaped,
      p.out.map((label) => natural.indexOf(label)),
    ),
  ];
}

/**
 * `i k, b k j -> b i j`: one matrix on the left of many, which `FusedMatMul` repeats by itself. As one
 * product over all columns it would need both the operand and the result transposed.
 */
function oneByMany(
  g: OnnxEmitter,
  [x, y]: Each<Two, OnnxValue>,
  { lhs, rhs, out }: ContractParams,
  { batch, rows, summed }: Roles,
  [xForm, yForm]: Each<Two, Aval>,
  sizesOf: (labels: readonly string[]) => number[],
  z: Aval,
): OnnxValue | null {
  const lead = out.slice(0, Math.max(0, out.indexOf(rows[0] ?? "")));
  const columns = out.slice(lead.length + rows.length);
  const size = (labels: readonly string[]) => sizeOf(sizesOf(labels));
  const is = (side: readonly string[], ...parts: (readonly string[])[]) =>
    side.join() === parts.flat().join();
  const fits = batch.length === 0 && columns.length > 0 && size(lead) > 1;
  if (!fits || !is(out, lead, rows, columns)) return null;
  const turned = is(rhs, lead, columns, summed);
  if (!turned && !is(rhs, lead, summed, columns)) return null;
  const transposed = is(lhs, summed, rows);
  if (!transposed && !is(lhs, rows, summed)) return null;
  const a = g.reshape(
    g.exact(x, xForm.dims),
    (transposed ? [summed, rows] : [rows, summed]).map(size),
  );
  const b = g.reshape(
    g.exact(y, yForm.dims),
    (turned ? [lead, columns, summed] : [lead, summed, columns]).map(size),
  );
  const product = aval(z.dtype, [lead, rows, columns].map(size));
  const [one, many] = [
    { value: a, transposed },
    { value: b, transposed: turned },
  ];
  return g.reshape(multiply(g, one, many, product), z.dims);
}

function multiply(g: OnnxEmitter, a: Matrix, b: Matrix, out: Aval): OnnxValue {
  const attributes = {
    transA: { int: Number(a.transposed) },
    transB: { int: Number(b.transposed) },
  };
  if (out.dims.length === 2) return g.node("Gemm", [a.value, b.value], out, attributes);
  return g.node("FusedMatMul", [a.value, b.value], out, attributes, "com.microsoft");
}

/** An operand as `[batch, rows, columns]`, or `[batch, columns, rows]` with the transposed mark. */
function matrix(
  g: OnnxEmitter,
  x: OnnxValue,
  labels: readonly string[],
  batch: readonly string[],
  rows: readonly string[],
  columns: readonly string[],
  sizesOf: (labels: readonly string[]) => number[],
): Matrix {
  const straight = [...batch, ...rows, ...columns];
  const turned = [...batch, ...columns, ...rows];
  const same = (order: readonly string[]) => order.every((label, i) => label === labels[i]);
  // Rows of the innermost axis move whole where it stays innermost; anything else moves number by number.
  const innermost = labels.at(-1);
  const turn =
    !same(straight) &&
    (same(turned) || (straight.at(-1) !== innermost && turned.at(-1) === innermost));
  const wanted = turn ? turned : straight;
  const ordered = g.transpose(
    x,
    wanted.map((label) => labels.indexOf(label)),
  );
  const sides = turn ? [columns, rows] : [rows, columns];
  const lead = batch.length === 0 ? [] : [sizeOf(sizesOf(batch))];
  return {
    value: g.reshape(ordered, [...lead, ...sides.map((side) => sizeOf(sizesOf(side)))]),
    transposed: turn,
  };
}

/** `Σ x·y` with both operands laid out along all labels. */
function productAndSum(
  g: OnnxEmitter,
  x: OnnxValue,
  y: OnnxValue,
  p: ContractParams,
  roles: Roles,
  sizesOf: (labels: readonly string[]) => number[],
  z: Aval,
): OnnxValue {
  const all = [...p.out, ...roles.summed];
  const align = (value: OnnxValue, labels: readonly string[]) => {
    const own = all.filter((label) => labels.includes(label));
    const ordered = g.transpose(
      g.exact(value, sizesOf(labels)),
      own.map((label) => labels.indexOf(label)),
    );
    return g.reshape(
      ordered,
      all.map((label) => (labels.includes(label) ? (sizesOf([label])[0] ?? 1) : 1)),
    );
  };
  const product = g.node("Mul", [align(x, p.lhs), align(y, p.rhs)], aval(z.dtype, sizesOf(all)));
  if (roles.summed.length === 0) return product;
  const axes = roles.summed.map((_, i) => p.out.length + i);
  return g.node("ReduceSum", [product, g.constant("int64", [axes.length], axes)], z, {
    keepdims: { int: 0 },
  });
}

export function contractStablehlo(
  h: HloEmitter,
  [x, y]: Each<Two, HloValue>,
  p: ContractParams,
  [z]: Each<One, Aval>,
): Each<One, HloValue> {
  const { batch, rows, columns, summed } = rolesOf(p);
  const at = (side: readonly string[], labels: readonly string[]) =>
    `[${labels.map((label) => side.indexOf(label)).join(", ")}]`;
  // dot_general keeps each operand's own order of free axes.
  const freeLeft = p.lhs.filter((label) => rows.includes(label));
  const freeRight = p.rhs.filter((label) => columns.includes(label));
  const natural = [...batch, ...freeLeft, ...freeRight];
  const form = aval(
    z.dtype,
    natural.map((label) => dimOf(z, p.out.indexOf(label))),
  );
  const batching =
    batch.length === 0 ? "" : `batching_dims = ${at(p.lhs, batch)} x ${at(p.rhs, batch)}, `;
  const product = h.line(
    `stablehlo.dot_general ${x.name}, ${y.name}, ${batching}contracting_dims = ${at(p.lhs, summed)} x ${at(p.rhs, summed)} : (${h.type(x)}, ${h.type(y)}) -> ${h.type(form)}`,
    form,
  );
  const order = p.out.map((label) => natural.indexOf(label));
  if (order.every((axis, i) => axis === i)) return [product];
  return [
    h.line(
      `stablehlo.transpose ${product.name}, dims = [${order.join(", ")}] : (${h.type(product)}) -> ${h.type(z)}`,
      z,
    ),
  ];
}
