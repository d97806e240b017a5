/** @file The same step several times: written out where there are few, a scan where there are many. */

import { Builder, writing } from "../../core/builder.ts";
import type { Tensor } from "../../core/tensor.ts";
import { scan } from "../../ops/control/scan.ts";

/** So many steps are written out. */
const WRITTEN_OUT = 4;

/**
 * Runs `step` on what it carries, `count` times.
 *
 * @param constants - what all steps read; a step may use no other value from outside
 */
export function repeat(
  count: number,
  constants: readonly Tensor[],
  carries: readonly Tensor[],
  step: (constants: readonly Tensor[], carries: readonly Tensor[]) => readonly Tensor[],
): readonly Tensor[] {
  if (count <= WRITTEN_OUT) {
    let carried = carries;
    for (let i = 0; i < count; i++) carried = step(constants, carried);
    return carried;
  }
  const builder = new Builder("window");
  const body = writing(builder, () => {
    const [fixed, moving] = [constants, carries].map((list) =>
      list.map((x) => builder.input(x.aval)),
    ) as [Tensor[], Tensor[]];
    return builder.finish(step(fixed, moving)).program;
  });
  return scan([...constants, ...carries], {
    ...{ body, constants: constants.length, carries: carries.length },
    ...{ length: count, reverse: false, axis: null },
  });
}
