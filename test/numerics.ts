/** @file What ops do at the edges of their domains: the rows of `docs/numerics.md`, each with a call that shows it. */

import { type DType, fromNumbers } from "../src/core/dtype.ts";
import { fromData, type Tensor } from "../src/core/tensor.ts";
import * as np from "../src/numpy/index.ts";
import { grad } from "../src/transforms/vjp.ts";

export const COLUMNS = ["NaN", "±∞", "−0", "ties", "integers", "empty"] as const;
export type Column = (typeof COLUMNS)[number];

/** A sentence, and a call that shows it: `f(...inputs)` gives these numbers, zeros with these signs, or is refused. */
export interface Cell {
  readonly says: string;
  readonly f: (...xs: Tensor[]) => Tensor;
  readonly inputs: readonly Tensor[];
  readonly gives: readonly number[] | "refused";
}

export interface Row {
  readonly op: string;
  readonly cells: Partial<Readonly<Record<Column, Cell>>>;
}

const list =
  (dtype: DType) =>
  (...values: number[]) =>
    fromData(dtype, [values.length], fromNumbers(dtype, values));
const float = list("float32");
const int = list("int32");
const word = list("uint32");
const none = fromData("float32", [2, 0], new Float32Array());

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const LEAST = -(2 ** 31);
const GREATEST = 2 ** 31 - 1;

type Call = (...xs: never[]) => Tensor;

/** One cell: the sentence, the function, its inputs, its result. */
function cell(says: string, f: Call, inputs: readonly Tensor[], gives: Cell["gives"]): Cell {
  return { says, f: f as Cell["f"], inputs, gives };
}

const each =
  (...fs: ((...xs: Tensor[]) => Tensor)[]) =>
  (...xs: Tensor[]) =>
    np.stack(fs.map((f) => f(...xs))).reshape([-1]);

const slope = (f: (x: Tensor) => Tensor) => (x: Tensor) => grad((z: Tensor) => f(z).sum())(x);

