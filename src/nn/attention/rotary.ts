/** @file Rotary positions: queries and keys turn by angles that grow with their place, so that products see distances. */

import { ConfigError } from "../../core/errors.ts";
import { aval } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { arange, concatenate, cos, sin, split } from "../../numpy/index.ts";
import { literal } from "../../ops/creation.ts";

/** Slower turning for contexts that are longer than those of training. */
export type RotaryScaling =
  /** All frequencies divided by one factor. */
  | { readonly kind: "linear"; readonly factor: number }
  /** Long waves by the factor, short ones not at all, those between by a share (Llama 3.1). */
  | {
      readonly kind: "llama3";
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      /** Context of the training before. */
      readonly originalLength: number;
    };

export interface Rotary {
  readonly kind: "rotary";
  /** Base of the wavelengths, `2π · theta^(2i/width)`; 10,000 when absent. */
  readonly theta?: number;
  /** Share of each head's width that turns, from the front; 1 when absent. */
  readonly fraction?: number;
  readonly scaling?: RotaryScaling;
}

/** How many of a head's numbers turn: an even number. */
function turningWidth({ fraction = 1 }: Rotary, dim: number): number {
  return Math.floor(dim * fraction);
}

/** @throws ConfigError when there is not an even number of numbers to turn */
export function checkRotary(rotary: Rotary, dim: number): void {
  const width = turningWidth(rotary, dim);
  if (width >= 2 && width % 2 === 0 && width <= dim) return;
  throw new ConfigError(
    "CONFIG-01",
    `attention: rotary positions turn pairs of numbers, but fraction ${rotary.fraction ?? 1} of dim ${dim} is ${width}; choose an even number from 2 to ${dim}`,
  );
}

/** Radians per place, one for each of `width / 2` pairs, fastest first. */
export function rotaryFrequencies(rotary: Rotary, dim: number): readonly number[] {
  const { theta = 10_000, scaling } = rotary;
  const width = turningWidth(rotary, dim);
  return Array.from({ length: width / 2 }, (_, i) => scaled(theta ** ((-2 * i) / width), scaling));
}

function scaled(frequency: number, scaling: RotaryScaling | undefined): number {
  if (scaling === undefined) return frequency;
  const slow = frequency / scaling.factor;
  if (scaling.kind === "linear") return slow;
  const { lowFrequencyFactor: low, highFrequencyFactor: high, originalLength } = scaling;
  // How many turns the wave makes in the original context: few are slowed down, many are left.
  const turns = (originalLength * frequency) / (2 * Math.PI);
  const kept = Math.min(1, Math.max(0, (turns - low) / (high - low)));
  return (1 - kept) * slow + kept * frequency;
}

/**
 * x with pairs of numbers turned by their place's angle: `(a cos − b sin, b cos + a sin)`, where a stands in
 * the first half of what turns, and b at the same place of the second half.
 *
 * @param x - `[batch, head, pos, dim]`; the name of its third axis is free
 * @param positions - int32 `[batch, pos]`; 0, 1, 2 … when absent
 * @see Su et al., arXiv:2104.09864; halves rather than neighbours, as in GPT-NeoX and Llama
 */
export function rotate(x: Tensor, rotary: Rotary, positions?: Tensor): Tensor {
  const [length, dim] = [x.dims[2] ?? 0, x.size("dim")];
  const frequencies = rotaryFrequencies(rotary, dim);
  const half = frequencies.length;
  const rest = dim - 2 * half;
  const place = x.names[2] ?? "pos";
  const at = positions?.astype("float32") ?? arange(length, undefined, "float32");
  const speeds = literal(aval("float32", [half]), frequencies);
  const angle = at
    .reshape([...at.dims, 1])
    .mul(speeds)
    .as(positions === undefined ? `${place} dim` : `batch ${place} dim`);
  // Angles need all digits of float32, the turning itself does not.
  const [cosine, sine] = [cos(angle).astype(x.dtype), sin(angle).astype(x.dtype)];
  const [a, b, still] = split(x, "dim", rest > 0 ? [half, half, rest] : [half, half]) as [
    Tensor,
    Tensor,
    Tensor?,
  ];
  const turned = [a.mul(cosine).sub(b.mul(sine)), b.mul(cosine).add(a.mul(sine))];
  return concatenate(still === undefined ? turned : [...turned, still], "dim");
}
