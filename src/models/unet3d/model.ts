/**
 * @file The 3-D U-Net: two convolutions a level, the first of stride 2 on the way down, transposed ones up, and at each level
 * on the way up what it had on the way down. Group norms, so that no example sees another.
 *
 * It says where space is and nothing of devices: `depth` and `row` may be split, and every window then needs its neighbours.
 *
 * @see Çiçek et al., arXiv:1606.06650; strides in place of pooling: Isensee et al., arXiv:1809.10486
 */

import type { Tensor } from "../../core/tensor.ts";
import * as nn from "../../nn/index.ts";
import { checkpoint, concatenate, laid, relu, rsqrt } from "../../numpy/index.ts";
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
  const level = (stride: number) => {
    const plain = (own: UnetLevel<Tensor>, x: Tensor) => throughLevel(own, x, stride, config);
    return config.recompute ? checkpoint(plain) : plain;
  };
  const kept: Tensor[] = [];
  let x = laid(volume, WORDS);
  p.down.forEach((own, i) => {
    x = level(i === 0 ? 1 : 2)(own, x);
    kept.push(x);
  });
  for (let i = p.up.length - 1; i >= 0; i--) {
    const rise = p.up[i];
    const before = kept[i];
    if (rise === undefined || before === undefined) throw new Error("a level up for each down");
    const larger = nn.convolutionTranspose(rise.larger, x, { stride: 2 }).as(WORDS);
    x = level(1)(rise.level, concatenate([before, larger], "channel").as(WORDS));
  }
  return nn.convolution(p.output, x).as(WORDS);
}

function throughLevel(
  level: UnetLevel<Tensor>,
  volume: Tensor,
  stride: number,
  { groups }: UnetConfig,
): Tensor {
  return level.reduce((x, { convolution, norm }, i) => {
    const step = i === 0 ? stride : 1;
    const mixed = nn.convolution(convolution, x, { padding: "same", stride: step }).as(WORDS);
    return laid(relu(groupNorm(norm, mixed, groups)), WORDS);
  }, volume);
}

/**
 * As `nn.groupNorm`, axis by axis: flattening space would bring a volume that is split together.
 *
 * @see Wu and He, arXiv:1803.08494
 */
function groupNorm({ scale, bias }: nn.ChannelNorm<Tensor>, x: Tensor, groups: number): Tensor {
  const [batch, channels, ...space] = x.dims as [number, number, ...number[]];
  const apart = x.reshape(
    [batch, groups, channels / groups, ...space],
    "batch group member depth row column",
  );
  const mean = (y: Tensor) =>
    ["column", "row", "depth", "member"].reduce((z, axis) => z.mean(axis), y);
  const centred = apart.sub(mean(apart));
  const variance = mean(centred.square());
  const normal = centred.mul(rsqrt(variance.add(1e-5)));
  return normal.reshape(x.dims, WORDS).mul(scale).add(bias);
}
