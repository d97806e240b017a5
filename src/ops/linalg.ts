/**
 * @file Dense linear algebra of small matrices, batched over leading axes: triangular and general systems,
 * Cholesky's factor, the determinant. Derivatives are formulas in the results; no loop is differentiated.
 */

import { apply } from "../core/builder.ts";
import { ShapeError } from "../core/errors.ts";
import { at, type NdArray, put, zeros } from "../core/ndarray.ts";
import {
  defineOp,
  type Each,
  isLinear,
  type Many,
  notLinear,
  type One,
  type Op,
  type Two,
} from "../core/op.ts";
import { between, random, rejects, type SampleInput, sample, values } from "../core/samples.ts";
import { type Aval, aval, dimOf, sameDims, showAval, sizeOf } from "../core/shape.ts";
import { factorNames, rule } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, scale, sub } from "./arithmetic.ts";
import { contract } from "./contract.ts";
import { broadcast, fullLike, iota } from "./creation.ts";
import { onnxThrough, stablehloThrough } from "./decomposition.ts";
import { checkDType, FLOATS } from "./dtypes.ts";
import { type NoParams, noParams, spread, type UnaryOp } from "./families.ts";
import { inSingle } from "./half.stablehlo.ts";
import { reshape, transpose } from "./layout.ts";
import {
  choleskyColumns,
  slogdetByReflections,
  solveByReflections,
  solveTriangle,
} from "./linalg.columns.ts";
import {
  hostCholesky,
  hostSlogdet,
  hostSolve,
  hostTriangularSolve,
  Matrix,
  type Triangle,
} from "./linalg.host.ts";
import { convert, equal, greaterEqual, less, select } from "./logic.ts";
import { sum } from "./sum.ts";

// ---- matrices on the last two axes ----------------------------------------------------------------

function checkSquare(name: string, a: Aval): number {
  checkDType(name, a, FLOATS);
  const [rows, columns] = a.dims.slice(-2);
  if (columns !== undefined && rows === columns) return columns;
  throw new ShapeError(
    "SHAPE-01",
    `${name}: needs square matrices on the last two axes, not ${showAval(a)}`,
  );
}

/** Checks `A X = B`, and gives X the name of the columns of A. */
function inferSystem(name: string, a: Aval, b: Aval, columns: -1 | -2): Aval {
  const n = checkSquare(name, a);
  const batch = a.dims.slice(0, -2);
  const fits = b.dims.length === a.dims.length && sameDims(b.dims.slice(0, -1), [...batch, n]);
  if (!fits || a.dtype !== b.dtype) {
    throw new ShapeError("SHAPE-01", `${name}: the right side does not fit the matrices.`, [
      ["matrices", showAval(a)],
      ["right side", showAval(b)],
      ["rule", "the same axes before the last two, the same dtype, a row for each row"],
    ]);
  }
  const own = a.names.at(columns) ?? null;
  const names = b.names.map((name, i) => (i === batch.length ? null : name));
  names[batch.length] = names.includes(own) ? null : own;
  return aval(b.dtype, b.dims, names);
}

/** The sides exchanged. */
function turned(a: Tensor): Tensor {
  const last = a.rank - 1;
  return transpose(a, [...a.dims.map((_, i) => i).slice(0, -2), last, last - 1]);
}

function product(a: Tensor, b: Tensor): Tensor {
  const batch = a.dims.slice(0, -2).map((_, axis) => `m${axis}`);
  const [lhs, rhs] = [
    [...batch, "i", "k"],
    [...batch, "k", "j"],
  ];
  return contract(unnamed(a), unnamed(b), { lhs, rhs, out: [...batch, "i", "j"] });
}

function unnamed(x: Tensor): Tensor {
  return reshape(x, x.dims);
}

/** Elements on and below (above) the diagonal, without the diagonal when `strict`; zeros elsewhere. */
export function triangleOf(x: Tensor, lower: boolean, strict: boolean): Tensor {
  const form = aval("int32", x.dims);
  const [row, column] = [iota(form, x.rank - 2), iota(form, x.rank - 1)];
  const [far, near] = lower ? [row, column] : [column, row];
  const edge = strict ? add(near, fullLike(near, 1)) : near;
  return select(greaterEqual(far, edge), x, fullLike(x, 0));
}

