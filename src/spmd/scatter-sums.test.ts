/** @file Sums of which each device keeps its part: found by where slices start, and only there; late where two are added. */

import { describe, expect, test } from "vitest";
import { interpretTogether } from "../core/interpret-together.ts";
import type { Program } from "../core/program.ts";
import { sampleStream } from "../core/samples.ts";
import { aval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, mul } from "../ops/arithmetic.ts";
import { allReduce, reduceScatter } from "../ops/collectives.ts";
import { literal } from "../ops/creation.ts";
import { dynamicSlice } from "../ops/dynamic.ts";
import { reshape } from "../ops/layout.ts";
import { concatenate } from "../ops/pieces.ts";
import { abstract, trace } from "../transforms/trace.ts";
import { delaySums } from "./delay-sums.ts";
import { deviceCount, groupsAlong, makeMesh, wholeAxis } from "./mesh.ts";
import { deviceAlong, int32 } from "./place.ts";
import { scatterSums } from "./scatter-sums.ts";

const mesh = makeMesh({ x: 2, y: 3 });
const alongY = groupsAlong(mesh, [wholeAxis(mesh, "y")]);
const ROWS = 6;
const form = () => abstract(aval("float32", [ROWS, 2]));

/** This device's rows of a whole value, counted along an axis of the mesh. */
function ownRows(x: Tensor, axis: string, rows = ROWS / 3): Tensor {
  const first = mul(deviceAlong(mesh, [wholeAxis(mesh, axis)]), int32(rows));
  const start = concatenate([reshape(first, [1]), literal(aval("int32", [1]), [0])], 0);
  return dynamicSlice(x, start, [rows, 2]);
}

const kindsOf = ({ equations }: Program) =>
  equations.map(({ op }) => op.name).filter((name) => /allReduce|reduceScatter/.test(name));

/** The same on all devices as before. */
function expectEqual(before: Program, after: Program): void {
  const next = sampleStream(5);
  const devices = Array.from({ length: deviceCount(mesh) }, () =>
    before.inputs.map(({ aval: { dims, dtype } }) => ({
      ...{ dtype, dims, data: Float32Array.from({ length: dims[0] ? dims[0] * 2 : 1 }, next) },
    })),
  );
  const [old, now] = [before, after].map((program) => interpretTogether(program, devices));
  old?.forEach((results, d) => {
    results.forEach((x, i) => {
      x.data.forEach((value, k) => {
        expect(Number(now?.[d]?.[i]?.data[k])).toBeCloseTo(Number(value), 5);
      });
    });
  });
}

describe("a sum and a slice", () => {
  test("of each device's own part are one exchange", () => {
    const { program } = trace("f", (x: Tensor) => ownRows(allReduce(x, alongY), "y"), [form()]);
    const after = scatterSums(program);
    expect(kindsOf(after)).toContain("reduceScatter");
    expectEqual(program, after);
  });

  test("of another part stay", () => {
    const others = (x: Tensor) => ownRows(allReduce(x, alongY), "x", 2);
    const { program } = trace("f", others, [form()]);
    expect(kindsOf(scatterSums(program))).toEqual(["allReduce"]);
  });

  test("stay where the whole sum is read, too", () => {
    const both = (x: Tensor) => {
      const sum = allReduce(x, alongY);
      return [ownRows(sum, "y"), sum] as const;
    };
    const { program } = trace("f", both, [form()]);
    expect(kindsOf(scatterSums(program))).toEqual(["allReduce"]);
  });

  test("of a maximum stay", () => {
    const most = (x: Tensor) => ownRows(allReduce(x, alongY, "max"), "y");
    const { program } = trace("f", most, [form()]);
    expect(kindsOf(scatterSums(program))).toEqual(["allReduce"]);
  });
});

describe("two sums of parts that are added", () => {
  test("are one, also under other names", () => {
    const f = (x: Tensor, y: Tensor) =>
      add(
        reshape(reduceScatter(x, 0, alongY), [2, 2], ["row", "column"]),
        reshape(reduceScatter(y, 0, alongY), [2, 2], ["row", "column"]),
      );
    const { program } = trace("f", f, [form(), form()]);
    const after = delaySums(program);
    expect(kindsOf(after)).toEqual(["reduceScatter"]);
    expectEqual(program, after);
  });

  test("along different axes stay two", () => {
    const f = (x: Tensor, y: Tensor) =>
      add(reduceScatter(x, 0, alongY), reshape(reduceScatter(y, 0, alongY), [2, 2]));
    const { program } = trace("f", f, [form(), abstract(aval("float32", [ROWS, 2]))]);
    expectEqual(program, delaySums(program));
    const g = (x: Tensor, y: Tensor) =>
      add(reduceScatter(x, 0, alongY), reshape(reduceScatter(y, 1, alongY), [2, 2]));
    const across = trace("g", g, [form(), abstract(aval("float32", [2, 6]))]).program;
    expect(kindsOf(delaySums(across))).toEqual(["reduceScatter", "reduceScatter"]);
  });
});
