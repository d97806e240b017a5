/** @file Muon: momentum made orthogonal, for matrices (Jordan et al., 2024; Liu et al., arXiv:2502.16982). */

import type { Tensor } from "../core/tensor.ts";
import { einsum, maximum } from "../numpy/index.ts";
import { fullLike } from "../ops/creation.ts";
import { reshape } from "../ops/layout.ts";
import { type AdamOptions, type AdamState, adamw } from "./adam.ts";
import type { Optimizer } from "./optimizer.ts";
import {
  isAny,
  isMatrix,
  type MatrixForm,
  matrixForm,
  type ParameterFilter,
} from "./parameters.ts";

/** How long a step is, beside the learning rate. */
export type MuonScale =
  /** `0.2 · √max(rows, columns)`: as long as AdamW's steps usually are, so that AdamW's rates fit. */
  | "match-adamw"
  /** `√max(1, made / read)`: the largest change that a matrix makes to its output is the same for all. */
  | "spectral";

export interface MuonOptions {
  readonly momentum?: number;
  readonly nesterov?: boolean;
  /** Newton–Schulz iterations. */
  readonly iterations?: number;
  readonly scale?: MuonScale;
  readonly weightDecay?: number;
  /** Parameters that decay; all when absent. */
  readonly decayed?: ParameterFilter;
  /** Parameters that are no matrices to Muon: AdamW updates them. `isMatrix` when absent. */
  readonly matrices?: ParameterFilter;
  /** AdamW's options for the rest; it decays as much, when it does not say otherwise. */
  readonly auxiliary?: AdamOptions;
  /** Factor of the learning rate for the rest. */
  readonly auxiliaryRate?: number;
}

export type MuonState = { readonly momentum: Tensor } | AdamState;

/** Jordan's coefficients: they pull every singular value into [0.7, 1.2] in five rounds. */
const [A, B, C] = [3.4445, -4.775, 2.0315];
const TINY = 1e-7;

/**
 * Matrices: `m ← µ m + (1−µ) g`, `u = (1−µ) g + µ m` (Nesterov) or m,
 * `W ← W − rate · ( scale · orthogonal(u) + decay · W )`. Experts and layers that stand side by side in one tensor
 * are matrices each. Embeddings, norms, biases and all else: AdamW.
 */
export function muon(options: MuonOptions = {}): Optimizer<MuonState> {
  const { momentum: mu = 0.95, nesterov = true, iterations = 5, scale = "match-adamw" } = options;
  const { weightDecay = 0.1, decayed = isAny, matrices = isMatrix, auxiliaryRate = 1 } = options;
  const rest = adamw({ weightDecay, decayed, ...options.auxiliary });
  return {
    name: "muon",
    init: (param, path) =>
      matrices(path, param) ? { momentum: fullLike(param, 0) } : rest.init(param, path),
    update(param, gradient, state, at) {
      if (!("momentum" in state)) {
        const rate = auxiliaryRate === 1 ? at.rate : at.rate.mul(auxiliaryRate);
        return rest.update(param, gradient, state, { ...at, rate });
      }
      const fresh = gradient.mul(1 - mu);
      const momentum = state.momentum.mul(mu).add(fresh);
      const form = matrixForm(param);
      const direction = orthogonal(
        nesterov ? fresh.add(momentum.mul(mu)) : momentum,
        form,
        iterations,
      );
      const step = direction.mul(at.rate.mul(lengthOf(scale, form)));
      const decays = weightDecay !== 0 && decayed(at.path, param);
      const moved = param.sub(step);
      return {
        param: decays ? moved.sub(param.mul(at.rate.mul(weightDecay))) : moved,
        state: { momentum },
      };
    },
  };
}

function lengthOf(scale: MuonScale, { rows, columns, makesRows }: MatrixForm): number {
  if (scale === "match-adamw") return 0.2 * Math.sqrt(Math.max(rows, columns));
  return Math.sqrt(Math.max(1, makesRows ? rows / columns : columns / rows));
}

/**
 * About `U Vᵀ` of each matrix `U S Vᵀ`, by Newton–Schulz: `X ← a X + (b G + c G²) X` with `G = X Xᵀ`, from `X / ‖X‖`.
 * The Gram matrix stands on the shorter side: `Xᵀ X` for tall matrices.
 */
export function orthogonal(
  x: Tensor,
  { stack, rows, columns }: MatrixForm,
  iterations: number,
): Tensor {
  const start = reshape(x, [stack, rows, columns]);
  const norm = start.square().sum([1, 2], { keepDims: true }).sqrt();
  let y = start.div(maximum(norm, TINY));
  for (let i = 0; i < iterations; i++) y = rows <= columns ? wideRound(y) : tallRound(y);
  return reshape(y, x.dims, x.names);
}

function wideRound(x: Tensor): Tensor {
  const gram = unnamed(einsum("stack row column, stack other column -> stack row other", x, x));
  const turned = einsum("stack row a, stack a column -> stack row column", polynomial(gram), x);
  return x.mul(A).add(unnamed(turned));
}

function tallRound(x: Tensor): Tensor {
  const gram = unnamed(einsum("stack row column, stack row other -> stack column other", x, x));
  const turned = einsum("stack row a, stack a column -> stack row column", x, polynomial(gram));
  return x.mul(A).add(unnamed(turned));
}

function polynomial(gram: Tensor): Tensor {
  const square = einsum("stack row a, stack a column -> stack row column", gram, gram);
  return gram.mul(B).add(unnamed(square).mul(C));
}

function unnamed(x: Tensor): Tensor {
  return reshape(x, x.dims);
}