/** `a · 1` on the diagonal, zeros elsewhere, in the form of x. */
export function diagonalOf(x: Tensor): Tensor {
  const form = aval("int32", x.dims);
  return select(equal(iota(form, x.rank - 2), iota(form, x.rank - 1)), x, fullLike(x, 0));
}

/** Every matrix of the operands through `f`. */
function eachMatrix(
  inputs: readonly NdArray[],
  outputs: readonly Aval[],
  f: (...matrices: Matrix[]) => readonly ArrayLike<number>[],
): readonly NdArray[] {
  const results = outputs.map(zeros);
  const sides = inputs.map(
    (x) => [dimOf(x, x.dims.length - 2), dimOf(x, x.dims.length - 1)] as const,
  );
  const count = sizeOf(inputs[0]?.dims.slice(0, -2) ?? []);
  for (let m = 0; m < count; m++) {
    const matrices = inputs.map((x, i) => {
      const [rows, columns] = sides[i] ?? [0, 0];
      const matrix = new Matrix(rows, columns);
      matrix.data.forEach((_, j) => {
        matrix.data[j] = at(x, m * rows * columns + j);
      });
      return matrix;
    });
    f(...matrices).forEach((list, i) => {
      const y = results[i];
      for (let j = 0; y !== undefined && j < list.length; j++)
        put(y, m * list.length + j, list[j] ?? 0);
    });
  }
  return results;
}

/** A function of `[batch, rows, columns]` operands on operands with any leading axes. */
function folded<I extends Many>(inputs: Each<I, Tensor>): Each<I, Tensor> {
  const list: readonly Tensor[] = inputs;
  return list.map((x) =>
    reshape(x, [sizeOf(x.dims.slice(0, -2)), ...x.dims.slice(-2)]),
  ) as unknown as Each<I, Tensor>;
}

function systemShard<P>(a: Aval, b: Aval, p: P) {
  const batch = factorNames(a.dims.length - 2);
  const side = [...batch, null, factorNames(1, batch.length)[0] ?? null];
  return rule(p, [[...batch, null, null], side], [side.slice(0, b.dims.length)]);
}

// ---- systems --------------------------------------------------------------------------------------

/**
 * X of `A X = B`, or of `Aᵀ X = B`, with A triangular; its other triangle is not read.
 *
 * A zero on the diagonal divides by zero: infinities and NaN.
 */
