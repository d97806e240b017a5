/** @file Laws of the collectives on several devices, in lockstep. Samples in a record are all a new one needs. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { apply } from "../src/core/builder.ts";
import { type CollectiveOp, type Groups, isCollective } from "../src/core/collective.ts";
import { EngineError } from "../src/core/errors.ts";
import { interpret } from "../src/core/interpret.ts";
import { interpretTogether } from "../src/core/interpret-together.ts";
import type { NdArray } from "../src/core/ndarray.ts";
import { ndarray } from "../src/core/ndarray.ts";
import { parseProgram, printProgram } from "../src/core/program-text.ts";
import { random, type Sample, sample } from "../src/core/samples.ts";
import { aval } from "../src/core/shape.ts";
import { fromData, type Tensor } from "../src/core/tensor.ts";
import { verify } from "../src/core/verify.ts";
import { jit } from "../src/engines/jit.ts";
import { createOnnxEngine } from "../src/engines/onnx/onnx.ts";
import { referenceEngine } from "../src/engines/reference/reference.ts";
import { printStablehlo } from "../src/engines/xla/stablehlo.ts";
import { einsum, scan, whileLoop } from "../src/numpy/index.ts";
import { add, mul, sub } from "../src/ops/arithmetic.ts";
import {
  collectivePermute,
  collectivePermuteOp,
  partitionId,
} from "../src/ops/collectives.device.ts";
import {
  allGather,
  allGatherOp,
  allReduce,
  allReduceMean,
  allReduceOp,
  allToAll,
  allToAllOp,
  reduceScatter,
  reduceScatterOp,
} from "../src/ops/collectives.ts";
import { full, literal } from "../src/ops/creation.ts";
import { reshape } from "../src/ops/layout.ts";
import { less } from "../src/ops/logic.ts";
import { OPS, OPS_BY_NAME } from "../src/ops/registry.ts";
import { sum } from "../src/ops/sum.ts";
import { directions } from "../src/testing/laws.ts";
import { difference, type Tolerance } from "../src/testing/matchers.ts";
import {
  batchedAndLoopedTogether,
  directionsTogether,
  forwardTogether,
  innerTogether,
  inputsTogether,
  jvpTogether,
  type PerDevice,
  programLike,
  pullbackTogether,
  runTogether,
  slopeTogether,
  zipped,
} from "../src/testing/together.ts";
import { jvp } from "../src/transforms/jvp.ts";
import { simplify } from "../src/transforms/simplify.ts";
import { vjp } from "../src/transforms/vjp.ts";

const EXACT: Tolerance = { rtol: 0, atol: 0 };
const DOUBLE: Tolerance = { rtol: 1e-10, atol: 1e-12 };
const SLOPE: Tolerance = { rtol: 1e-6, atol: 1e-8 };

const COLLECTIVES = OPS.filter(isCollective);
const PAIRS: Groups = [
  [0, 1],
  [2, 3],
];

function expectAll(actual: PerDevice, expected: PerDevice, tolerance: Tolerance): void {
  expect(actual.length).toBe(expected.length);
  actual.forEach((own, device) => {
    expect(own.length).toBe(expected[device]?.length);
    own.forEach((x, i) => {
      const wrong = difference(x, expected[device]?.[i] as NdArray, tolerance);
      expect(wrong, `device ${device}, result ${i}`).toBeUndefined();
    });
  });
}

/** One float32 list per device. */
const lists = (...rows: number[][]): PerDevice =>
  rows.map((row) => [ndarray("float32", [row.length], row)]);
const contents = (results: PerDevice) => results.map(([y]) => [...(y?.data ?? [])].map(Number));

