/** @file Linear algebra of one small matrix on the host, by the textbook: what the records evaluate. */

/** A row-major matrix of doubles. */
export class Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;

  /** Zeros where no data are given. */
  constructor(rows: number, columns: number, data?: Float64Array) {
    this.rows = rows;
    this.columns = columns;
    this.data = data ?? new Float64Array(rows * columns);
  }

  get(i: number, j: number): number {
    return this.data[i * this.columns + j] ?? 0;
  }

  set(i: number, j: number, value: number): void {
    this.data[i * this.columns + j] = value;
  }

  /** Row `i` less `factor` times row `by`. */
  subtract(i: number, by: number, factor: number): void {
    for (let j = 0; j < this.columns; j++)
      this.set(i, j, this.get(i, j) - factor * this.get(by, j));
  }

  exchange(i: number, j: number): void {
    for (let k = 0; k < this.columns; k++) {
      const kept = this.get(i, k);
      this.set(i, k, this.get(j, k));
      this.set(j, k, kept);
    }
  }
}

/** How a triangular matrix is read. */
export interface Triangle {
  readonly lower: boolean;
  /** Solve with the transposed matrix. */
  readonly transposed: boolean;
  /** Take ones for the diagonal without reading it. */
  readonly unitDiagonal: boolean;
}

/** Substitution, row by row. */
export function hostTriangularSolve(a: Matrix, b: Matrix, t: Triangle): Matrix {
  const n = a.rows;
  const x = new Matrix(n, b.columns, b.data.slice());
  const entry = (i: number, j: number) => (t.transposed ? a.get(j, i) : a.get(i, j));
  const forward = t.lower !== t.transposed;
  for (let step = 0; step < n; step++) {
    const i = forward ? step : n - 1 - step;
    for (let k = 0; k < b.columns; k++) {
      let value = x.get(i, k);
      for (let j = forward ? 0 : i + 1; j < (forward ? i : n); j++)
        value -= entry(i, j) * x.get(j, k);
      x.set(i, k, t.unitDiagonal ? value : value / entry(i, i));
    }
  }
  return x;
}

/** `L Lᵀ = A` from the lower triangle of A; all NaN when a pivot is not positive. */
export function hostCholesky(a: Matrix): Matrix {
  const n = a.rows;
  const l = new Matrix(n, n);
  for (let j = 0; j < n; j++) {
    for (let i = j; i < n; i++) {
      let value = a.get(i, j);
      for (let k = 0; k < j; k++) value -= l.get(i, k) * l.get(j, k);
      if (i === j && !(value > 0)) return new Matrix(n, n, new Float64Array(n * n).fill(NaN));
      l.set(i, j, i === j ? Math.sqrt(value) : value / l.get(j, j));
    }
  }
  return l;
}

/** Gauss's elimination with the largest pivot of each column: the triangle, and the same steps on `b`. */
function eliminated(a: Matrix, b: Matrix) {
  const u = new Matrix(a.rows, a.columns, a.data.slice());
  const y = new Matrix(b.rows, b.columns, b.data.slice());
  let exchanges = 0;
  for (let j = 0; j < a.rows; j++) {
    let pivot = j;
    for (let i = j + 1; i < a.rows; i++)
      if (Math.abs(u.get(i, j)) > Math.abs(u.get(pivot, j))) pivot = i;
    if (pivot !== j) {
      u.exchange(j, pivot);
      y.exchange(j, pivot);
      exchanges++;
    }
    if (u.get(j, j) === 0) continue;
    for (let i = j + 1; i < a.rows; i++) {
      const factor = u.get(i, j) / u.get(j, j);
      u.subtract(i, j, factor);
      y.subtract(i, j, factor);
    }
  }
  const pivots = Array.from({ length: a.rows }, (_, i) => u.get(i, i));
  return { u, y, exchanges, pivots };
}

/** `A X = B`; all NaN when a pivot is exactly 0. */
export function hostSolve(a: Matrix, b: Matrix): Matrix {
  const { u, y, pivots } = eliminated(a, b);
  if (pivots.includes(0)) return new Matrix(b.rows, b.columns, y.data.fill(NaN));
  return hostTriangularSolve(u, y, { lower: false, transposed: false, unitDiagonal: false });
}

/** Sign and logarithm of the size of the determinant. */
export function hostSlogdet(a: Matrix): readonly [sign: number, log: number] {
  const { pivots, exchanges } = eliminated(a, new Matrix(a.rows, 0));
  const sign = pivots.reduce((s, pivot) => s * Math.sign(pivot), exchanges % 2 === 0 ? 1 : -1);
  return [sign === 0 ? 0 : sign, pivots.reduce((sum, pivot) => sum + Math.log(Math.abs(pivot)), 0)];
}
