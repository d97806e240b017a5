/**
 * @file `checkpoint`: a program whose intermediate values are computed again for its derivative rather
 * than kept. Saves memory, costs time.
 */

import { apply } from "../../core/builder.ts";
import { interpret } from "../../core/interpret.ts";
import type { HloEmitter, HloValue, OnnxEmitter, OnnxValue } from "../../core/lowering.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { defineOp, type Many, type MaybeZero, type Op, type Operand } from "../../core/op.ts";
import { type Program, type Variable, withoutDeadCode } from "../../core/program.ts";
import { random, rejects, sample } from "../../core/samples.ts";
import { type Aval, aval, sizeOf } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { lineariseProgram } from "../../transforms/linearise.ts";
import { closedProgram, inline } from "../../transforms/trace.ts";
import { batched } from "../../transforms/vmap.ts";
import { add, mul } from "../arithmetic.ts";
import { exp } from "../exponential.ts";
import { tanh } from "../hyperbolic.ts";
import { checkForms, whole } from "./forms.ts";
import { transposition } from "./transposed.ts";

export interface CheckpointParams {
  readonly program: Program;
  /** Names of ops whose results are kept all the same. */
  readonly saves: readonly string[];
  /**
   * The operand to wait for, when the program computes something a second time: an engine must neither
   * merge it with the first time nor run it earlier. Null where nothing is computed twice.
   */
  readonly after: number | null;
}

export const checkpointOp: Op<CheckpointParams, Many, Many> = defineOp<
  CheckpointParams,
  Many,
  Many
>({
  name: "checkpoint",
  infer(inputs: readonly Aval[], { program }) {
    checkForms("checkpoint", "operand", inputs, program.inputs);
    return program.outputs.map((v) => v.aval);
  },
  jvp: { kind: "joint", apply: checkpointJvp },
  transpose: { kind: "rule", apply: checkpointTranspose },
  batch: (inputs: readonly Tensor[], mapped: readonly boolean[], p, size) =>
    checkpointed(inputs, {
      ...p,
      program: closedProgram(
        `${p.program.name}.batched`,
        inputs.map((x) => x.aval),
        (xs) => batched(p.program, xs, mapped, size),
      ),
    }),
  shard: whole,
  evaluate: (inputs: readonly NdArray[], { program }) => interpret(program, inputs),
  // Once all derivatives are taken, what is computed only once is ordinary code.
  simplify: (inputs, { program, after }) =>
    after === null
      ? inline(
          program,
          inputs.map((x) => x.tensor),
        )
      : null,
  lower: { onnx: checkpointOnnx, stablehlo: checkpointStablehlo },
  samples: () => [
    sample("one time", [random(2), random(2)], { program: layer, saves: [], after: null }),
    sample("kept products", [random(2), random(2)], {
      program: layer,
      saves: ["mul"],
      after: null,
    }),
    sample("again", [random(2), random(2)], { program: layer, saves: [], after: 1 }),
  ],
  rejects: () => [
    rejects(
      "another operand than the program takes",
      [aval("float32", [2]), aval("float32", [3])],
      { program: layer, saves: [], after: null },
      "checkpoint: operand 2 is float32[3], but the program takes float32[2]",
    ),
  ],
});

const pair = aval("float32", [2]);
/** `tanh(w·x)·exp(tanh(w·x)) + x` */
const layer = closedProgram("layer", [pair, pair], ([w, x]) => {
  const hidden = tanh(mul(w as Tensor, x as Tensor));
  return [add(mul(hidden, exp(hidden)), x as Tensor)];
});

/**
 * The value as it is, with nothing kept but the operands and what the policy saves; the derivative as a
 * program of its own that computes the rest from these.
 */