describe.each(COLLECTIVES.map((op) => ({ name: op.name, op })))("$name", ({ op }) => {
  describe.each([...op.deviceSamples()].map((sample) => ({ label: sample.label, sample })))(
    "$label",
    ({ sample }) => {
      const program = () =>
        programLike(op.name, (...xs) => apply1(op, sample, xs), inputsTogether(op, sample, true));

      test("simplification leaves the values alone", () => {
        const inputs = inputsTogether(op, sample, true);
        const simpler = verify(simplify(program()), "simplify");
        expectAll(interpretTogether(simpler, inputs), interpretTogether(program(), inputs), EXACT);
      });

      test("printed and parsed, it is the same program", () => {
        const text = printProgram(program(), { sources: false });
        const again = verify(parseProgram(text, OPS_BY_NAME), "parse");
        expect(printProgram(again, { sources: false })).toBe(text);
      });

      test("one device refuses it, and says where it runs", () => {
        const [own = []] = inputsTogether(op, sample, true);
        expect(() => interpret(program(), own)).toThrow(EngineError);
        expect(() => interpret(program(), own)).toThrow(
          `${op.name}: a collective of ${op.devices(sample.params)} devices cannot run on one device.`,
        );
      });

      test("differentiating leaves the values alone", () => {
        expectAll(jvpTogether(op, sample).primal, forwardTogether(op, sample, true), EXACT);
      });

      test.skipIf(!sample.differentiable)("the tangents are the slopes", () => {
        const { tangent, direction } = jvpTogether(op, sample);
        const none = op.jvp.kind === "none";
        expectAll(tangent, none ? tangent : slopeTogether(op, sample, direction), SLOPE);
      });

      test.skipIf(!sample.differentiable)(
        "over all devices, the pullback is the transpose: Σ⟨ct, J v⟩ = Σ⟨Jᵀ ct, v⟩",
        () => {
          expectTranspose(op, sample);
        },
      );

      test.skipIf(sample.inputs.length === 0)("batched, it is the loop", () => {
        const [batched, looped] = batchedAndLoopedTogether(op, sample);
        expectAll(batched, looped, DOUBLE);
      });
    },
  );
});

function apply1(op: CollectiveOp, { params }: Sample, xs: readonly Tensor[]): readonly Tensor[] {
  return apply(op, xs, params);
}

function expectTranspose(op: CollectiveOp, sample: Sample): void {
  const { tangent, direction } = jvpTogether(op, sample);
  const cotangent = directionsTogether(tangent, 500);
  const left = innerTogether(cotangent, tangent);
  expect(innerTogether(pullbackTogether(op, sample, cotangent), direction)).toBeCloseTo(left, 9);
}

