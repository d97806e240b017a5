/** @file Sums of which each device keeps its part are taken late: one exchange where two are added. */

import { describe, expect, test } from "vitest";
import { interpretTogether } from "../core/interpret-together.ts";
import { deviceCount, groupsAlong, makeMesh, wholeAxis } from "../core/mesh.ts";
import type { Program } from "../core/program.ts";
import { sampleStream } from "../core/samples.ts";
import { aval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { add } from "../ops/arithmetic.ts";
import { reduceScatter } from "../ops/collectives.ts";
import { reshape } from "../ops/layout.ts";
import { abstract, trace } from "../transforms/trace.ts";
import { delaySums } from "./delay-sums.ts";

const mesh = makeMesh({ x: 2, y: 3 });
const alongY = groupsAlong(mesh, [wholeAxis(mesh, "y")]);
const ROWS = 6;
const form = () => abstract(aval("float32", [ROWS, 2]));

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
