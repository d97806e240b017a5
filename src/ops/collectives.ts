/**
 * @file Collectives of a per-device program, which D devices run in lockstep.
 *
 * Derivatives hold for the SUM over devices: every device has a variable of its own, with a cotangent of
 * its own, and the pullback is the derivative of Σ_d ⟨ct_d, y_d⟩. Under this convention each collective is
 * one linear map of all devices' data, and its transpose is a collective again: the sum of an all-reduce is
 * its own, all-gather and reduce-scatter are each other's, all-to-all and permute run backwards. A loss that
 * every device holds alike therefore counts D times: seed its cotangents with numbers that add up to 1.
 */

import { apply } from "../core/builder.ts";
import {
  type CollectiveOp,
  checkGroups,
  defineCollective,
  type Groups,
  groupSize,
} from "../core/collective.ts";
import type { DType } from "../core/dtype.ts";
import { ShapeError } from "../core/errors.ts";
import { build, get, type NdArray, zipElements } from "../core/ndarray.ts";
import type { Each, One } from "../core/op.ts";
import { rejects } from "../core/samples.ts";
import { type Aval, aval, axisOf, dimOf, showAval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { div, mul, scale, wrapping } from "./arithmetic.ts";
import * as samples from "./collectives.samples.ts";
import * as hlo from "./collectives.stablehlo.ts";
import { constantOf, fullLike } from "./creation.ts";
import { cumprod } from "./cumulative.ts";
import { checkDType, NUMBERS } from "./dtypes.ts";
import { reshape } from "./layout.ts";
import { convert, equal } from "./logic.ts";
import { sum } from "./sum.ts";

const alone = ({ groups }: { readonly groups: Groups }) =>
  groups.every((group) => group.length === 1);
const devices = ({ groups }: { readonly groups: Groups }) => groups.flat().length;

/** Runs `f` on the members of each group, in the group's order, and puts results back by device number. */
function perGroup(
  groups: Groups,
  inputs: readonly Each<One, NdArray>[],
  f: (members: readonly NdArray[]) => readonly NdArray[],
): readonly Each<One, NdArray>[] {
  const results: Each<One, NdArray>[] = [];
  for (const group of groups) {
    const members = group.map((device) => {
      const [x] = inputs[device] ?? [];
      if (x === undefined) throw new RangeError(`no input on device ${device}`);
      return x;
    });
    f(members).forEach((y, i) => {
      results[group[i] ?? 0] = [y];
    });
  }
  return results;
}

/** The form with axis `axis` scaled: `length → scaled(length)`. */
function resized(x: Aval, axis: number, scaled: (length: number) => number): Aval {
  const dims = x.dims.map((dim, i) => (i === axis ? scaled(dim) : dim));
  return aval(x.dtype, dims, x.names);
}

/** Members of equal form, one after the other along `axis`. */
function joined(members: readonly NdArray[], axis: number, y: Aval): NdArray {
  return build(y, (index) => {
    let place = index[axis] ?? 0;
    for (const x of members) {
      const length = dimOf(x, axis);
      if (place < length) return get(x, index.with(axis, place));
      place -= length;
    }
    return 0;
  });
}

/** Block `k` of `count` equal blocks along `axis`. */
function block(x: NdArray, axis: number, k: number, count: number): NdArray {
  const length = dimOf(x, axis) / count;
  const dims = x.dims.with(axis, length);
  return build({ dtype: x.dtype, dims }, (index) =>
    get(x, index.with(axis, (index[axis] ?? 0) + k * length)),
  );
}

// ---- all-reduce ---------------------------------------------------------------------------------

export type Reduction = "sum" | "max" | "min" | "prod";

export interface AllReduceParams {
  readonly groups: Groups;
  readonly reduction: Reduction;
}

const times = wrapping((a, b) => a * b, Math.imul);

const REDUCTIONS: Readonly<Record<Reduction, (a: number, b: number, dtype: DType) => number>> = {
  sum: (a, b) => a + b,
  prod: times,
  max: (a, b) => (Number.isNaN(a) || Number.isNaN(b) ? Number.NaN : Math.max(a, b)),
  min: (a, b) => (Number.isNaN(a) || Number.isNaN(b) ? Number.NaN : Math.min(a, b)),
};

function reduced(members: readonly NdArray[], reduction: Reduction): NdArray {
  return members.reduce((a, b) =>
    zipElements(a, b, a.dtype, (x, y) => REDUCTIONS[reduction](x, y, a.dtype)),
  );
}

/**
 * Element by element over the members of each group; every member gets the result. Groups may have
 * different lengths, but not for a product, whose derivative needs the others' elements. The gradient of a maximum or minimum goes to the members that have it, in equal
 * shares; a NaN on one member is a NaN on all.
 */
export const allReduceOp: CollectiveOp<AllReduceParams, One, One> = defineCollective<
  AllReduceParams,
  One,
  One
>({
  name: "allReduce",
  infer([x], { groups, reduction }) {
    if (reduction === "prod") groupSize("allReduce", groups);
    else checkGroups("allReduce", groups);
    checkDType("allReduce", x, NUMBERS);
    return [x];
  },
  jvp: {
    kind: "rule",
    apply([dx], [x], [y], { groups, reduction }) {
      if (dx === null) return [null];
      if (reduction === "sum") return [allReduce(dx, groups)];
      if (reduction === "prod") return [productTangent(dx, x, groups)];
      const winners = convert(equal(x, y), x.dtype);
      return [div(allReduce(mul(dx, winners), groups), allReduce(winners, groups))];
    },
  },
  transpose: {
    kind: "rule",
    // Only sums are ever linear equations: the tangent of a maximum is made of sums.
    apply: ([ct], _x, { groups }) => [ct === null ? null : allReduce(ct, groups)],
  },
  batch: ([x], _mapped, { groups, reduction }) => [allReduce(x, groups, reduction)],
  simplify([x], { groups, reduction }, [y]) {
    if (alone({ groups })) return [x.tensor];
    const constant = constantOf(x);
    if (constant === null) return null;
    if (reduction === "max" || reduction === "min") return [fullLike(y, constant)];
    if (reduction === "prod") return null;
    const [first, ...rest] = groups.map(({ length }) => length);
    return rest.every((length) => length === first) ? [fullLike(y, constant * (first ?? 1))] : null;
  },
  devices,
  alone,
  axes: () => [],
  together: (inputs, { groups, reduction }) =>
    perGroup(groups, inputs, (members) => {
      const y = reduced(members, reduction);
      return members.map(() => y);
    }),
  onnx: (_g, [x]) => [x],
  stablehlo: (h, [x], p) => [alone(p) ? x : hlo.allReduce(h, x, p.reduction, p.groups)],
  samples: samples.allReduce,
  deviceSamples: samples.allReduceDevices,
  rejects: () => [
    ...samples.groupRejections("allReduce", { reduction: "sum" as const }),
    rejects(
      "truth values",
      [aval("bool", [2])],
      { reduction: "sum", groups: [[0]] },
      "allReduce: takes float32",
    ),
  ],
});

/** Each member's share: its tangent times the elements of the others; divides by nothing, so it is right at zeros. */
function productTangent(dx: Tensor, x: Tensor, groups: Groups): Tensor {
  const names = [null, ...x.names];
  const all = (z: Tensor) => allGather(reshape(z, [1, ...z.dims], names), 0, groups);
  const values = all(x);
  const before = cumprod(values, 0, { exclusive: true });
  const after = cumprod(values, 0, { exclusive: true, reverse: true });
  return reshape(sum(mul(all(dx), mul(before, after)), [0]), x.dims, x.names);
}

/** The sum (or largest, or least, or product) of x over the devices of each group, on all of them. */
export function allReduce(x: Tensor, groups: Groups, reduction: Reduction = "sum"): Tensor {
  return apply(allReduceOp, [x], { groups, reduction })[0];
}

/** The mean of x over the devices of each group, on all of them. */
export function allReduceMean(x: Tensor, groups: Groups): Tensor {
  const total = allReduce(x, groups);
  const [first, ...rest] = groups.map(({ length }) => length);
  return rest.every((length) => length === first)
    ? scale(total, 1 / (first ?? 1))
    : div(total, allReduce(fullLike(x, 1), groups));
}

// ---- gathering and scattering along an axis -----------------------------------------------------

export interface AlongParams {
  readonly axis: number;
  readonly groups: Groups;
}

/** Members' pieces one after the other along an axis, in the group's order, on every member. */
export const allGatherOp: CollectiveOp<AlongParams, One, One> = defineCollective<
  AlongParams,
  One,
  One
>({
  name: "allGather",
  infer([x], { axis, groups }) {
    const size = groupSize("allGather", groups);
    axisOf("allGather", x, axis);
    return [resized(x, axis, (length) => length * size)];
  },
  jvp: { kind: "linear" },
  transpose: {
    kind: "rule",
    apply: ([ct], _x, { axis, groups }) => [ct === null ? null : reduceScatter(ct, axis, groups)],
  },
  batch: ([x], _mapped, { axis, groups }) => [allGather(x, axis + 1, groups)],
  simplify([x], p, [y]) {
    if (alone(p)) return [x.tensor];
    const constant = constantOf(x);
    return constant === null ? null : [fullLike(y, constant)];
  },
  devices,
  alone,
  axes: ({ axis }) => [axis],
  together: (inputs, { axis, groups }, [y]) =>
    perGroup(groups, inputs, (members) => members.map(() => joined(members, axis, y))),
  onnx: (_g, [x]) => [x],
  stablehlo: (h, [x], p, [y]) => [alone(p) ? x : hlo.allGather(h, x, p, y)],
  samples: samples.along,
  deviceSamples: samples.allGatherDevices,
  rejects: () => samples.groupRejections("allGather", { axis: 0 }, "equal"),
});

export function allGather(x: Tensor, axis: number, groups: Groups): Tensor {
  return apply(allGatherOp, [x], { axis, groups })[0];
}

/** The sum over each group, cut into equal blocks along an axis: the group's member k gets block k. */
export const reduceScatterOp: CollectiveOp<AlongParams, One, One> = defineCollective<
  AlongParams,
  One,
  One
>({
  name: "reduceScatter",
  infer([x], { axis, groups }) {
    checkDType("reduceScatter", x, NUMBERS);
    const size = groupSize("reduceScatter", groups);
    checkBlocks("reduceScatter", x, axis, size);
    return [resized(x, axis, (length) => length / size)];
  },
  jvp: { kind: "linear" },
  transpose: {
    kind: "rule",
    apply: ([ct], _x, { axis, groups }) => [ct === null ? null : allGather(ct, axis, groups)],
  },
  batch: ([x], _mapped, { axis, groups }) => [reduceScatter(x, axis + 1, groups)],
  simplify([x], p, [y]) {
    if (alone(p)) return [x.tensor];
    const constant = constantOf(x);
    return constant === null ? null : [fullLike(y, constant * (p.groups[0]?.length ?? 1))];
  },
  devices,
  alone,
  axes: ({ axis }) => [axis],
  together: (inputs, { axis, groups }) =>
    perGroup(groups, inputs, (members) => {
      const total = reduced(members, "sum");
      return members.map((_, k) => block(total, axis, k, members.length));
    }),
  onnx: (_g, [x]) => [x],
  stablehlo: (h, [x], p, [y]) => [alone(p) ? x : hlo.reduceScatter(h, x, p, y)],
  samples: samples.along,
  deviceSamples: samples.reduceScatterDevices,
  rejects: () => [
    ...samples.groupRejections("reduceScatter", { axis: 0 }, "equal"),
    rejects(
      "an axis that does not divide",
      [aval("float32", [3, 2])],
      { axis: 0, groups: [[0, 1]] },
      "reduceScatter: axis 0 of float32[3, 2] does not divide into 2 equal blocks",
    ),
  ],
});

function checkBlocks(name: string, x: Aval, axis: number, count: number): void {
  axisOf(name, x, axis);
  if (dimOf(x, axis) % count === 0) return;
  throw new ShapeError(
    "SHAPE-01",
    `${name}: axis ${axis} of ${showAval(x)} does not divide into ${count} equal blocks`,
  );
}

export function reduceScatter(x: Tensor, axis: number, groups: Groups): Tensor {
  return apply(reduceScatterOp, [x], { axis, groups })[0];
}

// ---- exchange -----------------------------------------------------------------------------------

export interface AllToAllParams {
  /** Axis that is cut into one block per member. */
  readonly splitAxis: number;
  /** Axis along which received blocks stand one after the other. */
  readonly concatAxis: number;
  readonly groups: Groups;
}

/** Every member sends its block k to member k: what was whole along one axis becomes whole along another. */
export const allToAllOp: CollectiveOp<AllToAllParams, One, One> = defineCollective<
  AllToAllParams,
  One,
  One
>({
  name: "allToAll",
  infer([x], { splitAxis, concatAxis, groups }) {
    const size = groupSize("allToAll", groups);
    checkBlocks("allToAll", x, splitAxis, size);
    axisOf("allToAll", x, concatAxis);
    const cut = resized(x, splitAxis, (length) => length / size);
    return [resized(cut, concatAxis, (length) => length * size)];
  },
  jvp: { kind: "linear" },
  transpose: {
    kind: "rule",
    apply: ([ct], _x, { splitAxis, concatAxis, groups }) => [
      ct === null ? null : allToAll(ct, { splitAxis: concatAxis, concatAxis: splitAxis, groups }),
    ],
  },
  batch: ([x], _mapped, { splitAxis, concatAxis, groups }) => [
    allToAll(x, { splitAxis: splitAxis + 1, concatAxis: concatAxis + 1, groups }),
  ],
  simplify([x], p, [y]) {
    if (alone(p)) return [x.tensor];
    const constant = constantOf(x);
    return constant === null ? null : [fullLike(y, constant)];
  },
  devices,
  alone,
  axes: ({ splitAxis, concatAxis }) => [splitAxis, concatAxis],
  together: (inputs, { splitAxis, concatAxis, groups }, [y]) =>
    perGroup(groups, inputs, (members) =>
      members.map((_, k) => {
        const received = members.map((x) => block(x, splitAxis, k, members.length));
        return joined(received, concatAxis, y);
      }),
    ),
  onnx: (_g, [x]) => [x],
  stablehlo: (h, [x], p, [y]) => [alone(p) ? x : hlo.allToAll(h, x, p, y)],
  samples: samples.allToAll,
  deviceSamples: samples.allToAllDevices,
  rejects: () => [
    ...samples.groupRejections("allToAll", { splitAxis: 0, concatAxis: 1 }, "equal"),
    rejects(
      "an axis that does not divide",
      [aval("float32", [3, 2])],
      { splitAxis: 0, concatAxis: 1, groups: [[0, 1]] },
      "allToAll: axis 0 of float32[3, 2] does not divide into 2 equal blocks",
    ),
  ],
});

export function allToAll(x: Tensor, params: AllToAllParams): Tensor {
  return apply(allToAllOp, [x], params)[0];
}
