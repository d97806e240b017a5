/** @file `switch`: one of several programs, chosen by an index; with two of them, if and else. */

import { apply } from "../../core/builder.ts";
import { DTypeError, ShapeError } from "../../core/errors.ts";
import { interpret } from "../../core/interpret.ts";
import type { HloEmitter, HloValue, OnnxEmitter, OnnxValue } from "../../core/lowering.ts";
import { at, type NdArray } from "../../core/ndarray.ts";
import {
  defineOp,
  isLinear,
  type Many,
  type MaybeZero,
  type Op,
  type Operand,
} from "../../core/op.ts";
import type { Program } from "../../core/program.ts";
import { integers, random, rejects, sample, values } from "../../core/samples.ts";
import { type Aval, aval, sameDims, showAval } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { lineariseProgram } from "../../transforms/linearise.ts";
import { closedProgram, inline } from "../../transforms/trace.ts";
import { batched } from "../../transforms/vmap.ts";
import { mul, sub } from "../arithmetic.ts";
import { broadcast, constantOf, full, fullLike } from "../creation.ts";
import { repeat } from "../families.ts";
import { tanh } from "../hyperbolic.ts";
import { less, select } from "../logic.ts";
import { checkForms, fits, whole } from "./forms.ts";
import { transposition } from "./transposed.ts";

export interface SwitchParams {
  /** All take the operands after the index, and give results of equal forms. */
  readonly branches: readonly Program[];
}

/** The index is clamped to the branches. Only the chosen one runs, unless a batch chooses several. */
export const switchOp: Op<SwitchParams, Many, Many> = defineOp<SwitchParams, Many, Many>({
  name: "switch",
  infer([index, ...operands]: readonly Aval[], { branches }) {
    if (index === undefined || index.dtype !== "int32" || index.dims.length > 0)
      throw new DTypeError(
        "DTYPE-01",
        `switch: the index must be int32[], not ${index === undefined ? "missing" : showAval(index)}`,
      );
    const [first, ...rest] = branches;
    if (first === undefined) throw new ShapeError("SHAPE-01", "switch: needs a branch");
    for (const branch of branches) checkForms("switch", "operand", operands, branch.inputs);
    const wanted = first.outputs.map((v) => v.aval);
    rest.forEach((branch, i) => {
      const forms = branch.outputs.map((v) => v.aval);
      if (forms.length !== wanted.length || !forms.every((y, k) => fits(y, wanted[k] ?? y)))
        throw new ShapeError("SHAPE-01", "switch: branches give results of different forms.", [
          ["branch 0", wanted.map(showAval).join(", ")],
          [`branch ${i + 1}`, forms.map(showAval).join(", ")],
        ]);
    });
    return wanted;
  },
  jvp: { kind: "joint", apply: switchJvp },
  transpose: { kind: "rule", apply: switchTranspose },
  batch: switchBatch,
  shard: whole,
  evaluate([index, ...operands]: readonly NdArray[], { branches }) {
    const chosen = index === undefined ? 0 : at(index, 0);
    const branch = branches[Math.min(Math.max(chosen, 0), branches.length - 1)];
    return branch === undefined ? [] : interpret(branch, operands);
  },
  simplify(inputs, { branches }, outputs: readonly Aval[]) {
    const [index, ...operands] = inputs;
    const known = index === undefined ? null : constantOf(index);
    const only = branches.length === 1 ? 0 : known;
    if (only === null) return null;
    const branch = branches[Math.min(Math.max(only, 0), branches.length - 1)];
    if (branch === undefined || outputs.length !== branch.outputs.length) return null;
    return inline(
      branch,
      operands.map((x) => x.tensor),
    );
  },
  lower: { onnx: switchOnnx, stablehlo: switchStablehlo },
  samples: () => [
    sample("the first", [values(aval("int32", []), 0), random(2), random(2)], products),
    sample("the second", [values(aval("int32", []), 1), random(2), random(2)], products),
    sample("clamped", [values(aval("int32", []), 7), random(2), random(2)], products),
    sample("below", [values(aval("int32", []), -3), random(2), random(2)], products),
    sample("any", [integers(0, 3), random(2), random(2)], products),
  ],
  rejects: () => [
    rejects(
      "an index that is no integer",
      [aval("float32", []), pair, pair],
      products,
      "switch: the index must be int32[], not float32[]",
    ),
    rejects(
      "results of different forms",
      [aval("int32", []), pair, pair],
      {
        branches: [
          ...products.branches,
          closedProgram("other", [pair, pair], () => [full(0, aval("float32", []))]),
        ],
      },
      "switch: branches give results of different forms.",
    ),
  ],
});

