/** @file Windowed contractions: the same values and the same bytes as the collectives that they take the place of. */

import { describe, expect, test } from "vitest";
import { interpret } from "../../core/interpret.ts";
import { type Mesh, makeMesh } from "../../core/mesh.ts";
import { at, type NdArray } from "../../core/ndarray.ts";
import type { Equation, Program, Variable } from "../../core/program.ts";
import { materialise, random } from "../../core/samples.ts";
import { aval } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { verify } from "../../core/verify.ts";
import { add } from "../../ops/arithmetic.ts";
import { contract, labels } from "../../ops/contract.ts";
import { closedProgram } from "../../transforms/trace.ts";
import { type Device, deviceNamed } from "../devices.ts";
import { exchangesOf, totalsOf } from "../exchanges.ts";
import { memoryUse } from "../liveness.ts";
import { type Partitioned, partition } from "../partition.ts";
import { propagate, type Seed } from "../propagate.ts";
import { exchangeSeconds, permuteSeconds, productSeconds, stepTime } from "../roofline.ts";
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

/** Activations by rows; weights by columns, of which each device needs all. */
function wide(n: number, columns: number): Case {
  return {
    mesh: makeMesh({ x: n }),
    equation: "i k, k j -> i j",
    dims: [[32_768, 8192], [8192, columns]], // biome-ignore format: a pair
    shardings: ["[x, -]", "[-, x]", "[x, -]"],
  };
}

/** Both summed dimensions split, the result by rows. */
function tall(n: number): Case {
  return {
    mesh: makeMesh({ x: n }),
    equation: "i k, k j -> i j",
    dims: [[4096, 32_768], [32_768, 16_384]], // biome-ignore format: a pair
    shardings: ["[-, x]", "[x, -]", "[x, -]"],
  };
}

const MIB = 2 ** 20;

describe("memory", () => {
  const peak = (own: Case, windowed: WindowedOptions) =>
    memoryUse(partitioned(own, programOf(own), windowed).program).peak / MIB;

  test("the gathered operand is never whole: two pieces of it are, one that comes and one that goes", () => {
    // Weights of 512 MiB, a result of 2048 MiB in all, in float32.
    for (const n of [4, 16]) {
      const result = 2048 / n;
      expect(peak(wide(n, 16_384), NEVER)).toBeCloseTo(512 + result, 0);
      const [product, pieces] = [result / n, 2 * (512 / n)];
      expect(peak(wide(n, 16_384), ONE_WAY)).toBeLessThanOrEqual(result + product + pieces + 1);
    }
  });

  test("the result that is scattered is never whole: a sum that comes, one that goes, a product", () => {
    for (const n of [4, 16]) {
      expect(peak(tall(n), NEVER)).toBeCloseTo(256 + 256 / n, 0);
      // And the rows that the product is made of.
      const rows = (4096 / n) * (32_768 / n) * 4;
      expect(peak(tall(n), ONE_WAY)).toBeLessThanOrEqual((3 * 256) / n + rows / MIB + 1);
    }
  });
});

