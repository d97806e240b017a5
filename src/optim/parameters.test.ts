/** @file Which parameters are matrices, how tensors are cut into matrices, and choosing parameters by path. */

import { describe, expect, test } from "vitest";
import { aval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { scalar } from "../numpy/index.ts";
import { double } from "../testing/double.ts";
import { drawn, numbers } from "../testing/tensors.ts";
import { abstract } from "../transforms/trace.ts";
import { adamw } from "./adam.ts";
import { frozen, grouped } from "./groups.ts";
import { applyUpdates, initOptimizer } from "./optimizer.ts";
import { byPath, checkPatterns, isMatrix, matrixForm } from "./parameters.ts";
import { sgd } from "./sgd.ts";

const form = (sizes: Readonly<Record<string, number>>): Tensor =>
  abstract(aval("float32", Object.values(sizes), Object.keys(sizes)));

describe("a matrix", () => {
  test.each([
    ["layers/0/mlp/wi", { embed: 4, mlp: 8 }, [1, 4, 8]],
    ["layers/0/moe/wi", { expert: 3, embed: 4, mlp: 8 }, [3, 4, 8]],
    ["layers/moe/wo", { layer: 2, expert: 3, mlp: 8, embed: 4 }, [6, 8, 4]],
    ["layers/0/moe/gate", { embed: 4, expert: 3 }, [1, 4, 3]],
    ["layers/0/attention/query", { embed: 4, head: 2, dim: 3 }, [1, 4, 6]],
    ["layers/0/attention/output", { head: 2, dim: 3, embed: 4 }, [1, 6, 4]],
    ["stem/kernel", { filter: 5, channel: 2, width: 3 }, [1, 5, 6]],
    ["cell/weight", { joint: 7, gate: 4, hidden: 3 }, [1, 7, 12]],
  ] as const)("is %s %j", (path, sizes, [stack, rows, columns]) => {
    expect(isMatrix(path, form(sizes))).toBe(true);
    expect(matrixForm(form(sizes))).toMatchObject({ stack, rows, columns });
  });

  test.each([
    ["embedding", { vocab: 9, embed: 4 }],
    ["head", { embed: 4, vocab: 9 }],
    ["layers/0/attention/positionBias", { head: 2, bucket: 32 }],
    ["layers/0/attention/queryBias", { head: 2, dim: 3 }],
    ["cell/bias", { gate: 4, hidden: 3 }],
    ["layers/mlpNorm", { layer: 2, embed: 4 }],
    ["layers/0/moe/scale", { expert: 3, embed: 4 }],
    ["finalNorm", { embed: 4 }],
    ["temperature", {}],
  ] as const)("is not %s %j", (path, sizes) => {
    expect(isMatrix(path, form(sizes))).toBe(false);
  });
});

describe("a pattern", () => {
  const any = form({});
  test.each([
    ["layers/3", "layers/3/mlp/wi", true],
    ["layers/3", "layers/30/mlp/wi", false],
    ["layers/*/mlp", "layers/30/mlp/wi", true],
    ["layers/*/mlp", "layers/30/moe/wi", false],
    ["layers/3/mlp/wi/more", "layers/3/mlp/wi", false],
    ["layers/3/mlp/wi/*", "layers/3/mlp/wi", false],
    ["embedding", "embedding", true],
  ] as const)("%s and %s: %s", (pattern, path, holds) => {
    expect(byPath([pattern])(path, any)).toBe(holds);
    expect(byPath(["nothing", pattern])(path, any)).toBe(holds);
  });

  test("that matches nothing is refused, with the nearest beginning of a path", () => {
    expect(() => checkPatterns("trainable", ["layer/0"], ["layers/0/mlp", "head"])).toThrow(
      'trainable: "layer/0" matches no parameter.\n  fix    did you mean "layers/0"?',
    );
  });
});

describe("groups", () => {
  test("the first that holds a parameter updates it, by its own rule and rate", async () => {
    const all = { a: drawn(1, { embed: 3 }), b: drawn(2, { embed: 3 }), c: drawn(3, { embed: 3 }) };
    const rule = grouped(
      [
        { of: byPath(["a"]), optimizer: frozen },
        { of: byPath(["a", "b"]), optimizer: sgd(), rate: 0.5 },
      ],
      adamw(),
    );
    expect(rule.name).toBe("frozen + sgd + adamw");
    const update = double((p: typeof all) => {
      const states = initOptimizer(rule, p);
      return applyUpdates(rule, p, p, states, scalar(0), scalar(0.5));
    });
    const { params, states } = await update(all);
    expect(states.map((state) => Object.keys(state as object))).toEqual([
      [],
      [],
      ["first", "second"],
    ]);
    expect(numbers(params.a)).toEqual(numbers(all.a));
    numbers(params.b).forEach((x, i) => {
      expect(x).toBeCloseTo(0.75 * numbers(all.b)[i]!, 12);
    });
  });
});