describe("over random groups, axes and sizes", () => {
  /** A random permutation of 0 … D − 1, cut into groups of one length. */
  const anyGroups = fc
    .record({ size: fc.constantFrom(1, 2, 3, 4), count: fc.constantFrom(1, 2, 3) })
    .chain(({ size, count }) => {
      const all = Array.from({ length: size * count }, (_, device) => device);
      const order = fc.shuffledSubarray(all, { minLength: all.length });
      return order.map((devices) =>
        Array.from({ length: count }, (_, g) => devices.slice(g * size, (g + 1) * size)),
      );
    });
  const anyCase = fc.record({
    groups: anyGroups,
    dims: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }),
    at: fc.nat(99),
    other: fc.nat(99),
  });
  const check = (
    law: (one: { groups: Groups; dims: number[]; at: number; other: number }) => void,
  ) => fc.assert(fc.property(anyCase, law), { seed: 7, numRuns: 60 });
  const divisible = (dims: readonly number[], axis: number, by: number) =>
    dims.map((dim, i) => (i === axis ? dim * by : dim));

  test("every collective is the transpose of its transpose", () => {
    check(({ groups, dims, at, other }) => {
      const axis = at % dims.length;
      const concatAxis = other % dims.length;
      const size = groups[0]?.length ?? 1;
      const cut = divisible(dims, axis, size);
      const count = groups.flat().length;
      const pairs = groups.flatMap((group) =>
        group.slice(1).map((device, i): [number, number] => [group[i] ?? 0, device]),
      );
      expectTranspose(
        allReduceOp as never,
        sample("", [random(...dims)], { groups, reduction: "sum" }),
      );
      expectTranspose(
        allReduceOp as never,
        sample("", [random(...dims)], { groups, reduction: "max" }),
      );
      expectTranspose(allGatherOp as never, sample("", [random(...dims)], { axis, groups }));
      expectTranspose(reduceScatterOp as never, sample("", [random(...cut)], { axis, groups }));
      expectTranspose(
        allToAllOp as never,
        sample("", [random(...cut)], { splitAxis: axis, concatAxis, groups }),
      );
      expectTranspose(
        collectivePermuteOp as never,
        sample("", [random(...dims)], { devices: count, pairs }),
      );
    });
  });

  test("an all-reduce is a reduce-scatter and an all-gather", () => {
    check(({ groups, dims, at }) => {
      const axis = at % dims.length;
      const inputs = inputsTogether(
        allReduceOp as never,
        sample("", [random(...divisible(dims, axis, groups[0]?.length ?? 1))], {
          groups,
          reduction: "sum",
        }),
        true,
      );
      expectAll(
        runTogether(
          "two steps",
          (x) => [allGather(reduceScatter(need(x), axis, groups), axis, groups)],
          inputs,
        ),
        runTogether("one step", (x) => [allReduce(need(x), groups)], inputs),
        EXACT,
      );
    });
  });

  test("an all-to-all and the one back leave all where it was", () => {
    check(({ groups, dims, at, other }) => {
      const [splitAxis, concatAxis] = [at % dims.length, other % dims.length];
      const inputs = inputsTogether(
        allToAllOp as never,
        sample("", [random(...divisible(dims, splitAxis, groups[0]?.length ?? 1))], {
          splitAxis,
          concatAxis,
          groups,
        }),
        true,
      );
      const there = { splitAxis, concatAxis, groups };
      const back = { splitAxis: concatAxis, concatAxis: splitAxis, groups };
      expectAll(
        runTogether("there and back", (x) => [allToAll(allToAll(need(x), there), back)], inputs),
        inputs,
        EXACT,
      );
    });
  });
});

function need<T>(x: T | undefined): T {
  if (x === undefined) throw new Error("a value is missing");
  return x;
}

describe("four devices with numbers that can be checked by hand", () => {
  const inputs = lists([1, 2], [30, 4], [5, 600], [7, 8]);
  const run = (f: (x: Tensor) => Tensor) => contents(runTogether("f", (x) => [f(need(x))], inputs));

  test("reduce in pairs", () => {
    expect(run((x) => allReduce(x, PAIRS))).toEqual([
      [31, 6],
      [31, 6],
      [12, 608],
      [12, 608],
    ]);
    expect(run((x) => allReduce(x, PAIRS, "max"))).toEqual([
      [30, 4],
      [30, 4],
      [7, 600],
      [7, 600],
    ]);
    expect(run((x) => allReduce(x, PAIRS, "min"))).toEqual([
      [1, 2],
      [1, 2],
      [5, 8],
      [5, 8],
    ]);
    expect(run((x) => allReduceMean(x, PAIRS))).toEqual([
      [15.5, 3],
      [15.5, 3],
      [6, 304],
      [6, 304],
    ]);
  });

  test("average over uneven groups", () => {
    const uneven = [[0, 1, 2], [3]];
    expect(run((x) => allReduceMean(x, uneven))).toEqual([
      [12, 202],
      [12, 202],
      [12, 202],
      [7, 8],
    ]);
  });

  test("gather and scatter in the group's order", () => {
    expect(
      run((x) =>
        allGather(x, 0, [
          [1, 0],
          [3, 2],
        ]),
      ),
    ).toEqual([
      [30, 4, 1, 2],
      [30, 4, 1, 2],
      [7, 8, 5, 600],
      [7, 8, 5, 600],
    ]);
    expect(
      run((x) =>
        reduceScatter(x, 0, [
          [1, 0],
          [3, 2],
        ]),
      ),
    ).toEqual([[6], [31], [608], [12]]);
  });

  test("exchange, shift with zeros at the edge, and know their numbers", () => {
    expect(run((x) => allToAll(x, { splitAxis: 0, concatAxis: 0, groups: PAIRS }))).toEqual([
      [1, 30],
      [2, 4],
      [5, 7],
      [600, 8],
    ]);
    const pairs = [
      [0, 1],
      [1, 2],
      [2, 3],
    ] as const;
    expect(run((x) => collectivePermute(x, { devices: 4, pairs }))).toEqual([
      [0, 0],
      [1, 2],
      [30, 4],
      [5, 600],
    ]);
    expect(run(() => partitionId(4))).toEqual([[0], [1], [2], [3]]);
  });
});

