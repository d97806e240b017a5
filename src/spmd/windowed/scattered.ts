/**
 * @file A contraction whose result is added over devices and scattered, without any device holding it whole. The sum of
 * a block travels: every device adds its own product for the block that comes by, and the sum ends where it belongs.
 * The bytes sent are those of the reduce-scatter.
 */

import { dimOf } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { add } from "../../ops/arithmetic.ts";
import { type ContractParams, contract } from "../../ops/contract.ts";
import { reshape } from "../../ops/layout.ts";
import { blockAt, fitted } from "../blocks.ts";
import { repeat } from "./repeat.ts";
import type { Ring } from "./ring.ts";
import type { ScatterSite } from "./sites.ts";

/** @param bothWays - two sums of half the devices each, one from either side; for an even number of devices */
export function contractScattered(
  site: ScatterSite,
  operands: readonly Tensor[],
  ring: Ring,
  bothWays: boolean,
): Tensor {
  const params = site.contract.params as ContractParams;
  const label = params.out[site.dim] ?? "";
  const block = site.part.aval.dims[site.dim] ?? 0;
  const places = [params.lhs.indexOf(label), params.rhs.indexOf(label)];
  const constants = operands.map((x, i) => {
    const dim = places[i] ?? -1;
    return dim < 0 ? x : fitted(x, dim, block * ring.size);
  });
  /** This device's summand of block `due`. */
  const summand = (fixed: readonly Tensor[], due: Tensor): Tensor => {
    const [x, y] = fixed.map((operand, i) => {
      const dim = places[i] ?? -1;
      const cut = dim >= 0 && dimOf(operand.aval, dim) !== block;
      return cut ? blockAt(operand, dim, due, block) : operand;
    }) as [Tensor, Tensor];
    return contract(x, y, params);
  };
  const sum = (bothWays ? fromBothSides : fromBehind)(ring, constants, summand);
  return reshape(sum, sum.dims, site.part.aval.names);
}

type Summand = (constants: readonly Tensor[], due: Tensor) => Tensor;

/** Sums move on: a device's own block comes last, from the member before it. */
function fromBehind(ring: Ring, constants: readonly Tensor[], summand: Summand): Tensor {
  const first = ring.from(ring.place, -1);
  const [sum] = repeat(
    ring.size - 1,
    constants,
    [summand(constants, first), first],
    (fixed, carried) => {
      const [total, at] = carried as [Tensor, Tensor];
      const due = ring.from(at, -1);
      // On its way while the product is made.
      const received = ring.pass(total, "on");
      return [add(received, summand(fixed, due)), due];
    },
  );
  return sum as Tensor;
}

/**
 * A block's first sum takes in the device that it belongs to and half of the others, the nearer ones before it; the
 * second, from the other side, the rest. They meet at the end.
 */
function fromBothSides(ring: Ring, constants: readonly Tensor[], summand: Summand): Tensor {
  const half = ring.size / 2;
  const [ahead, behind] = [ring.from(ring.place, half - 1), ring.from(ring.place, -half)];
  const [low, high] = repeat(
    half - 1,
    constants,
    [summand(constants, ahead), summand(constants, behind), ahead, behind],
    (fixed, carried) => {
      const [moving, returning, a, b] = carried as [Tensor, Tensor, Tensor, Tensor];
      const [dueOn, dueBack] = [ring.from(a, -1), ring.from(b, 1)];
      const [on, back] = [ring.pass(moving, "on"), ring.pass(returning, "back")];
      return [
        add(on, summand(fixed, dueOn)),
        add(back, summand(fixed, dueBack)),
        ...[dueOn, dueBack],
      ];
    },
  ) as [Tensor, Tensor];
  return add(low, ring.pass(high, "back"));
}
