/**
 * @file XLA as a peer of the lockstep interpreter: per-device programs with every collective, their
 * derivatives, and a small sharded layer, on 4 and 8 partitions of one process, all devices compared.
 * Skipped where there is no jaxlib.
 */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apply } from "../../src/core/builder.ts";
import { type CollectiveOp, type Groups, isCollective } from "../../src/core/collective.ts";
import { interpretTogether } from "../../src/core/interpret-together.ts";
import type { Program } from "../../src/core/program.ts";
import { random, type Sample, sample } from "../../src/core/samples.ts";
import { aval } from "../../src/core/shape.ts";
import type { Tensor } from "../../src/core/tensor.ts";
import { printStablehlo } from "../../src/engines/xla/stablehlo.ts";
import { einsum, gelu, scan, softmax, topK, whileLoop } from "../../src/numpy/index.ts";
import { add, mul } from "../../src/ops/arithmetic.ts";
import { collectivePermute, partitionId } from "../../src/ops/collectives.device.ts";
import { allGather, allReduce, allReduceMean, reduceScatter } from "../../src/ops/collectives.ts";
import { full } from "../../src/ops/creation.ts";
import { convert, less } from "../../src/ops/logic.ts";
import { OPS } from "../../src/ops/registry.ts";
import { sum } from "../../src/ops/sum.ts";
import { difference, type Tolerance } from "../../src/testing/matchers.ts";
import {
  directionsTogether,
  forwardTogether,
  inputsTogether,
  type PerDevice,
  programLike,
  zipped,
} from "../../src/testing/together.ts";
import { simplify } from "../../src/transforms/simplify.ts";
import { vjp } from "../../src/transforms/vjp.ts";
import { type AnswerTogether, XlaProcess } from "./xla-process.ts";

const SINGLE: Tolerance = { rtol: 2e-5, atol: 2e-6 };

interface Case {
  readonly group: string;
  readonly label: string;
  readonly program: Program;
  readonly inputs: PerDevice;
}

/** Groupings of eight devices: one axis of a mesh after another, all, and one that is no mesh. */
const EIGHT: Readonly<Record<string, Groups>> = {
  "rows of 2 × 4": [
    [0, 1, 2, 3],
    [4, 5, 6, 7],
  ],
  "columns of 2 × 4": [
    [0, 4],
    [1, 5],
    [2, 6],
    [3, 7],
  ],
  "all eight": [[0, 1, 2, 3, 4, 5, 6, 7]],
  "out of order": [
    [7, 2, 0, 5],
    [3, 6, 1, 4],
  ],
};

/** Samples like those of the record, on eight devices. */
function samplesOnEight(op: CollectiveOp): readonly Sample[] {
  const name = op.name;
  return Object.entries(EIGHT).flatMap(([label, groups]): Sample[] => {
    const size = groups[0]?.length ?? 1;
    const x = [random(2 * size, size)];
    const along = (axis: number) => sample(`${label}, axis ${axis}`, x, { axis, groups });
    const pairs = groups.flatMap((group) =>
      group.slice(1).map((device, i): [number, number] => [group[i] ?? 0, device]),
    );
    switch (name) {
      case "allReduce":
        return ["sum", "max", "min"].map((reduction) =>
          sample(`${label}, ${reduction}`, x, { groups, reduction }),
        );
      case "allGather":
      case "reduceScatter":
        return [along(0), along(1)];
      case "allToAll":
        return [
          sample(`${label}, 0 to 1`, x, { splitAxis: 0, concatAxis: 1, groups }),
          sample(`${label}, 1 to 0`, x, { splitAxis: 1, concatAxis: 0, groups }),
        ];
      case "collectivePermute":
        return [sample(label, x, { devices: 8, pairs })];
      case "partitionId":
        return [sample(label, [], { devices: 8 })];
      default:
        throw new Error(`no samples of ${name} on eight devices`);
    }
  });
}

/** Value and cotangents of one sample; tangents are made of the same ops. */
function casesOf(op: CollectiveOp, one: Sample): readonly Case[] {
  const group = `${op.name} on ${op.devices(one.params)} devices`;
  const inputs = inputsTogether(op, one, false);
  const n = one.inputs.length;
  const f = (...xs: Tensor[]) => [...apply(op, xs, one.params)];
  const made = (label: string, g: (...xs: Tensor[]) => readonly Tensor[], own: PerDevice) => ({
    group,
    label: `${one.label}, ${label}`,
    program: programLike(label, g, own),
    inputs: own,
  });
  const value = made("value", f, inputs);
  if (!one.differentiable || n === 0) return [value];
  const reverse = (...xs: Tensor[]) => vjp(f, ...xs.slice(0, n))[1](xs.slice(n));
  const outputs = forwardTogether(op, one, false);
  return [value, made("vjp", reverse, zipped(inputs, directionsTogether(outputs, 500)))];
}

/**
 * A layer with routing on a 2 × 4 mesh, with its gradients: rows over `data`, hidden units over `model`,
 * the output row-scattered and gathered again, a choice that depends on the device.
 */