export const ROWS: readonly Row[] = [
  {
    op: "add, sub, mul, neg",
    cells: {
      NaN: cell("is the result", np.mul, [float(nan, 0), float(0, nan)], [nan, nan]),
      "±∞": cell(
        "∞ − ∞ and 0 · ∞ are NaN",
        each(np.sub, np.mul),
        [float(inf, 0), float(inf, inf)],
        [nan, -inf, inf, nan],
      ),
      "−0": cell(
        "−0 + 0 = 0, −(0) = −0",
        (x: Tensor, y: Tensor) =>
          each(
            () => np.add(x, y),
            () => np.neg(y),
          )(),
        [float(-0, -0), float(0, -0)],
        [0, -0, -0, 0],
      ),
      integers: cell(
        "wrap around",
        each(np.add, np.mul),
        [int(GREATEST, LEAST), int(1, -1)],
        [LEAST, GREATEST, GREATEST, LEAST],
      ),
    },
  },
  {
    op: "div",
    cells: {
      NaN: cell("is the result; 0 / 0 is NaN", np.div, [float(nan, 0), float(1, 0)], [nan, nan]),
      "±∞": cell(
        "x / 0 = ±∞, ∞ / ∞ = NaN",
        np.div,
        [float(1, -1, inf), float(0, 0, inf)],
        [inf, -inf, nan],
      ),
      "−0": cell("1 / −0 = −∞", np.div, [float(1, -0), float(-0, 1)], [-inf, -0]),
      integers: cell(
        "cut towards 0; x / 0 = −1; the least / −1 is itself",
        np.div,
        [int(7, -7, 7, 0, LEAST), int(2, 2, 0, 0, -1)],
        [3, -3, -1, -1, LEAST],
      ),
    },
  },
  {
    op: "div of uint32",
    cells: {
      integers: cell(
        "x / 0 = 2³² − 1",
        np.div,
        [word(7, 7, 2 ** 32 - 1), word(2, 0, 2)],
        [3, 2 ** 32 - 1, GREATEST],
      ),
    },
  },
  {
    op: "floorDiv",
    cells: {
      integers: cell(
        "towards −∞; x / 0 = −1",
        np.floorDiv,
        [int(7, -7, 7, -7, 7), int(2, 2, -2, -2, 0)],
        [3, -4, -4, 3, -1],
      ),
    },
  },
  {
    op: "rem",
    cells: {
      NaN: cell("is the result; x rem 0 is NaN", np.rem, [float(nan, 1), float(1, 0)], [nan, nan]),
      "±∞": cell(
        "∞ rem y is NaN, x rem ∞ = x",
        np.rem,
        [float(inf, 1, -1), float(1, inf, inf)],
        [nan, 1, -1],
      ),
      "−0": cell("has the sign of x", np.rem, [float(-4, 4), float(2, -2)], [-0, 0]),
      integers: cell(
        "sign of x; x rem 0 = x",
        np.rem,
        [int(7, -7, 7, LEAST, 7), int(3, 3, -3, -1, 0)],
        [1, -1, 1, 0, 7],
      ),
    },
  },
  {
    op: "mod",
    cells: {
      NaN: cell("is the result; x mod 0 is NaN", np.mod, [float(nan, 1), float(1, 0)], [nan, nan]),
      "±∞": cell("−1 mod ∞ = ∞", np.mod, [float(1, -1), float(inf, inf)], [1, inf]),
      integers: cell(
        "sign of y; x mod 0 = x",
        np.mod,
        [int(7, -7, 7, -7, 7), int(3, 3, -3, -3, 0)],
        [1, 2, -2, -1, 7],
      ),
    },
  },
  {
    op: "power",
    cells: {
      NaN: cell(
        "is the result, but x⁰ = 1 and 1^y = 1",
        np.power,
        [float(nan, nan, 1, 2), float(1, 0, nan, nan)],
        [nan, 1, 1, nan],
      ),
      "±∞": cell(
        "0⁻¹ = ∞, (−1)^∞ = 1",
        np.power,
        [float(0, -1, 2, 0.5), float(-1, inf, inf, inf)],
        [inf, 1, inf, 0],
      ),
      integers: cell(
        "whole powers wrap around",
        (x: Tensor) => np.power(x, 3),
        [int(3, -3, 65536, 2 ** 30 + 1)],
        [27, -27, 0, -1073741823],
      ),
    },
  },
  {
    op: "maximum, minimum",
    cells: {
      NaN: cell(
        "wins",
        each(np.maximum, np.minimum),
        [float(nan, 1), float(1, nan)],
        [nan, nan, nan, nan],
      ),
      "−0": cell(
        "either zero may come out",
        (x: Tensor, y: Tensor) => np.abs(np.maximum(x, y)),
        [float(-0, 0), float(0, -0)],
        [0, 0],
      ),
      ties: cell(
        "gradient to the first",
        (x: Tensor, y: Tensor) =>
          each(
            ...[0, 1].map(
              (at) => () =>
                grad((z: Tensor) => (at === 0 ? np.maximum(z, y) : np.maximum(x, z)).sum())(
                  at === 0 ? x : y,
                ),
            ),
          )(),
        [float(2), float(2)],
        [1, 0],
      ),
    },
  },
  {
    op: "clip",
    cells: {
      NaN: cell(
        "wins, in bounds too",
        (x: Tensor, low: Tensor) => np.clip(x, { low, high: 2 }),
        [float(nan, 1), float(0, nan)],
        [nan, nan],
      ),
      ties: cell(
        "at a bound the gradient is 1",
        slope((x) => np.clip(x, { low: 0, high: 2 })),
        [float(-1, 0, 1, 2, 3)],
        [0, 1, 1, 1, 0],
      ),
    },
  },
  {
    op: "clip, bounds crossed",
    cells: {
      ties: cell(
        "high wins",
        (x: Tensor) => np.clip(x, { low: 2, high: 0 }),
        [float(-1, 1, 3)],
        [0, 0, 0],
      ),
    },
  },
  {
    op: "sign, abs",
    cells: {
      NaN: cell("is the result", each(np.sign, np.abs), [float(nan)], [nan, nan]),
      "±∞": cell("±1, ∞", each(np.sign, np.abs), [float(inf, -inf)], [1, -1, inf, inf]),
      integers: cell("the least is its own size", np.abs, [int(LEAST, -3)], [LEAST, 3]),
    },
  },
  {
    op: "equal, less, …",
    cells: {
      NaN: cell(
        "false; notEqual true",
        each(np.equal, np.less, np.greaterEqual, np.notEqual),
        [float(nan), float(nan)],
        [0, 0, 0, 1],
      ),
      "−0": cell("−0 = 0", each(np.equal, np.less), [float(-0), float(0)], [1, 0]),
    },
  },
  {
    op: "floor, ceil, round, trunc",
    cells: {
      NaN: cell(
        "stays",
        each(np.floor, np.ceil, np.round, np.trunc),
        [float(nan)],
        [nan, nan, nan, nan],
      ),
      "±∞": cell("stay", np.round, [float(inf, -inf)], [inf, -inf]),
      "−0": cell("−0 stays; round(−0.4) = −0", np.round, [float(-0, -0.4)], [-0, -0]),
      ties: cell(
        "halves to the even one",
        np.round,
        [float(0.5, 1.5, 2.5, -0.5, -1.5)],
        [0, 2, 2, -0, -2],
      ),
    },
  },
  {
    op: "sqrt, cbrt, log",
    cells: {
      NaN: cell(
        "stays; of a negative number, but for cbrt",
        each(np.sqrt, np.cbrt, np.log),
        [float(nan, -8)],
        [nan, nan, nan, -2, nan, nan],
      ),
      "±∞": cell("∞; log 0 = −∞", each(np.sqrt, np.log), [float(inf, 0)], [inf, 0, inf, -inf]),
      "−0": cell(
        "−∞ for log, −0 for sqrt, a zero for cbrt",
        each(np.sqrt, (x: Tensor) => np.abs(np.cbrt(x)), np.log),
        [float(-0)],
        [-0, 0, -inf],
      ),
    },
  },
  {
    op: "expm1, log1p",
    cells: {
      NaN: cell(
        "stays; log1p below −1",
        each(np.expm1, np.log1p),
        [float(nan, -2)],
        [nan, Math.fround(Math.expm1(-2)), nan, nan],
      ),
      "±∞": cell(
        "expm1(−∞) = −1, log1p(−1) = −∞",
        each(np.expm1, np.log1p),
        [float(inf, -inf, -1)],
        [inf, -1, Math.fround(Math.expm1(-1)), inf, nan, -inf],
      ),
      "−0": cell(
        "a zero; tiny x stays x",
        (x: Tensor) => np.abs(each(np.expm1, np.log1p)(x)),
        [float(-0, 2 ** -40)],
        [0, 2 ** -40, 0, 2 ** -40],
      ),
    },
  },
  {
    op: "sin, cos, tan",
    cells: {
      NaN: cell("stays", each(np.sin, np.cos, np.tan), [float(nan)], [nan, nan, nan]),
      "±∞": cell("NaN", each(np.sin, np.cos, np.tan), [float(inf)], [nan, nan, nan]),
      "−0": cell("stays, but cos", each(np.sin, np.cos, np.tan), [float(-0)], [-0, 1, -0]),
    },
  },
  {
    op: "asin, acos, acosh, atanh",
    cells: {
      NaN: cell(
        "outside the domain",
        each(np.asin, np.acos, np.atanh),
        [float(2, -2, nan)],
        Array(9).fill(nan),
      ),
      "±∞": cell(
        "atanh(±1) = ±∞, acosh ∞ = ∞",
        (x: Tensor, y: Tensor) =>
          each(
            () => np.atanh(x),
            () => np.acosh(y),
          )(),
        [float(1, -1), float(inf, 1)],
        [inf, -inf, inf, 0],
      ),
    },
  },
  {
    op: "atan2",
    cells: {
      NaN: cell("is the result", np.atan2, [float(nan, 1), float(1, nan)], [nan, nan]),
      "±∞": cell(
        "a diagonal",
        np.atan2,
        [float(inf, inf), float(inf, -inf)],
        [Math.fround(Math.PI / 4), Math.fround((3 * Math.PI) / 4)],
      ),
      "−0": cell(
        "its sign counts, on both sides",
        np.atan2,
        [float(0, -0, 0, -0), float(0, 0, -0, -0)],
        [0, -0, Math.fround(Math.PI), -Math.fround(Math.PI)],
      ),
    },
  },
  {
    op: "erf, erfInv",
    cells: {
      NaN: cell(
        "stays; erfInv beyond ±1",
        each(np.erf, np.erfInv),
        [float(nan, 2)],
        [nan, Math.fround(0.9953222650189527), nan, nan],
      ),
      "±∞": cell(
        "erf(±∞) = ±1 and back",
        (x: Tensor, y: Tensor) =>
          each(
            () => np.erf(x),
            () => np.erfInv(y),
          )(),
        [float(inf, -inf), float(1, -1)],
        [1, -1, inf, -inf],
      ),
      "−0": cell("stays", each(np.erf, np.erfInv), [float(-0)], [-0, -0]),
    },
  },
  {
    op: "logAddExp",
    cells: {
      NaN: cell("is the result", np.logAddExp, [float(nan), float(0)], [nan]),
      "±∞": cell(
        "an infinite maximum is the result",
        np.logAddExp,
        [float(-inf, inf, -inf), float(-inf, inf, 3)],
        [-inf, inf, 3],
      ),
      ties: cell(
        "half the gradient to each",
        (x: Tensor) => grad((z: Tensor) => np.logAddExp(z, x.stopGradient()).sum())(x),
        [float(0, 5)],
        [0.5, 0.5],
      ),
    },
  },
  {
    op: "shiftLeft, shiftRight",
    cells: {
      integers: cell(
        "by ≥ 32: all bits leave; int32 keeps its sign to the right",
        each(np.shiftLeft, np.shiftRight),
        [int(1, -8, -8, 5), int(31, 1, 40, 32)],
        [LEAST, -16, 0, 0, 0, -4, -1, 0],
      ),
    },
  },
  {
    op: "popcount, countLeadingZeros",
    cells: {
      integers: cell(
        "of uint32; 32 leading zeros of 0",
        each(np.popcount, np.countLeadingZeros),
        [word(0, 1, 2 ** 32 - 1)],
        [0, 1, 32, 32, 31, 0],
      ),
    },
  },
  {
    op: "sum, mean",
    cells: {
      NaN: cell(
        "is the result",
        each((x) => np.sum(x)),
        [float(1, nan)],
        [nan],
      ),
      "±∞": cell(
        "∞ − ∞ is NaN",
        each((x) => np.sum(x)),
        [float(inf, -inf)],
        [nan],
      ),
      integers: cell(
        "sums wrap around; means are float32",
        each(
          (x) => np.sum(x),
          (x) => np.sum(x, 0),
        ),
        [int(GREATEST, GREATEST, 4)],
        [2, 2],
      ),
      empty: cell(
        "0; mean NaN",
        (x: Tensor) =>
          each(
            () => np.sum(x, 1),
            () => np.mean(x, 1),
          )(),
        [none],
        [0, 0, nan, nan],
      ),
    },
  },
  {
    op: "prod",
    cells: {
      NaN: cell("is the result, even of 0", (x: Tensor) => np.prod(x), [float(0, nan)], [nan]),
      "−0": cell(
        "gradients are right at zeros",
        slope((x) => np.prod(x)),
        [float(0, 3, 5)],
        [15, 0, 0],
      ),
      integers: cell("wrap around", (x: Tensor) => np.prod(x), [int(65536, 65537, 3)], [196608]),
      empty: cell("1", (x: Tensor) => np.prod(x, 1), [none], [1, 1]),
    },
  },
  {
    op: "max, min",
    cells: {
      NaN: cell(
        "wins, wherever it stands",
        each(
          (x) => np.max(x, 1),
          (x) => np.min(x, 1),
        ),
        [fromData("float32", [3, 2], Float32Array.of(nan, 1, 1, nan, inf, -inf))],
        [nan, nan, inf, nan, nan, -inf],
      ),
      ties: cell(
        "share the gradient equally",
        slope((x) => np.max(x)),
        [float(1, 3, 3, 2)],
        [0, 0.5, 0.5, 0],
      ),
    },
  },
  {
    op: "argmax, argmin",
    cells: {
      NaN: cell(
        "wins: the first",
        each(
          (x) => np.argmax(x, 1),
          (x) => np.argmin(x, 1),
        ),
        [fromData("float32", [2, 3], Float32Array.of(inf, nan, nan, -inf, 0, inf))],
        [1, 2, 1, 0],
      ),
      "−0": cell(
        "−0 = 0",
        each(
          (x) => np.argmax(x),
          (x) => np.argmin(x),
        ),
        [float(-0, 0)],
        [0, 0],
      ),
      ties: cell(
        "the lowest place",
        each(
          (x) => np.argmax(x),
          (x) => np.argmin(x),
        ),
        [float(1, 3, 1, 3)],
        [1, 0],
      ),
      integers: cell(
        "int32 places; the least integer too",
        each(
          (x) => np.argmax(x),
          (x) => np.argmin(x),
        ),
        [int(LEAST, GREATEST, LEAST)],
        [1, 0],
      ),
    },
  },
  {
    op: "any, all",
    cells: {
      NaN: cell(
        "is not 0",
        each(
          (x) => np.any(x),
          (x) => np.all(x),
        ),
        [float(nan)],
        [1, 1],
      ),
      "−0": cell(
        "is 0",
        each(
          (x) => np.any(x),
          (x) => np.all(x),
        ),
        [float(-0)],
        [0, 0],
      ),
      empty: cell(
        "false, true",
        (x: Tensor) =>
          each(
            () => np.any(x, 1),
            () => np.all(x, 1),
          )(),
        [none],
        [0, 0, 1, 1],
      ),
    },
  },
  {
    op: "variance, std",
    cells: {
      NaN: cell(
        "is the result; count ≤ ddof",
        each(
          (x) => np.variance(x),
          (x) => np.std(x),
        ),
        [float(1, nan)],
        [nan, nan],
      ),
      "±∞": cell("NaN", (x: Tensor) => np.variance(x), [float(inf, 1)], [nan]),
      empty: cell("NaN", (x: Tensor) => np.variance(x, 1), [none], [nan, nan]),
    },
  },
  {
    op: "logSumExp",
    cells: {
      empty: cell("refused", (x: Tensor) => np.logSumExp(x, 1), [none], "refused"),
      NaN: cell("is the result", (x: Tensor) => np.logSumExp(x), [float(nan, 1)], [nan]),
      "±∞": cell(
        "an infinite maximum is the result",
        (x: Tensor) => np.logSumExp(x, 1),
        [fromData("float32", [3, 2], Float32Array.of(-inf, -inf, inf, -inf, -inf, 3))],
        [-inf, inf, 3],
      ),
    },
  },
  {
    op: "cumsum, cumprod",
    cells: {
      NaN: cell(
        "from there on",
        each(
          (x) => np.cumsum(x, 0),
          (x) => np.cumprod(x, 0),
        ),
        [float(1, nan, 2)],
        [1, nan, nan, 1, nan, nan],
      ),
      integers: cell(
        "wrap around",
        each(
          (x) => np.cumsum(x, 0),
          (x) => np.cumprod(x, 0),
        ),
        [int(GREATEST, 2, 2)],
        [GREATEST, LEAST + 1, LEAST + 3, GREATEST, -2, -4],
      ),
      empty: cell("nothing", (x: Tensor) => np.cumprod(x, 1), [none], []),
    },
  },
  {
    op: "cummax, cummin",
    cells: {
      NaN: cell(
        "from there on",
        each(
          (x) => np.cummax(x, 0),
          (x) => np.cummin(x, 0),
        ),
        [float(1, nan, 2)],
        [1, nan, nan, 1, nan, nan],
      ),
      "±∞": cell(
        "an exclusive run starts at ∓∞",
        each(
          (x) => np.cummax(x, 0, { exclusive: true }),
          (x) => np.cummin(x, 0, { exclusive: true }),
        ),
        [float(1, 2)],
        [-inf, 1, inf, 1],
      ),
      ties: cell(
        "gradient to the first met",
        slope((x) => np.cummax(x, 0)),
        [float(2, 2, 1)],
        [3, 0, 0],
      ),
      integers: cell(
        "an exclusive run starts at the least or greatest",
        each(
          (x) => np.cummax(x, 0, { exclusive: true }),
          (x) => np.cummin(x, 0, { exclusive: true }),
        ),
        [int(1, 2)],
        [LEAST, 1, GREATEST, 1],
      ),
    },
  },
  {
    op: "sort, argsort",
    cells: {
      NaN: cell(
        "last, descending too",
        (x: Tensor) =>
          each(
            () => np.sort(x),
            () => np.sort(x, { descending: true }),
          )(),
        [float(nan, 2, -inf, inf)],
        [-inf, 2, inf, nan, inf, 2, -inf, nan],
      ),
      "−0": cell(
        "−0 = 0: they keep their order",
        (x: Tensor) => np.sort(x),
        [float(0, -0, -1)],
        [-1, 0, -0],
      ),
      ties: cell(
        "keep their order, descending too",
        (x: Tensor) =>
          each(
            () => np.argsort(x),
            () => np.argsort(x, { descending: true }),
          )(),
        [float(1, 0, 1, 0)],
        [1, 3, 0, 2, 0, 2, 1, 3],
      ),
      integers: cell(
        "the whole range",
        (x: Tensor) => np.sort(x),
        [int(0, LEAST, GREATEST, -1)],
        [LEAST, -1, 0, GREATEST],
      ),
      empty: cell("nothing", (x: Tensor) => np.sort(x), [none], []),
    },
  },
  {
    op: "topK",
    cells: {
      NaN: cell(
        "above all numbers",
        (x: Tensor) => np.topK(x, { along: 0, k: 3 }).values,
        [float(3, nan, inf, nan)],
        [nan, nan, inf],
      ),
      ties: cell(
        "the lower index first",
        (x: Tensor) => np.topK(x, { along: 0, k: 2 }).indices,
        [float(1, 2, 2)],
        [1, 2],
      ),
    },
  },
  {
    op: "searchSorted",
    cells: {
      NaN: cell(
        "above all numbers, equal to NaN",
        (s: Tensor, x: Tensor) =>
          each(
            () => np.searchSorted(s, x),
            () => np.searchSorted(s, x, { side: "right" }),
          )(),
        [float(1, inf, nan), float(nan, inf)],
        [2, 1, 3, 2],
      ),
      "−0": cell(
        "−0 = 0",
        (s: Tensor, x: Tensor) => np.searchSorted(s, x),
        [float(-1, 0), float(-0)],
        [1],
      ),
      ties: cell(
        "left: before them; right: after them",
        (s: Tensor, x: Tensor) =>
          each(
            () => np.searchSorted(s, x),
            () => np.searchSorted(s, x, { side: "right" }),
          )(),
        [float(1, 2, 2, 3), float(2, 0, 9)],
        [1, 0, 4, 3, 0, 4],
      ),
      empty: cell(
        "0",
        (x: Tensor) => np.searchSorted(fromData("float32", [0], new Float32Array()), x),
        [float(1, 2)],
        [0, 0],
      ),
    },
  },
  {
    op: "maxPool, reduceWindow by max or min",
    cells: {
      NaN: cell(
        "wins, wherever it stands",
        (x: Tensor) => np.maxPool(x, { window: [3], stride: 1 }),
        [float(1, nan, 2, 3, 4, 5, nan)],
        [nan, nan, 4, 5, nan],
      ),
      "±∞": cell(
        "a window of −∞ is −∞; padding never wins",
        (x: Tensor) => np.maxPool(x, { window: [2], stride: 1, padding: 1 }),
        [float(-inf, -inf, inf, -5)],
        [-inf, -inf, inf, inf, -5],
      ),
      ties: cell(
        "gradient to the first in row-major order",
        slope((x) => np.maxPool(x, { window: [2, 2] })),
        [fromData("float32", [2, 2], Float32Array.of(1, 3, 3, 2))],
        [0, 1, 0, 0],
      ),
      integers: cell(
        "the least and the greatest too",
        (x: Tensor) => np.reduceWindow(x, "min", { window: [2], padding: 1 }),
        [int(LEAST, GREATEST)],
        [LEAST, LEAST, GREATEST],
      ),
      empty: cell(
        "a window of padding alone is refused",
        (x: Tensor) => np.maxPool(x, { window: [2], padding: 3 }),
        [float(1, 2)],
        "refused",
      ),
    },
  },
  {
    op: "sumPool, avgPool",
    cells: {
      NaN: cell(
        "is the result",
        (x: Tensor) => np.sumPool(x, { window: [2], stride: 1 }),
        [float(1, nan, 2, 3)],
        [nan, nan, 5],
      ),
      "±∞": cell(
        "∞ − ∞ is NaN",
        (x: Tensor) => np.sumPool(x, { window: [2], stride: 1 }),
        [float(1, inf, -inf, -1)],
        [inf, nan, -inf],
      ),
      integers: cell(
        "sums wrap around",
        (x: Tensor) => np.sumPool(x, { window: [2] }),
        [int(GREATEST, 1)],
        [LEAST],
      ),
      empty: cell(
        "0 of padding alone",
        (x: Tensor) => np.avgPool(x, { window: [1], padding: 1, includePad: false }),
        [float(2)],
        [0, 2, 0],
      ),
    },
  },
  {
    op: "conv, convTranspose",
    cells: {
      NaN: cell(
        "of every window that sees it",
        (x: Tensor, w: Tensor) => np.conv(x.reshape([1, 5]), w.reshape([1, 1, 2])).reshape([-1]),
        [float(1, nan, 2, 3, 4), float(1, 1)],
        [nan, nan, 5, 7],
      ),
      empty: cell(
        "0 of padding alone",
        (x: Tensor, w: Tensor) =>
          np.conv(x.reshape([1, 1]), w.reshape([1, 1, 1]), { padding: 1 }).reshape([-1]),
        [float(2), float(3)],
        [0, 6, 0],
      ),
    },
  },
];

/** The cells one by one, with names. */
export const CELLS: readonly (Cell & { readonly name: string })[] = ROWS.flatMap(({ op, cells }) =>
  COLUMNS.flatMap((column) => {
    const one = cells[column];
    return one === undefined ? [] : [{ name: `${op} · ${column}: ${one.says}`, ...one }];
  }),
);
