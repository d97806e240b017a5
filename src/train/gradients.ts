/** @file Loss and gradients of a batch: whole, or summed over micro-batches; of all parameters, or of some. */

import { isFloat } from "../core/dtype.ts";
import { ConfigError } from "../core/errors.ts";
import { showAval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { leaves, mapTree, namedLeaves, withLeaves } from "../core/tree.ts";
import { arange, maximum, scalar, scan } from "../numpy/index.ts";
import * as random from "../numpy/random.ts";
import { fullLike } from "../ops/creation.ts";
import { reshape } from "../ops/layout.ts";
import type { ParameterFilter } from "../optim/parameters.ts";
import { valueAndGradAux } from "../transforms/vjp.ts";
import type { TokenBatch } from "./model.ts";
import type { BatchLoss } from "./step.ts";

/** A batch's loss with the gradients of the parameters that train, in their order. */
export interface BatchGradients<R> extends BatchLoss<R> {
  readonly gradients: readonly Tensor[];
}

export interface GradientOptions {
  readonly microBatches: number;
  /** Parameters to differentiate by. */
  readonly trainable: ParameterFilter;
  /** Factor of the loss while it is differentiated; the gradients are free of it again. */
  readonly scale?: Tensor | undefined;
}

/** The parameters that a filter chooses, in the order of the tree. */
export function chosenLeaves(params: unknown, trainable: ParameterFilter): readonly Tensor[] {
  return namedLeaves(params, "parameters")
    .filter(({ path, leaf }) => trainable(path, leaf))
    .map(({ leaf }) => leaf);
}

/** `params` with the chosen ones replaced, in order. */
export function withChosen<P>(
  params: P,
  trainable: ParameterFilter,
  replacements: readonly Tensor[],
): P {
  const next = replacements.values();
  return mapTree(params, (leaf, path) =>
    trainable(path, leaf) ? (next.next().value ?? leaf) : leaf,
  );
}

/**
 * Loss and gradients of a batch, traced.
 *
 * With k micro-batches, one after the other goes forward and backward, and what is kept is
 * `Σ count · gradient / Σ count`: the gradient of the mean over all counted tokens, however they are spread. Extra terms of
 * the loss, which are means or statistics of one micro-batch each, are weighed by counted tokens as well; where such a term
 * is not a mean over tokens (a router's balance), the sum is not that of the whole batch, and is meant not to be: the router
 * sees micro-batches. Reports are averaged by the same weights, integers in them summed.
 *
 * @param loss - of one batch or micro-batch
 */
export function lossAndGradients<P, R, B = TokenBatch>(
  loss: (params: P, batch: B, key: random.Key) => BatchLoss<R>,
  params: P,
  batch: B,
  key: random.Key,
  { microBatches, trainable, scale }: GradientOptions,
): BatchGradients<R> {
  const chosen = chosenLeaves(params, trainable);
  const of = (piece: B, pieceKey: random.Key): BatchGradients<R> => {
    const scaled = (some: readonly Tensor[]) => {
      const own = loss(withChosen(params, trainable, some), piece, pieceKey);
      const seed = scale === undefined ? own.loss : own.loss.mul(scale.astype(own.loss.dtype));
      return [seed, own] as const;
    };
    const [[, own], gradients] = valueAndGradAux(scaled)(chosen);
    return { ...own, gradients };
  };
  const unscale = scale === undefined ? undefined : scale.reciprocal();
  const times = (xs: readonly Tensor[], factor: Tensor) => xs.map((x) => x.mul(factor));
  if (microBatches === 1) {
    const whole = of(batch, key);
    return unscale === undefined ? whole : { ...whole, gradients: times(whole.gradients, unscale) };
  }
  const elements = {
    piece: piecesOf(batch, microBatches),
    index: arange(microBatches).astype("uint32"),
  };
  type Carry = { readonly sums: readonly Tensor[]; readonly tokens: Tensor };
  const body = ({ sums, tokens }: Carry, { piece, index }: typeof elements) => {
    const { gradients, ...rest } = of(piece, random.fold(key, index));
    const next = sums.map((sum, i) => sum.add((gradients[i] ?? sum).mul(rest.count)));
    return [{ sums: next, tokens: tokens.add(rest.count) }, rest] as const;
  };
  const start = { sums: chosen.map((p) => fullLike(p, 0)), tokens: scalar(0) };
  const [{ sums, tokens }, each] = scan(body, start, elements);
  const counted = maximum(tokens, 1);
  const share = each.count.div(counted);
  const perToken = unscale === undefined ? counted.reciprocal() : unscale.div(counted);
  return {
    loss: weighed(each.loss, share),
    count: tokens,
    report: mapTree(each.report, (x) => (isFloat(x.dtype) ? weighed(x, share) : x.sum(0))),
    gradients: times(sums, perToken),
  };
}

/** `Σ share · x` along the first axis. */
function weighed(x: Tensor, share: Tensor): Tensor {
  return x.mul(reshape(share, [...share.dims, ...x.dims.slice(1).map(() => 1)])).sum(0);
}

/** `[batch, …]` as `[micro-batches, batch / micro-batches, …]`: neighbours stay together. */
function piecesOf<B>(batch: B, count: number): B {
  const cut = leaves(batch, "batch").map((x) => {
    const [rows = 0, ...rest] = x.dims;
    if (rows % count !== 0) {
      throw new ConfigError("CONFIG-01", "microBatches: the batch does not divide evenly.", [
        ["batch", showAval(x.aval)],
        ["microBatches", `${count}`],
        ["fix", `make ${rows} a multiple of ${count}, or microBatches a divisor of ${rows}`],
      ]);
    }
    return reshape(x, [count, rows / count, ...rest], [null, ...x.names]);
  });
  return withLeaves(batch, cut);
}
