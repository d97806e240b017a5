/** @file Laws that every op obeys, as functions of one sample. Tests and outside engines run them. */

import { apply } from "../core/builder.ts";
import { type DType, isFloat } from "../core/dtype.ts";
import { interpret } from "../core/interpret.ts";
import { at, build, mapElements, type NdArray } from "../core/ndarray.ts";
import type { Op } from "../core/op.ts";
import type { Program } from "../core/program.ts";
import { showParams } from "../core/program-text.ts";
import { materialise, type Sample, sampleStream } from "../core/samples.ts";
import { type Aval, aval, dimOf, sizeOf } from "../core/shape.ts";
import {
  type AxisFactors,
  type Factor,
  factorsOfAxis,
  type ShardingRule,
} from "../core/sharding-rule.ts";
import { stored, type Tensor } from "../core/tensor.ts";
import { verify } from "../core/verify.ts";
import type { Engine } from "../engines/engine.ts";
import { jvp } from "../transforms/jvp.ts";
import { abstract, trace } from "../transforms/trace.ts";
import { vjp } from "../transforms/vjp.ts";
import { vmap } from "../transforms/vmap.ts";
import { withFloat } from "../transforms/with-float.ts";

/** Sample inputs with data; floats in double precision where wanted. */
export function inputsOf(sample: Sample, double: boolean): NdArray[] {
  return sample.inputs.map((input, i) => materialise(input, i + 1, double));
}

/** The sample with another dtype wherever it says float32; undefined where it says so nowhere. */
export function inFloat(sample: Sample, dtype: DType): Sample | undefined {
  const params = withFloat(sample.params, dtype);
  const single = sample.inputs.map(({ aval }) => aval.dtype === "float32");
  if (!single.includes(true) && showParams(params) === showParams(sample.params)) return undefined;
  const inputs = sample.inputs.map((input, i) =>
    single[i] === true ? { ...input, aval: { ...input.aval, dtype } } : input,
  );
  return { ...sample, inputs, params };
}

function formOf(x: NdArray): Aval {
  return aval(x.dtype, x.dims);
}

/** The params with float32 turned to float64, for ops that carry a dtype or a program. */
function paramsOf(sample: Sample, double: boolean): unknown {
  return double ? withFloat(sample.params, "float64") : sample.params;
}

/** The op as a program of tensors, verified. */
export function programOf(op: Op, sample: Sample, double = false): Program {
  const forms = inputsOf(sample, double).map((x, i) =>
    abstract({ ...formOf(x), names: sample.inputs[i]?.aval.names ?? [] }),
  );
  const { program } = trace(
    op.name,
    (...xs: Tensor[]) => [...apply(op, xs, paramsOf(sample, double))],
    forms,
  );
  return verify(program, "trace");
}

function runReference(
  name: string,
  f: (...xs: Tensor[]) => readonly Tensor[],
  inputs: readonly NdArray[],
): readonly NdArray[] {
  const { program } = trace(
    name,
    (...xs: Tensor[]) => [...f(...xs)],
    inputs.map((x) => abstract(formOf(x))),
  );
  return interpret(verify(program, name), inputs);
}

/** Programs side by side as one. */
export function together(name: string, programs: readonly Program[]): Program {
  return {
    name,
    inputs: programs.flatMap(({ inputs }) => inputs),
    equations: programs.flatMap(({ equations }) => equations),
    outputs: programs.flatMap(({ outputs }) => outputs),
  };
}

/** The op's value by its own evaluation. */
export function forward(op: Op, sample: Sample, double = false): readonly NdArray[] {
  return interpret(programOf(op, sample, double), inputsOf(sample, double));
}

/** The op's value on an engine. */
export async function runOn(
  engine: Engine,
  program: Program,
  inputs: readonly NdArray[],
): Promise<readonly NdArray[]> {
  const executable = await engine.compile(program, { donated: [], threads: 1, constants: [] });
  try {
    const outputs = await executable.run(inputs.map((x) => stored(formOf(x), x.data)));
    return outputs.map((y) => ({ dtype: y.dtype, dims: y.dims, data: y.data() }));
  } finally {
    executable.release();
  }
}

/** Random directions for float arrays, zeros for the rest. */
export function directions(like: readonly NdArray[], seed: number): NdArray[] {
  return like.map((x, i) => {
    const next = sampleStream(seed + i);
    return build(x, () => (isFloat(x.dtype) ? 2 * next() - 1 : 0));
  });
}

