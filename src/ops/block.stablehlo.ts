/** @file A region with arguments as StableHLO text: what reductions and sorts compare and combine by. */

import type { HloEmitter, HloValue } from "../core/lowering.ts";
import type { Aval } from "../core/shape.ts";

/** `({ ^bb0(%a: …): … })`, whose lines `body` writes from the arguments. */
export function block(
  h: HloEmitter,
  forms: readonly Pick<Aval, "dtype" | "dims">[],
  body: (...values: readonly HloValue[]) => readonly HloValue[],
): string {
  const values = forms.map((form) => h.argument(form));
  const heads = values.map((value) => `${value.name}: ${h.type(value)}`);
  return `({\n^bb0(${heads.join(", ")}):\n${h.region(() => body(...values))}\n})`;
}