const pair = aval("float32", [2]);
const products: SwitchParams = {
  branches: [
    closedProgram("product", [pair, pair], ([x, y]) => [mul(x as Tensor, y as Tensor)]),
    closedProgram("first", [pair, pair], ([x]) => [tanh(x as Tensor)]),
    closedProgram("constant", [pair, pair], ([, y]) => [sub(fullLike(pair, 3), y as Tensor)]),
  ],
};

/** Places for what branches keep for their derivatives; branches share places of equal form. */
function slotsFor(residuals: readonly (readonly Aval[])[]): {
  readonly slots: readonly Aval[];
  /** Per branch, the slot of each residual. */
  readonly placed: readonly (readonly number[])[];
} {
  const slots: Aval[] = [];
  const placed = residuals.map((forms) => {
    const used = new Set<number>();
    return forms.map((form) => {
      const free = slots.findIndex(
        (slot, i) => !used.has(i) && slot.dtype === form.dtype && sameDims(slot.dims, form.dims),
      );
      const slot = free >= 0 ? free : slots.push(form) - 1;
      used.add(slot);
      return slot;
    });
  });
  return { slots, placed };
}

/** The value as a switch that also gives what the derivatives need, and the derivative as another one. */
function switchJvp(
  tangents: readonly MaybeZero[],
  primals: readonly Tensor[],
  { branches }: SwitchParams,
): { readonly outputs: readonly Tensor[]; readonly tangents: readonly MaybeZero[] } {
  const [index, ...operands] = primals;
  if (index === undefined) throw new Error("switch: no index");
  const moving = tangents.slice(1).map((dx) => dx !== null);
  const parts = branches.map((branch) => lineariseProgram(branch, moving));
  const results = branches[0]?.outputs.map((v) => v.aval) ?? [];
  const moves = results.map((_, i) => parts.some((part) => part.moves[i] === true));
  const { slots, placed } = slotsFor(
    parts.map(({ primal }) => primal.outputs.slice(results.length).map((v) => v.aval)),
  );
  const forms = operands.map((x) => x.aval);
  const values = parts.map(({ primal }, b) =>
    closedProgram(branches[b]?.name ?? "branch", forms, (xs) => {
      const all = inline(primal, xs);
      const kept = slots.map((form, slot) => {
        const i = placed[b]?.indexOf(slot) ?? -1;
        return (i < 0 ? undefined : all[results.length + i]) ?? fullLike(form, 0);
      });
      return [...all.slice(0, results.length), ...kept];
    }),
  );
  const all = switchCase([index, ...operands], { branches: values });
  const outputs = all.slice(0, results.length);
  if (!moves.includes(true)) return { outputs, tangents: moves.map(() => null) };

  const movingForms = forms.filter((_, i) => moving[i] === true);
  const derivatives = parts.map(({ tangent, moves: own }, b) =>
    closedProgram(`${branches[b]?.name ?? "branch"}.tangent`, [...slots, ...movingForms], (xs) => {
      const residuals = (placed[b] ?? []).map((slot) => xs[slot] as Tensor);
      const dots = inline(tangent, [...xs.slice(slots.length), ...residuals]).values();
      return results.flatMap((form, i) => {
        const dot = own[i] === true ? dots.next().value : undefined;
        return moves[i] === true ? [dot ?? fullLike(form, 0)] : [];
      });
    }),
  );
  const ds = tangents.slice(1).filter((dx) => dx !== null);
  const dots = switchCase([index, ...all.slice(results.length), ...ds], {
    branches: derivatives,
  }).values();
  return { outputs, tangents: moves.map((m) => (m ? (dots.next().value ?? null) : null)) };
}

