/**
 * @file The 3-D U-Net: two convolutions a level, pooling down, transposed convolutions up, and at each level on the way up
 * what the level had on the way down. Group norms, so that no example sees another.
 *
 * It says where space is and nothing of devices: `depth` and `row` may be split, and every window then needs its neighbours.
 *
 * @see Çiçek et al., arXiv:1606.06650
 */

import type { Tensor } from "../../core/tensor.ts";
import * as nn from "../../nn/index.ts";
import { checkpoint, concatenate, laid, maxPool, relu } from "../../numpy/index.ts";
import type { UnetConfig } from "./config.ts";

/** A convolution without a bias, and the norm that has one. */
export interface UnetLayer<T> {
  readonly convolution: nn.Convolution<T>;
  readonly norm: nn.ChannelNorm<T>;
}

export type UnetLevel<T> = readonly [UnetLayer<T>, UnetLayer<T>];

export interface UnetRise<T> {
  /** To twice the side. */
  readonly larger: nn.Convolution<T>;
  readonly level: UnetLevel<T>;
}

export interface Unet<T> {
  /** The finest first, the bottom last. */
  readonly down: readonly UnetLevel<T>[];
  /** The finest first. */
  readonly up: readonly UnetRise<T>[];
  readonly output: nn.Convolution<T>;
}

const CUBE = [3, 3, 3];

export function unetParams({ channels, filters, classes }: UnetConfig): Unet<nn.ParamSpec> {
  const layer = (from: number, to: number): UnetLayer<nn.ParamSpec> => ({
    convolution: nn.convolutionParams({ channels: from, filters: to, window: CUBE, bias: false }),
    norm: nn.channelNormParams(to),
  });
  const level = (from: number, to: number): UnetLevel<nn.ParamSpec> => [
    layer(from, to),
    layer(to, to),
  ];
  const at = (i: number) => filters[i] ?? 0;
  return {
    down: filters.map((count, i) => level(i === 0 ? channels : at(i - 1), count)),
    up: filters.slice(0, -1).map((count, i) => ({
      larger: nn.convolutionTransposeParams({
        ...{ channels: at(i + 1), filters: count, window: [2, 2, 2] },
      }),
      level: level(2 * count, count),
    })),
    output: nn.convolutionParams({ channels: at(0), filters: classes, window: [1, 1, 1] }),
  };
}

const WORDS = "batch channel depth row column";

/**
 * Logits of every voxel.
 *
 * @param volume - `[batch, channel, depth, row, column]`
 * @returns `[batch, channel, depth, row, column]` with a channel for each class
 */
export function unet(p: Unet<Tensor>, volume: Tensor, config: UnetConfig): Tensor {
  const plain = (own: UnetLevel<Tensor>, x: Tensor) => throughLevel(own, x, config);
  const through = config.recompute ? checkpoint(plain) : plain;
  const kept: Tensor[] = [];
  let x = volume;
  p.down.forEach((level, i) => {
    const entered = i === 0 ? x : maxPool(x, { window: { depth: 2, row: 2, column: 2 } });
    x = through(level, laid(entered.as(WORDS), WORDS));
    kept.push(x);
  });
  for (let i = p.up.length - 1; i >= 0; i--) {
    const rise = p.up[i];
    const before = kept[i];
    if (rise === undefined || before === undefined) throw new Error("a level up for each down");
    const larger = nn.convolutionTranspose(rise.larger, x, { stride: 2 }).as(WORDS);
    x = through(rise.level, laid(concatenate([before, larger], "channel").as(WORDS), WORDS));
  }
  return nn.convolution(p.output, x).as(WORDS);
}

function throughLevel(level: UnetLevel<Tensor>, volume: Tensor, { groups }: UnetConfig): Tensor {
  return level.reduce((x, { convolution, norm }) => {
    const mixed = nn.convolution(convolution, x, { padding: "same" }).as(WORDS);
    return relu(nn.groupNorm(norm, mixed, { groups }));
  }, volume);
}
