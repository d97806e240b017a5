/** @file Sums that wait for the end of a loop: the same values, one exchange for all steps. */

import { describe, expect, test } from "vitest";
import { makeMesh } from "../core/mesh.ts";
import { random, type SampleInput } from "../core/samples.ts";
import { checkpoint, einsum, scan, shard, type Tensor, transpose, zeros } from "../numpy/index.ts";
import { onMesh } from "../testing/partitioned.ts";

const mesh = makeMesh({ x: 4 });
const [STEPS, ROWS, WIDTH] = [3, 10, 6];

/** xᵀ·x of one step, summed over the split rows. */
const squared = (x: Tensor) => einsum("row a, row b -> a b", x.as("row a"), x.as("row b"));

/** A loop over `[step, row, a]` with the rows split, unevenly. */
const run = (f: (x: Tensor, start: Tensor) => readonly Tensor[]) =>
  onMesh(
    mesh,
    (...[x, start]) => f(x as Tensor, (start as Tensor).as("a b")),
    [
      [random(STEPS, ROWS, WIDTH), "[-, x, -]"],
      [random(WIDTH, WIDTH), "[-, -]"],
    ],
    ["[-, -]"],
  );

const allReduces = ({ exchanges }: ReturnType<typeof onMesh>) =>
  exchanges.map(({ kind, times }) => `${kind} ${times}`);

describe("a carry that only adds up", () => {
  test.each([
    [
      "from zeros",
      (x: Tensor) => scan((sum: Tensor, one: Tensor) => [sum.add(squared(one)), []], zeros([WIDTH, WIDTH], "a b"), x), // biome-ignore format: one line
    ],
    [
      "from something, which counts once",
      (x: Tensor, start: Tensor) => scan((sum: Tensor, one: Tensor) => [sum.add(squared(one)), []], start, x), // biome-ignore format: one line
    ],
    [
      "on the other side, of a negative and turned value",
      (x: Tensor, start: Tensor) => scan((sum: Tensor, one: Tensor) => [transpose(squared(one).neg(), [1, 0]).as("a b").add(sum), []], start, x), // biome-ignore format: one line
    ],
    [
      "through what is computed again",
      (x: Tensor, start: Tensor) => scan((sum: Tensor, one: Tensor) => [sum.add(checkpoint(squared)(one)), []], start, x), // biome-ignore format: one line
    ],
  ] as const)("is summed over the devices behind the loop: %s", (_, f) => {
    const parted = run((x, start) => [f(x, start)[0]]);
    expect(allReduces(parted)).toEqual(["allReduce 1"]);
    expect(parted.error()).toBeLessThan(1e-5);
  });

  test("gets what inner loops stack", () => {
    const parted = onMesh(
      mesh,
      (...[x]) => {
        const layers = (one: Tensor) =>
          scan((c: readonly [], layer: Tensor) => [c, squared(layer)], [], one)[1].as("layer a b");
        const step = (sum: Tensor, one: Tensor) => [sum.add(layers(one)), []] as const;
        return [scan(step, zeros([2, WIDTH, WIDTH], "layer a b"), x as Tensor)[0]];
      },
      [[random(STEPS, 2, ROWS, WIDTH), "[-, -, x, -]"]],
      ["[-, -, -]"],
    );
    expect(allReduces(parted)).toEqual(["allReduce 1"]);
    expect(parted.error()).toBeLessThan(1e-5);
  });
});

describe("sums are taken in each step", () => {
  test.each([
    [
      "where the carry is read as well",
      (x: Tensor, start: Tensor) => scan((sum: Tensor, one: Tensor) => [sum.add(squared(one)).mul(0.5), []], start, x), // biome-ignore format: one line
    ],
    [
      "where the total is a result",
      (x: Tensor, start: Tensor) => scan((sum: Tensor, one: Tensor) => { const y = sum.add(squared(one)); return [y, y.square()]; }, start, x), // biome-ignore format: one line
    ],
    [
      "where what is added goes through something that is not linear",
      (x: Tensor, start: Tensor) => scan((sum: Tensor, one: Tensor) => [sum.add(squared(one).tanh()), []], start, x), // biome-ignore format: one line
    ],
  ] as const)("%s", (_, f) => {
    const parted = run((x, start) => [f(x, start)[0]]);
    expect(allReduces(parted)).toEqual([`allReduce ${STEPS}`]);
    expect(parted.error()).toBeLessThan(1e-5);
  });
});

describe("outside of loops", () => {
  const [TOKENS, IN, OUT] = [8, 12, 16];
  /** x·w with the summed axis split: each device has a summand. */
  const product = (x: Tensor, w: Tensor) =>
    einsum("token in, in out -> token out", x.as("token in"), w.as("in out"));
  const on = (
    f: (...xs: readonly Tensor[]) => Tensor,
    others: readonly [SampleInput, string][],
    result: string,
  ) =>
    onMesh(
      mesh,
      (...xs) => [f(...xs)],
      [[random(TOKENS, IN), "[-, x]"], [random(IN, OUT), "[x, -]"], ...others],
      [result],
    );
  const kinds = ({ exchanges }: ReturnType<typeof onMesh>) => exchanges.map(({ kind }) => kind);

  test("a sum that is added to something split is scattered, whatever its axes were called on the way", () => {
    const parted = on(
      (x, w, rest) =>
        (rest as Tensor).as("row column").add(product(x as Tensor, w as Tensor).as("row column")),
      [[random(TOKENS, OUT), "[-, x]"]],
      "[-, x]",
    );
    expect(kinds(parted)).toEqual(["reduceScatter"]);
    expect(parted.error()).toBeLessThan(1e-5);
  });

  test("two sums that are added are one", () => {
    const parted = on(
      (x, w, v) => product(x as Tensor, w as Tensor).sub(product(x as Tensor, v as Tensor).neg()),
      [[random(IN, OUT), "[x, -]"]],
      "[-, -]",
    );
    expect(kinds(parted)).toEqual(["allReduce"]);
    expect(parted.error()).toBeLessThan(1e-5);
  });

  test("a sum that is used twice is taken once", () => {
    const parted = on(
      (x, w) => {
        const y = product(x as Tensor, w as Tensor);
        return y.mul(3).add(y.exp());
      },
      [],
      "[-, -]",
    );
    expect(kinds(parted)).toEqual(["allReduce"]);
    expect(parted.error()).toBeLessThan(1e-5);
  });

  test("products of which sums of rows are left send those", () => {
    const parted = on(
      (x, w, scale) =>
        product(x as Tensor, w as Tensor)
          .mul((scale as Tensor).as("token out"))
          .sum(["token", "out"]),
      [[random(TOKENS, OUT), "[-, -]"]],
      "[]",
    );
    expect(parted.exchanges.map(({ kind, bytes }) => [kind, bytes])).toEqual([["allReduce", 6]]);
    expect(parted.error()).toBeLessThan(1e-5);
  });

  test("rows that devices exchange are scattered first, so that each sends its part of the sum", () => {
    const both = makeMesh({ x: 2, y: 2 });
    const parted = onMesh(
      both,
      (x, w) => [shard(product(x as Tensor, w as Tensor), ["y", null]).exp()],
      [
        [random(TOKENS, IN), "[-, x+y]"],
        [random(IN, OUT), "[x+y, -]"],
      ],
      ["[y, -]"],
    );
    expect(parted.exchanges.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(
      // scattered over y, all-reduced over x
      4 * TOKENS * OUT * (1 / 2 + 1 / 2),
    );
    expect(parted.error()).toBeLessThan(1e-5);
  });
});
