/**
 * @file Convolution: the one bilinear op of sliding windows, and the op that gives its kernel's gradient.
 *
 * Input x `[batch, channel, space…]`, kernel w `[out, in / groups, window…]`, result y `[batch, out, space…]`:
 *
 *     y[n, o, p] = Σ x[n, c, i] · w[o, c, k]   over c in the group of o and taps k, with
 *     i · inputDilation = p · stride + k · dilation − low     (per space axis)
 *
 * The kernel is not turned round: what deep learning calls convolution. The relation between i, k and p
 * is linear, so each of the three sums that a product of two of (x, w, y) can make is such a sum again.
 * `convolve` makes y from (x, w), and x from (y, w) with the kernel transposed; `convolveKernel` makes w
 * from (x, y). These are closed under differentiation.
 */

import { type AxisName, mergeName } from "../core/axes.ts";
import { apply } from "../core/builder.ts";
import { DTypeError, ShapeError } from "../core/errors.ts";
import {
  asIs,
  defineOp,
  isLinear,
  type JvpRule,
  type MaybeZero,
  type One,
  type Op,
  type Two,
} from "../core/op.ts";
import { type Aval, aval, dimOf, sameDims, showAval } from "../core/shape.ts";
import { type Factor, rule, type ShardingRule } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { add } from "./arithmetic.ts";
import { batchConvolve, batchKernel } from "./convolution.batch.ts";
import { evaluateConvolve, evaluateKernel } from "./convolution.evaluate.ts";
import { convolveKernelOnnx, convolveOnnx } from "./convolution.onnx.ts";
import {
  convolveKernelRejects,
  convolveKernelSamples,
  convolveRejects,
  convolveSamples,
} from "./convolution.samples.ts";
import { convolveKernelStablehlo, convolveStablehlo } from "./convolution.stablehlo.ts";
import { checkDType, FLOATS } from "./dtypes.ts";
import { reshape } from "./layout.ts";
import {
  axesOf,
  backwards,
  checkWindow,
  type SlidingWindow,
  showWindow,
} from "./sliding-window.ts";

export interface ConvolveParams extends SlidingWindow {
  /** Groups of channels that do not see each other: group j of the input makes group j of the result. */
  readonly groups: number;
  /**
   * Reads the kernel as its transpose: it stands as `[in, out / groups, window…]`, and its last tap
   * comes first.
   */
  readonly transposed: boolean;
}

type Facts = () => readonly (readonly [string, string])[];

function factsOf(first: Aval, second: Aval, role: string, p: ConvolveParams): Facts {
  return () => [
    ["input", showAval(first)],
    [role, showAval(second)],
    ["window", showWindow(p)],
    ...(p.groups === 1 ? [] : [["groups", `${p.groups}`] as const]),
  ];
}

/** Ranks and dtypes that convolution takes: one to three space axes. */
function checkOperands(operation: string, x: Aval, other: Aval, facts: Facts): number {
  checkDType(operation, x, FLOATS);
  if (other.dtype !== x.dtype) {
    throw new DTypeError("DTYPE-01", `${operation}: operands have unequal dtypes.`, [
      ...facts(),
      ["fix", `convert one of them, for example with .astype("${x.dtype}")`],
    ]);
  }
  const rank = x.dims.length - 2;
  if (rank < 1 || rank > 3 || other.dims.length !== x.dims.length) {
    throw new ShapeError(
      "SHAPE-01",
      `${operation}: operands must both have two axes and then one to three space axes.`,
      facts(),
    );
  }
  return rank;
}

/** Two axes may not carry one name; the later ones lose theirs. */
function unique(names: readonly AxisName[]): AxisName[] {
  return names.map((name, i) => (name !== null && names.indexOf(name) < i ? null : name));
}

function windows(p: SlidingWindow, x: Aval, w: readonly number[]) {
  return axesOf(p, x.dims.slice(2), w);
}

