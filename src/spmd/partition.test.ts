import { describe, expect, test } from "vitest";
import { isCollective } from "../core/collective.ts";
import { interpret } from "../core/interpret.ts";
import type { Variable } from "../core/program.ts";
import { materialise } from "../core/samples.ts";
import { verify } from "../core/verify.ts";
import { OPS } from "../ops/registry.ts";
import { programOf } from "../testing/laws.ts";
import { difference } from "../testing/matchers.ts";
import { makeMesh, wholeAxis } from "./mesh.ts";
import { partition } from "./partition.ts";
import { propagate, type Seed } from "./propagate.ts";
import { shardingOn, showSharding } from "./sharding.ts";
import { simulate } from "./simulate.ts";

const mesh = makeMesh({ a: 2, b: 3 });

describe("every op", () => {
  test.each(OPS.filter((op) => !isCollective(op)).map((op) => [op.name, op] as const))(
    "%s",
    (_name, op) => {
      for (const sample of op.samples()) {
        const program = programOf(op, sample);
        const inputs = sample.inputs.map((input, i) => materialise(input, i + 1, false));
        const whole = interpret(program, inputs);
        const ranks = [...program.inputs, ...program.outputs].map((v) => v.aval.dims.length);
        for (let place = 0; place < ranks.length; place++) {
          for (let dim = 0; dim < (ranks[place] ?? 0); dim++) {
            const v = [...program.inputs, ...program.outputs][place] as Variable;
            const axes = v.aval.dims.map((_, i) =>
              i === dim ? [wholeAxis(mesh, "a")] : i === dim + 1 ? [wholeAxis(mesh, "b")] : [],
            );
            const seeds = new Map<Variable, Seed>([
              [v, { sharding: shardingOn(axes), text: "test" }],
            ]);
            const found = propagate(mesh, program, seeds);
            const parted = partition(program, found);
            verify(parted.program, op.name);
            const results = simulate(
              parted,
              inputs,
              program.outputs.map((y) => y.aval.dims),
              Number.NaN,
            );
            results.forEach((y, i) => {
              expect(
                difference(y, whole[i]!, { rtol: 1e-5, atol: 1e-5 }),
                `${sample.label}: value ${place} ${showSharding(found.shardingOf(v), mesh)} result ${i}`,
              ).toBeUndefined();
            });
          }
        }
      }
    },
  );
});