function switchTranspose(
  cotangents: readonly MaybeZero[],
  operands: readonly Operand[],
  { branches }: SwitchParams,
): readonly MaybeZero[] {
  const [index, ...rest] = operands;
  if (index === undefined || isLinear(index)) throw new Error("switch: the index is an integer");
  const way = transposition(rest, cotangents);
  const back = branches.map((branch) => way.transposed(branch));
  const results = switchCase([index, ...way.given, ...way.cotangents], { branches: back });
  return [null, ...way.spread(results)];
}

/** Where examples choose for themselves, all branches run and the chosen results are kept. */
function switchBatch(
  [index, ...operands]: readonly Tensor[],
  [indexMapped, ...mapped]: readonly boolean[],
  { branches }: SwitchParams,
  size: number,
): readonly Tensor[] {
  if (index === undefined) throw new Error("switch: no index");
  if (indexMapped !== true) {
    const wide = branches.map((branch) =>
      closedProgram(
        `${branch.name}.batched`,
        operands.map((x) => x.aval),
        (xs) => batched(branch, xs, mapped, size),
      ),
    );
    return switchCase([index, ...operands], { branches: wide });
  }
  const all = branches.map((branch) =>
    mapped.includes(true)
      ? batched(branch, operands, mapped, size)
      : inline(branch, operands).map((y) => repeat(y, size)),
  );
  return all.reduceRight((later, own, b) =>
    own.map((y, i) => {
      const other = later[i];
      if (other === undefined) return y;
      const here = less(index, full(b + 1, index.aval));
      return select(broadcast(here, { dims: y.dims, axes: [0], names: y.names }), y, other);
    }),
  );
}

function switchOnnx(
  g: OnnxEmitter,
  inputs: readonly OnnxValue[],
  { branches }: SwitchParams,
  avals: { readonly inputs: readonly Aval[]; readonly outputs: readonly Aval[] },
): readonly OnnxValue[] {
  const whole = inputs.map((x, i) => g.exact(x, avals.inputs[i]?.dims ?? []));
  const [index, ...operands] = whole;
  if (index === undefined) throw new Error("switch: no index");
  const from = (b: number): readonly OnnxValue[] => {
    const branch = branches[b];
    if (branch === undefined) throw new Error("switch: no branch");
    if (b === branches.length - 1) return g.inline(branch, operands);
    const here = g.node("Less", [index, g.constant("int32", [], [b + 1])], {
      dtype: "bool",
      dims: [],
    });
    return g.nodes({
      op: "If",
      inputs: [here],
      outputs: avals.outputs,
      attributes: {
        then_branch: { graph: g.subgraph("then", [], () => g.inline(branch, operands)) },
        else_branch: { graph: g.subgraph("else", [], () => from(b + 1)) },
      },
    });
  };
  return from(0);
}

function switchStablehlo(
  h: HloEmitter,
  inputs: readonly HloValue[],
  { branches }: SwitchParams,
  outputs: readonly Aval[],
): readonly HloValue[] {
  const [index, ...operands] = inputs;
  if (index === undefined) throw new Error("switch: no index");
  const least = h.splat(0, index);
  const most = h.splat(branches.length - 1, index);
  const type = h.type(index);
  const clamped = h.line(
    `stablehlo.clamp ${least.name}, ${index.name}, ${most.name} : (${type}, ${type}, ${type}) -> ${type}`,
    index,
  );
  const regions = branches.map((branch) => `{\n${h.region(() => h.inline(branch, operands))}\n}`);
  const types = outputs.map((y) => h.type(y)).join(", ");
  return h.lines(
    `"stablehlo.case"(${clamped.name}) (${regions.join(", ")}) : (${type}) -> (${types})`,
    outputs,
  );
}

/** Runs the branch that the index, an int32 scalar before the operands, names. */
export function switchCase(inputs: readonly Tensor[], params: SwitchParams): readonly Tensor[] {
  return apply(switchOp, inputs, params);
}