/** `y[n, o, p] = Σ x[n, c, i] w[o, c, k]`; see the head of this file. */
export const convolveOp: Op<ConvolveParams, Two, One> = defineOp<ConvolveParams, Two, One>({
  name: "convolve",
  infer([x, w], p) {
    const facts = factsOf(x, w, "kernel", p);
    const rank = checkOperands("convolve", x, w, facts);
    const taps = w.dims.slice(2);
    checkWindow("convolve", p, taps, rank, facts);
    const { groups, transposed } = p;
    const [first, second] = [dimOf(w, 0), dimOf(w, 1)];
    const channels = transposed ? first : second * groups;
    const shape = transposed ? "[in, out / groups, window…]" : "[out, in / groups, window…]";
    if (groups < 1 || first % groups !== 0) {
      throw new ShapeError(
        "SHAPE-01",
        `convolve: ${groups} groups do not divide the ${first} ${transposed ? "inputs" : "outputs"} of the kernel.`,
        [...facts(), ["rule", `a kernel is ${shape}`]],
      );
    }
    if (dimOf(x, 1) !== channels) {
      throw new ShapeError(
        "SHAPE-01",
        `convolve: the input has ${dimOf(x, 1)} channels, the kernel takes ${channels}.`,
        [
          ...facts(),
          ["rule", `an input is [batch, channel, space…], a kernel ${shape}`],
          ["fix", "move the channels to axis 1, or give the kernel as many inputs"],
        ],
      );
    }
    const [inName, outName] = transposed
      ? [w.names[0] ?? null, w.names[1] ?? null]
      : [w.names[1] ?? null, w.names[0] ?? null];
    if (groups === 1) mergeName("convolve", x.names[1] ?? null, inName, facts);
    return [
      aval(
        x.dtype,
        [
          dimOf(x, 0),
          transposed ? second * groups : first,
          ...windows(p, x, taps).map(({ count }) => count),
        ],
        unique([x.names[0] ?? null, outName, ...x.names.slice(2)]),
      ),
    ];
  },
  jvp: bilinear((x, w, p) => convolve(x, w, p)),
  transpose: {
    kind: "rule",
    apply: ([ct], [x, w], p) => {
      if (ct === null) return [null, null];
      const axes = windows(p, x.aval, w.aval.dims.slice(2));
      const back = { ...p, ...backwards(axes), transposed: !p.transposed };
      if (isLinear(x) && !isLinear(w)) return [like(convolve(ct, w, back), x.aval), null];
      if (!isLinear(w) || isLinear(x)) return [null, null];
      const taps = w.aval.dims.slice(2);
      const dw = p.transposed
        ? convolveKernel(ct, x, { ...p, ...backwards(axes), taps })
        : convolveKernel(x, ct, { ...p, taps });
      return [null, like(dw, w.aval)];
    },
  },
  batch: (inputs, mapped, p, size) => [batchConvolve(inputs, mapped, p, size)],
  shard: ([x, w], _y, p) => {
    const space = x.dims.slice(2).map((_, i) => `space${i}`);
    const taps = space.map(() => null);
    const { into, out, groups } = channelFactors(p, dimOf(x, 1), dimOf(w, p.transposed ? 1 : 0));
    const kernel = p.transposed ? [into, out.kernel] : [out.kernel, into];
    const operands = [
      ["batch", into ?? groups, ...space],
      groups === null ? [...kernel, ...taps] : [groups, null, ...taps],
    ];
    return {
      ...rule(p, operands, [["batch", groups ?? out.result, ...space]], {
        sum: into === null ? [] : [into],
        moves: space,
      }),
      local: ([dims]) => (groups === null ? p : { ...p, groups: dims?.[1] ?? 1 }),
    };
  },
  evaluate: ([x, w], p, [y]) => [evaluateConvolve(x, w, p, y)],
  simplify: asIs,
  lower: { onnx: convolveOnnx, stablehlo: convolveStablehlo },
  samples: convolveSamples,
  rejects: convolveRejects,
});

/**
 * Which channel axes may be split. Without groups both, the incoming ones giving partial sums; with one
 * channel in and out per group all together, as one factor of groups; else neither.
 */
function channelFactors(
  { groups, transposed }: ConvolveParams,
  channels: number,
  perGroup: number,
): {
  readonly into: Factor | null;
  readonly out: { readonly kernel: Factor | null; readonly result: Factor | null };
  readonly groups: Factor | null;
} {
  if (groups === 1) return { into: "in", out: { kernel: "out", result: "out" }, groups: null };
  const outs = transposed ? perGroup * groups : perGroup;
  const depthwise = channels === groups && outs === groups;
  return {
    into: null,
    out: { kernel: null, result: null },
    groups: depthwise ? "channel" : null,
  };
}

/** The tangent of a product: each operand's tangent with the other operand. */
function bilinear<P>(product: (x: Tensor, y: Tensor, p: P) => Tensor): JvpRule<P, Two, One> {
  return {
    kind: "rule",
    apply: ([dx, dy], [x, y], _z, p) => {
      const left: MaybeZero = dx === null ? null : product(dx, y, p);
      const right: MaybeZero = dy === null ? null : product(x, dy, p);
      return [left === null ? right : right === null ? left : add(left, right)];
    },
  };
}

function like(x: Tensor, form: Aval): Tensor {
  return reshape(x, form.dims, form.names);
}