export const triangularSolveOp: Op<Triangle, Two, One> = defineOp<Triangle, Two, One>({
  name: "triangularSolve",
  infer: ([a, b], { transposed }) => [inferSystem("triangularSolve", a, b, transposed ? -2 : -1)],
  jvp: {
    kind: "rule",
    // A dX = dB − dA X
    apply: ([da, db], [a, b], [x], t) => {
      if (da === null && db === null) return [null];
      if (da === null) return [triangularSolve(a, db ?? fullLike(b, 0), t)];
      const own = triangleOf(da, t.lower, t.unitDiagonal);
      const moved = product(t.transposed ? turned(own) : own, x);
      const right = sub(db === null ? fullLike(moved, 0) : unnamed(db), moved);
      return [named(triangularSolve(a, right, t), x)];
    },
  },
  transpose: {
    kind: "rule",
    apply: ([ct], [a], t) => [
      null,
      ct === null || isLinear(a)
        ? null
        : unnamed(triangularSolve(a, unnamed(ct), { ...t, transposed: !t.transposed })),
    ],
  },
  batch: (inputs, mapped, t, size) => apply(triangularSolveOp, spread(inputs, mapped, size), t),
  shard: ([a, b], _y, t) => systemShard(a, b, t),
  evaluate: (inputs, t, outputs) =>
    eachMatrix(inputs, outputs, (a, b) => [
      hostTriangularSolve(a as Matrix, b as Matrix, t).data,
    ]) as [NdArray],
  simplify: () => null,
  lower: {
    onnx: onnxThrough((inputs, t: Triangle) => {
      const [a, b] = folded<Two>(inputs);
      return [reshape(solveTriangle(a, b, t), inputs[1].dims)];
    }),
    stablehlo: (h, inputs, { lower, transposed, unitDiagonal }, outputs) =>
      inSingle<Two, One>(h, inputs, outputs, ([a, b]) => {
        const turn = transposed ? "TRANSPOSE" : "NO_TRANSPOSE";
        return [
          h.line(
            `"stablehlo.triangular_solve"(${a.name}, ${b.name}) <{left_side = true, lower = ${lower}, transpose_a = #stablehlo<transpose ${turn}>, unit_diagonal = ${unitDiagonal}}> : (${h.type(a)}, ${h.type(b)}) -> ${h.type(b)}`,
            b,
          ),
        ];
      }),
  },
  samples: () => {
    const t = (lower: boolean, transposed = false, unitDiagonal = false): Triangle => {
      return { lower, transposed, unitDiagonal };
    };
    const side = (...dims: number[]) => between(0.5, 1.5, ...dims);
    return [
      sample("lower", [side(3, 3), random(3, 2)], t(true)),
      sample("upper", [side(3, 3), random(3, 2)], t(false)),
      sample("lower, transposed", [side(3, 3), random(3, 1)], t(true, true)),
      sample("upper, transposed", [side(4, 4), random(4, 2)], t(false, true)),
      sample("a diagonal of ones", [random(3, 3), random(3, 2)], t(true, false, true)),
      sample("a batch", [side(2, 2, 3, 3), random(2, 2, 3, 2)], t(false, true, true)),
      sample("one by one", [side(1, 1), random(1, 3)], t(true)),
      sample("no right sides", [side(2, 2), random(2, 0)], t(true)),
      sample("no rows", [side(2, 0, 0), random(2, 0, 3)], t(true)),
      sample(
        "a zero on the diagonal",
        [values(aval("float32", [1, 1]), 0), values(aval("float32", [1, 3]), 2, -1, 0)],
        t(true),
        false,
      ),
    ];
  },
  rejects: () => [
    rejects(
      "an oblong matrix",
      [aval("float32", [3, 2]), aval("float32", [3, 1])],
      { lower: true, transposed: false, unitDiagonal: false },
      "triangularSolve: needs square matrices on the last two axes, not float32[3, 2]",
    ),
    rejects(
      "a vector",
      [aval("float32", [3, 3]), aval("float32", [3])],
      { lower: true, transposed: false, unitDiagonal: false },
      "triangularSolve: the right side does not fit the matrices.",
    ),
  ],
});

/** x with the names of another tensor of its form. */
function named(x: Tensor, like: Tensor): Tensor {
  return reshape(x, x.dims, like.names);
}

export function triangularSolve(a: Tensor, b: Tensor, triangle: Triangle): Tensor {
  return apply(triangularSolveOp, [a, b], triangle)[0];
}

/**
 * X of `A X = B`.
 *
 * A singular matrix gives NaN where an exact zero turns up on the way, else large numbers without meaning.
 */
export const solveOp: Op<NoParams, Two, One> = defineOp<NoParams, Two, One>({
  name: "solve",
  infer: ([a, b]) => [inferSystem("solve", a, b, -1)],
  jvp: {
    kind: "rule",
    // A dX = dB − dA X
    apply: ([da, db], [a, b], [x]) => {
      if (da === null) return [db === null ? null : solve(a, db)];
      const moved = product(da, x);
      return [
        named(solve(a, named(sub(db === null ? fullLike(moved, 0) : unnamed(db), moved), b)), x),
      ];
    },
  },
  transpose: {
    kind: "rule",
    apply: ([ct], [a]) => [
      null,
      ct === null || isLinear(a) ? null : unnamed(solve(turned(a), unnamed(ct))),
    ],
  },
  batch: (inputs, mapped, _params, size) => apply(solveOp, spread(inputs, mapped, size), noParams),
  shard: ([a, b]) => systemShard(a, b, noParams),
  evaluate: (inputs, _params, outputs) =>
    eachMatrix(inputs, outputs, (a, b) => [hostSolve(a as Matrix, b as Matrix).data]) as [NdArray],
  simplify: () => null,
  lower: ((): Op<NoParams, Two, One>["lower"] => {
    const byReflections = (inputs: Each<Two, Tensor>): Each<One, Tensor> => {
      const [a, b] = folded<Two>(inputs);
      return [reshape(solveByReflections(a, b), inputs[1].dims)];
    };
    return { onnx: onnxThrough(byReflections), stablehlo: stablehloThrough(byReflections) };
  })(),
  samples: () => [
    sample("a matrix", [WELL, random(3, 2)], noParams),
    sample("a zero to begin with", [PERMUTED, random(3, 2)], noParams),
    sample("a batch", [random(2, 2, 2), random(2, 2, 3)], noParams),
    sample("one by one", [between(0.5, 2, 1, 1), random(1, 2)], noParams),
    sample("no right sides", [WELL, random(3, 0)], noParams),
    sample("no rows", [random(0, 0), random(0, 2)], noParams),
    sample(
      "very large and very small",
      [
        values(aval("float32", [2, 2]), 1e30, 2e30, 3e-30, -1e-30),
        values(aval("float32", [2, 1]), 1e30, 1e-30),
      ],
      noParams,
      false,
    ),
    sample("singular", [SINGULAR, random(3, 2)], noParams, false),
  ],
  rejects: () => [
    rejects(
      "another number of rows",
      [aval("float32", [2, 3, 3]), aval("float32", [2, 4, 1])],
      noParams,
      "solve: the right side does not fit the matrices.",
    ),
  ],
});

