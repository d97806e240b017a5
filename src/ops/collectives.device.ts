/**
 * @file Collectives that know single devices: who sends to whom, and which device am I. The convention of
 * derivatives is that of `collectives.ts`.
 */

import { apply } from "../core/builder.ts";
import { type CollectiveOp, defineCollective, showGroups } from "../core/collective.ts";
import { ShapeError } from "../core/errors.ts";
import { ndarray, zeros } from "../core/ndarray.ts";
import { type None, notLinear, type One, zeroTangent } from "../core/op.ts";
import { rejects, sample } from "../core/samples.ts";
import { aval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import * as samples from "./collectives.samples.ts";
import * as hlo from "./collectives.stablehlo.ts";
import { constantOf, full, fullLike } from "./creation.ts";
import { repeat } from "./families.ts";

export interface PermuteParams {
  /** How many devices run the program. */
  readonly devices: number;
  /** From which device to which; no source and no target stands twice. */
  readonly pairs: readonly (readonly [source: number, target: number])[];
}

/** Each target gets its source's x; a device that is no target gets zeros. */
export const collectivePermuteOp: CollectiveOp<PermuteParams, One, One> = defineCollective<
  PermuteParams,
  One,
  One
>({
  name: "collectivePermute",
  infer([x], p) {
    checkPairs(p);
    return [x];
  },
  jvp: { kind: "linear" },
  transpose: {
    kind: "rule",
    apply: ([ct], _x, p) => [
      ct === null
        ? null
        : collectivePermute(ct, { ...p, pairs: p.pairs.map(([from, to]) => [to, from]) }),
    ],
  },
  batch: ([x], _mapped, p) => [collectivePermute(x, p)],
  simplify([x], { devices: count, pairs }, [y]) {
    if (pairs.length === 0 || constantOf(x) === 0) return [fullLike(y, 0)];
    const stays = pairs.length === count && pairs.every(([from, to]) => from === to);
    return stays ? [x.tensor] : null;
  },
  devices: (p) => p.devices,
  alone: (p) => p.devices === 1,
  axes: () => [],
  together: (inputs, { pairs }, [y]) =>
    inputs.map((_, device) => {
      const source = pairs.find(([, to]) => to === device)?.[0];
      return [(source === undefined ? undefined : inputs[source]?.[0]) ?? zeros(y)];
    }),
  onnx: (g, [x], { pairs }, [y]) => [pairs.length > 0 ? x : g.constant(y.dtype, [], [0])],
  stablehlo: (h, [x], p, [y]) => [
    p.pairs.length === 0
      ? h.splat(0, y)
      : p.devices === 1
        ? x
        : hlo.collectivePermute(h, x, p.pairs),
  ],
  samples: samples.permute,
  deviceSamples: samples.permuteDevices,
  rejects: () => [
    rejects(
      "a target that stands twice",
      [aval("float32", [2])],
      { devices: 3, pairs: [[0, 1], [2, 1]] }, // biome-ignore format: pairs are read side by side
      "collectivePermute: pairs [[0, 1], [2, 1]] name device 1 twice as a target",
    ),
    rejects(
      "a device that does not exist",
      [aval("float32", [2])],
      { devices: 2, pairs: [[0, 2]] },
      "collectivePermute: pairs [[0, 2]] name device 2; there are 2 devices, from 0",
    ),
  ],
});

function checkPairs({ devices: count, pairs }: PermuteParams): void {
  const wrong = (why: string) =>
    new ShapeError("SHAPE-01", `collectivePermute: pairs ${showGroups(pairs)} name ${why}`);
  for (const side of [0, 1] as const) {
    const seen = new Set<number>();
    for (const pair of pairs) {
      const device = pair[side];
      if (!Number.isInteger(device) || device < 0 || device >= count)
        throw wrong(`device ${device}; there are ${count} devices, from 0`);
      if (seen.has(device))
        throw wrong(`device ${device} twice as a ${side === 0 ? "source" : "target"}`);
      seen.add(device);
    }
  }
}

export function collectivePermute(x: Tensor, params: PermuteParams): Tensor {
  return apply(collectivePermuteOp, [x], params)[0];
}

export interface PartitionIdParams {
  /** How many devices run the program. */
  readonly devices: number;
}

/** The number of the device that runs the program, int32[] from 0. */
export const partitionIdOp: CollectiveOp<PartitionIdParams, None, One> = defineCollective<
  PartitionIdParams,
  None,
  One
>({
  name: "partitionId",
  infer(_inputs, { devices: count }) {
    if (Number.isInteger(count) && count > 0) return [aval("int32", [])];
    throw new ShapeError("SHAPE-01", `partitionId: ${count} is no number of devices`);
  },
  jvp: zeroTangent("an integer"),
  transpose: notLinear("an integer"),
  batch: (_inputs, _mapped, p, size) => [repeat(partitionId(p.devices), size)],
  simplify: (_inputs, p, [y]) => (p.devices === 1 ? [full(0, y)] : null),
  devices: (p) => p.devices,
  alone: (p) => p.devices === 1,
  axes: () => [],
  together: (inputs) => inputs.map((_, device) => [ndarray("int32", [], [device])]),
  onnx: (g) => [g.constant("int32", [], [0])],
  stablehlo: (h, _inputs, p, [y]) => [p.devices === 1 ? h.splat(0, y) : hlo.partitionId(h, y)],
  samples: () => [sample("one device", [], { devices: 1 })],
  deviceSamples: () => [sample("four devices", [], { devices: 4 })],
  rejects: () => [
    rejects("no device", [], { devices: 0 }, "partitionId: 0 is no number of devices"),
  ],
});

export function partitionId(devices: number): Tensor {
  return apply(partitionIdOp, [], { devices })[0];
}