describe("time", () => {
  const v4 = deviceNamed("tpu-v4");

  test.each([
    ["fast links", { ...v4, link: 1000 * v4.link, latency: 0 }],
    ["links that take half as long as products", { ...v4, latency: 0 }],
    ["slow links", { ...v4, link: v4.link / 100, latency: 0 }],
  ])("a step shows of its permute what lasts longer than its product: %s", (_, device) => {
    const n = 16;
    const own = wide(n, 16_384);
    const { mesh } = own;
    const { program } = partitioned(own, programOf(own), ONE_WAY);
    const last = program.equations.filter(({ op }) => op.name === "contract");
    const [product] = last as [Equation];
    expect([last.length, program.equations.filter(({ op }) => op.name === "scan").length]).toEqual([
      1, 1,
    ]);
    const dot = productSeconds(product, device);
    const hop = permuteSeconds((512 * MIB) / n, [0, 1], device, 2, mesh);
    const time = stepTime(program, device, { mesh });
    expect(time.exchanges / (15 * hop)).toBeCloseTo(1, 6);
    // Blocks are put in their places meanwhile, too.
    const most = 15 * Math.max(0, hop - dot);
    expect(time.exposed).toBeLessThanOrEqual(most + 1e-12);
    expect(time.exposed).toBeGreaterThanOrEqual(most - time.memory - 1e-12);
    expect(time.total).toBeCloseTo(time.products + time.memory + time.exposed, 9);
    // Nothing of the collective is hidden.
    const before = partitioned(own, programOf(own), NEVER).program;
    expect(stepTime(before, device, { mesh }).exposed).toBeCloseTo(
      exchangeSeconds(
        { kind: "allGather", bytes: 480 * MIB, group: Array.from({ length: n }, (_, i) => i) },
        ...([device, 2, mesh] as const),
      ),
      9,
    );
  });

  test("on a closed ring, pieces that go both ways take half as long", () => {
    // A slice of 16 × 16 chips is closed along both axes.
    const device: Device = { ...deviceNamed("tpu-v5e"), latency: 0, flops: 1e30, bandwidth: 1e30 };
    const mesh = makeMesh({ y: 16, x: 16 });
    const own = { ...wide(16, 16_384), mesh };
    const time = (windowed: WindowedOptions) =>
      stepTime(partitioned(own, programOf(own), windowed).program, device, { mesh }).total;
    const gather = time(NEVER);
    expect(time(ONE_WAY) / gather).toBeCloseTo(2, 1);
    // One piece of sixteen has nobody to travel with.
    expect(time(BOTH_WAYS) / gather).toBeCloseTo(16 / 15, 1);
    expect(time({ when: "always", device })).toBe(time(BOTH_WAYS));
  });
});

describe("by the conditions", () => {
  const device = deviceNamed("h100");
  const isLoop = (own: Case, windowed?: WindowedOptions) =>
    "collectivePermute" in kinds(partitioned(own, programOf(own), windowed).program);

  test("large operands are windowed, as the options and their defaults say", () => {
    expect(isLoop(wide(8, 16_384), { device })).toBe(true);
    expect(isLoop(tall(8), { device })).toBe(true);
    expect(isLoop(wide(8, 16_384))).toBe(true);
    expect(isLoop(wide(8, 16_384), NEVER)).toBe(false);
    // 128 MiB.
    expect(isLoop(wide(8, 4096), { device })).toBe(false);
    expect(isLoop(wide(8, 4096), { device, threshold: 128 * MIB })).toBe(true);
    expect(isLoop(wide(8, 16_384), { device, mostSteps: 4 })).toBe(false);
    expect(isLoop(wide(64, 16_384), { device })).toBe(false);
  });

  test("not where the loop is no faster", () => {
    // Every hop costs more than what is hidden.
    expect(isLoop(wide(8, 16_384), { device: { ...device, latency: 1 } })).toBe(false);
    // One way round a closed ring takes twice as long as both: m = 2, and products are short.
    const ring = { ...wide(16, 16_384), mesh: makeMesh({ y: 16, x: 16 }) };
    const v5e: Device = { ...deviceNamed("tpu-v5e"), link: 15e9 };
    expect(isLoop(ring, { device: v5e, bothWays: false })).toBe(false);
    expect(isLoop(ring, { device: v5e })).toBe(true);
  });

  test("not where somebody else reads the gathered operand", () => {
    const own = wide(4, 16_384);
    const program = closedProgram(
      "twice",
      own.dims.map((dims) => aval("float32", dims)),
      ([x, y]) => {
        const params = labels(own.equation);
        const [a, b] = [x as Tensor, y as Tensor];
        return [contract(a, b, params), contract(add(a, a), b, params)];
      },
    );
    const shardings = [...own.shardings, "[x, -]"];
    const parted = partitioned({ mesh: own.mesh, shardings }, program, ONE_WAY);
    expect(kinds(parted.program)).toEqual({ allGather: 1 });
  });
});
