/** @file Operators that contract: matrix products, Einsum, Gemm. */

import { isFloat } from "../../../core/dtype.ts";
import type { Tensor } from "../../../core/tensor.ts";
import * as np from "../../../numpy/index.ts";
import { contract } from "../../../ops/contract.ts";
import { reshape, transpose } from "../../../ops/layout.ts";
import type { Call } from "./call.ts";
import { broadcastDims, expandTo, range } from "./forms.ts";
import { type Operators, operator } from "./operator.ts";

/** The product of the last two axes; those before broadcast. Vectors are rows on the left, columns on the right. */
export function matmul(call: Call, a: Tensor, b: Tensor): Tensor {
  if (a.rank === 0 || b.rank === 0) throw call.wrong("a scalar is no matrix");
  const x = a.rank === 1 ? reshape(a, [1, ...a.dims]) : a;
  const y = b.rank === 1 ? reshape(b, [...b.dims, 1]) : b;
  if (x.dims[x.rank - 1] !== y.dims[y.rank - 2]) {
    throw call.wrong(`[${a.dims.join(", ")}] and [${b.dims.join(", ")}] have no common inner size`);
  }
  const batch = broadcastDims(call, x.dims.slice(0, -2), y.dims.slice(0, -2));
  const out = isFloat(x.dtype) ? floatProduct(x, y, batch) : integerProduct(x, y, batch);
  const dims = [...batch, ...(a.rank === 1 ? [] : [x.dims[x.rank - 2] ?? 0])];
  return reshape(out, [...dims, ...(b.rank === 1 ? [] : [y.dims[y.rank - 1] ?? 0])]);
}

/** A side's axes of length 1 that the other side stretches are left out: the contraction repeats by itself. */
function floatProduct(x: Tensor, y: Tensor, batch: readonly number[]): Tensor {
  const labels = batch.map((_, i) => `batch${i}`);
  const side = (z: Tensor, inner: readonly string[]) => {
    const own = labels.slice(labels.length - (z.rank - 2));
    const sizes = batch.slice(batch.length - own.length);
    const kept = range(own.length).filter((i) => z.dims[i] === sizes[i]);
    return {
      tensor: reshape(z, [...kept.map((i) => z.dims[i] ?? 1), ...z.dims.slice(-2)]),
      labels: [...kept.map((i) => own[i] ?? ""), ...inner],
    };
  };
  const left = side(x, ["row", "inner"]);
  const right = side(y, ["inner", "column"]);
  // A batch axis of length 1 on both sides stays on both: 1 equals its own size.
  return contract(left.tensor, right.tensor, {
    lhs: left.labels,
    rhs: right.labels,
    out: [...labels, "row", "column"],
  });
}

/** Engines contract floats only; integers are multiplied and summed. */
function integerProduct(x: Tensor, y: Tensor, batch: readonly number[]): Tensor {
  const rows = reshape(x, [...x.dims, 1]);
  const columns = reshape(y, [...y.dims.slice(0, -2), 1, ...y.dims.slice(-2)]);
  const inner = batch.length + 1;
  const [m = 0, k = 0, n = 0] = [x.dims.at(-2), x.dims.at(-1), y.dims.at(-1)];
  const whole = [...batch, m, k, n];
  return np.sum(np.mul(expandTo(rows, whole), expandTo(columns, whole)), inner);
}

/** `α A B + β C`, each of A and B perhaps transposed. */
function gemm(call: Call): Tensor {
  const turned = (x: Tensor, flag: string) => (call.flag(flag, false) ? transpose(x, [1, 0]) : x);
  const product = matmul(call, turned(call.x(0), "transA"), turned(call.x(1), "transB"));
  const scaled = scale(product, call.float("alpha", 1));
  const bias = call.maybe(2);
  return bias === undefined ? scaled : np.add(scaled, scale(bias, call.float("beta", 1)));
}

function scale(x: Tensor, factor: number): Tensor {
  return factor === 1 ? x : np.mul(x, factor);
}

/** One word per letter, since axis words start with a small letter. */
function word(letter: string): string {
  return letter === letter.toLowerCase() ? letter : `upper_${letter.toLowerCase()}`;
}

/** Einsum in letters, with `...` for broadcast axes and repeated letters for diagonals. */
function einsum(call: Call): Tensor {
  const equation = call.text("equation").replace(/\s/g, "");
  if (!/^[a-zA-Z.,]*(->[a-zA-Z.]*)?$/.test(equation)) {
    throw call.wrong(`"${equation}" is no equation`);
  }
  const [left = "", right] = equation.split("->");
  const xs = call.all();
  const sides = left.split(",");
  if (sides.length !== xs.length) throw call.wrong(`"${equation}" is for ${sides.length} operands`);
  let spread: readonly string[] = [];
  const terms = xs.map((x, i) => {
    const letters = [...(sides[i] ?? "").replace("...", "")];
    const extra = x.rank - letters.length;
    const dots = (sides[i] ?? "").includes("...");
    if (extra < 0 || (extra > 0 && !dots)) throw call.wrong(`operand ${i + 1} has rank ${x.rank}`);
    const extras = range(extra).map((j) => `batch_${extra - 1 - j}`);
    if (extras.length > spread.length) spread = extras;
    const before = [...(sides[i] ?? "")].indexOf(".");
    const words = letters.map(word);
    const at = before < 0 ? words.length : before;
    return diagonal(x, [...words.slice(0, at), ...extras, ...words.slice(at)]);
  });
  const counts = new Map<string, number>();
  for (const letter of left.replace(/[.,]/g, "")) {
    counts.set(letter, (counts.get(letter) ?? 0) + 1);
  }
  const once = [...counts].filter(([, n]) => n === 1).map(([letter]) => letter);
  const out = right ?? `${left.includes("...") ? "..." : ""}${once.sort().join("")}`;
  const dots = out.indexOf("...");
  const words = [...out.replace("...", "")].map(word);
  const at = dots < 0 ? words.length : dots;
  const result = [...words.slice(0, at), ...(dots < 0 ? [] : spread), ...words.slice(at)];
  const text = `${terms.map((term) => term.words.join(" ")).join(", ")} -> ${result.join(" ")}`;
  const y = np.einsumOf(
    text,
    terms.map((term) => term.x),
  );
  return reshape(y, y.dims);
}

/** Of axes under one letter only the diagonal counts. */
function diagonal(x: Tensor, words: readonly string[]): { x: Tensor; words: readonly string[] } {
  const twice = words.findIndex((w, i) => words.indexOf(w) < i);
  if (twice < 0) return { x, words };
  const first = words.indexOf(words[twice] ?? "");
  const rest = range(x.rank).filter((i) => i !== first && i !== twice);
  const n = x.dims[first] ?? 0;
  const last = transpose(x, [...rest, first, twice]);
  const kept = rest.map((i) => x.dims[i] ?? 0);
  const places = np.mul(np.arange(n), n + 1);
  const flat = transpose(reshape(last, [...kept, n * n]), [rest.length, ...range(rest.length)]);
  const chosen = np.take(flat, places);
  return diagonal(transpose(chosen, [...range(rest.length).map((i) => i + 1), 0]), [
    ...rest.map((i) => words[i] ?? ""),
    words[first] ?? "",
  ]);
}

export const MATRIX: Operators = {
  MatMul: operator(1, (call) => matmul(call, call.x(0), call.x(1)), { wraps: true }),
  Gemm: operator(1, gemm),
  Einsum: operator(12, einsum),
  Det: operator(11, (call) => np.linalg.det(call.x(0))),
};
