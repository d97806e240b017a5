/** @file Windowed contractions: the same values and the same bytes as the collectives that they take the place of. */

import { describe, expect, test } from "vitest";
import { interpret } from "../../core/interpret.ts";
import { at, type NdArray } from "../../core/ndarray.ts";
import type { Program, Variable } from "../../core/program.ts";
import { materialise, random } from "../../core/samples.ts";
import { aval } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { verify } from "../../core/verify.ts";
import { add } from "../../ops/arithmetic.ts";
import { contract, labels } from "../../ops/contract.ts";
import { scanOp } from "../../ops/control/scan.ts";
import { simplifyAll } from "../../transforms/simplify.ts";
import { closedProgram } from "../../transforms/trace.ts";
import { deviceNamed } from "../devices.ts";
import { exchangesOf, totalsOf } from "../exchanges.ts";
import { memoryUse } from "../liveness.ts";
import { type Mesh, makeMesh } from "../mesh.ts";
import { type Partitioned, partition } from "../partition.ts";
import { propagate, type Seed } from "../propagate.ts";
import { stepTime } from "../roofline.ts";
import { parseSharding } from "../sharding.ts";
import { simulate } from "../simulate.ts";
import type { WindowedOptions } from "./options.ts";

const ONE_WAY: WindowedOptions = { when: "always", bothWays: false };
const BOTH_WAYS: WindowedOptions = { when: "always", bothWays: true };
const NEVER: WindowedOptions = { when: "never" };

interface Case {
  readonly mesh: Mesh;
  readonly equation: string;
  readonly dims: readonly [readonly number[], readonly number[]];
  /** Of both operands and the result. */
  readonly shardings: readonly [string, string, string];
}

function programOf({ equation, dims }: Case): Program {
  const forms = dims.map((own) => aval("float32", own));
  return closedProgram("contract", forms, ([x, y]) => [
    contract(x as Tensor, y as Tensor, labels(equation)),
  ]);
}

function partitioned(
  { mesh, shardings }: Pick<Case, "mesh"> & { readonly shardings: readonly string[] },
  program: Program,
  windowed?: WindowedOptions,
): Partitioned {
  const seeds = new Map<Variable, Seed>(
    [...program.inputs, ...program.outputs].map((v, i) => [
      v,
      { sharding: parseSharding(mesh, shardings[i] ?? ""), text: "test" },
    ]),
  );
  return partition(
    program,
    propagate(mesh, program, seeds),
    windowed === undefined ? {} : { windowed },
  );
}

/** The largest difference to the whole; padding was NaN. */
function errorOf(program: Program, parted: Partitioned): number {
  const inputs = program.inputs.map((v, i) => materialise(random(...v.aval.dims), i + 1, false));
  const whole = interpret(program, inputs);
  const forms = program.outputs.map((v) => v.aval.dims);
  const pieces = simulate(parted, inputs, forms, Number.NaN);
  return Math.max(...whole.map((y, i) => farthest(y, pieces[i])));
}

function farthest(wanted: NdArray, given: NdArray | undefined): number {
  if (given === undefined || given.dims.join() !== wanted.dims.join()) return Infinity;
  let worst = 0;
  for (let i = 0; i < wanted.data.length; i++) {
    const off = Math.abs(at(given, i) - at(wanted, i));
    worst = Math.max(worst, Number.isNaN(off) ? Infinity : off);
  }
  return worst;
}

const totals = (program: Program) => totalsOf(exchangesOf(program));
const sent = (program: Program) => totals(program).reduce((sum, { bytes }) => sum + bytes, 0);
const kinds = (program: Program) =>
  Object.fromEntries(totals(program).map(({ kind, count }) => [kind, count]));

/** The same program with and without loops: its values, its bytes, and what it sends now. */
function check(own: Case, windowed: WindowedOptions): Record<string, number> {
  const whole = programOf(own);
  const parted = partitioned(own, whole, windowed);
  verify(parted.program, "windowed");
  expect(errorOf(whole, parted)).toBeLessThan(1e-5);
  expect(sent(parted.program)).toBeCloseTo(sent(partitioned(own, whole, NEVER).program), 6);
  return kinds(parted.program);
}

describe.each([
  ["one way", ONE_WAY, [2, 3, 6]],
  ["both ways", BOTH_WAYS, [4, 8]],
] as const)("pieces that travel %s", (_, windowed, sizes) => {
  test.each(sizes)("take the place of collectives of %i devices", (n) => {
    const mesh = makeMesh({ x: n });
    const permutes = { collectivePermute: n - 1 };
    const even = 2 * n;
    const free: Case = {
      ...{ mesh, equation: "i k, k j -> i j", dims: [[5, 4], [4, even]] }, // biome-ignore format: pairs
      shardings: ["[-, -]", "[-, x]", "[-, -]"],
    };
    expect(check(free, windowed)).toEqual(permutes);
    const batch: Case = {
      ...{ mesh, equation: "k b i, b j k -> j b i", dims: [[3, even, 2], [even, 9, 3]] }, // biome-ignore format: pairs
      shardings: ["[-, x, -]", "[-, -, -]", "[-, -, -]"],
    };
    expect(check(batch, windowed)).toEqual(permutes);
    const scattered: Case = {
      ...{ mesh, equation: "i k, k j -> i j", dims: [[even, 3 * n], [3 * n, 5]] }, // biome-ignore format: pairs
      shardings: ["[-, x]", "[x, -]", "[x, -]"],
    };
    expect(check(scattered, windowed)).toEqual(permutes);
  });
});

describe("an uneven dimension", () => {
  test.each([
    [
      "free",
      "i k, k j -> i j",
      [
        [5, 4],
        [4, 7],
      ],
      ["[-, -]", "[-, x]", "[-, -]"],
    ],
    [
      "batch",
      "b i k, b j k -> b i j",
      [
        [11, 2, 3],
        [11, 9, 3],
      ],
      ["[x, -, -]", "[-, -, -]", "[-, -, -]"],
    ],
    [
      "summed",
      "i k, k j -> i j",
      [
        [5, 11],
        [11, 8],
      ],
      ["[-, x]", "[-, x]", "[-, x]"],
    ],
    [
      "scattered",
      "i k, k j -> i j",
      [
        [7, 10],
        [10, 5],
      ],
      ["[-, x]", "[x, -]", "[x, -]"],
    ],
    [
      "scattered batch",
      "b i k, b j k -> b i j",
      [
        [7, 2, 10],
        [7, 3, 10],
      ],
      ["[-, -, x]", "[-, -, x]", "[x, -, -]"],
    ],
  ] as const)("%s", (_, equation, dims, shardings) => {
    // biome-ignore format: a table
    const own: Case = { mesh: makeMesh({ x: 4 }), equation, dims, shardings };
    expect(check(own, ONE_WAY)).toEqual({ collectivePermute: 3 });
    expect(check(own, BOTH_WAYS)).toEqual({ collectivePermute: 3 });
  });
});

test("a dimension that is split again by other devices keeps its padding out of the sums", () => {
  // 11 elements in two blocks of 6, each in three of 2: the last block of 6 has one of padding.
  const own: Case = {
    mesh: makeMesh({ y: 2, x: 3 }),
    equation: "i k, k j -> i j",
    dims: [[9, 11], [11, 12]], // biome-ignore format: a pair
    shardings: ["[-, y+x]", "[y, x]", "[-, x]"],
  };
  const { collectivePermute, allGather = 0 } = check(own, ONE_WAY);
  expect([collectivePermute, allGather]).toEqual([2, 0]);
});