describe("a per-device program", () => {
  // Four devices hold two rows each of one batch, and a copy each of the weights.
  const whole = { x: [8, 3], w: [3] };
  const [x, w] = directions(
    [
      { dtype: "float64", dims: whole.x, data: new Float64Array(24) },
      { dtype: "float64", dims: whole.w, data: new Float64Array(3) },
    ],
    9,
  ) as [NdArray, NdArray];
  const devices: PerDevice = [0, 1, 2, 3].map((device) => [
    { dtype: "float64", dims: [2, 3], data: x.data.slice(6 * device, 6 * device + 6) },
    w,
  ]);
  const loss = (rows: Tensor, weights: Tensor) => {
    const y = einsum("batch embed, embed -> batch", rows.as("batch embed"), weights.as("embed"));
    return sum(mul(y, mul(y, y)), [0]);
  };
  const ALL: Groups = [[0, 1, 2, 3]];

  test("sums gradients to those of the whole batch", () => {
    const gradient = (
      rows: Tensor,
      weights: Tensor,
      total: (y: Tensor) => Tensor,
      seed: number,
    ) => {
      const [value, back] = vjp((v: Tensor) => total(loss(rows, v)), weights);
      return [value, ...back(full(seed, value.aval))];
    };
    const expected = runTogether(
      "whole",
      (rows, weights) => gradient(need(rows), need(weights), (y) => y, 1),
      [[x, w]],
    );
    const everywhere = devices.map(() => need(expected[0]));

    // The loss stays local; its gradients are added afterwards.
    const late = (rows: Tensor, weights: Tensor) => {
      const [value = rows, slope = weights] = gradient(rows, weights, (y) => y, 1);
      return [allReduce(value, ALL), allReduce(slope, ALL)];
    };
    expectAll(
      runTogether("late", (...xs) => late(need(xs[0]), need(xs[1])), devices),
      everywhere,
      DOUBLE,
    );

    // Every device holds the summed loss: four copies, whose cotangents of 1/4 add up to 1.
    const early = (rows: Tensor, weights: Tensor) => {
      const [value = rows, slope = weights] = gradient(
        rows,
        weights,
        (y) => allReduce(y, ALL),
        1 / 4,
      );
      return [value, allReduce(slope, ALL)];
    };
    expectAll(
      runTogether("early", (...xs) => early(need(xs[0]), need(xs[1])), devices),
      everywhere,
      DOUBLE,
    );
  });

  test("is not folded into constants of one device", () => {
    const f = () => [
      add(partitionId(4), full(10, aval("int32", []))),
      allReduce(add(partitionId(4), full(1, aval("int32", []))), PAIRS),
      allGather(literal(aval("float32", [2]), [1, 2]), 0, PAIRS),
    ];
    const program = programLike("constants", f, [[], [], [], []]);
    const expected = interpretTogether(program, [[], [], [], []]);
    expect(expected.map((own) => own.map((y) => [...y.data]))).toEqual([
      [[10], [3], [1, 2, 1, 2]],
      [[11], [3], [1, 2, 1, 2]],
      [[12], [7], [1, 2, 1, 2]],
      [[13], [7], [1, 2, 1, 2]],
    ]);
    const simpler = verify(simplify(program), "simplify");
    expectAll(interpretTogether(simpler, [[], [], [], []]), expected, EXACT);
  });

  test("of groups of one, or of one device, has no collective left", () => {
    const f = (v: Tensor) => [
      allReduce(v, [[1], [0]], "max"),
      reduceScatter(allGather(v, 0, [[0], [1]]), 0, [[0], [1]]),
      collectivePermute(v, {
        devices: 2,
        pairs: [
          [0, 0],
          [1, 1],
        ],
      }),
      partitionId(1),
    ];
    const program = programLike("local", (v) => f(need(v)), lists([1, 2]));
    expect(printProgram(simplify(program), { sources: false })).toMatchInlineSnapshot(`
      "program local(a: float32[2]) -> (a, a, a, b) {
        b: int32[] = full() {"value":0,"dtype":"int32","dims":[],"names":[]}
      }"
    `);
  });

  test("knows sums of constants without talking", () => {
    const f = () => [
      allReduce(full(3, aval("float32", [2])), PAIRS),
      allReduceMean(full(3, aval("float32", [2])), [[0, 1, 2], [3]]),
      reduceScatter(full(1, aval("int32", [4])), 0, PAIRS),
    ];
    const simpler = simplify(programLike("constants", f, [[]]));
    expect(printProgram(simpler, { sources: false })).toMatchInlineSnapshot(`
      "program constants() -> (b, f, g) {
        a: float32[2] = full() {"value":3,"dtype":"float32","dims":[2],"names":[null]}
        b: float32[2] = full() {"value":6,"dtype":"float32","dims":[2],"names":[null]}
        c: float32[2] = allReduce(a) {"groups":[[0,1,2],[3]],"reduction":"sum"}
        d: float32[2] = full() {"value":1,"dtype":"float32","dims":[2],"names":[null]}
        e: float32[2] = allReduce(d) {"groups":[[0,1,2],[3]],"reduction":"sum"}
        f: float32[2] = div(c, e)
        g: int32[2] = full() {"value":2,"dtype":"int32","dims":[2],"names":[null]}
      }"
    `);
  });

  test("runs on as many devices as its collectives speak of", () => {
    const program = programLike("f", (v) => [allReduce(need(v), PAIRS)], lists([1]));
    expect(() => interpretTogether(program, lists([1], [2]))).toThrow(
      "interpretTogether: allReduce is written for 4 devices, inputs are given for 2.",
    );
    expect(() => printStablehlo(program)).toThrow(
      "stablehlo: allReduce is written for 4 devices, the module for 1.",
    );
    expect(() => printStablehlo(program, { partitions: 8 })).toThrow(
      "stablehlo: allReduce is written for 4 devices, the module for 8.",
    );
  });

  test("is printed as one module with a manual computation", () => {
    const f = (v: Tensor) => [sub(allReduce(v, PAIRS), v), partitionId(4)];
    const program = programLike("f", (v) => f(need(v)), lists([1, 2, 3]));
    expect(`\n${printStablehlo(program, { partitions: 4 })}`).toMatchInlineSnapshot(`
      "
      module @f attributes {mhlo.num_partitions = 4 : i32, mhlo.num_replicas = 1 : i32} {
        sdy.mesh @devices = <["device"=4]>
        func.func public @main(%arg0: tensor<3xf32>) -> (tensor<3xf32>, tensor<i32>) {
          %all:2 = sdy.manual_computation(%arg0) in_shardings=[<@devices, [{}]>] out_shardings=[<@devices, [{}]>, <@devices, []>] manual_axes={"device"} (%own0: tensor<3xf32>) {
            %v3 = "stablehlo.all_reduce"(%own0) <{channel_handle = #stablehlo.channel_handle<handle = 1, type = 1>, replica_groups = dense<[[0, 1], [2, 3]]> : tensor<2x2xi64>, use_global_device_ids}> ({
            ^bb0(%v0: tensor<f32>, %v1: tensor<f32>):
              %v2 = stablehlo.add %v0, %v1 : (tensor<f32>, tensor<f32>) -> tensor<f32>
              stablehlo.return %v2 : tensor<f32>
            }) : (tensor<3xf32>) -> tensor<3xf32>
            %v4 = stablehlo.subtract %v3, %own0 : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
            %v5 = stablehlo.partition_id : tensor<ui32>
            %v6 = stablehlo.convert %v5 : (tensor<ui32>) -> tensor<i32>
            sdy.return %v4, %v6 : tensor<3xf32>, tensor<i32>
          } : (tensor<3xf32>) -> (tensor<3xf32>, tensor<i32>)
          return %all#0, %all#1 : tensor<3xf32>, tensor<i32>
        }
      }
      "
    `);
  });
});