/** Value and tangent through `jvp`, in double precision. */
export function jvpAt(
  op: Op,
  sample: Sample,
): {
  readonly primal: readonly NdArray[];
  readonly tangent: readonly NdArray[];
  readonly direction: readonly NdArray[];
} {
  const inputs = inputsOf(sample, true);
  const direction = directions(inputs, 100);
  const params = paramsOf(sample, true);
  const n = inputs.length;
  const results = runReference(
    "jvp",
    (...xs) => {
      const [values, tangents] = jvp(
        (...ys: Tensor[]) => [...apply(op, ys, params)],
        xs.slice(0, n),
        xs.slice(n),
      );
      return [...values, ...tangents];
    },
    [...inputs, ...direction],
  );
  const half = results.length / 2;
  return { primal: results.slice(0, half), tangent: results.slice(half), direction };
}

/** The slope of the op along a direction, by central differences. */
export function centralDifference(
  op: Op,
  sample: Sample,
  direction: readonly NdArray[],
): readonly NdArray[] {
  const step = 1e-5;
  const program = programOf(op, sample, true);
  const moved = (sign: number) =>
    interpret(
      program,
      inputsOf(sample, true).map((x, i) =>
        isFloat(x.dtype)
          ? build(x, (_index, j) => at(x, j) + sign * step * at(direction[i] as NdArray, j))
          : x,
      ),
    );
  const up = moved(1);
  const down = moved(-1);
  return up.map((y, i) => {
    if (!isFloat(y.dtype)) return mapElements(y, y.dtype, () => 0);
    return build(y, (_index, j) => (at(y, j) - at(down[i] as NdArray, j)) / (2 * step));
  });
}

/** Cotangents of the inputs, through `vjp`. */
export function pullback(
  op: Op,
  sample: Sample,
  cotangents: readonly NdArray[],
): readonly NdArray[] {
  const inputs = inputsOf(sample, true);
  const params = paramsOf(sample, true);
  const n = inputs.length;
  return runReference(
    "vjp",
    (...xs) => {
      const [, back] = vjp((...ys: Tensor[]) => [...apply(op, ys, params)], ...xs.slice(0, n));
      return back(xs.slice(n));
    },
    [...inputs, ...cotangents],
  );
}

/** `Σ a·b` over float arrays. */
export function inner(a: readonly NdArray[], b: readonly NdArray[]): number {
  let total = 0;
  a.forEach((x, i) => {
    const y = b[i];
    if (y === undefined || !isFloat(x.dtype)) return;
    for (let j = 0; j < x.data.length; j++) total += at(x, j) * at(y, j);
  });
  return total;
}

/** For every choice of mapped inputs: the batched op, and the same in a loop. */
export function batchedAndLooped(
  op: Op,
  sample: Sample,
  mapped: readonly boolean[],
  size = 2,
): readonly [readonly NdArray[], readonly NdArray[]] {
  const single = sample.inputs.map((input, i) =>
    Array.from({ length: size }, (_, k) =>
      materialise(input, mapped[i] === true ? 10 * k + i + 1 : i + 1, true),
    ),
  );
  const params = paramsOf(sample, true);
  const stacked = single.map((list, i) =>
    mapped[i] === true ? stack(list) : (list[0] as NdArray),
  );
  const batched = runReference(
    "vmap",
    (...xs) =>
      vmap(
        (...ys: Tensor[]) => [...apply(op, ys, params)],
        mapped.map((m) => (m ? 0 : null)),
      )(...xs),
    stacked,
  );
  const runs = Array.from({ length: size }, (_, k) =>
    runReference(
      "loop",
      (...xs) => [...apply(op, xs, params)],
      single.map((list) => list[k] as NdArray),
    ),
  );
  const looped = (runs[0] ?? []).map((_, i) => stack(runs.map((run) => run[i] as NdArray)));
  return [batched, looped];
}

/** Arrays of equal form along a new leading axis. */
export function stack(list: readonly NdArray[]): NdArray {
  const first = list[0] as NdArray;
  const length = sizeOf(first.dims);
  return build({ dtype: first.dtype, dims: [list.length, ...first.dims] }, (_index, flat) =>
    at(list[Math.floor(flat / length)] as NdArray, flat % length),
  );
}

/**
 * Runs the op on the two halves of one factor and puts the pieces together by its sharding rule.
 *
 * @returns undefined when the factor is too short to be split
 */
