/** @file Shampoo: Gupta et al., arXiv:1802.09568, in blocks and with grafted step lengths as in Anil et al., arXiv:2002.09018. */

import type { Tensor } from "../core/tensor.ts";
import { cond, einsum, linalg, maximum, pad } from "../numpy/index.ts";
import { fullLike } from "../ops/creation.ts";
import { reshape, transpose } from "../ops/layout.ts";
import { slice } from "../ops/pieces.ts";
import { type AdamOptions, type AdamState, adamw, unbias } from "./adam.ts";
import { inverseRoot } from "./inverse-root.ts";
import type { Optimizer } from "./optimizer.ts";
import { isAny, isMatrix, matrixForm, type ParameterFilter } from "./parameters.ts";

export interface ShampooOptions {
  /** Weight of the past in the momentum of the steps; 0 for none. */
  readonly beta1?: number;
  /** Weight of the past in the statistics; 1 sums them up, as the first paper does. */
  readonly beta2?: number;
  /** Added to the statistics, times their Frobenius norm. */
  readonly epsilon?: number;
  /** Longest side of a preconditioner; longer sides are cut into equal blocks. */
  readonly block?: number;
  /** Roots are computed at every so many updates, and kept in between. */
  readonly rootEvery?: number;
  /** Whose length a step has, matrix by matrix: `g / (√v̂ + 1e−8)`, the gradient's, or its own. */
  readonly graft?: "rmsprop" | "sgd" | "none";
  readonly weightDecay?: number;
  /** Parameters that decay; all when absent. */
  readonly decayed?: ParameterFilter;
  /** AdamW's options for parameters that are no matrices. */
  readonly auxiliary?: AdamOptions;
}

/** Statistics and their roots per block, `[block, n, n]` on either side. */
export interface MatrixState {
  readonly left: Tensor;
  readonly right: Tensor;
  readonly leftRoot: Tensor;
  readonly rightRoot: Tensor;
  readonly momentum?: Tensor;
  readonly second?: Tensor;
}
export type ShampooState = MatrixState | AdamState;

/**
 * Matrices: `L ← β2 L + (1−β2) G Gᵀ`, `R ← β2 R + (1−β2) Gᵀ G` (with β2 = 1 sums), `U = L^(−1/4) G R^(−1/4)`,
 * `U ← U · ‖graft‖ / ‖U‖`, `m ← β1 m + (1−β1) U`, `W ← W − rate · ( m̂ + decay · W )`. All else: AdamW.
 */
