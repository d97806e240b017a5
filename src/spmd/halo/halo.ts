/**
 * @file Halo exchange: every device gets the elements that its outputs of a window need, and runs the op by itself.
 *
 * A dimension that no axis splits passes as it is. Several split dimensions are exchanged one after the other: what
 * lies across a corner comes along with the second exchange.
 */

import { type Mesh, sizeOfParts } from "../../core/mesh.ts";
import { type Aval, dimOf, sizeOf } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { fullLike } from "../../ops/creation.ts";
import { select } from "../../ops/logic.ts";
import { pad } from "../../ops/pieces.ts";
import { extent } from "../../ops/sliding-window.ts";
import type { Split } from "../mask.ts";
import { checkBlock, exchange, type Fill } from "./exchange.ts";
import { planExchange } from "./exchange-plan.ts";
import { type DimWindow, type Halo, haloOf, localWindowOf } from "./halo-window.ts";
import { cutHere, hereAlong, insideHere } from "./place-numbers.ts";

/** A window along a dimension that may be split. */
export interface WindowedDim extends Split {
  readonly window: DimWindow;
}

/** What stands where a device's elements are not. */
export interface HaloFill {
  /** Outside the whole and between dilated elements; null where no valid output reads there. */
  readonly outside: Fill;
  /** Behind the elements that a device's outputs need; anything where absent. */
  readonly behind?: number;
}

/** A local tensor, and the window that makes this device's outputs of it. */
export interface Windowed {
  readonly tensor: Tensor;
  readonly window: DimWindow;
}

export function haloAlong({ axes, size, window }: WindowedDim): Halo {
  return haloOf(window, size, sizeOfParts(axes));
}

/**
 * The elements that a device's block of outputs needs, ⌈outputs/shards⌉ of them on each device.
 *
 * @param x - local, blocks of ⌈size/shards⌉ along `at.dim`; what stands beyond `size` may be anything
 * @returns a local tensor, and the window over it: its low and high padding is what is left of the dilation
 * @throws ShardingError when x has other blocks
 */
export function exchangeHalo(mesh: Mesh, x: Tensor, at: WindowedDim, fill: HaloFill): Windowed {
  const halo = haloAlong(at);
  checkBlock("exchangeHalo", x, at, halo.block);
  if (halo.shards === 1) return { tensor: x, window: at.window };
  const { dim, axes } = at;
  const here = hereAlong(mesh, axes);
  const exchanged = exchange(mesh, x, at, halo, fill.outside);
  const needed =
    fill.behind === undefined
      ? null
      : insideHere(
          exchanged,
          dim,
          here,
          halo.counts.map(() => 0),
          halo.counts,
        );
  const tensor =
    needed === null ? exchanged : select(needed, exchanged, fullLike(exchanged, fill.behind ?? 0));
  const { window, dilate } = localWindowOf(halo);
  if (dilate === null) return { tensor, window };
  const apart = at.window.inputDilation;
  const before = apart - 1; // the farthest that a first element stands from the first place
  const after = dilate.places - extent(dimOf(tensor.aval, dim), apart);
  const along = (count: number) => tensor.dims.map((_, i) => (i === dim ? count : 0));
  const places = pad(tensor, along(before), along(after), along(apart - 1), fill.outside ?? 0);
  const offsets = halo.offsets.map((offset, i) => (i < halo.working ? before - offset : null));
  return { tensor: cutHere(places, dim, here, offsets, dilate.places), window };
}

/**
 * An op whose window moves along several dimensions, split or not.
 *
 * @param x - local
 * @param dims - distinct dimensions of x with their windows, one output block per device along each
 * @param local - the op on a local tensor, given the windows in the order of `dims`
 */
export function windowSplit(
  mesh: Mesh,
  x: Tensor,
  dims: readonly WindowedDim[],
  fill: HaloFill,
  local: (x: Tensor, windows: readonly DimWindow[]) => Tensor,
): Tensor {
  let tensor = x;
  const windows = dims.map(({ window }) => window);
  for (const i of cheapestOrder(dims, x.aval)) {
    const at = dims[i];
    if (at === undefined) continue;
    const exchanged = exchangeHalo(mesh, tensor, at, fill);
    tensor = exchanged.tensor;
    windows[i] = exchanged.window;
  }
  return local(tensor, windows);
}

/** In which order to exchange: each exchange sends the halos, or only what is left, of those before it. */
function cheapestOrder(dims: readonly WindowedDim[], x: Aval): readonly number[] {
  const halos = dims.map(haloAlong);
  const sent = halos.map((halo) => planExchange(halo, halo).sent);
  const after = halos.map((halo) => localWindowOf(halo).dilate?.places ?? halo.length);
  const price = (order: readonly number[]) => {
    let [total, sizes] = [0, x.dims];
    for (const i of order) {
      const { dim = 0 } = dims[i] ?? {};
      const others = sizeOf(sizes.with(dim, 1));
      total += others * (sent[i] ?? 0);
      sizes = sizes.with(dim, after[i] ?? 0);
    }
    return total;
  };
  const orders = permutations(dims.flatMap((_, i) => ((halos[i]?.shards ?? 1) > 1 ? [i] : [])));
  return orders.reduce((best, order) => (price(order) < price(best) ? order : best));
}

function permutations(list: readonly number[]): readonly (readonly number[])[] {
  if (list.length <= 1) return [list];
  return list.flatMap((first) =>
    permutations(list.filter((other) => other !== first)).map((rest) => [first, ...rest]),
  );
}
