/** @file Collectives among devices that share this process: copies between their arrays. */

import { type CollectiveOp, type Groups, isCollective } from "../../core/collective.ts";
import { allocate, type TypedArray } from "../../core/dtype.ts";
import type { NdArray } from "../../core/ndarray.ts";
import type { Equation } from "../../core/program.ts";
import { sizeOf } from "../../core/shape.ts";
import { stored, type Tensor } from "../../core/tensor.ts";
import { collectivePermuteOp, type PermuteParams } from "../../ops/collectives.device.ts";
import {
  type AllReduceParams,
  type AllToAllParams,
  type AlongParams,
  allGatherOp,
  allReduceOp,
  allToAllOp,
  reduceScatterOp,
} from "../../ops/collectives.ts";
import { copyBox } from "./blocks.ts";

/** Results of a collective by device number. */
export function runCollective(
  { op, params, outputs }: Equation,
  inputs: readonly (readonly Tensor[])[],
): readonly (readonly Tensor[])[] {
  const [y] = outputs;
  const xs = inputs.flatMap(([x]) => x ?? []);
  const record: unknown = op;
  if (y !== undefined && xs.length === inputs.length) {
    const form = y.aval;
    if (record === collectivePermuteOp) return permute(xs, params as PermuteParams, form);
    const adds = form.dtype === "float32" || form.dtype === "int32" || form.dtype === "float64";
    // Products of integers wrap around, which doubles do not.
    const multiplies = (params as Partial<AllReduceParams>).reduction === "prod";
    if (record === allReduceOp && adds && !(multiplies && form.dtype === "int32"))
      return allReduce(xs, params as AllReduceParams, form);
    if (record === reduceScatterOp && adds) return reduceScatter(xs, params as AlongParams, form);
    if (record === allGatherOp) return allGather(xs, params as AlongParams, form);
    if (record === allToAllOp) return allToAll(xs, params as AllToAllParams, form);
  }
  if (!isCollective(op)) throw new RangeError(`${op.name} is no collective`);
  return slowly(op, params, inputs, outputs);
}

type Form = Equation["outputs"][number]["aval"];

/** By the op's own meaning, element by element. */
function slowly(
  op: CollectiveOp,
  params: unknown,
  inputs: readonly (readonly Tensor[])[],
  outputs: Equation["outputs"],
): readonly (readonly Tensor[])[] {
  const arrays = inputs.map((own) =>
    own.map((x): NdArray => ({ dtype: x.dtype, dims: x.dims, data: x.data() })),
  );
  const forms = outputs.map((v) => v.aval);
  return op
    .together(arrays, params, forms)
    .map((own) => own.map((y, i) => stored(forms[i] as Form, y.data)));
}

/** One result per group member, by device number. */
function perGroup(
  groups: Groups,
  xs: readonly Tensor[],
  f: (members: readonly Tensor[]) => readonly Tensor[],
): Tensor[][] {
  const results: Tensor[][] = [];
  for (const group of groups) {
    const members = group.map((device) => xs[device] as Tensor);
    f(members).forEach((y, i) => {
      results[group[i] ?? 0] = [y];
    });
  }
  return results;
}

function combine(members: readonly Tensor[], reduction: AllReduceParams["reduction"]): TypedArray {
  const [first, ...rest] = members.map((x) => x.data() as Float32Array);
  const total = (first as Float32Array).slice();
  for (const values of rest) {
    if (reduction === "sum") {
      for (let i = 0; i < total.length; i++)
        total[i] = (total[i] as number) + (values[i] as number);
      continue;
    }
    if (reduction === "prod") {
      for (let i = 0; i < total.length; i++)
        total[i] = (total[i] as number) * (values[i] as number);
      continue;
    }
    const pick = reduction === "max" ? Math.max : Math.min; // both give NaN where one is
    for (let i = 0; i < total.length; i++) total[i] = pick(total[i] as number, values[i] as number);
  }
  return total;
}

function allReduce(xs: readonly Tensor[], { groups, reduction }: AllReduceParams, form: Form) {
  return perGroup(groups, xs, (members) => {
    const y = stored(form, combine(members, reduction));
    return members.map(() => y);
  });
}

function reduceScatter(xs: readonly Tensor[], { axis, groups }: AlongParams, form: Form) {
  return perGroup(groups, xs, (members) => {
    const total = combine(members, "sum");
    const dims = members[0]?.dims ?? [];
    return members.map((_, k) => {
      const own = allocate(form.dtype, sizeOf(form.dims));
      const start = form.dims.map((size, i) => (i === axis ? k * size : 0));
      const zero = form.dims.map(() => 0);
      copyBox({ data: total, dims, start }, { data: own, dims: form.dims, start: zero }, form.dims);
      return stored(form, own);
    });
  });
}

function allGather(xs: readonly Tensor[], { axis, groups }: AlongParams, form: Form) {
  return perGroup(groups, xs, (members) => {
    const all = allocate(form.dtype, sizeOf(form.dims));
    members.forEach((x, k) => {
      const start = x.dims.map((size, i) => (i === axis ? k * size : 0));
      const zero = x.dims.map(() => 0);
      copyBox(
        { data: x.data(), dims: x.dims, start: zero },
        { data: all, dims: form.dims, start },
        x.dims,
      );
    });
    const y = stored(form, all);
    return members.map(() => y);
  });
}

function allToAll(
  xs: readonly Tensor[],
  { splitAxis, concatAxis, groups }: AllToAllParams,
  form: Form,
) {
  return perGroup(groups, xs, (members) =>
    members.map((_, k) => {
      const own = allocate(form.dtype, sizeOf(form.dims));
      members.forEach((x, from) => {
        const size = x.dims.map((length, i) =>
          i === splitAxis ? length / members.length : length,
        );
        const start = size.map((length, i) => (i === splitAxis ? k * length : 0));
        const goal = size.map((length, i) => (i === concatAxis ? from * length : 0));
        copyBox(
          { data: x.data(), dims: x.dims, start },
          { data: own, dims: form.dims, start: goal },
          size,
        );
      });
      return stored(form, own);
    }),
  );
}

function permute(xs: readonly Tensor[], { pairs }: PermuteParams, form: Form): Tensor[][] {
  const nothing = stored(form, allocate(form.dtype, sizeOf(form.dims)));
  return xs.map((_, device) => {
    const source = pairs.find(([, to]) => to === device)?.[0];
    return [source === undefined ? nothing : (xs[source] as Tensor)];
  });
}