function checkpointJvp(
  tangents: readonly MaybeZero[],
  primals: readonly Tensor[],
  p: CheckpointParams,
): { readonly outputs: readonly Tensor[]; readonly tangents: readonly MaybeZero[] } {
  const { program, saves } = p;
  const count = program.outputs.length;
  const saved = program.equations.flatMap(({ op, outputs }) =>
    saves.includes(op.name) ? outputs : [],
  );
  const whole = { ...program, outputs: [...program.outputs, ...saved] };
  const moving = tangents.map((dx) => dx !== null);
  const { primal, tangent, moves } = lineariseProgram(whole, moving);
  const all =
    p.after === null ? inline(whole, primals) : checkpointed(primals, { ...p, program: whole });
  const outputs = all.slice(0, count);
  const moved = moves.slice(0, count);
  if (!moved.includes(true)) return { outputs, tangents: moved.map(() => null) };

  const savedAgain = primal.outputs.slice(count, whole.outputs.length);
  const rest = withKnown(primal, savedAgain, primal.outputs.slice(whole.outputs.length));
  const ds = tangents.filter((dx) => dx !== null);
  const operands = [...primals, ...all.slice(count), ...ds];
  const derivative = closedProgram(
    `${program.name}.tangent`,
    operands.map((x) => x.aval),
    (xs) => {
      const split = xs.length - ds.length;
      const dots = inline(tangent, [...xs.slice(split), ...inline(rest, xs.slice(0, split))]);
      return dots.slice(0, moved.filter((m) => m).length);
    },
  );
  const dots = checkpointed(operands, { ...p, program: derivative }).values();
  return { outputs, tangents: moved.map((m) => (m ? (dots.next().value ?? null) : null)) };
}

/** The program of `outputs` in which some values are given, as further inputs, instead of computed. */
function withKnown(
  program: Program,
  known: readonly Variable[],
  outputs: readonly Variable[],
): Program {
  const given = new Set(known);
  return withoutDeadCode({
    ...program,
    inputs: [...program.inputs, ...known],
    equations: program.equations.filter((equation) => !equation.outputs.some((v) => given.has(v))),
    outputs,
  });
}

/** Runs the derivative backwards; what it computes again waits for the first cotangent. */
function checkpointTranspose(
  cotangents: readonly MaybeZero[],
  operands: readonly Operand[],
  p: CheckpointParams,
): readonly MaybeZero[] {
  const way = transposition(operands, cotangents);
  const results = checkpointed([...way.given, ...way.cotangents], {
    program: way.transposed(p.program),
    saves: p.saves,
    after: way.given.length,
  });
  return way.spread(results);
}

/**
 * ONNX has no barrier, but a branch runs when its condition is known: a condition that reads the operand
 * to wait for, and is always true. The other branch is never taken.
 */
function checkpointOnnx(
  g: OnnxEmitter,
  inputs: readonly OnnxValue[],
  { program, after }: CheckpointParams,
  avals: { readonly inputs: readonly Aval[]; readonly outputs: readonly Aval[] },
): readonly OnnxValue[] {
  const whole = inputs.map((x, i) => g.exact(x, avals.inputs[i]?.dims ?? []));
  const awaited = after === null ? undefined : whole[after];
  if (awaited === undefined || sizeOf(awaited.dims) === 0 || avals.outputs.length === 0)
    return g.inline(program, whole);
  const bool = { dtype: "bool", dims: [] } as const;
  const flat = g.reshape(awaited, [sizeOf(awaited.dims)]);
  const element = g.node("Gather", [flat, g.constant("int64", [], [0])], {
    dtype: awaited.dtype,
    dims: [],
  });
  const same = g.node("Equal", [element, element], bool); // false for NaN
  const holds = g.node("Or", [same, g.node("Not", [same], bool)], bool);
  const never = () =>
    avals.outputs.map((y) =>
      g.exact(
        g.constant(
          y.dtype,
          y.dims.map(() => 1),
          [0],
        ),
        y.dims,
      ),
    );
  return g.nodes({
    op: "If",
    inputs: [holds],
    outputs: avals.outputs,
    attributes: {
      then_branch: { graph: g.subgraph(program.name, [], () => g.inline(program, whole)) },
      else_branch: { graph: g.subgraph("never", [], never) },
    },
  });
}

function checkpointStablehlo(
  h: HloEmitter,
  inputs: readonly HloValue[],
  { program, after }: CheckpointParams,
): readonly HloValue[] {
  if (after === null || inputs.length === 0) return h.inline(program, inputs);
  const names = inputs.map(({ name }) => name).join(", ");
  const types = inputs.map((x) => h.type(x)).join(", ");
  return h.inline(program, h.lines(`stablehlo.optimization_barrier ${names} : ${types}`, inputs));
}

/** Runs the program under the rule of `params`. */
export function checkpointed(
  inputs: readonly Tensor[],
  params: CheckpointParams,
): readonly Tensor[] {
  return apply(checkpointOp, inputs, params);
}
