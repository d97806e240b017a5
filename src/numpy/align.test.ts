/** @file Broadcasting: by names where all axes have one, else by position; and what it refuses. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromData, type Tensor } from "../core/tensor.ts";
import { double } from "../testing/double.ts";
import { drawn, indices, numbers, read } from "../testing/tensors.ts";
import { abstract, trace } from "../transforms/trace.ts";
import { add, broadcastTo, greater, lessEqual, notEqual, sub, where } from "./index.ts";

const compute = (f: (...xs: Tensor[]) => Tensor, ...xs: Tensor[]): Promise<Tensor> =>
  double(f)(...xs);

function refusal(f: (...xs: Tensor[]) => unknown, ...xs: Tensor[]): string {
  try {
    trace(
      "f",
      f,
      xs.map(({ aval }) => abstract(aval)),
    );
  } catch (error) {
    return `\n${(error as Error).message.replace(/\.test\.ts:\d+/g, ".test.ts:LINE")}\n`;
  }
  throw new Error("nothing was refused");
}

const unnamed = (x: Tensor) => fromData(x.dtype, x.dims, x.data());
const difference = (a: Tensor | undefined, b: Tensor | undefined) => sub(a!, b!);

describe("by name", () => {
  const size = { batch: 2, pos: 3, embed: 4 } as const;
  const words = ["batch", "pos", "embed"] as const;
  const sizesOf = (list: readonly (keyof typeof size)[]) =>
    Object.fromEntries(list.map((word) => [word, size[word]]));

  test("axes meet whatever their order, and the widest operand gives the order", async () => {
    const order = fc.shuffledSubarray([...words], { minLength: 3 });
    await fc.assert(
      fc.asyncProperty(
        order,
        fc.shuffledSubarray([...words]),
        fc.boolean(),
        async (wide, narrow, swap) => {
          const [a, b] = [drawn(1, sizesOf(wide)), drawn(2, sizesOf(narrow))];
          const y = await (swap ? compute(difference, b, a) : compute(difference, a, b));
          const first = swap && narrow.length === 3 ? narrow : wide;
          expect(y.names).toEqual(first);
          const [left, right] = [read(a), read(b)];
          const expected = indices(...first.map((word) => size[word])).map((index) => {
            const at = (word: keyof typeof size) => index[first.indexOf(word)]!;
            const d = left(...wide.map(at)) - right(...narrow.map(at));
            return swap ? -d : d;
          });
          expect(numbers(y)).toEqual(expected);
        },
      ),
      { seed: 1, numRuns: 60 },
    );
  });

  test("a number takes the dtype of the tensor, and a scalar meets everything", async () => {
    const ids = fromData("int32", [2], Int32Array.of(3, 4), "batch");
    const y = await compute((a) => a!.mul(2).add(1), ids);
    expect([y.dtype, numbers(y)]).toEqual(["int32", [7, 9]]);
    const z = await compute(
      (a, s) => add(s!, a!),
      drawn(1, { pos: 3 }),
      fromData("float32", [], Float32Array.of(2)),
    );
    expect(z.names).toEqual(["pos"]);
  });

  test("an axis of length 1 does not stretch", () => {
    expect(
      refusal(difference, drawn(1, { batch: 2, pos: 3 }), drawn(2, { pos: 1 })),
    ).toMatchInlineSnapshot(`
      "
      sub: axis "pos" has two sizes.
        operand 1    float32[batch 2, pos 3]
        operand 2    float32[pos 1]
        where        src/numpy/align.test.ts:LINE in difference    [SHAPE-01]
      "
    `);
  });

  test("an axis that the widest operand lacks is refused", () => {
    expect(
      refusal(difference, drawn(1, { batch: 2, pos: 3 }), drawn(2, { embed: 3 })),
    ).toMatchInlineSnapshot(`
      "
      sub: axis "embed" is on one operand only.
        operand 1    float32[batch 2, pos 3]
        operand 2    float32[embed 3]
        where        src/numpy/align.test.ts:LINE in difference
        fix          add the axis to the other operand with .broadcastTo, or rename one with .as("…")    [AXIS-01]
      "
    `);
  });
});

describe("by position", () => {
  test("as in NumPy: from the right, ones stretch", async () => {
    const shape = fc.array(fc.constantFrom(1, 2, 3), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(
        shape,
        fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
        fc.nat(3),
        async (dims, ones, drop) => {
          const other = dims
            .map((dim, i) => (ones[i] ? 1 : dim))
            .slice(Math.min(drop, dims.length));
          const form = (list: readonly number[]) =>
            unnamed(
              drawn(list.length + 1, Object.fromEntries(list.map((dim, i) => [`a${i}`, dim]))),
            );
          const [a, b] = [form(dims), form(other)];
          const y = await compute(difference, a, b);
          expect(y.dims).toEqual(dims);
          const [left, right] = [read(a), read(b)];
          const offset = dims.length - other.length;
          const expected = indices(...dims).map((index) => {
            const at = other.map((dim, i) => (dim === 1 ? 0 : index[i + offset]!));
            return left(...index) - right(...at);
          });
          expect(numbers(y)).toEqual(expected);
        },
      ),
      { seed: 2, numRuns: 60 },
    );
  });

  test("both sides may stretch", async () => {
    const column = unnamed(drawn(1, { a: 3, b: 1 }));
    const row = unnamed(drawn(2, { b: 4 }));
    const y = await compute(difference, column, row);
    expect(y.dims).toEqual([3, 4]);
    expect(read(y)(2, 3)).toBe(read(column)(2, 0) - read(row)(3));
  });

  test("names of one side are kept, and two names that meet are refused", async () => {
    const half = fromData("float32", [2], Float32Array.of(1, 2));
    expect((await compute(difference, drawn(1, { batch: 3, pos: 2 }), half)).names).toEqual([
      "batch",
      "pos",
    ]);
    const mixed = (a?: Tensor, b?: Tensor) => sub(a!.reshape([3, 2]).add(b!), b!.as("embed"));
    expect(
      refusal(mixed, drawn(1, { batch: 3, pos: 2 }), drawn(2, { pos: 2 })),
    ).toMatchInlineSnapshot(`
      "
      sub: axis "pos" meets axis "embed".
        operand 1    float32[3, pos 2]
        operand 2    float32[embed 2]
        where        src/numpy/align.test.ts:LINE in mixed
        fix          reorder one operand with .order("…"), or rename it on purpose with .as("…")    [AXIS-01]
      "
    `);
  });

  test("sizes that do not meet are refused", () => {
    expect(
      refusal(difference, unnamed(drawn(1, { a: 2, b: 3 })), unnamed(drawn(2, { b: 4 }))),
    ).toMatchInlineSnapshot(`
      "
      sub: sizes 3 and 4 do not broadcast.
        operand 1    float32[2, 3]
        operand 2    float32[4]
        rule         axes meet from the right; sizes must be equal, or one of them 1
        where        src/numpy/align.test.ts:LINE in difference    [SHAPE-01]
      "
    `);
  });
});

describe("comparisons, choices and repetition", () => {
  const [a, b] = [drawn(1, { batch: 2, pos: 3 }), drawn(2, { pos: 3 })];
  const pairs = indices(2, 3).map(([i, j]) => [read(a)(i!, j!), read(b)(j!)] as const);

  test.each([
    ["greater", greater, (x: number, y: number) => x > y],
    ["lessEqual", lessEqual, (x: number, y: number) => x <= y],
    ["notEqual", notEqual, (x: number, y: number) => x !== y],
  ] as const)("%s", async (_name, op, expected) => {
    const y = await compute((p, q) => op(p!, q!), a, b);
    expect(y.dtype).toBe("bool");
    expect(numbers(y)).toEqual(pairs.map(([p, q]) => Number(expected(p, q))));
  });

  test("where takes tensors, numbers, or both", async () => {
    const both = await compute((p, q) => where(greater(p!, q!), p!, q!), a, b);
    expect(numbers(both)).toEqual(pairs.map(([p, q]) => Math.max(p, q)));
    const mixed = await compute((p, q) => where(greater(p!, q!), p!, -1), a, b);
    expect(numbers(mixed)).toEqual(pairs.map(([p, q]) => (p > q ? p : -1)));
    const plain = await compute((p, q) => where(greater(p!, q!), 2, -1), a, b);
    expect(plain.dtype).toBe("float32");
    expect(numbers(plain)).toEqual(pairs.map(([p, q]) => (p > q ? 2 : -1)));
  });

  test("broadcastTo repeats along what x lacks, and never shrinks", async () => {
    const y = await compute((p, q) => broadcastTo(q!, p!), a, b);
    expect(y.names).toEqual(["batch", "pos"]);
    expect(numbers(y)).toEqual(pairs.map(([, q]) => q));
    expect(refusal((p, q) => broadcastTo(p!, q!), a, b)).toMatchInlineSnapshot(`
      "
      broadcastTo: axis "batch" is on one operand only.
        operand 1    float32[pos 3]
        operand 2    float32[batch 2, pos 3]
        where        src/numpy/align.test.ts:LINE
        fix          add the axis to the other operand with .broadcastTo, or rename one with .as("…")    [AXIS-01]
      "
    `);
  });

  test("plain numbers alone are refused", () => {
    expect(() => add(1, 2)).toThrow("add: needs at least one tensor");
  });
});
