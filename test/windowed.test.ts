import { describe, expect, test } from "vitest";
import type { Tensor } from "../src/core/tensor.ts";
import { relu } from "../src/numpy/activations.ts";
import { einsum } from "../src/numpy/einsum.ts";
import { shard } from "../src/numpy/shard.ts";
import { windowedCase } from "../src/repro/partition/windowed-case.ts";
import { prepare } from "../src/repro/partition-corpus/agreement.ts";
import { define, gradients, halfSquare } from "../src/repro/partition-corpus/case.ts";
import { caseNamed } from "../src/repro/partition-corpus/corpus.ts";
import { trafficOf, windowedCorpusCase } from "../src/repro/partition-corpus/windowed.ts";
import type { WindowedOptions } from "../src/spmd/windowed/options.ts";

test("windowed contractions are the collectives that they take the place of", () => {
  const cases = Array.from({ length: 30 }, (_, seed) => windowedCase(seed));
  expect(cases.flatMap(({ mismatch }) => mismatch ?? [])).toEqual([]);
  const total = (key: "allGathers" | "reduceScatters" | "scans" | "masked") =>
    cases.reduce((sum, each) => sum + each[key], 0);
  // Every form was drawn.
  expect(total("allGathers")).toBeGreaterThan(7);
  expect(total("reduceScatters")).toBeGreaterThan(2);
});

describe("a training step in two dimensions", () => {
  test("sends the least that is known possible, in loops", () => {
    const traffic = (windowed: WindowedOptions) =>
      trafficOf(prepare(caseNamed("mlp/2D finalised step"), { windowed }).parted.program);
    expect(traffic({ when: "never" })).toEqual({
      ...{ bytes: 69_632, kinds: { allGather: 4, reduceScatter: 3 } },
    });
    // Of the exchanges around one product, one becomes a loop: all scatters, and the gather of a product without.
    expect(traffic({ when: "always" })).toEqual({
      ...{ bytes: 69_632, kinds: { allGather: 3, collectivePermute: 6 } },
    });
  });

  test("has the gradients of the whole one, of uneven layers, too", () => {
    const step = define(
      "uneven step",
      "x=2,y=4",
      ["10 7 [x, y]", "7 18 [x, y]", "18 7 [y, x]"],
      ["[x, y]", "[y, x]"],
      (x, w1, w2) => {
        const loss = (a: Tensor, b: Tensor) => {
          const hidden = shard(relu(einsum("batch in, in mid -> batch mid", x as Tensor, a)), [
            "x",
            "y",
          ]);
          return halfSquare(
            shard(einsum("batch mid, mid out -> batch out", hidden, b), ["x", "y"]),
          );
        };
        return gradients(loss as (...xs: readonly Tensor[]) => Tensor, [
          w1 as Tensor,
          w2 as Tensor,
        ]);
      },
    );
    for (const bothWays of [false, true]) {
      const { mismatches, before, after } = windowedCorpusCase(step, bothWays);
      expect(mismatches).toEqual([]);
      expect(after.bytes).toBeCloseTo(before.bytes, 6);
      expect(after.kinds["collectivePermute"]).toBeGreaterThan(
        before.kinds["collectivePermute"] ?? 0,
      );
    }
  });
});
