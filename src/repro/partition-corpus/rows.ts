/** @file Rows by index, in both directions; places known at run time; running sums; orders. */

import type { Tensor } from "../../core/tensor.ts";
import { mul } from "../../numpy/arithmetic.ts";
import { cummax, cumprod, cumsum } from "../../numpy/cumulative.ts";
import { gather, oneHot, take, topK } from "../../numpy/indexing.ts";
import {
  dynamicSlice,
  dynamicUpdateSlice,
  scatterMax,
  scatterSet,
  segmentSum,
  takeAlong,
} from "../../numpy/scatter.ts";
import { argsort, sort } from "../../numpy/sorting.ts";
import {
  type Argument,
  define,
  gradients,
  halfSquare,
  number,
  type PartitionCase,
  whole,
} from "./case.ts";

type Row = readonly [
  what: string,
  args: readonly (string | Argument)[],
  results: string | readonly string[],
  f: (...xs: readonly Tensor[]) => Tensor | readonly Tensor[],
  mesh?: string,
];

const GATHERS: readonly Row[] = [
  ["10 rows, table by rows", ["16 8 [x, -]", whole("10 [-]", 16)], "[-, -]", (t, i) => take(t, i)],
  [
    ...(["12 rows, table by rows, ids split", ["16 8 [x, -]", whole("12 [x]", 16)]] as const),
    ...(["[x, -]", (t: Tensor, i: Tensor) => take(t, i)] as const),
  ],
  ["table by columns", ["16 8 [-, x]", whole("10 [-]", 16)], "[-, x]", (t, i) => take(t, i)],
  ["ids split", ["16 8 [-, -]", whole("12 [x]", 16)], "[x, -]", (t, i) => take(t, i)],
  [
    ...([
      "tokens by data, vocabulary by model",
      ["32 16 [y, -]", whole("4 6 [x, -]", 32)],
    ] as const),
    ...(["[x, -, -]", (t: Tensor, i: Tensor) => take(t, i), "x=2,y=4"] as const),
  ],
  [
    ...(["table by columns, tokens by data", ["32 16 [-, y]", whole("4 6 [x, -]", 32)]] as const),
    ...(["[x, -, y]", (t: Tensor, i: Tensor) => take(t, i), "x=2,y=4"] as const),
  ],
  ["table by rows, uneven", ["10 6 [x, -]", whole("7 [-]", 10)], "[-, -]", (t, i) => take(t, i)],
  [
    ...(["per example", ["8 16 4 [x, -, -]", whole("8 5 [x, -]", 16)], "[x, -, -]"] as const),
    (t, at) => gather(t, { axis: 1, at }),
  ],
  ["one per row", ["8 16 [x, -]", whole("8 3 [x, -]", 16)], "[x, -]", (t, i) => takeAlong(t, i, 1)],
  ["one-hot", [whole("12 [x]", 8)], "[x, -]", (i) => oneHot(i, 8)],
  ["one-hot, classes split", [whole("12 [-]", 8)], "[-, x]", (i) => oneHot(i, 8)],
];

const SCATTERS: readonly Row[] = [
  [
    ...(["sums by segment, rows split", ["12 4 [x, -]", whole("12 [x]", 8)], "[-, -]"] as const),
    (y, of) => segmentSum(y, { of, count: 8 }),
  ],
  [
    ...([
      "sums by segment, segments split",
      ["12 4 [-, -]", whole("12 [-]", 8)],
      "[x, -]",
    ] as const),
    (y, of) => segmentSum(y, { of, count: 8 }),
  ],
  [
    ...(["sums by segment, columns split", ["12 8 [-, x]", whole("12 [-]", 8)], "[-, x]"] as const),
    (y, of) => segmentSum(y, { of, count: 8 }),
  ],
  [
    ...(["set rows, table by columns", ["16 8 [-, x]", whole("1 [-]", 16), "1 8 [-, x]"]] as const),
    ...([
      "[-, x]",
      (t: Tensor, at: Tensor, u: Tensor) => scatterSet(t, { axis: 0, at }, u),
    ] as const),
  ],
  [
    ...(["set a row, table by rows", ["16 8 [x, -]", whole("1 [-]", 16), "1 8 [-, -]"]] as const),
    ...([
      "[x, -]",
      (t: Tensor, at: Tensor, u: Tensor) => scatterSet(t, { axis: 0, at }, u),
    ] as const),
  ],
  [
    ...(["largest of rows", ["16 8 [-, x]", whole("5 [-]", 16), "5 8 [-, x]"]] as const),
    ...([
      "[-, x]",
      (t: Tensor, at: Tensor, u: Tensor) => scatterMax(t, { axis: 0, at }, u),
    ] as const),
  ],
  [
    ...(["gradient of an embedding, rows", ["32 16 [y, -]", whole("4 6 [x, -]", 32)]] as const),
    "[y, -]",
    (t, i) => gradients((u) => halfSquare(take(u, i)), [t]),
    "x=2,y=4",
  ],
  [
    ...(["gradient of an embedding, whole", ["32 16 [-, -]", whole("4 6 [x, -]", 32)]] as const),
    "[-, -]",
    (t, i) => gradients((u) => halfSquare(take(u, i)), [t]),
    "x=2,y=4",
  ],
];

