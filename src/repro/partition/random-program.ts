/** @file Programs drawn at random over small tensors of any rank and size, with their gradients now and then. */

import type { NdArray } from "../../core/ndarray.ts";
import type { Program } from "../../core/program.ts";
import { integers, materialise, random } from "../../core/samples.ts";
import { aval, dimOf, sizeOf } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { scan } from "../../numpy/control.ts";
import { gelu } from "../../ops/activations.ts";
import { argMax } from "../../ops/arg-max.ts";
import { add, mul, neg, scale, sub } from "../../ops/arithmetic.ts";
import { contract } from "../../ops/contract.ts";
import { checkpointed } from "../../ops/control/checkpoint.ts";
import { broadcast, fullLike, iota } from "../../ops/creation.ts";
import { cumsum } from "../../ops/cumulative.ts";
import { dynamicSlice, dynamicUpdateSlice } from "../../ops/dynamic.ts";
import { exp, logistic } from "../../ops/exponential.ts";
import { reduceMax, reduceMin } from "../../ops/extremes.ts";
import { tanh } from "../../ops/hyperbolic.ts";
import { gather, scatterAdd } from "../../ops/indexing.ts";
import { reshape, reverse, transpose } from "../../ops/layout.ts";
import { convert, less, select } from "../../ops/logic.ts";
import { maximum } from "../../ops/magnitude.ts";
import { concatenate, pad, slice, split } from "../../ops/pieces.ts";
import { logSumExp, softmax } from "../../ops/softmax.ts";
import { argsort } from "../../ops/sort.ts";
import { sum } from "../../ops/sum.ts";
import { topK } from "../../ops/top-k.ts";
import { closedProgram } from "../../transforms/trace.ts";
import { grad } from "../../transforms/vjp.ts";
import type { Draw } from "./random-case.ts";

/** Larger tensors are summed before they go on: the interpreter is slow. */
const MOST_ELEMENTS = 300;

interface Steps {
  readonly draw: Draw;
  /** float32 values so far. */
  readonly values: Tensor[];
  /** int32[5], any numbers. */
  readonly indices: Tensor;
}

type Step = (x: Tensor, steps: Steps) => Tensor;

const any = ({ values, draw }: Steps): Tensor => values[draw(values.length)] as Tensor;
const axisOf = (x: Tensor, { draw }: Steps): number => draw(x.rank);
const zeros = (x: Tensor): number[] => x.dims.map(() => 0);

/** A value of the same form: one that is there, or the value itself turned. */
function alike(x: Tensor, steps: Steps): Tensor {
  const same = steps.values.filter((y) => y.dims.join() === x.dims.join());
  return same[steps.draw(same.length)] ?? reverse(x, x.rank > 0 ? [0] : []);
}

