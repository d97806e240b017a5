/** @file Pipelines on meshes: as the whole, with one exchange of the state a tick and nothing else in the loops. */

import { describe, expect, test } from "vitest";
import { interpret } from "../../core/interpret.ts";
import { makeMesh } from "../../core/mesh.ts";
import { at } from "../../core/ndarray.ts";
import { aval } from "../../core/shape.ts";
import { einsum, type Tensor } from "../../numpy/index.ts";
import { defaultRules, seedsOf } from "../../spmd/annotations.ts";
import { exchangesOf } from "../../spmd/exchanges.ts";
import { partition } from "../../spmd/partition.ts";
import { propagate } from "../../spmd/propagate.ts";
import { showSharding } from "../../spmd/sharding.ts";
import { simulate } from "../../spmd/simulate.ts";
import { arrayOf, drawn } from "../../testing/tensors.ts";
import { simplify, simplifyAll } from "../../transforms/simplify.ts";
import { abstract, trace } from "../../transforms/trace.ts";
import { valueAndGrad } from "../../transforms/vjp.ts";
import { pipeline } from "./pipeline.ts";
import type { PipelineSizes } from "./schedule.ts";

interface Mlp {
  readonly wi: Tensor;
  readonly wo: Tensor;
}

const mlp = (p: Mlp, x: Tensor) => {
  const h = einsum("batch embed, embed mlp -> batch mlp", x.as("batch embed"), p.wi).tanh();
  return x.add(einsum("batch mlp, mlp embed -> batch embed", h, p.wo));
};

const [EMBED, HIDDEN, EXAMPLES] = [4, 6, 2];

/** Loss and gradients of a pipeline, partitioned. */
function partitioned(axes: Readonly<Record<string, number>>, sizes: PipelineSizes) {
  const { stages, microbatches, rounds = 1 } = sizes;
  const mesh = makeMesh(axes);
  const lead = rounds > 1 ? { round: rounds, stage: stages } : { stage: stages };
  const values = [
    drawn(1, { ...lead, embed: EMBED, mlp: HIDDEN }),
    drawn(2, { ...lead, mlp: HIDDEN, embed: EMBED }),
    drawn(3, { batch: EXAMPLES * microbatches, embed: EMBED }),
  ];
  const forms = values.map(({ aval: form }) => abstract(aval(form.dtype, form.dims, form.names)));
  const { program } = trace(
    "step",
    (...[wi, wo, x]: Tensor[]) => {
      const loss = (q: { p: Mlp; x: Tensor }) => pipeline(mlp, q.p, q.x, sizes).square().sum();
      const first = { p: { wi, wo } as Mlp, x: x as Tensor };
      const [value, slopes] = valueAndGrad(loss)(first);
      return [value, slopes.p.wi, slopes.p.wo, slopes.x];
    },
    forms,
  );
  const whole = simplify(program);
  const found = propagate(mesh, whole, seedsOf(mesh, whole, { rules: defaultRules(mesh) }));
  const parted = partition(whole, found);
  return {
    ...{ mesh, whole, parted },
    values: values.map(arrayOf),
    inLoops: exchangesOf(simplifyAll(parted.program)).filter(({ times }) => times > 1),
  };
}

const CASES = [
  [{ stage: 4 }, { stages: 4, microbatches: 3 }],
  [{ stage: 2 }, { stages: 4, microbatches: 2 }],
  [
    { stage: 2, data: 2 },
    { stages: 2, microbatches: 3 },
  ],
  [
    { stage: 2, data: 2 },
    { stages: 4, microbatches: 4, rounds: 2 },
  ],
  [{ stage: 3 }, { stages: 3, microbatches: 4, rounds: 2 }],
  // Uneven: the second device has one stage and padding.
  [{ stage: 2 }, { stages: 3, microbatches: 3 }],
] as const;
const shown = (value: object) => Object.entries(value).map((pair) => pair.join(" ")).join(", "); // biome-ignore format: one line

describe.each(CASES.map(([axes, sizes]) => [shown(axes), shown(sizes), axes, sizes] as const))(
  "on %s: %s",
  (_axes, _sizes, axes, sizes: PipelineSizes) => {
    const { mesh, whole, parted, values, inLoops } = partitioned(axes, sizes);
    const { stages, microbatches, rounds = 1 } = sizes;
    const devices = axes as { readonly stage: number; readonly data?: number };

    test("is the whole, whatever stands in the padding", () => {
      const wanted = interpret(whole, values);
      const dims = whole.outputs.map((v) => v.aval.dims);
      const given = simulate(parted, values, dims, Number.NaN);
      wanted.forEach((y, i) => {
        const pieces = given[i];
        for (let k = 0; k < y.data.length; k++)
          expect(pieces === undefined ? NaN : at(pieces, k)).toBeCloseTo(at(y, k), 3);
      });
    });

    test("weights and their gradients lie by stage", () => {
      const lies = rounds > 1 ? "[-, stage, -, -]" : "[stage, -, -]";
      for (const i of [0, 1]) {
        expect(showSharding(parted.inputs[i] as never, mesh)).toBe(lies);
        expect(showSharding(parted.outputs[i + 1] as never, mesh)).toBe(lies);
      }
    });

    test("a tick sends the state one stage on, and backward one stage back", () => {
      const ticks = rounds * microbatches + stages - 1;
      // Of several stages on a device, only the last one's result leaves it.
      const bytes = (4 * EXAMPLES * EMBED) / (devices.data ?? 1);
      expect(inLoops.map(({ kind, times }) => ({ kind, times }))).toEqual([
        { kind: "collectivePermute", times: ticks },
        { kind: "collectivePermute", times: ticks },
      ]);
      for (const exchange of inLoops) expect(exchange.bytes).toBe(bytes);
    });
  },
);
