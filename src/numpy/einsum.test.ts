/** @file Einsum in axis words: its values against loops, its checks at compile time, and what it says when refused. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Tensor } from "../core/tensor.ts";
import { double } from "../testing/double.ts";
import { differs, drawn, indices, numbers, read } from "../testing/tensors.ts";
import { abstract, trace } from "../transforms/trace.ts";
import { einsum, einsumOf } from "./index.ts";

/** What the refusal of a traced einsum says, with line numbers taken out. */
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

const x = drawn(1, { batch: 2, pos: 3, embed: 4 });
const w = drawn(2, { embed: 4, mlp: 5 });

/** All index words of an equation, and the sum of products over them, by one loop. */
function oracle(equation: string, operands: readonly Tensor[]): number[] {
  const [left, right] = equation.split("->") as [string, string];
  const words = (side: string) => side.trim().split(/\s+/).filter(Boolean);
  const sides = left.split(",").map(words);
  const size = new Map(
    sides.flatMap((side, i) => side.map((word, k) => [word, operands[i]!.dims[k]!] as const)),
  );
  const out = words(right);
  const rest = [...size.keys()].filter((word) => !out.includes(word));
  const reads = operands.map(read);
  const sizes = (list: readonly string[]) => list.map((word) => size.get(word)!);
  return indices(...sizes(out)).map((outer) =>
    indices(...sizes(rest)).reduce((sum, inner) => {
      const at = (word: string) =>
        out.includes(word) ? outer[out.indexOf(word)]! : inner[rest.indexOf(word)]!;
      return sum + reads.reduce((product, get, i) => product * get(...sides[i]!.map(at)), 1);
    }, 0),
  );
}

describe("the value is the sum of products", () => {
  const cases = [
    "batch pos embed, embed mlp -> batch pos mlp",
    "batch pos embed, embed mlp -> mlp pos batch",
    "batch pos embed, embed mlp -> pos",
    "batch pos embed, embed mlp -> ",
    "batch pos embed, batch pos embed -> batch pos embed",
    "batch pos embed, batch pos embed -> ",
    "batch pos embed -> embed batch",
    "batch pos embed -> pos",
    "batch pos embed, embed mlp, mlp -> batch pos",
    "batch pos embed, pos, batch -> embed batch",
    "batch, pos -> pos batch",
    "batch, batch, batch -> batch",
  ];

  test.each(cases)("%s", async (equation) => {
    const size: Record<string, number> = { batch: 2, pos: 3, embed: 4, mlp: 5 };
    const sides = equation.split("->")[0]!.split(",");
    const operands = sides.map((side, i) => {
      const words = side.trim().split(" ").filter(Boolean);
      return drawn(i + 1, Object.fromEntries(words.map((word) => [word, size[word]!])));
    });
    const compute = double((...xs: Tensor[]) => einsumOf(equation, xs));
    const y = await compute(...operands);
    expect(y.names).toEqual(equation.split("->")[1]!.trim().split(" ").filter(Boolean));
    const close = { rtol: 1e-12, atol: 1e-12 };
    expect(differs(y, oracle(equation, operands), close)).toBeUndefined();
  });

  test("for any equation of two or three operands", async () => {
    const size = { a: 2, b: 3, c: 1, d: 2 } as const;
    const words = fc.subarray(["a", "b", "c", "d"] as const);
    const shuffled = words.chain((list) => fc.shuffledSubarray(list, { minLength: list.length }));
    const equations = fc.array(shuffled, { minLength: 1, maxLength: 3 }).chain((sides) => {
      const all = [...new Set(sides.flat())];
      return fc.record({ sides: fc.constant(sides), out: fc.shuffledSubarray(all) });
    });
    await fc.assert(
      fc.asyncProperty(equations, async ({ sides, out }) => {
        const equation = `${sides.map((side) => side.join(" ")).join(", ")} -> ${out.join(" ")}`;
        const operands = sides.map((side, i) =>
          drawn(i + 1, Object.fromEntries(side.map((word) => [word, size[word]]))),
        );
        const y = await double((...xs: Tensor[]) => einsumOf(equation, xs))(...operands);
        const close = { rtol: 1e-12, atol: 1e-12 };
        expect(differs(y, oracle(equation, operands), close), equation).toBeUndefined();
      }),
      { seed: 3, numRuns: 150 },
    );
  });
});

