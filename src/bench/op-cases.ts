/** @file The operations that `bench ops` times, each with what it must reach. */

import { sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import {
  attention,
  conv,
  cumsum,
  einsum,
  layerNorm,
  scatterAdd,
  softmax,
  sort,
  take,
  topK,
} from "../numpy/index.ts";
import { vjp } from "../transforms/vjp.ts";

export interface OpInput {
  readonly dims: readonly number[];
  readonly dtype: "float32" | "int32";
  /** Bound of integers. */
  readonly below: number;
}

export interface OpCase {
  /** `kind [sizes]`; the peer knows the kind. */
  readonly name: string;
  readonly inputs: readonly OpInput[];
  ours(...inputs: readonly Tensor[]): readonly Tensor[];
  /** Of one call; 0 where a rate says nothing. */
  readonly flops: number;
  readonly goal: { readonly peer: string; readonly speedup: number } | null;
  /** Whether stock ONNX Runtime is timed as well. */
  readonly stock: boolean;
}

const float = (...dims: number[]): OpInput => ({ dims, dtype: "float32", below: 0 });
const below = (bound: number, ...dims: number[]): OpInput => ({
  dims,
  dtype: "int32",
  below: bound,
});
const against = (peer: string, speedup: number) => ({ peer, speedup });

type Function = (...xs: readonly Tensor[]) => Tensor;

/** Gradients of all inputs but the last, which is the cotangent. */
const gradients =
  (f: Function) =>
  (...xs: readonly Tensor[]): readonly Tensor[] => {
    const [, pullback] = vjp(f, ...xs.slice(0, -1));
    return pullback(xs[xs.length - 1] as Tensor);
  };

/** The gradient of one input only. */
const gradientOf =
  (which: number, f: Function) =>
  (...xs: readonly Tensor[]): readonly Tensor[] => {
    const inputs = xs.slice(0, -1);
    const [, pullback] = vjp(
      (x: Tensor) => f(...inputs.map((y, i) => (i === which ? x : y))),
      inputs[which] as Tensor,
    );
    return pullback(xs[xs.length - 1] as Tensor);
  };

const product: Function = (x, y) =>
  einsum(
    "row inner, inner column -> row column",
    (x as Tensor).as("row inner"),
    (y as Tensor).as("inner column"),
  );
const same: Function = (x, w) => conv(x as Tensor, w as Tensor, { padding: "same" });
const norm: Function = (x, scale, bias) =>
  layerNorm(x as Tensor, { scale: scale as Tensor, bias: bias as Tensor });
const attend: Function = (q, k, v) =>
  attention(q as Tensor, k as Tensor, v as Tensor, { causal: true });
const soft: Function = (x) => softmax(x as Tensor, -1);

function matmul(m: number, k: number, n: number): OpCase {
  return {
    name: `matmul [${m} ${k} ${n}]`,
    inputs: [float(m, k), float(k, n)],
    ours: (...xs) => [product(...xs)],
    flops: 2 * m * k * n,
    goal: against("onnxruntime", 0.95),
    stock: true,
  };
}

/** Forward and both gradients of a convolution that keeps the sizes. */
function convolutions(
  kind: string,
  x: readonly number[],
  filters: number,
  taps: readonly number[],
): readonly OpCase[] {
  const channels = x[1] ?? 1;
  const w = [filters, channels, ...taps];
  const y = [x[0] ?? 1, filters, ...x.slice(2)];
  const flops = 2 * sizeOf(y) * channels * sizeOf(taps);
  const sizes = `[${x.join(" ")}, ${w.join(" ")}]`;
  const goal = against("torch", 0.9);
  const inputs = [float(...x), float(...w)];
  const withCotangent = [...inputs, float(...y)];
  return [
    { name: `${kind} ${sizes}`, inputs, ours: (...xs) => [same(...xs)], flops, goal, stock: false },
    {
      name: `${kind} input gradient ${sizes}`,
      inputs: withCotangent,
      ours: gradientOf(0, same),
      flops,
      goal,
      stock: false,
    },
    {
      name: `${kind} kernel gradient ${sizes}`,
      inputs: withCotangent,
      ours: gradientOf(1, same),
      flops,
      goal,
      stock: false,
    },
  ];
}

function rowwise(
  name: string,
  f: Function,
  inputs: readonly OpInput[],
  out: OpInput,
  flops = 0,
): readonly OpCase[] {
  const sizes = `[${out.dims.join(" ")}]`;
  const goal = against("torch", 1);
  return [
    { name: `${name} ${sizes}`, inputs, ours: (...xs) => [f(...xs)], flops, goal, stock: false },
    {
      name: `${name} gradient ${sizes}`,
      inputs: [...inputs, out],
      ours: gradients(f),
      flops: 3.5 * flops,
      goal,
      stock: false,
    },
  ];
}

const heads = float(8, 4, 256, 64);

export const OP_CASES: readonly OpCase[] = [
  matmul(2048, 2048, 2048),
  matmul(2048, 256, 1024),
  ...convolutions("conv", [2, 64, 128, 128], 64, [3, 3]),
  ...convolutions("conv1d", [8, 256, 512], 256, [5]),
  ...rowwise("softmax", soft, [float(4096, 1024)], float(4096, 1024)),
  ...rowwise("layerNorm", norm, [float(4096, 512), float(512), float(512)], float(4096, 512)),
  ...rowwise("attention", attend, [heads, heads, heads], heads, 2 * 8 * 4 * 256 * 256 * 64),
  {
    name: "gather rows [8192 512, 4096]",
    inputs: [float(8192, 512), below(8192, 4096)],
    ours: (x, at) => [take(x as Tensor, at as Tensor)],
    flops: 0,
    goal: against("torch", 1),
    stock: false,
  },
  {
    name: "scatter rows [4096 512, 8192]",
    inputs: [float(4096, 512), below(8192, 4096)],
    ours: (x, at) => [
      scatterAdd(x as Tensor, { at: at as Tensor, size: 8192, batch: 0, as: null }),
    ],
    flops: 0,
    goal: against("torch", 1),
    stock: false,
  },
  {
    name: "topK [8 4096, 1024]",
    inputs: [float(8, 4096)],
    ours: (x) => [topK(x as Tensor, { along: -1, k: 1024 }).values],
    flops: 0,
    goal: against("torch", 1),
    stock: false,
  },
  {
    name: "sort [64 4096]",
    inputs: [float(64, 4096)],
    ours: (x) => [sort(x as Tensor)],
    flops: 0,
    goal: against("torch", 1),
    stock: false,
  },
  {
    name: "cumsum [4096 512]",
    inputs: [float(4096, 512)],
    ours: (x) => [cumsum(x as Tensor, 0)],
    flops: 0,
    goal: against("torch", 0.5),
    stock: false,
  },
];
