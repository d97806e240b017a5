/** @file A group of devices as a ring: who is next, and which block lies how far away. */

import type { Groups } from "../../core/collective.ts";
import type { Tensor } from "../../core/tensor.ts";
import { add, rem } from "../../ops/arithmetic.ts";
import { collectivePermute, type PermuteParams } from "../../ops/collectives.device.ts";
import { int32 } from "../place.ts";

/** Where values go: to the member one place on, or one place back. */
export type Direction = "on" | "back";

/** The devices of every group in the order of the group, the first one after the last. */
export interface Ring {
  /** Members of a group. */
  readonly size: number;
  /** int32[]: the place of this device in its group. */
  readonly place: Tensor;
  /** Sends x to a neighbour. */
  pass(x: Tensor, direction: Direction): Tensor;
  /** int32[]: a place so many members on, before 0 for members back; may be as far as once round. */
  from(place: Tensor, members: number): Tensor;
}

export function ringOn(groups: Groups, place: Tensor): Ring {
  const size = groups[0]?.length ?? 1;
  return {
    ...{ size, place },
    pass: (x, direction) => collectivePermute(x, neighbours(groups, direction)),
    from: (start, members) => rem(add(start, int32((members + size) % size)), int32(size)),
  };
}

const known = new WeakMap<Groups, Map<Direction, PermuteParams>>();

/** One list for one question: programs for thousands of devices stay small. */
function neighbours(groups: Groups, direction: Direction): PermuteParams {
  const lists = known.get(groups) ?? new Map<Direction, PermuteParams>();
  known.set(groups, lists);
  const found = lists.get(direction);
  if (found !== undefined) return found;
  const pairs = groups.flatMap((group) =>
    group.map((device, i): readonly [number, number] => {
      const next = group[(i + 1) % group.length] ?? device;
      return direction === "on" ? [device, next] : [next, device];
    }),
  );
  const params = { devices: groups.flat().length, pairs };
  lists.set(direction, params);
  return params;
}