const STEPS: readonly Step[] = [
  (x) => tanh(x),
  (x) => gelu(x),
  (x) => logistic(neg(x)),
  (x) => exp(tanh(x)),
  (x, s) => add(x, alike(x, s)),
  (x, s) => mul(tanh(x), alike(x, s)),
  (x, s) => maximum(x, alike(x, s)),
  (x, s) => select(less(x, alike(x, s)), x, scale(x, 0.5)),
  (x, s) => {
    const order = x.dims.map((_, i) => i);
    const by = s.draw(Math.max(1, x.rank));
    return transpose(x, [...order.slice(by), ...order.slice(0, by)]);
  },
  // Merge two axes, or split one.
  (x, s) => {
    if (x.rank < 2) return reshape(x, [...x.dims, 1]);
    const at = s.draw(x.rank - 1);
    return reshape(x, x.dims.toSpliced(at, 2, dimOf(x.aval, at) * dimOf(x.aval, at + 1)));
  },
  (x, s) => {
    if (x.rank === 0 || x.rank > 3) return x;
    const at = axisOf(x, s);
    const size = dimOf(x.aval, at);
    const major = [2, 3, 4, 6].find((part) => size % part === 0) ?? 1;
    return reshape(x, x.dims.toSpliced(at, 1, major, size / major));
  },
  (x, s) => (x.rank === 0 ? x : sum(x, [axisOf(x, s)])),
  (x, s) => (x.rank === 0 ? x : reduceMax(x, [axisOf(x, s)])),
  (x, s) => (x.rank === 0 ? x : reduceMin(x, [axisOf(x, s)])),
  (x, s) => {
    if (x.rank > 2) return x;
    const at = s.draw(x.rank + 1);
    const dims = x.dims.toSpliced(at, 0, 2 + s.draw(4));
    const axes = x.dims.map((_, i) => (i < at ? i : i + 1));
    return broadcast(x, { dims, axes, names: dims.map(() => null) });
  },
  // An einsum over an axis of equal length, or an outer product.
  (x, s) => {
    const y = any(s);
    const [lhs, rhs] = [x.dims.map((_, i) => `l${i}`), y.dims.map((_, i) => `r${i}`)];
    const pairs = x.dims.flatMap((n, i) =>
      y.dims.flatMap((m, j) => (n === m ? [[i, j] as const] : [])),
    );
    const pair = pairs[s.draw(pairs.length)];
    if (pair === undefined && x.rank + y.rank > 4) return x;
    if (pair !== undefined) {
      lhs[pair[0]] = "k";
      rhs[pair[1]] = "k";
    }
    const kept = pair !== undefined && s.draw(3) === 0 ? ["k"] : [];
    const free = [...lhs, ...rhs].filter((label) => label !== "k");
    if (free.length + kept.length > 4) return x;
    return contract(x, y, { lhs, rhs, out: [...kept, ...free] });
  },
  (x) => (x.rank === 0 ? x : softmax(x)),
  (x) => (x.rank === 0 ? x : logSumExp(x)),
  (x, s) => (x.rank === 0 ? x : cumsum(x, axisOf(x, s), { reverse: s.draw(2) === 0 })),
  (x, s) => {
    if (x.rank === 0) return x;
    const at = axisOf(x, s);
    const size = dimOf(x.aval, at);
    const from = s.draw(Math.max(1, size - 1));
    const stride = x.dims.map((_, i) => (i === at ? 1 + s.draw(2) : 1));
    const limit = x.dims.with(at, from + 1 + s.draw(size - from));
    return slice(x, zeros(x).with(at, from), limit, stride);
  },
  (x, s) => {
    if (x.rank === 0) return x;
    const at = axisOf(x, s);
    const room = (n: number) => zeros(x).with(at, n);
    return pad(x, room(s.draw(3)), room(s.draw(3)), room(s.draw(2)), 0.5);
  },
  (x, s) => (x.rank === 0 ? x : reverse(x, [axisOf(x, s)])),
  (x, s) => (x.rank === 0 ? x : concatenate([x, alike(x, s)], axisOf(x, s))),
  (x, s) => {
    if (x.rank === 0) return x;
    const at = axisOf(x, s);
    const size = dimOf(x.aval, at);
    const first = 1 + s.draw(size);
    return first >= size ? x : (split(x, at, [first, size - first])[s.draw(2)] as Tensor);
  },
  // A roll, some of it twice or not at all.
  (x, s) => {
    if (x.rank === 0) return x;
    const at = axisOf(x, s);
    const size = dimOf(x.aval, at);
    const parts = Array.from({ length: 2 + s.draw(2) }, () => {
      const from = s.draw(size);
      return slice(x, zeros(x).with(at, from), x.dims.with(at, from + 1 + s.draw(size - from)));
    });
    if (s.draw(2) === 0) return concatenate(parts, at);
    const first = s.draw(size);
    return concatenate([...split(x, at, [first, size - first])].reverse(), at);
  },
  (x, s) => (x.rank === 0 ? x : gather(x, s.indices)),
  (x, s) => {
    if (x.rank === 0 || dimOf(x.aval, 0) !== 5) return x;
    return scatterAdd(x, s.indices, { batchDims: 0, distinct: 0, size: 6, name: null });
  },
  (x, s) => {
    if (x.rank === 0) return x;
    const k = 1 + s.draw(dimOf(x.aval, x.rank - 1));
    return topK(x, k)[0];
  },
  (x, s) => {
    if (x.rank === 0) return x;
    const at = axisOf(x, s);
    const order = argsort([x], { axis: at, descending: s.draw(2) === 0 });
    return mul(x, scale(convert(order, "float32"), 0.1));
  },
  (x, s) => (x.rank === 0 ? x : scale(convert(argMax(x, axisOf(x, s)), "float32"), 0.1)),
  (x, s) => (x.rank === 0 ? x : mul(x, scale(iota(aval("float32", x.dims), axisOf(x, s)), 0.1))),
  (x, s) => {
    if (x.rank === 0 || x.rank > 5) return x;
    const start = slice(s.indices, [0], [x.rank]);
    return dynamicSlice(
      x,
      start,
      x.dims.map((n) => 1 + s.draw(n)),
    );
  },
  (x, s) => {
    if (x.rank === 0 || x.rank > 5) return x;
    const start = slice(s.indices, [0], [x.rank]);
    const box = x.dims.map((n) => 1 + s.draw(n));
    return dynamicUpdateSlice(x, slice(scale(x, 0.5), zeros(x), box), start);
  },
  // A loop over the first axis that carries what it has seen.
  (x) => {
    if (x.rank < 1) return x;
    const step = (state: Tensor, row: Tensor) => {
      const next = tanh(add(state, row));
      return [next, mul(next, row)] as const;
    };
    const first = reshape(slice(x, zeros(x), x.dims.with(0, 1)), x.dims.slice(1));
    return scan(step, fullLike(first, 0), x)[1] as Tensor;
  },
  (x) => {
    const program = closedProgram("layer", [x.aval], ([y]) => [gelu(tanh(y as Tensor))]);
    return checkpointed([x], { program, saves: [], after: null })[0] as Tensor;
  },
  (x, s) => sub(x, scale(alike(x, s), 0.3)),
];

