/** @file Grouped matrix products as ONNX nodes and StableHLO lines. */

import type { HloEmitter, HloValue, OnnxEmitter, OnnxValue } from "../core/lowering.ts";
import type { Each, One, Three } from "../core/op.ts";
import { type Aval, aval, dimOf } from "../core/shape.ts";

interface Forms {
  readonly inputs: Each<Three, Aval>;
  readonly outputs: Each<One, Aval>;
}

/**
 * Where ONNX cuts the rows: int64 counts of every group, and of the rows left over.
 *
 * ONNX's Split takes sizes that are known at run time only. So every group is one Gemm on just its own
 * rows: no row is computed for a group that it is not in, and no matrix is copied for a block of rows.
 * The graph grows by one Gemm a group.
 */
function cuts(g: OnnxEmitter, sizes: OnnxValue, groups: number, rows: number) {
  const list = aval("int64", [groups]);
  const number = (value: number) => g.constant("int64", [], [value]);
  const long = g.node("Cast", [g.exact(sizes, [groups])], list, { to: { int: 7 } });
  const positive = g.node("Max", [long, number(0)], list);
  const sums = g.node("CumSum", [positive, number(0)], list);
  const ends = g.node("Min", [sums, number(rows)], list);
  const starts = g.node("Min", [g.node("Sub", [sums, positive], list), number(rows)], list);
  const one = aval("int64", [1]);
  const place = (at: number) => g.constant("int64", [1], [at]);
  const last = g.node("Slice", [ends, place(groups - 1), place(groups)], one);
  const rest = g.node("Sub", [place(rows), last], one);
  const counts = g.node("Sub", [ends, starts], list);
  const whole = g.node("Concat", [counts, rest], aval("int64", [groups + 1]), { axis: { int: 0 } });
  return { counts: whole, rest };
}

/**
 * The rows of every group, or with `across` the columns. A piece's length is known at run time only; its
 * form says the average.
 */
function piecesOf(
  g: OnnxEmitter,
  x: OnnxValue,
  form: Aval,
  counts: OnnxValue,
  across = false,
): readonly OnnxValue[] {
  const pieces = dimOf(counts, 0);
  const axis = across ? 1 : 0;
  const average = Math.ceil(dimOf(form, axis) / pieces);
  const dims = across ? [dimOf(form, 0), average] : [average, dimOf(form, 1)];
  return g
    .nodes({
      op: "Split",
      inputs: [g.exact(x, form.dims), counts],
      attributes: { axis: { int: axis } },
      outputs: Array<Aval>(pieces).fill(aval(form.dtype, dims)),
    })
    .slice(0, -1);
}

/** The matrices `[group, a, b]` one by one. */
function matricesOf(g: OnnxEmitter, w: OnnxValue, form: Aval): readonly OnnxValue[] {
  const [groups, rows, columns] = [dimOf(form, 0), dimOf(form, 1), dimOf(form, 2)];
  return g.nodes({
    op: "Split",
    inputs: [
      g.reshape(g.exact(w, form.dims), [groups * rows, columns]),
      g.constant("int64", [groups], Array<number>(groups).fill(rows)),
    ],
    attributes: { axis: { int: 0 } },
    outputs: Array<Aval>(groups).fill(aval(form.dtype, [rows, columns])),
  });
}

export function raggedDotOnnx(
  g: OnnxEmitter,
  [x, w, sizes]: Each<Three, OnnxValue>,
  { transposed, steady }: { readonly transposed: boolean; readonly steady: boolean },
  { inputs: [xForm, wForm], outputs: [y] }: Forms,
): Each<One, OnnxValue> {
  const [groups, rows] = [dimOf(wForm, 0), dimOf(y, 0)];
  const { counts, rest } = cuts(g, sizes, groups, rows);
  const matrices = matricesOf(g, w, wForm);
  // Of a left side that lies the other way, Gemm has no other code for a single row.
  const left = steady ? g.transpose(g.exact(x, xForm.dims), [1, 0]) : x;
  const leftForm = steady ? aval(xForm.dtype, [dimOf(xForm, 1), dimOf(xForm, 0)]) : xForm;
  const products = piecesOf(g, left, leftForm, counts, steady).map((piece, i) => {
    const form = aval(y.dtype, [dimOf(piece, steady ? 1 : 0), dimOf(y, 1)]);
    const attributes = { transA: { int: Number(steady) }, transB: { int: Number(transposed) } };
    return g.node("Gemm", [piece, matrices[i] ?? w], form, attributes);
  });
  const joined = g.node("Concat", products, y, { axis: { int: 0 } });
  const zeros = (count: number) => g.constant("int64", [count], Array<number>(count).fill(0));
  const pads = g.node("Concat", [zeros(2), rest, zeros(1)], aval("int64", [4]), {
    axis: { int: 0 },
  });
  return [g.node("Pad", [joined, pads], y)];
}