const square = aval("float32", [3, 3]);
const WELL: SampleInput = values(square, 4, -1, 0.5, 1, 3, -2, -0.5, 1, 2);
const PERMUTED: SampleInput = values(square, 0, 2, 1, 0, -1, 3, 5, 1, 1);
const SINGULAR: SampleInput = values(square, 1, 0, 2, -1, 0, 1, 3, 0, 1);
const DEFINITE: SampleInput = values(square, 4, 99, 99, 1, 3, 99, -2, 0.5, 5);

export function solve(a: Tensor, b: Tensor): Tensor {
  return apply(solveOp, [a, b], noParams)[0];
}

// ---- one matrix -----------------------------------------------------------------------------------

/**
 * Lower triangular L with a positive diagonal and `L Lᵀ = A`. Only the lower triangle of A is read.
 *
 * A matrix that is not positive definite, or not finite, gives NaN in every element.
 */
export const choleskyOp: UnaryOp = defineOp<NoParams, One, One>({
  name: "cholesky",
  infer([a]) {
    checkSquare("cholesky", a);
    return [a];
  },
  jvp: {
    kind: "rule",
    // dL = L Φ(L⁻¹ dA L⁻ᵀ), with Φ the lower triangle, half of it on the diagonal (Murray 2016).
    apply: ([da], _a, [l]) => {
      if (da === null) return [null];
      const t = { lower: true, transposed: false, unitDiagonal: false };
      const whole = unnamed(da);
      const below = triangleOf(whole, true, true);
      const symmetric = add(triangleOf(whole, true, false), turned(below));
      const once = triangularSolve(unnamed(l), symmetric, t);
      const twice = triangularSolve(unnamed(l), turned(once), t);
      const half = sub(triangleOf(twice, true, false), scale(diagonalOf(twice), 0.5));
      return [named(product(l, half), l)];
    },
  },
  transpose: notLinear("its tangent is made of products"),
  batch: ([a]) => [cholesky(a)],
  shard: ([a]) => {
    const axes = [...factorNames(a.dims.length - 2), null, null];
    return rule(noParams, [axes], [axes]);
  },
  evaluate: (inputs, _params, outputs) =>
    eachMatrix(inputs, outputs, (a) => [hostCholesky(a as Matrix).data]) as [NdArray],
  simplify: () => null,
  lower: {
    onnx: onnxThrough((inputs) => {
      const [a] = folded<One>(inputs);
      return [reshape(allOrNothing(choleskyColumns(a)), inputs[0].dims)];
    }),
    stablehlo: (h, inputs, _params, outputs) =>
      inSingle<One, One>(h, inputs, outputs, ([a]) => {
        const raw = h.line(
          `"stablehlo.cholesky"(${a.name}) <{lower = true}> : (${h.type(a)}) -> ${h.type(a)}`,
          a,
        );
        const tidy = ([l]: Each<One, Tensor>): Each<One, Tensor> => {
          return [allOrNothing(triangleOf(l, true, false))];
        };
        return stablehloThrough<NoParams, One, One>(tidy)(h, [raw], noParams, outputs);
      }),
  },
  samples: () => [
    sample("a matrix", [DEFINITE], noParams),
    sample("a batch", [values(aval("float32", [2, 2, 2]), 2, 0, 1, 3, 1, 0, -0.5, 0.5)], noParams),
    sample("one by one", [between(0.5, 2, 3, 1, 1)], noParams),
    sample("no rows", [random(2, 0, 0)], noParams),
    sample(
      "not positive definite",
      [values(aval("float32", [3, 2, 2]), 1, 0, 2, 1, 0, 0, 0, 1, 1, 0, 1, 1)],
      noParams,
      false,
    ),
    sample(
      "not finite",
      [values(aval("float32", [2, 2, 2]), NaN, 0, 0, 1, 1, 0, NaN, 1)],
      noParams,
      false,
    ),
  ],
  rejects: () => [
    rejects(
      "an oblong matrix",
      [aval("float32", [3, 2])],
      noParams,
      "cholesky: needs square matrices on the last two axes, not float32[3, 2]",
    ),
  ],
});

