import { expect, test } from "vitest";
import { makeMesh } from "../core/mesh.ts";
import { aval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { fft, shard } from "../numpy/index.ts";
import { abstract, trace } from "../transforms/trace.ts";
import { seedsOf } from "./annotations.ts";
import { partition } from "./partition.ts";
import { propagate } from "./propagate.ts";
import { type PartitionWarning, showWarning } from "./warnings.ts";

const mesh = makeMesh({ x: 4 });

function warningsOf(f: (...xs: Tensor[]) => Tensor, dims: readonly number[][], strict = false) {
  const forms = dims.map((sizes) => abstract(aval("float32", sizes)));
  const { program } = trace("test", (...xs: Tensor[]) => [f(...xs)], forms);
  const warnings: PartitionWarning[] = [];
  partition(program, propagate(mesh, program, seedsOf(mesh, program, {})), {
    onWarning: (warning) => warnings.push(warning),
    strict,
  });
  return warnings;
}

const conflict = (a: Tensor, b: Tensor) => shard(a, ["x", null]).mul(shard(b, [null, "x"]));

test("a tensor that two places want in two ways is a conflict, with its bytes", () => {
  const [warning, ...more] = warningsOf(conflict, [
    [8, 64],
    [8, 64],
  ]);
  expect(more).toEqual([]);
  expect(warning).toMatchObject({ kind: "conflict", bytes: (8 * 64 * 4 * 3) / 16 });
  expect(showWarning(mesh, warning!)).toMatch(
    /^384 B sent at .*warnings\.test\.ts:\d+.*: float32\[8, 64\] is \[.*\], and mul wants it \[.*\]$/,
  );
});

test("an op that needs a split dimension whole says so", () => {
  const [warning] = warningsOf((x) => fft.rfft(shard(x, [null, "x"])).re, [[3, 64]]);
  expect(warning).toMatchObject({ kind: "replication", dims: [1] });
  expect(showWarning(mesh, warning!)).toContain("needs all of dimension 1");
});

test("sums over devices, cuts and asked-for moves are none", () => {
  const asked = (x: Tensor) =>
    shard(shard(x, ["x", null]).add(1), [null, "x"])
      .mul(2)
      .sum();
  expect(warningsOf(asked, [[8, 64]])).toEqual([]);
});

test("strict makes the dearest of them an error", () => {
  const both = [
    [8, 64],
    [8, 64],
  ];
  expect(() => warningsOf(conflict, both, true)).toThrow(/partition: 384 B sent.*mul wants it/);
});