export function shampoo(options: ShampooOptions = {}): Optimizer<ShampooState> {
  const { beta1 = 0.9, beta2 = 0.95, epsilon = 1e-6, block = 128, rootEvery = 10 } = options;
  const { graft = "rmsprop", weightDecay = 0.1, decayed = isAny } = options;
  const rest = adamw({ weightDecay, decayed, ...options.auxiliary });
  return {
    name: "shampoo",
    init(param, path) {
      if (!isMatrix(path, param)) return rest.init(param, path);
      const zero = toBlocks(fullLike(param, 0), blocksOf(param, block));
      const [left, right] = [gram(zero, "left"), gram(zero, "right")];
      return {
        left,
        right,
        leftRoot: linalg.identityLike(left),
        rightRoot: linalg.identityLike(right),
        ...(beta1 === 0 ? {} : { momentum: fullLike(param, 0) }),
        ...(graft === "rmsprop" ? { second: fullLike(param, 0) } : {}),
      };
    },
    update(param, gradient, state, at) {
      if (!("left" in state)) return rest.update(param, gradient, state, at);
      const cut = blocksOf(param, block);
      const g = toBlocks(gradient, cut);
      const mixed = (old: Tensor, fresh: Tensor) =>
        beta2 === 1 ? old.add(fresh) : old.mul(beta2).add(fresh.mul(1 - beta2));
      const left = mixed(state.left, gram(g, "left"));
      const right = mixed(state.right, gram(g, "right"));
      const fresh = () => [inverseRoot(left, 4, epsilon), inverseRoot(right, 4, epsilon)] as const;
      const kept = () => [state.leftRoot, state.rightRoot] as const;
      const [leftRoot, rightRoot] =
        rootEvery === 1 ? fresh() : cond(at.step.rem(rootEvery).less(0.5), fresh, kept);
      const own = fromBlocks(preconditioned(g, leftRoot, rightRoot), cut, gradient);

      const second =
        state.second === undefined
          ? undefined
          : state.second.mul(beta2).add(gradient.square().mul(1 - beta2));
      const pace = second?.div(unbias(beta2, at.step)).sqrt().add(1e-8);
      const model = pace === undefined ? gradient : gradient.div(pace);
      const direction =
        graft === "none" ? own : own.mul(norm(model).div(maximum(norm(own), 1e-30)));

      const momentum = state.momentum?.mul(beta1).add(direction.mul(1 - beta1));
      const step = momentum?.div(unbias(beta1, at.step)) ?? direction;
      const decays = weightDecay !== 0 && decayed(at.path, param);
      const whole = decays ? step.add(param.mul(weightDecay)) : step;
      return {
        param: param.sub(whole.mul(at.rate)),
        state: {
          left,
          right,
          leftRoot,
          rightRoot,
          ...(momentum === undefined ? {} : { momentum }),
          ...(second === undefined ? {} : { second }),
        },
      };
    },
  };
}

/** How one tensor is cut: a stack of matrices, each into `down × across` blocks of `rows × columns`. */
interface Blocks {
  readonly stack: number;
  readonly down: number;
  readonly across: number;
  readonly rows: number;
  readonly columns: number;
  /** Sizes of one matrix before it is filled up with zeros. */
  readonly matrix: readonly [rows: number, columns: number];
}

function blocksOf(param: Tensor, longest: number): Blocks {
  const { stack, rows, columns } = matrixForm(param);
  const [down, across] = [Math.ceil(rows / longest), Math.ceil(columns / longest)];
  const sizes = { rows: Math.ceil(rows / down), columns: Math.ceil(columns / across) };
  return { stack, down, across, ...sizes, matrix: [rows, columns] };
}

/** `[stack · down · across, rows, columns]` */
function toBlocks(x: Tensor, { stack, down, across, rows, columns, matrix }: Blocks): Tensor {
  const filled = pad(reshape(x, [stack, ...matrix]), {
    1: { after: down * rows - matrix[0] },
    2: { after: across * columns - matrix[1] },
  });
  const cut = reshape(filled, [stack, down, rows, across, columns]);
  return reshape(transpose(cut, [0, 1, 3, 2, 4]), [stack * down * across, rows, columns]);
}

function fromBlocks(x: Tensor, blocks: Blocks, like: Tensor): Tensor {
  const { stack, down, across, rows, columns, matrix } = blocks;
  const cut = transpose(reshape(x, [stack, down, across, rows, columns]), [0, 1, 3, 2, 4]);
  const filled = reshape(cut, [stack, down * rows, across * columns]);
  return reshape(slice(filled, [0, 0, 0], [stack, ...matrix]), like.dims, like.names);
}

function gram(g: Tensor, side: "left" | "right"): Tensor {
  const product =
    side === "left"
      ? einsum("block row column, block other column -> block row other", g, g)
      : einsum("block row column, block row other -> block column other", g, g);
  return reshape(product, product.dims);
}

function preconditioned(g: Tensor, left: Tensor, right: Tensor): Tensor {
  const half = einsum("block row a, block a column -> block row column", left, g);
  const unnamed = reshape(half, half.dims);
  return einsum("block row a, block a column -> block row column", unnamed, right);
}

function norm(x: Tensor): Tensor {
  return x.square().sum().sqrt();
}
