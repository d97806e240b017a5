import { expect, test } from "vitest";
import { makeMesh } from "../../core/mesh.ts";
import { integers, random } from "../../core/samples.ts";
import type { Tensor } from "../../core/tensor.ts";
import { cumsum } from "../../ops/cumulative.ts";
import { dynamicSlice, dynamicUpdateSlice } from "../../ops/dynamic.ts";
import { reshape, reverse } from "../../ops/layout.ts";
import { concatenate, pad, slice, split } from "../../ops/pieces.ts";
import { argsort, sort } from "../../ops/sort.ts";
import { onMesh } from "../../testing/partitioned.ts";

const mesh = makeMesh({ x: 4 });
type Xs = readonly [Tensor, Tensor, Tensor];
type Operand = Parameters<typeof onMesh>[2][number];

/** Bytes sent from each device, float32 and int32, four devices. */
const SENT: readonly (readonly [
  name: string,
  f: (xs: Xs) => readonly Tensor[],
  operands: readonly Operand[],
  results: readonly string[],
  sent: Readonly<Record<string, number>>,
])[] = [
  ["reverse", ([x]) => [reverse(x, [0])], [[random(16), "[x]"]], ["[x]"], { collectivePermute: 16 }],
  [
    "concatenate 8 and 8",
    ([x, y]) => [concatenate([x, y], 0)],
    [[random(8), "[x]"], [random(8), "[x]"]],
    ["[x]"],
    { collectivePermute: 16 },
  ],
  ["prefix sums", ([x]) => [cumsum(x, 0, { reverse: false })], [[random(16), "[x]"]], ["[x]"], { allGather: 12 }],
  [
    "box of 2 at a start",
    ([x, i]) => [dynamicSlice(x, i, [2])],
    [[random(16), "[x]"], [integers(0, 20, 1), "[-]"]],
    ["[-]"],
    { allReduce: 12 },
  ],
  [
    "update of 2 at a start",
    ([x, y, i]) => [dynamicUpdateSlice(x, y, i)],
    [[random(16), "[x]"], [random(2), "[-]"], [integers(0, 20, 1), "[-]"]],
    ["[x]"],
    {},
  ],
  ["order of 8 × 16", ([x]) => [argsort([x], { axis: 1, descending: false })], [[random(8, 16), "[-, x]"]], ["[-, x]"], { allToAll: 192 }],
  ["sort 8 × 16", ([x]) => sort([x], { axis: 1, descending: false, keys: 1 }), [[random(8, 16), "[-, x]"]], ["[-, x]"], { allToAll: 192 }],
  ["slice [2:14]", ([x]) => [slice(x, [2], [14])], [[random(16), "[x]"]], ["[x]"], { collectivePermute: 4 }],
  ["pad (2, 2)", ([x]) => [pad(x, [2], [2])], [[random(12), "[x]"]], ["[x]"], { collectivePermute: 4 }],
  [
    "roll by 1",
    ([x]) => [concatenate([slice(x, [15], [16]), slice(x, [0], [15])], 0)],
    [[random(16), "[x]"]],
    ["[x]"],
    { collectivePermute: 4 },
  ],
  ["roll by 5, as parts", ([x]) => [concatenate(split(x, 0, [11, 5]).toReversed(), 0)], [[random(16), "[x]"]], ["[x]"], { collectivePermute: 16 }],
  ["split in halves", ([x]) => split(x, 0, [8, 8]), [[random(16), "[x]"]], ["[x]", "[x]"], { collectivePermute: 16 }],
  ["6 × 2 to 12", ([x]) => [reshape(x, [12])], [[random(6, 2), "[x, -]"]], ["[x]"], { collectivePermute: 12 }],
  ["12 to 6 × 2", ([x]) => [reshape(x, [6, 2])], [[random(12), "[x]"]], ["[x, -]"], { collectivePermute: 12 }],
]; // biome-ignore format: a table

test.each(SENT)("%s sends what it must", (_, f, operands, results, sent) => {
  const own = onMesh(mesh, (...xs) => f(xs as unknown as Xs), operands, results);
  expect(own.error()).toBeLessThan(1e-6);
  expect(own.sent).toEqual(sent);
});
