/** @file Rules for axis words: of arguments by their names, of values inside by what they are laid as. */

import { expect, test } from "vitest";
import { makeMesh } from "../core/mesh.ts";
import { aval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { exp, laid } from "../numpy/index.ts";
import { abstract, trace } from "../transforms/trace.ts";
import { defaultRules, finalisedRules, seedsOf } from "./annotations.ts";
import { propagate } from "./propagate.ts";
import { showSharding } from "./sharding.ts";

const mesh = makeMesh({ x: 2, y: 4 });
const { program } = trace("f", (x: Tensor) => exp(laid(exp(x), "batch pos width")), [
  abstract(aval("float32", [4, 6, 8], ["batch", "pos", "embed"])),
]);
const resultBy = (rules: Record<string, string>) => {
  const found = propagate(mesh, program, seedsOf(mesh, program, { rules }));
  const [result] = program.outputs;
  if (result === undefined) throw new Error("no result");
  return showSharding(found.shardingOf(result), mesh);
};

test("a laid value follows the rules of its words, not of its names", () => {
  // The result, laid by nobody, keeps the axes that its own names have no rule for.
  expect(resultBy({ width: "y" })).toBe("[-, -, y]");
  expect(resultBy({ pos: "x", width: "y" })).toBe("[-, x, y]");
});

test("an axis serves the first of two words, and a word without a rule is free", () => {
  expect(resultBy({ batch: "x", width: "x" })).toBe("[x, -, -]");
  expect(resultBy({ batch: "x" })).toBe("[x, -, -]");
  expect(resultBy({ nothing: "x" })).toBe("[-, -, -]");
});

test("the finalised layout takes x and y, or data and model, and no other mesh", () => {
  expect(finalisedRules(mesh)).toMatchObject({ batch: "x", embed: "x", mlp: "y", width: "y" });
  expect(finalisedRules(makeMesh({ data: 2, model: 2 }))).toMatchObject({
    ...{ batch: "data", embed: "data", head: "model", width: "model" },
  });
  expect(() => finalisedRules(makeMesh({ data: 8 }))).toThrow('the mesh has no axis "model"');
});

test("the usual rules split space along x and y, where a mesh has them", () => {
  expect(defaultRules(makeMesh({ data: 4, x: 4, y: 2 }))).toMatchObject({
    ...{ batch: "data", depth: "x", row: "y" },
  });
  expect(defaultRules(makeMesh({ data: 4, model: 2 }))).not.toHaveProperty("depth");
});