function layerCases(): readonly Case[] {
  const data = EIGHT["columns of 2 × 4"] ?? [];
  const model = EIGHT["rows of 2 × 4"] ?? [];
  const loss = (x: Tensor, up: Tensor, down: Tensor) => {
    const hidden = gelu(einsum("batch embed, embed mlp -> batch mlp", x, up));
    const partial = einsum("batch mlp, mlp embed -> batch embed", hidden, down);
    const y = allGather(reduceScatter(partial, 0, model), 0, model);
    const { values } = topK(softmax(y, "embed"), { along: "embed", k: 2 });
    const own = convert(partitionId(8), "float32");
    const total = allReduce(sum(mul(values, values), [0, 1]), model);
    return mul(allReduceMean(total, data), own);
  };
  const named = (x: Tensor, up: Tensor, down: Tensor) =>
    loss(x.as("batch embed"), up.as("embed mlp"), down.as("mlp embed"));
  const f = (...xs: Tensor[]) => {
    const [x = missing(), up = missing(), down = missing()] = xs;
    const [value, back] = vjp(named, x, up, down);
    return [value, ...back(full(1 / 8, aval("float32", [])))];
  };
  const shapes = [[4, 3], [3, 2], [2, 3]]; // biome-ignore format: shapes are read side by side
  const zeros = shapes.map((dims) => ({
    dtype: "float32" as const,
    dims,
    data: new Float32Array(dims.reduce((a, b) => a * b, 1)),
  }));
  const inputs = directionsTogether(Array(8).fill(zeros), 40);
  const program = programLike("layer", f, inputs);
  const group = "a sharded layer on 8 devices";
  return [
    { group, label: "value and gradients", program, inputs },
    { group, label: "the same, simplified", program: simplify(program), inputs },
  ];
}

/** Collectives inside a loop of fixed length and one that all devices agree to end, with a derivative. */
function loopCases(): readonly Case[] {
  const groups = EIGHT["rows of 2 × 4"] ?? [];
  const ring = {
    devices: 8,
    pairs: Array.from({ length: 8 }, (_, i) => [i, (i + 1) % 8] as const),
  };
  const looped = (x: Tensor) =>
    scan(
      (carry: Tensor) => {
        const next = mul(collectivePermute(carry, ring), allReduceMean(x, groups));
        return [next, next];
      },
      x,
      [],
      { length: 3 },
    );
  const grown = (x: Tensor) => {
    const total = (y: Tensor) => sum(allReduce(y, EIGHT["all eight"] ?? []), [0]);
    const small = (y: Tensor) => less(total(mul(y, y)), full(100, aval("float32", [])));
    return whileLoop(small, (y: Tensor) => add(y, y), x);
  };
  const zero = { dtype: "float32" as const, dims: [3], data: new Float32Array(3) };
  const inputs = directionsTogether(Array(8).fill([zero]), 60);
  const seeds = directionsTogether(Array(8).fill([zero]), 80);
  const made = (
    label: string,
    f: (...xs: Tensor[]) => readonly Tensor[],
    own: PerDevice,
  ): Case => ({
    group: "loops on 8 devices",
    label,
    program: programLike("loop", f, own),
    inputs: own,
  });
  return [
    made("a ring of shifts", (x = missing()) => looped(x), inputs),
    made(
      "its pullback",
      (x = missing(), ct = missing()) => vjp((y: Tensor) => looped(y)[0], x)[1](ct),
      zipped(inputs, seeds),
    ),
    made("until all agree", (x = missing()) => [grown(x)], inputs),
  ];
}

function missing(): never {
  throw new Error("an input is missing");
}

const cases = [
  ...OPS.filter(isCollective).flatMap((op) =>
    [...op.deviceSamples(), ...samplesOnEight(op)].flatMap((one) => casesOf(op, one)),
  ),
  ...layerCases(),
  ...loopCases(),
];
const started = await XlaProcess.start();

if ("missing" in started) {
  const why = `${started.missing}. Set MESHLOOM_PYTHON to a Python with jax.`;
  process.stdout.write(`xla: skipped, ${why}\n`);
  test.skip(`XLA computes what all devices compute in lockstep (skipped: ${why})`, () => undefined);
} else {
  const { xla, version } = started;
  let agreed = 0;
  afterAll(() => {
    xla.stop();
    process.stdout.write(
      `xla: ${agreed} of ${cases.length} per-device modules agree on all devices, ${version}\n`,
    );
  });
  describe.each([...new Set(cases.map(({ group }) => group))])("XLA computes %s", (group) => {
    const ours = cases.filter((one) => one.group === group);
    let answers: readonly Promise<AnswerTogether>[] = [];
    beforeAll(() => {
      answers = ours.map(({ program, inputs }) => xla.runTogether(program, inputs));
    });
    test.each(ours.map((one, i) => ({ ...one, i })))("$label", async ({ program, inputs, i }) => {
      const answer = (await answers[i]) ?? { error: "no answer" };
      const text = () => printStablehlo(program, { partitions: inputs.length });
      if ("error" in answer) expect.fail(`${answer.error}\n${text()}`);
      const expected = interpretTogether(program, inputs);
      expect(answer.devices.length).toBe(expected.length);
      expected.forEach((own, device) => {
        own.forEach((y, k) => {
          const actual = answer.devices[device]?.[k] ?? missing();
          expect(actual.dtype).toBe(y.dtype);
          const wrong = difference(actual, y, SINGLE);
          expect(wrong, `device ${device}, result ${k + 1}`).toBeUndefined();
        });
      });
      agreed++;
    });
  });
}
