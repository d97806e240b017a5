/** @file One value, two layouts. */

import { neg } from "../../numpy/arithmetic.ts";
import { shard } from "../../numpy/shard.ts";
import { arrow, define, type PartitionCase } from "./case.ts";

/** Mesh, sizes, and pairs of layouts. */
const TABLE: readonly (readonly [
  mesh: string,
  dims: string,
  pairs: readonly [string, string][],
])[] = [
  [
    "x=4",
    "64 32",
    [
      ["[x, -]", "[-, x]"],
      ["[x, -]", "[-, -]"],
      ["[-, -]", "[x, -]"],
    ],
  ],
  [
    "x=2,y=4",
    "64 32",
    [
      ["[x, y]", "[y, x]"],
      ["[x, y]", "[x, -]"],
      ["[x, -]", "[x, y]"],
      ["[x, y]", "[-, x+y]"],
      ["[x+y, -]", "[y+x, -]"],
      ["[x+y, -]", "[-, x+y]"],
      ["[x, -]", "[y, -]"],
      ["[x, y]", "[x+y, -]"],
      ["[x+y, -]", "[x, y]"],
      ["[x+y, -]", "[y, -]"],
    ],
  ],
  ["x=4,y=2", "16 16 16", [["[y, -, x]", "[-, x+y, -]"]]],
  [
    "x=2,y=2,z=2",
    "8 8 8",
    [
      ["[x, y, z]", "[z, x, y]"],
      ["[x, y, z]", "[y, x, z]"],
      ["[x+y+z, -, -]", "[-, x+y, z]"],
      ["[x, -, z]", "[-, y, x+z]"],
    ],
  ],
  [
    "x=4",
    "10 6",
    [
      ["[x, -]", "[-, x]"],
      ["[x, -]", "[-, -]"],
      ["[-, -]", "[-, x]"],
    ],
  ],
  [
    "x=2,y=4",
    "10 7",
    [
      ["[x, y]", "[y, x]"],
      ["[x+y, -]", "[y, x]"],
    ],
  ],
];

export const resharding: readonly PartitionCase[] = [
  ...TABLE.flatMap(([mesh, dims, pairs]) =>
    pairs.map(([from, to]) =>
      define(
        `reshard/${dims.replaceAll(" ", "×")} ${arrow([from], [to])} on ${mesh}`,
        ...([mesh, [`${dims} ${from}`], to] as const),
        (x) => neg(x),
      ),
    ),
  ),
  define(
    "reshard/an argument that is two results",
    "x=4",
    ["16 8 [x, -]"],
    ["[-, x]", "[-, -]"],
    (x) => [...[x, x]],
  ),
  define("reshard/there and back", "x=4", ["16 16 [x, -]"], "[x, -]", (x) =>
    shard(neg(shard(x, [null, "x"])), ["x", null]),
  ),
  define("reshard/an open annotation inside", "x=2,y=4", ["16 16 [x, -]"], "[x, y]", (x) =>
    neg(shard(neg(x), ["?", "y"])),
  ),
];