export interface RandomProgram {
  readonly program: Program;
  readonly inputs: readonly NdArray[];
}

/** Two inputs, three to nine steps; every third program is a gradient. */
export function randomProgram(draw: Draw): RandomProgram {
  const forms = [0, 1].map(() => Array.from({ length: 1 + draw(3) }, () => 1 + draw(7)));
  const count = 3 + draw(7);
  const choices = Array.from({ length: count }, () => [draw(STEPS.length), draw(1000)] as const);
  const asGradient = draw(3) === 0;
  const body = (xs: readonly Tensor[], indices: Tensor): Tensor[] => {
    const values = [...xs];
    for (const [which, seed] of choices) {
      let next = seed;
      const own: Steps = {
        values,
        indices,
        draw: (bound) => {
          next = (next * 1103 + 12345) % 65536;
          return bound <= 0 ? 0 : next % bound;
        },
      };
      const x = values[own.draw(2) === 0 ? values.length - 1 : own.draw(values.length)] as Tensor;
      const y = (STEPS[which] as Step)(x, own);
      const long = sizeOf(y.dims) > MOST_ELEMENTS || y.rank > 5 || sizeOf(y.dims) === 0;
      values.push(long ? x : y);
    }
    return values.slice(-2);
  };
  const total = (outputs: readonly Tensor[]) =>
    outputs
      .map((y) =>
        sum(
          mul(y, y),
          y.dims.map((_, i) => i),
        ),
      )
      .reduce((a, b) => add(a, b));
  const program = closedProgram(
    "random",
    [...forms.map((dims) => aval("float32", dims)), aval("int32", [5])],
    ([x, y, indices]) => {
      const inputs = [x, y] as readonly [Tensor, Tensor];
      if (!asGradient) return body(inputs, indices as Tensor);
      const loss = (pair: readonly [Tensor, Tensor]) => total(body(pair, indices as Tensor));
      return [...grad(loss)(inputs)];
    },
  );
  const seed = draw(10_000);
  return {
    program,
    inputs: [
      ...forms.map((dims, i) => materialise(random(...dims), seed + i, false)),
      materialise(integers(-2, 8, 5), seed + 2, false),
    ],
  };
}