export function raggedOuterOnnx(
  g: OnnxEmitter,
  [x, z, sizes]: Each<Three, OnnxValue>,
  _params: unknown,
  { inputs: [xForm, zForm], outputs: [y] }: Forms,
): Each<One, OnnxValue> {
  const [groups, rows, columns] = [dimOf(y, 0), dimOf(y, 1), dimOf(y, 2)];
  const { counts } = cuts(g, sizes, groups, dimOf(xForm, 0));
  const right = piecesOf(g, z, zForm, counts);
  const products = piecesOf(g, x, xForm, counts).map((left, i) =>
    g.node("Gemm", [left, right[i] ?? z], aval(y.dtype, [rows, columns]), {
      transA: { int: 1 },
      transB: { int: 0 },
    }),
  );
  const joined = g.node("Concat", products, aval(y.dtype, [groups * rows, columns]), {
    axis: { int: 0 },
  });
  return [g.reshape(joined, y.dims)];
}

/** Truth values `[group, row]`: which rows a group has. */
function membership(h: HloEmitter, sizes: HloValue, rows: number): HloValue {
  const groups = dimOf(sizes, 0);
  const grid = aval("int32", [groups, rows]);
  const square = aval("int32", [groups, groups]);
  const count = (axis: number, form: Aval) =>
    h.line(`stablehlo.iota dim = ${axis} : ${h.type(form)}`, form);
  const compare = (how: string, a: HloValue, b: HloValue) =>
    h.line(
      `stablehlo.compare ${how}, ${a.name}, ${b.name} : (${h.type(a)}, ${h.type(b)}) -> ${h.type(aval("bool", a.dims))}`,
      aval("bool", a.dims),
    );
  const positive = h.elementwise(
    "stablehlo.maximum",
    [sizes, h.splat(0, sizes)],
    aval("int32", [groups]),
  );
  const earlier = compare("LE", count(1, square), count(0, square));
  const ends = h.reduce(
    "stablehlo.add",
    choose(h, earlier, h.broadcast(positive, [1], square.dims)),
    0,
    [1],
  );
  const starts = h.elementwise("stablehlo.subtract", [ends, positive], aval("int32", [groups]));
  const row = count(1, grid);
  const over = (x: HloValue) => h.broadcast(x, [0], grid.dims);
  return h.elementwise(
    "stablehlo.and",
    [compare("GE", row, over(starts)), compare("LT", row, over(ends))],
    aval("bool", grid.dims),
  );
}

/** x where the test holds, else 0: a product with 0 would let NaN through. */
function choose(h: HloEmitter, test: HloValue, x: HloValue): HloValue {
  const zero = h.splat(0, x);
  return h.line(
    `stablehlo.select ${test.name}, ${x.name}, ${zero.name} : ${h.type(test)}, ${h.type(x)}`,
    x,
  );
}

/** `[group, row, …]` from rows `[row, …]`: each group's copy, zero but for its own rows. */
function spread(h: HloEmitter, members: HloValue, x: HloValue): HloValue {
  const dims = [...members.dims, dimOf(x, 1)];
  return choose(h, h.broadcast(members, [0, 1], dims), h.broadcast(x, [1, 2], dims));
}

/** Every group computes all rows, those of others as zeros: G times the work, and no loop. */
export function raggedDotStablehlo(
  h: HloEmitter,
  [x, w, sizes]: Each<Three, HloValue>,
  { transposed }: { readonly transposed: boolean },
  [y]: Each<One, Aval>,
): Each<One, HloValue> {
  const members = membership(h, sizes, dimOf(x, 0));
  const own = spread(h, members, x);
  const form = aval(y.dtype, [dimOf(w, 0), ...y.dims]);
  const products = h.line(
    `stablehlo.dot_general ${own.name}, ${w.name}, batching_dims = [0] x [0], contracting_dims = [2] x [${transposed ? 2 : 1}] : (${h.type(own)}, ${h.type(w)}) -> ${h.type(form)}`,
    form,
  );
  const kept = choose(h, h.broadcast(members, [0, 1], form.dims), products);
  return [h.reduce("stablehlo.add", kept, 0, [0])];
}

export function raggedOuterStablehlo(
  h: HloEmitter,
  [x, z, sizes]: Each<Three, HloValue>,
  _params: unknown,
  [y]: Each<One, Aval>,
): Each<One, HloValue> {
  const members = membership(h, sizes, dimOf(x, 0));
  const [left, right] = [spread(h, members, x), spread(h, members, z)];
  return [
    h.line(
      `stablehlo.dot_general ${left.name}, ${right.name}, batching_dims = [0] x [0], contracting_dims = [1] x [1] : (${h.type(left)}, ${h.type(right)}) -> ${h.type(y)}`,
      y,
    ),
  ];
}
