/**
 * @file Elements under windows by their places, along split dimensions: pooling's derivatives. A place is a number in
 * the whole; on a device it becomes one in what the device has.
 */

import type { Mesh } from "../../core/mesh.ts";
import { sizeOf } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { add, div, mul, rem, sub } from "../../ops/arithmetic.ts";
import { and } from "../../ops/bits.ts";
import { broadcast, fullLike } from "../../ops/creation.ts";
import { gather, scatterAdd } from "../../ops/indexing.ts";
import { reshape } from "../../ops/layout.ts";
import { greaterEqual, less, select } from "../../ops/logic.ts";
import { clamp } from "../../ops/magnitude.ts";
import { slice } from "../../ops/pieces.ts";
import type { WindowPlacesParams } from "../../ops/pool.places.ts";
import { axesOf, backwards } from "../../ops/sliding-window.ts";
import { exchange } from "../halo/exchange.ts";
import { haloAlong, type WindowedDim, windowSplit } from "../halo/halo.ts";
import { hereAlong, insideHere, numberHere, type PlaceNumbers } from "../halo/place-numbers.ts";
import { type MoveQuestion, type MoveRule, moveRule, splitDims } from "./move-rule.ts";

/** The coordinates of flat places in an array of these sizes. */
function coordinates(places: Tensor, sizes: readonly number[]): Tensor[] {
  const all = (value: number) => fullLike(places.aval, Math.max(1, value));
  return sizes.map((size, i) => rem(div(places, all(sizeOf(sizes.slice(i + 1)))), all(size)));
}

function flat(coordinates: readonly Tensor[], sizes: readonly number[]): Tensor {
  return coordinates.reduce((place, at, i) =>
    add(mul(place, fullLike(at.aval, sizes[i] ?? 1)), at),
  );
}

function lessHere(mesh: Mesh, at: Tensor, { axes }: WindowedDim, starts: PlaceNumbers): Tensor {
  const start = numberHere(hereAlong(mesh, axes), starts);
  return sub(at, broadcast(start, { dims: at.dims, axes: [], names: at.names }));
}

/** The split dimensions of the first operand with their windows, or the windows that go back. */
function windowed(question: MoveQuestion, p: WindowPlacesParams, back: boolean): WindowedDim[] {
  const lead = (question.equation.inputs[0]?.aval.dims.length ?? 0) - p.taps.length;
  const forth = { ...p, inputDilation: p.taps.map(() => 1) };
  const window = back ? backwards(axesOf(forth, p.sizes, p.taps)) : forth;
  return splitDims(question, "operand", 0).map((split) => {
    const i = split.dim - lead;
    const [low, high] = window.padding[i] ?? [0, 0];
    const steps = { stride: window.stride[i] ?? 1, dilation: window.dilation[i] ?? 1 };
    const inputDilation = window.inputDilation[i] ?? 1;
    return { ...split, window: { taps: p.taps[i] ?? 1, low, high, inputDilation, ...steps } };
  });
}

const rows = (x: Tensor, lead: number): Tensor =>
  reshape(x, [sizeOf(x.dims.slice(0, lead)), sizeOf(x.dims.slice(lead))]);

/** Elements come to where their windows are. */
export const windowPickMoves: MoveRule = moveRule((question) => {
  const { mesh, equation } = question;
  const p = equation.params as WindowPlacesParams;
  const [x, places] = question.operands as readonly [Tensor, Tensor];
  const lead = x.rank - p.taps.length;
  const dims = windowed(question, p, false);
  const y = windowSplit(mesh, x, dims, { outside: null }, (tensor) => {
    const sizes = tensor.dims.slice(lead);
    const own = coordinates(places, p.sizes).map((at, i) => {
      const split = dims.find(({ dim }) => dim - lead === i);
      if (split === undefined) return at;
      const here = lessHere(mesh, at, split, haloAlong(split).starts);
      // Windows behind the last one have any place.
      return clamp(here, fullLike(at.aval, 0), fullLike(at.aval, Math.max(0, (sizes[i] ?? 1) - 1)));
    });
    const picked = gather(rows(tensor, lead), rows(flat(own, sizes), lead), 1);
    return reshape(picked, places.dims, x.names);
  });
  return [y];
});

/** Windows come to where their elements are, and each device takes those whose places are its own. */
export const windowPutMoves: MoveRule = moveRule((question) => {
  const { mesh, equation } = question;
  const p = equation.params as WindowPlacesParams;
  let [y, places] = question.operands as readonly [Tensor, Tensor];
  const lead = y.rank - p.taps.length;
  const dims = windowed(question, p, true);
  for (const split of dims) {
    const halo = haloAlong(split);
    y = exchange(mesh, y, split, halo, null);
    const came = exchange(mesh, places, split, halo, -1);
    const nothing = halo.counts.map(() => 0);
    const needed = insideHere(came, split.dim, hereAlong(mesh, split.axes), nothing, halo.counts);
    places = needed === null ? came : select(needed, came, fullLike(came.aval, -1));
  }
  const sizes = [...p.sizes];
  let there = greaterEqual(places, fullLike(places.aval, 0));
  const own = coordinates(places, p.sizes).map((at, i) => {
    const split = dims.find(({ dim }) => dim - lead === i);
    if (split === undefined) return at;
    const { perShard, shards } = haloAlong(split);
    sizes[i] = perShard;
    const firsts = Array.from({ length: shards }, (_, k) => k * perShard);
    const here = lessHere(mesh, at, split, firsts);
    const inside = and(greaterEqual(here, fullLike(at.aval, 0)), less(here, fullLike(at.aval, perShard))); // biome-ignore format: one line
    there = and(there, inside);
    return here;
  });
  // One element behind the last takes what is another device's.
  const size = sizeOf(sizes);
  const index = select(there, flat(own, sizes), fullLike(places.aval, size));
  const scattered = { batchDims: 1, distinct: 0, size: size + 1, name: null };
  const sums = scatterAdd(rows(y, lead), rows(index, lead), scattered);
  const kept = slice(sums, [0, 0], [sums.dims[0] ?? 0, size]);
  return [reshape(kept, [...y.dims.slice(0, lead), ...sizes], y.names)];
});
