/** @file Linear layers between any axes. */

import { ShapeError } from "../core/errors.ts";
import { showAval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { einsumOf } from "../numpy/index.ts";
import { fanInUniform, type ParamSpec, param, zeros } from "./param.ts";

/** A kernel, and one number per element of the result where there is a bias. */
export interface Linear<T> {
  readonly kernel: T;
  readonly bias?: T;
}

type Sizes = Readonly<Record<string, number>>;

/**
 * `linearParams({ embed: 512 }, { head: 8, dim: 64 })`: the kernel `[embed, head, dim]`, of variance
 * 1 / (numbers summed), and the bias `[head, dim]` of zeros.
 *
 * @param from - axis words and sizes that are summed away
 * @param to - axis words and sizes of the result
 */
export function linearParams(
  from: Sizes,
  to: Sizes,
  { bias = true }: { readonly bias?: boolean } = {},
): Linear<ParamSpec> {
  const fanIn = Object.values(from).reduce((product, size) => product * size, 1);
  return {
    kernel: param({ ...from, ...to }, fanInUniform(fanIn)),
    ...(bias ? { bias: param(to, zeros) } : {}),
  };
}

/**
 * `x · kernel + bias`, summed over the axes that x and kernel share by name; an unnamed kernel meets the
 * last axis of x with its first.
 *
 * @param x - `[…, from]`
 * @returns `[…, to]`
 * @throws ShapeError when x and kernel share no axis
 */
export function linear({ kernel, bias }: Linear<Tensor>, x: Tensor): Tensor {
  const named = [x, kernel].every(({ names }) => names.every((name) => name !== null));
  const own = named ? x.names.map(String) : x.dims.map((_, i) => `axis${i}`);
  const weights = named
    ? kernel.names.map(String)
    : [own.at(-1) ?? "", ...kernel.dims.slice(1).map((_, i) => `out${i}`)];
  const kept = own.filter((word) => !weights.includes(word));
  const to = weights.filter((word) => !own.includes(word));
  if (kept.length === own.length) {
    throw new ShapeError("SHAPE-01", "linear: x and the kernel share no axis.", [
      ["x", showAval(x.aval)],
      ["kernel", showAval(kernel.aval)],
    ]);
  }
  const unnamed = (y: Tensor) => (named ? y : y.reshape(y.dims));
  const words = (list: readonly string[]) => list.join(" ");
  const y = einsumOf(`${words(own)}, ${words(weights)} -> ${words([...kept, ...to])}`, [
    unnamed(x),
    unnamed(kernel),
  ]);
  if (named) return bias === undefined ? y : y.add(bias);
  const plain = y.reshape(y.dims);
  return bias === undefined ? plain : plain.add(bias.reshape(bias.dims));
}