export function piecesOfWhole(
  op: Op,
  sample: Sample,
  factor: Factor,
): { readonly whole: readonly NdArray[]; readonly joined: readonly NdArray[] } | undefined {
  const inputs = inputsOf(sample, true);
  const params = paramsOf(sample, true);
  const program = programOf(op, sample, true);
  const whole = interpret(program, inputs);
  const rule: ShardingRule = op.shard(
    program.inputs.map((v) => v.aval),
    program.outputs.map((v) => v.aval),
    params,
  );
  const axisIn = (axes: readonly AxisFactors[]) =>
    axes.findIndex((axis) => factorsOfAxis(axis)[0] === factor);
  const sides = [
    ...rule.operands.map((axes, i) => [axes, inputs[i] as NdArray] as const),
    ...rule.results.map((axes, i) => [axes, whole[i] as NdArray] as const),
  ];
  const lengths = sides.flatMap(([axes, x]) => (axisIn(axes) < 0 ? [] : dimOf(x, axisIn(axes))));
  const size = rule.lengths[factor] ?? lengths[0];
  if (size === undefined || size < 2) return undefined;
  /** Elements of the axis per one of the factor: those of the minor factors on it. */
  const unit = (axes: readonly AxisFactors[], x: NdArray) => dimOf(x, axisIn(axes)) / size;
  const cut = Math.floor(size / 2);
  const ranges = [
    [0, cut],
    [cut, size],
  ] as const;
  const pieces = ranges.map(([from, to]) => {
    const parts = inputs.map((x, i) => {
      const axes = rule.operands[i] ?? [];
      const axis = axisIn(axes);
      return axis < 0 ? x : part(x, axis, from * unit(axes, x), to * unit(axes, x));
    });
    const local = rule.local(
      whole.map((y, i) => {
        const axes = rule.results[i] ?? [];
        return y.dims.map((dim, axis) =>
          axis === axisIn(axes) ? (to - from) * unit(axes, y) : dim,
        );
      }),
    );
    return runReference("piece", (...xs) => [...apply(op, xs, local)], parts);
  });
  const joined = whole.map((y, i) => {
    const axes = rule.results[i] ?? [];
    const axis = axisIn(axes);
    const first = axis < 0 ? 0 : cut * unit(axes, y);
    const [left, right] = pieces.map((piece) => piece[i] as NdArray) as [NdArray, NdArray];
    return build(y, (index, flat) => {
      if (axis < 0) return combined(rule, factor, at(left, flat), at(right, flat));
      const place = index[axis] ?? 0;
      const side = place < first ? left : right;
      return at(
        side,
        flatten(
          side.dims,
          index.map((j, a) => (a === axis && place >= first ? j - first : j)),
        ),
      );
    });
  });
  return { whole, joined };
}

/** What the pieces' results give together: all are equal where the factor is none of the result's. */
function combined(rule: ShardingRule, factor: Factor, a: number, b: number): number {
  if (rule.sum.includes(factor)) return a + b;
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.NaN;
  if (rule.max.includes(factor)) return Math.max(a, b);
  return rule.min.includes(factor) ? Math.min(a, b) : a;
}

function part(x: NdArray, axis: number, from: number, to: number): NdArray {
  const dims = x.dims.map((dim, i) => (i === axis ? to - from : dim));
  return build({ dtype: x.dtype, dims }, (index) =>
    at(
      x,
      flatten(
        x.dims,
        index.map((j, a) => (a === axis ? j + from : j)),
      ),
    ),
  );
}

function flatten(dims: readonly number[], index: readonly number[]): number {
  return index.reduce((flat, j, axis) => flat * (dims[axis] ?? 1) + j, 0);
}

/** The factors of a sample's sharding rule that have a local form: a minor one on its axis is strided, and has none. */
export function factorsOf(op: Op, sample: Sample): readonly Factor[] {
  const program = programOf(op, sample);
  const rule = op.shard(
    program.inputs.map((v) => v.aval),
    program.outputs.map((v) => v.aval),
    sample.params,
  );
  const axes = [...rule.operands, ...rule.results].flat().map(factorsOfAxis);
  const minor = axes.flatMap((factors) => factors.slice(1));
  return [...new Set(axes.flat())].filter(
    (factor) => !rule.moves.includes(factor) && !minor.includes(factor),
  );
}
