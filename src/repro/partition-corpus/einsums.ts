/** @file Products of two tensors, every mix of batch, free and contracted axes split. */

import { einsumOf } from "../../numpy/einsum.ts";
import { arrow, define, type PartitionCase } from "./case.ts";

type Row = readonly [left: string, right: string, out: string];
type Sizes = Readonly<Record<string, number>>;

/** Cases of one equation on one mesh; letters are axes, `mk,kn->mn`. */
function table(
  label: string,
  equation: string,
  sizes: Sizes,
  mesh: string,
  rows: readonly Row[],
): PartitionCase[] {
  const [lhs = "", rhs = ""] = (equation.split("->")[0] ?? "").split(",");
  const dims = (side: string) => [...side].map((letter) => sizes[letter] ?? 1).join(" ");
  const words = equation
    .split("->")
    .map((half) =>
      half
        .split(",")
        .map((side) => [...side].join(" "))
        .join(", "),
    )
    .join(" -> ");
  return rows.map(([left, right, out]) =>
    define(
      `einsum/${label} ${arrow([left, right], [out])} on ${mesh}`,
      mesh,
      [`${dims(lhs)} ${left}`, `${dims(rhs)} ${right}`],
      out,
      (...xs) => einsumOf(words, xs),
    ),
  );
}

const MATRIX: Sizes = { m: 64, k: 32, n: 48 };
const BATCHED: Sizes = { b: 8, m: 8, k: 16, n: 24 };
const ODD: Sizes = { m: 10, k: 6, n: 7 };
const HEADS: Sizes = { b: 4, s: 8, t: 8, n: 4, h: 16, d: 4 };
const ROUTED: Sizes = { g: 4, s: 8, e: 4, c: 2, m: 16 };

export const einsums: readonly PartitionCase[] = [
  ...table("mk,kn", "mk,kn->mn", MATRIX, "x=4", [
    ["[x, -]", "[-, -]", "[x, -]"],
    ["[-, -]", "[-, x]", "[-, x]"],
    ["[-, x]", "[x, -]", "[-, -]"],
    ["[-, x]", "[x, -]", "[x, -]"],
    ["[-, x]", "[x, -]", "[-, x]"],
    ["[x, -]", "[x, -]", "[x, -]"],
    ["[x, -]", "[-, x]", "[x, -]"],
    ["[x, -]", "[-, x]", "[-, x]"],
    ["[x, -]", "[-, -]", "[-, -]"],
    ["[-, -]", "[-, -]", "[x, -]"],
    ["[-, x]", "[-, x]", "[-, x]"],
    ["[-, x]", "[-, -]", "[-, -]"],
    ["[-, -]", "[x, -]", "[-, -]"],
  ]),
  ...table("mk,kn", "mk,kn->mn", MATRIX, "x=2,y=4", [
    ["[x, y]", "[y, -]", "[x, -]"],
    ["[x, y]", "[x, y]", "[x, y]"],
    ["[x, y]", "[y, x]", "[x, y]"],
    ["[x, -]", "[-, y]", "[x, y]"],
    ["[-, x]", "[x, y]", "[-, y]"],
    ["[x, -]", "[y, -]", "[x, -]"],
    ["[x+y, -]", "[-, -]", "[x+y, -]"],
    ["[-, x+y]", "[x+y, -]", "[-, -]"],
    ["[x, y]", "[-, -]", "[x, -]"],
    ["[y, x]", "[x, y]", "[y, -]"],
    ["[-, -]", "[-, -]", "[x, y]"],
    ["[-, y]", "[y, x]", "[-, x]"],
  ]),
  ...table("64·48·32 mk,kn", "mk,kn->mn", { m: 64, k: 48, n: 32 }, "x=2,y=4", [
    ["[x, y]", "[y, x]", "[x, y]"],
  ]),
  ...table("bmk,bkn", "bmk,bkn->bmn", BATCHED, "x=4", [
    ["[x, -, -]", "[x, -, -]", "[x, -, -]"],
    ["[x, -, -]", "[-, -, -]", "[x, -, -]"],
    ["[-, x, -]", "[-, -, -]", "[-, x, -]"],
    ["[-, -, x]", "[-, x, -]", "[-, -, -]"],
    ["[-, -, x]", "[-, x, -]", "[x, -, -]"],
    ["[x, -, -]", "[x, -, -]", "[-, x, -]"],
  ]),
  ...table("bmk,bkn", "bmk,bkn->bmn", BATCHED, "x=2,y=4", [
    ["[x, -, y]", "[x, y, -]", "[x, -, -]"],
    ["[x, y, -]", "[x, -, -]", "[x, y, -]"],
    ["[x, -, -]", "[x, -, y]", "[x, -, y]"],
    ["[x, -, y]", "[-, x, -]", "[x, -, y]"],
  ]),
  ...table("bmk,bkn", "bmk,bkn->bmn", BATCHED, "x=2,y=2,z=2", [
    ["[x, y, z]", "[x, z, -]", "[x, y, -]"],
    ["[x, y, -]", "[x, -, z]", "[x, y, z]"],
    ["[x, y, -]", "[x, y, z]", "[x, -, z]"],
    ["[x+y, -, -]", "[x+y, -, z]", "[x+y, -, z]"],
  ]),
  ...table("uneven mk,kn", "mk,kn->mn", ODD, "x=4", [
    ["[x, -]", "[-, -]", "[x, -]"],
    ["[-, -]", "[-, x]", "[-, x]"],
    ["[-, x]", "[x, -]", "[-, -]"],
    ["[-, x]", "[x, -]", "[x, -]"],
  ]),
  ...table("uneven mk,kn", "mk,kn->mn", ODD, "x=2,y=4", [
    ["[x, y]", "[y, -]", "[x, -]"],
    ["[x, -]", "[-, y]", "[x, y]"],
  ]),
  ...table("projection bsh,hnd", "bsh,hnd->bsnd", HEADS, "x=2,y=4", [
    ["[x, -, -]", "[-, y, -]", "[x, -, y, -]"],
    ["[x, -, y]", "[x, y, -]", "[x, -, y, -]"],
  ]),
  ...table("projection bsnd,ndh", "bsnd,ndh->bsh", HEADS, "x=2,y=4", [
    ["[x, -, y, -]", "[y, -, -]", "[x, -, -]"],
    ["[x, -, y, -]", "[y, -, x]", "[x, -, y]"],
  ]),
  ...table("scores bnsd,bntd", "bnsd,bntd->bnst", HEADS, "x=2,y=2,z=2", [
    ["[x, y, -, -]", "[x, y, -, -]", "[x, y, -, -]"],
    ["[x, y, z, -]", "[x, y, -, -]", "[x, y, z, -]"],
    ["[x, y, z, -]", "[x, y, z, -]", "[x, y, z, -]"],
  ]),
  ...table("dispatch gsec,gsm", "gsec,gsm->egcm", ROUTED, "x=4", [
    ["[x, -, -, -]", "[x, -, -]", "[x, -, -, -]"],
    ["[x, -, -, -]", "[x, -, -]", "[-, x, -, -]"],
  ]),
  ...table("combine gsec,egcm", "gsec,egcm->gsm", ROUTED, "x=4", [
    ["[x, -, -, -]", "[x, -, -, -]", "[x, -, -]"],
  ]),
];