describe("the compiler checks", () => {
  // Never run: the types are what is tested, by tsc.
  const typed = () => [
    einsum("batch pos embed, embed mlp -> batch pos mlp", x, w),
    einsum("batch pos embed -> embed", x),
    // @ts-expect-error an operand is missing
    einsum("batch pos embed, embed mlp -> batch pos mlp", x),
    // @ts-expect-error an operand too many
    einsum("batch pos embed -> embed", x, w),
    // @ts-expect-error "head" is on the right but on no operand
    einsum("batch pos embed, embed mlp -> batch pos head", x, w),
    // An equation that only run time knows takes any number of operands.
    einsumOf("batch pos embed -> embed" as string, [x]),
  ];

  test("the number of operands and the axes of the result", () => {
    expect(typed).toBeInstanceOf(Function);
  });

  test("and what the compiler cannot see is said at trace time", () => {
    const f = (a?: Tensor, b?: Tensor) =>
      einsumOf("batch pos embed, embed mlp -> batch head", [a!, b!]);
    expect(refusal(f, x, w)).toMatchInlineSnapshot(`
      "
      einsum: axis "head" is on the right but on no operand.
        equation     batch pos embed, embed mlp -> batch head
                                                         ^^^^
        operand 1    float32[batch 2, pos 3, embed 4]
        operand 2    float32[embed 4, mlp 5]
        where        src/numpy/einsum.test.ts:LINE in f    [AXIS-01]
      "
    `);
  });
});

describe("a refusal points into the equation:", () => {
  test("one word, two sizes", () => {
    const wrong = drawn(3, { embed: 6, mlp: 5 });
    const f = (a?: Tensor, b?: Tensor) =>
      einsum("batch pos embed, embed mlp -> batch pos mlp", a!, b!);
    expect(refusal(f, x, wrong)).toMatchInlineSnapshot(`
      "
      einsum: axis "embed" has two sizes.
        equation     batch pos embed, embed mlp -> batch pos mlp
                               ^^^^^  ^^^^^
        operand 1    float32[batch 2, pos 3, embed 4]
        operand 2    float32[embed 6, mlp 5]
        where        src/numpy/einsum.test.ts:LINE in f
        fix          "embed" must be 4 or 6 on every operand    [SHAPE-02]
      "
    `);
  });

  test("a word where another name stands", () => {
    const f = (a?: Tensor, b?: Tensor) =>
      einsum("batch mem embed, embed mlp -> batch mem mlp", a!, b!);
    expect(refusal(f, x, w)).toMatchInlineSnapshot(`
      "
      einsum: axis "pos" stands where the equation says "mem".
        equation     batch mem embed, embed mlp -> batch mem mlp
                           ^^^                           ^^^
        operand 1    float32[batch 2, pos 3, embed 4]
        operand 2    float32[embed 4, mlp 5]
        where        src/numpy/einsum.test.ts:LINE in f
        fix          write "pos" in the equation, or rename the axis on purpose with .as("…")    [AXIS-01]
      "
    `);
  });

  test("a word that contains another is not marked for it", () => {
    const f = (a?: Tensor, b?: Tensor) => einsum("pos position, pos -> position", a!, b!);
    const [a, b] = [drawn(1, { pos: 2, position: 3 }), drawn(1, { pos: 4 })];
    expect(refusal(f, a, b)).toMatchInlineSnapshot(`
      "
      einsum: axis "pos" has two sizes.
        equation     pos position, pos -> position
                     ^^^           ^^^
        operand 1    float32[pos 2, position 3]
        operand 2    float32[pos 4]
        where        src/numpy/einsum.test.ts:LINE in f
        fix          "pos" must be 2 or 4 on every operand    [SHAPE-02]
      "
    `);
  });

  test("another number of axes", () => {
    const f = (a?: Tensor) => einsum("batch embed -> batch", a!);
    expect(refusal(f, x)).toMatchInlineSnapshot(`
      "
      einsum: operand 1 has 3 axes, the equation gives it 2.
        equation     batch embed -> batch
        operand 1    float32[batch 2, pos 3, embed 4]
        where        src/numpy/einsum.test.ts:LINE in f    [SHAPE-02]
      "
    `);
  });

  test("another number of operands, no arrow, a word twice, no word", () => {
    const one = (a?: Tensor) => einsumOf("batch, batch -> batch", [a!]);
    expect(refusal(one, drawn(1, { batch: 2 }))).toMatchInlineSnapshot(`
      "
      einsum: the equation has 2 operands, 1 were given.
        equation     batch, batch -> batch
        operand 1    float32[batch 2]
        where        src/numpy/einsum.test.ts:LINE in one    [SHAPE-02]
      "
    `);
    const said = (equation: string) => refusal((a) => einsumOf(equation, [a!]), x).split("\n")[1];
    expect(said("batch pos embed")).toMatchInlineSnapshot(
      `"einsum: "batch pos embed" has no "->""`,
    );
    expect(said("batch batch embed -> embed")).toMatchInlineSnapshot(
      `"einsum: axis "batch" stands twice."`,
    );
    expect(said("batch Pos embed -> embed")).toMatchInlineSnapshot(
      `"einsum: "Pos" is not an axis word."`,
    );
  });
});

test("operands without names take them from the equation", async () => {
  const f = (a: Tensor) =>
    einsum("batch embed, batch embed -> embed", a.reshape([6, 4]), a.reshape([6, 4]));
  const y = await double(f)(x);
  expect(y.names).toEqual(["embed"]);
  expect(numbers(y)[0]).toBeCloseTo(
    numbers(x)
      .filter((_, i) => i % 4 === 0)
      .reduce((sum, v) => sum + v * v, 0),
    12,
  );
});