const DYNAMIC: readonly Row[] = [
  [
    ...(["slice of 2 → whole", ["16 [x]", number(7)], "[-]"] as const),
    (x, start) => dynamicSlice(x, { axis: 0, start, size: 2 }),
  ],
  [
    ...(["slice of 2, start too large", ["16 [x]", number(40)], "[-]"] as const),
    (x, start) => dynamicSlice(x, { axis: 0, start, size: 2 }),
  ],
  [
    ...(["slice beside", ["16 8 [x, -]", number(3)], "[x, -]"] as const),
    (x, start) => dynamicSlice(x, { axis: 1, start, size: 4 }),
  ],
  [
    ...(["update of 2", ["16 [x]", "2 [-]", number(7)], "[x]"] as const),
    (x, u, start) => dynamicUpdateSlice(x, u, { axis: 0, start }),
  ],
  [
    ...(["update of 1", ["16 [x]", "1 [-]", number(9)], "[x]"] as const),
    (x, u, start) => dynamicUpdateSlice(x, u, { axis: 0, start }),
  ],
  [
    ...(["update of 2, start below 0", ["16 [x]", "2 [-]", number(-5)], "[x]"] as const),
    (x, u, start) => dynamicUpdateSlice(x, u, { axis: 0, start }),
  ],
  [
    ...([
      "update of a cache by place",
      ["4 16 8 [x, y, -]", "4 1 8 [x, -, -]", number(9)],
    ] as const),
    "[x, y, -]",
    (x, u, start) => dynamicUpdateSlice(x, u, { axis: 1, start }),
    "x=2,y=4",
  ],
];

const ORDERS: readonly Row[] = [
  ["cumsum along the split axis", ["16 [x]"], "[x]", (x) => cumsum(x, 0)],
  ["cumsum of 16 × 8", ["16 8 [x, -]"], "[x, -]", (x) => cumsum(x, 0)],
  ["cumsum, uneven", ["10 [x]"], "[x]", (x) => cumsum(x, 0)],
  ["cumsum beside", ["16 8 [x, -]"], "[x, -]", (x) => cumsum(x, 1)],
  ["cumprod", ["16 [x]"], "[x]", (x) => cumprod(x, 0)],
  ["cummax from the end", ["16 [x]"], "[x]", (x) => cummax(x, 0, { reverse: true })],
  [
    ...(["gradient of cumsum", ["16 [x]"], "[x]"] as const),
    (x) => gradients((y) => halfSquare(cumsum(y, 0)), [x]),
  ],
  ["sort 8 × 16 along the split axis", ["8 16 [-, x]"], "[-, x]", (x) => sort(x)],
  ["sort beside", ["8 16 [x, -]"], "[x, -]", (x) => sort(x)],
  ["sort a list", ["16 [x]"], "[x]", (x) => sort(x)],
  ["sort, uneven, falling", ["6 10 [-, x]"], "[-, x]", (x) => sort(x, { descending: true })],
  ["argsort beside", ["8 16 [x, -]"], "[x, -]", (x) => argsort(x)],
  [
    ...(["2 largest of 16, split", ["8 16 [-, x]"], ["[-, -]", "[-, -]"]] as const),
    (x) => {
      const { values, indices } = topK(x, { along: 1, k: 2 });
      return [values, indices];
    },
  ],
  [
    ...(["2 largest of 10, uneven", ["8 10 [-, x]"], "[-, -]"] as const),
    (x) => topK(x, { along: 1, k: 2 }).values,
  ],
  [
    ...(["product of running sums", ["8 16 [x, y]"], "[x, y]"] as const),
    (x) => mul(x, cumsum(x, 1)),
    "x=2,y=4",
  ],
];

const all = (theme: string, list: readonly Row[]) =>
  list.map(([what, args, results, f, mesh = "x=4"]) =>
    define(`${theme}/${what}`, mesh, args, results, f),
  );

export const rows: readonly PartitionCase[] = [
  ...all("gather", GATHERS),
  ...all("scatter", SCATTERS),
  ...all("dynamic", DYNAMIC),
  ...all("order", ORDERS),
];