/** NaN in every element of a factor whose diagonal is not positive throughout. */
function allOrNothing(l: Tensor): Tensor {
  const [rows, columns] = [l.rank - 2, l.rank - 1];
  const diagonal = sum(diagonalOf(l), [columns]);
  const pivots = sum(convert(less(fullLike(diagonal, 0), diagonal), l.dtype), [rows]); // NaN is not more
  const good = equal(pivots, fullLike(pivots, dimOf(l.aval, rows)));
  const spoilt = select(good, fullLike(pivots, 0), fullLike(pivots, NaN));
  return add(l, broadcast(spoilt, { ...l.aval, axes: pivots.dims.map((_, i) => i) }));
}

export function cholesky(a: Tensor): Tensor {
  return apply(choleskyOp, [a], noParams)[0];
}

/**
 * Sign of the determinant, and the logarithm of its size; 0 and −∞ where an exact zero shows that the
 * matrix is singular. The derivative of the logarithm is `tr(A⁻¹ dA)`.
 */
export const slogdetOp: Op<NoParams, One, Two> = defineOp<NoParams, One, Two>({
  name: "slogdet",
  infer([a]) {
    checkSquare("slogdet", a);
    const form = aval(a.dtype, a.dims.slice(0, -2), a.names.slice(0, -2));
    return [form, form];
  },
  jvp: {
    kind: "rule",
    apply: ([da], [a], [, log]) => {
      if (da === null) return [null, null];
      const moved = diagonalOf(solve(unnamed(a), unnamed(da)));
      return [null, named(sum(moved, [a.rank - 2, a.rank - 1]), log)];
    },
  },
  transpose: notLinear("its tangent is a trace of products"),
  batch: ([a]) => slogdet(a),
  shard: ([a]) => {
    const batch = factorNames(a.dims.length - 2);
    return rule(noParams, [[...batch, null, null]], [batch, batch]);
  },
  evaluate: (inputs, _params, outputs) =>
    eachMatrix(inputs, outputs, (a) => hostSlogdet(a).map((x) => [x])) as [NdArray, NdArray],
  simplify: () => null,
  lower: ((): Op<NoParams, One, Two>["lower"] => {
    const byReflections = (inputs: Each<One, Tensor>): Each<Two, Tensor> => {
      const batch = inputs[0].dims.slice(0, -2);
      const [sign, log] = slogdetByReflections(folded<One>(inputs)[0]);
      return [reshape(sign, batch), reshape(log, batch)];
    };
    return { onnx: onnxThrough(byReflections), stablehlo: stablehloThrough(byReflections) };
  })(),
  samples: () => [
    sample("a matrix", [WELL], noParams),
    sample("a zero to begin with", [PERMUTED], noParams),
    sample("a batch", [random(2, 3, 2, 2)], noParams),
    sample("one by one", [between(-2, -1, 2, 1, 1)], noParams),
    sample("no rows", [random(2, 0, 0)], noParams),
    sample("singular", [SINGULAR], noParams, false),
    sample(
      "beyond the range of 16-bit numbers",
      [values(aval("float32", [2, 2]), 0, 3e4, -3e4, 2)],
      noParams,
      false,
    ),
  ],
  rejects: () => [
    rejects(
      "a vector",
      [aval("float32", [3])],
      noParams,
      "slogdet: needs square matrices on the last two axes, not float32[3]",
    ),
  ],
});

export function slogdet(a: Tensor): readonly [sign: Tensor, log: Tensor] {
  return apply(slogdetOp, [a], noParams);
}