/** Convolution in the layout of the head of this file. */
export function convolve(x: Tensor, w: Tensor, params: ConvolveParams): Tensor {
  const { stride, padding, inputDilation, dilation, groups, transposed } = params;
  const p = { stride, padding, inputDilation, dilation, groups, transposed };
  return apply(convolveOp, [x, w], p)[0];
}

export interface ConvolveKernelParams extends SlidingWindow {
  readonly groups: number;
  /** Sizes of the window. */
  readonly taps: readonly number[];
}

/**
 * `w[o, c, k] = Σ x[n, c, i] y[n, o, p]` over n and p, under the same relation of i, k and p: the
 * gradient of a convolution with respect to its kernel.
 */
export const convolveKernelOp: Op<ConvolveKernelParams, Two, One> = defineOp<
  ConvolveKernelParams,
  Two,
  One
>({
  name: "convolveKernel",
  infer([x, y], p) {
    const facts = factsOf(x, y, "result", { ...p, transposed: false });
    const rank = checkOperands("convolveKernel", x, y, facts);
    checkWindow("convolveKernel", p, p.taps, rank, facts);
    const [channels, outs] = [dimOf(x, 1), dimOf(y, 1)];
    if (p.groups < 1 || channels % p.groups !== 0 || outs % p.groups !== 0) {
      throw new ShapeError(
        "SHAPE-01",
        `convolveKernel: ${p.groups} groups do not divide ${channels} and ${outs} channels.`,
        facts(),
      );
    }
    const expected = [dimOf(x, 0), outs, ...windows(p, x, p.taps).map(({ count }) => count)];
    if (!sameDims(y.dims, expected)) {
      throw new ShapeError(
        "SHAPE-01",
        `convolveKernel: a window of [${p.taps.join(", ")}] makes [${expected.join(", ")}] of the input.`,
        facts(),
      );
    }
    const inName = p.groups === 1 ? (x.names[1] ?? null) : null;
    return [
      aval(
        x.dtype,
        [outs, channels / p.groups, ...p.taps],
        unique([y.names[1] ?? null, inName, ...p.taps.map(() => null)]),
      ),
    ];
  },
  jvp: bilinear((x, y, p) => convolveKernel(x, y, p)),
  transpose: {
    kind: "rule",
    apply: ([ct], [x, y], p) => {
      if (ct === null) return [null, null];
      const nameless = reshape(ct, ct.dims);
      if (isLinear(x) && !isLinear(y)) {
        const back = backwards(windows(p, x.aval, p.taps));
        return [like(convolve(y, nameless, { ...p, ...back, transposed: true }), x.aval), null];
      }
      if (!isLinear(y) || isLinear(x)) return [null, null];
      return [null, like(convolve(x, nameless, { ...p, transposed: false }), y.aval)];
    },
  },
  batch: (inputs, mapped, p, size) => [batchKernel(inputs, mapped, p, size)],
  shard: ([x, y], _w, p) => kernelRule(x, y, p),
  evaluate: ([x, y], p, [w]) => [evaluateKernel(x, y, p, w)],
  simplify: asIs,
  lower: { onnx: convolveKernelOnnx, stablehlo: convolveKernelStablehlo },
  samples: convolveKernelSamples,
  rejects: convolveKernelRejects,
});

function kernelRule(x: Aval, y: Aval, p: ConvolveKernelParams): ShardingRule<ConvolveKernelParams> {
  // Windows of x meet elements of y: both are cut alike, x with its neighbours' edges, and the pieces are added.
  const space = x.dims.slice(2).map((_, i) => `space${i}`);
  const taps = space.map(() => null);
  const depthwise = dimOf(x, 1) === p.groups && dimOf(y, 1) === p.groups && p.groups > 1;
  const [into, out] = p.groups === 1 ? ["in", "out"] : depthwise ? ["out", "out"] : [null, null];
  return {
    ...rule(
      p,
      [
        ["batch", into ?? null, ...space],
        ["batch", out ?? null, ...space],
      ],
      [[out ?? null, depthwise ? null : (into ?? null), ...taps]],
      { sum: ["batch", ...space], moves: space },
    ),
    local: ([dims]) => (depthwise ? { ...p, groups: dims?.[0] ?? 1 } : p),
  };
}

/** The kernel's gradient in the layout of the head of this file. */
export function convolveKernel(x: Tensor, y: Tensor, params: ConvolveKernelParams): Tensor {
  const { stride, padding, inputDilation, dilation, groups, taps } = params;
  const p = { stride, padding, inputDilation, dilation, groups, taps };
  return apply(convolveKernelOp, [x, y], p)[0];
}
