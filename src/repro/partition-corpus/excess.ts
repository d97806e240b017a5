/**
 * @file Programs of the corpus that send more than 1.05 times what XLA's choice sends, by reason. The list is to
 * shrink: a program that sends less goes from it, and then may never send more again.
 */

export interface Excess {
  readonly why: string;
  readonly names: readonly string[];
}

export const EXCESS: readonly Excess[] = [
  {
    why: "Axes change places on a dimension that they do not divide, so blocks do not nest: XLA pads and exchanges.",
    names: ["reshard/10×7 [x, y] → [y, x] on x=2,y=4"],
  },
];

/** Why a program may send more than XLA's; undefined for one that may not. */
export function excessOf(name: string): string | undefined {
  return EXCESS.find(({ names }) => names.includes(name))?.why;
}