describe("inside loops and branches", () => {
  const ALL: Groups = [[0, 1, 2, 3]];
  const inputs = lists([1], [2], [3], [4]);
  const shift = {
    devices: 4,
    pairs: [
      [0, 1],
      [1, 2],
      [2, 3],
      [3, 0],
    ],
  } as const;

  test("a loop of shifts carries every number round the ring", () => {
    const f = (x: Tensor) => {
      const [end, seen] = scan(
        (carry: Tensor) => {
          const next = collectivePermute(carry, shift);
          return [next, next];
        },
        x,
        [],
        { length: 3 },
      );
      return [end, seen];
    };
    const results = runTogether("ring", (x) => f(need(x)), inputs);
    expect(results.map((own) => own.map((y) => [...y.data]))).toEqual([
      [[2], [4, 3, 2]],
      [[3], [1, 4, 3]],
      [[4], [2, 1, 4]],
      [[1], [3, 2, 1]],
    ]);
  });

  test("a loop runs on until all devices agree to stop", () => {
    const total = (x: Tensor) => reshape(allReduce(x, ALL), []);
    const f = (x: Tensor) => [
      whileLoop(
        (carry: Tensor) => less(total(carry), full(50, aval("float32", []))),
        (carry: Tensor) => add(carry, carry),
        x,
      ),
    ];
    expect(contents(runTogether("while", (x) => f(need(x)), inputs))).toEqual([
      [8],
      [16],
      [24],
      [32],
    ]);
  });

  test("the pullback of a loop is its transpose over all devices", () => {
    const f = (x: Tensor) => [
      scan((carry: Tensor) => [mul(allReduce(carry, PAIRS), add(carry, x)), []], x, [], {
        length: 3,
      })[0],
    ];
    const doubles = inputs.map((own) =>
      own.map((x) => ({
        ...x,
        dtype: "float64" as const,
        data: Float64Array.from(x.data as Float32Array, (v) => v / 4),
      })),
    );
    const [v, ct] = [directionsTogether(doubles, 1), directionsTogether(doubles, 2)];
    const forward = runTogether(
      "jvp",
      (...xs) => jvp(f, [need(xs[0])], [need(xs[1])])[1],
      zipped(doubles, v),
    );
    const back = runTogether(
      "vjp",
      (...xs) => vjp(f, need(xs[0]))[1]([need(xs[1])]),
      zipped(doubles, ct),
    );
    expect(innerTogether(back, v)).toBeCloseTo(innerTogether(ct, forward), 9);
  });

  test("devices that part ways are told apart", () => {
    const f = (x: Tensor) => [
      whileLoop(
        (carry: Tensor) => less(reshape(carry, []), full(3, aval("float32", []))),
        (carry: Tensor) => add(carry, allReduce(full(1, carry.aval), ALL)),
        x,
      ),
    ];
    expect(() => runTogether("apart", (x) => f(need(x)), inputs)).toThrow(
      "interpretTogether: inside while, the devices do not come to the same collective.",
    );
  });
});

describe("engines of one device", async () => {
  const engines = [referenceEngine, await createOnnxEngine()];
  test.each(engines.map((engine) => ({ name: engine.name, engine })))(
    "$name refuses a collective of several",
    async ({ engine }) => {
      const f = jit((v: Tensor) => allReduce(v, PAIRS), { engine });
      await expect(f(fromData("float32", [2], new Float32Array([1, 2])))).rejects.toThrow(
        "allReduce: a collective of 4 devices cannot run on one device.",
      );
    },
  );
});
