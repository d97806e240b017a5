/**
 * @file A contraction of an operand that no device ever holds whole. Each device starts with its own piece; at every
 * step it contracts the piece that it holds, and pieces move on to the neighbour. After as many steps as there are
 * devices, all have met all pieces; the last step needs no move. The bytes sent are those of the all-gather.
 *
 * What a product is for depends on the dimension that is gathered: one that the result has (free) makes a block of the
 * result, one that is summed over is added to it and meets its block of the other operand, and a batch dimension does
 * both but adding.
 */

import { aval, dimOf } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { add, mul } from "../../ops/arithmetic.ts";
import { type ContractParams, contract } from "../../ops/contract.ts";
import { fullLike } from "../../ops/creation.ts";
import { reshape } from "../../ops/layout.ts";
import { blockAt, fitted, valueFrom, withBlock } from "../blocks.ts";
import { int32 } from "../place.ts";
import { repeat } from "./repeat.ts";
import type { Ring } from "./ring.ts";
import type { GatherSite } from "./sites.ts";

/** What the loop reads. */
export interface GatherOperands {
  readonly piece: Tensor;
  /** The operand that is not gathered. */
  readonly other: Tensor;
  /** Of the masks, in their order. */
  readonly starts: readonly Tensor[];
}

/** @param bothWays - pieces travel in both directions, two of them a step; for an even number of devices */
export function contractGathered(
  site: GatherSite,
  { piece, other, starts }: GatherOperands,
  ring: Ring,
  bothWays: boolean,
): Tensor {
  const { side, dim, length, masks } = site;
  const params = site.contract.params as ContractParams;
  const label = (side === 0 ? params.lhs : params.rhs)[dim] ?? "";
  const inOther = (side === 0 ? params.rhs : params.lhs).indexOf(label);
  const inOut = params.out.indexOf(label);
  const block = dimOf(piece.aval, dim);
  const room = block * ring.size;

  /** The result with what a piece adds to it; `held` is the piece's place. */
  const absorb = (
    [rest, ...firsts]: readonly Tensor[],
    result: Tensor,
    x: Tensor,
    held: Tensor,
  ): Tensor => {
    const clean = masks.reduce((y, mask, i) => {
      const first = firsts[i] as Tensor;
      const shift = mask.dim === dim ? add(first, mul(held, int32(block))) : first;
      return valueFrom(y, mask.dim, shift, mask.limit, 0);
    }, x);
    const met = inOther < 0 ? (rest as Tensor) : blockAt(rest as Tensor, inOther, held, block);
    const product = side === 0 ? contract(clean, met, params) : contract(met, clean, params);
    return inOut < 0 ? add(result, product) : withBlock(result, inOut, held, product);
  };

  const form = site.contract.outputs[0]?.aval ?? piece.aval;
  const dims = inOut < 0 ? form.dims : form.dims.with(inOut, room);
  const start = fullLike(aval(form.dtype, dims, form.names), 0);
  // Padding meets zeros of the other operand, and must be finite there.
  const named = reshape(piece, piece.dims, site.contract.inputs[side]?.aval.names);
  const own =
    inOut < 0 && length < room
      ? valueFrom(named, dim, mul(ring.place, int32(block)), length, 0)
      : named;
  const constants = [inOther < 0 ? other : fitted(other, inOther, room), ...starts];
  const result = (bothWays ? roundBothWays : roundOneWay)(ring, constants, start, own, absorb);
  return inOut < 0 ? result : fitted(result, inOut, length);
}

type Absorb = (constants: readonly Tensor[], result: Tensor, piece: Tensor, held: Tensor) => Tensor;
type Round = (
  ring: Ring,
  constants: readonly Tensor[],
  start: Tensor,
  own: Tensor,
  absorb: Absorb,
) => Tensor;

/** Pieces move back: a device holds those of the members after it, one after the other. */
const roundOneWay: Round = (ring, constants, start, own, absorb) => {
  const [result, piece, held] = repeat(
    ring.size - 1,
    constants,
    [start, own, ring.place],
    (fixed, carried) => {
      const [sum, x, at] = carried as [Tensor, Tensor, Tensor];
      // Sent before the product, which takes as long.
      const next = ring.pass(x, "back");
      return [absorb(fixed, sum, x, at), next, ring.from(at, 1)];
    },
  ) as [Tensor, Tensor, Tensor];
  return absorb(constants, result, piece, held);
};

/**
 * Two pieces at a time, half as many steps: a device's own and those of the members before it move on, the next
 * member's and those after it move back.
 */
const roundBothWays: Round = (ring, constants, start, own, absorb) => {
  const following = ring.pass(own, "back");
  const both = (fixed: readonly Tensor[], carried: readonly Tensor[]) => {
    const [sum, before, after, low, high] = carried as [Tensor, Tensor, Tensor, Tensor, Tensor];
    return absorb(fixed, absorb(fixed, sum, before, low), after, high);
  };
  const last = repeat(
    ring.size / 2 - 1,
    constants,
    [start, own, following, ring.place, ring.from(ring.place, 1)],
    (fixed, carried) => {
      const [, before, after, low, high] = carried as [Tensor, Tensor, Tensor, Tensor, Tensor];
      const [on, back] = [ring.pass(before, "on"), ring.pass(after, "back")];
      return [both(fixed, carried), on, back, ring.from(low, -1), ring.from(high, 1)];
    },
  );
  return both(constants, last);
};
