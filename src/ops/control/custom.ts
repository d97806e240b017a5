/** @file Ops that carry a derivative written by the user. */

import { apply } from "../../core/builder.ts";
import { interpret } from "../../core/interpret.ts";
import type { NdArray } from "../../core/ndarray.ts";
import {
  defineOp,
  isLinear,
  linear,
  type Many,
  type MaybeZero,
  notLinear,
  type Op,
  type Operand,
} from "../../core/op.ts";
import type { Program } from "../../core/program.ts";
import { random, rejects, sample } from "../../core/samples.ts";
import { type Aval, aval } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { closedProgram, inline } from "../../transforms/trace.ts";
import { pullBack } from "../../transforms/vjp.ts";
import { batched } from "../../transforms/vmap.ts";
import { mul, sub } from "../arithmetic.ts";
import { fullLike } from "../creation.ts";
import { exp } from "../exponential.ts";
import { repeat } from "../families.ts";
import { sum } from "../sum.ts";
import { checkForms, whole } from "./forms.ts";

/** How an op is computed that stands for a program, here one that may be made of its params. */
function computedBy<P>(
  programOf: (params: P) => Program,
): Pick<Op<P, Many, Many>, "shard" | "evaluate" | "simplify" | "lower"> {
  return {
    shard: whole,
    evaluate: (inputs: readonly NdArray[], p) => interpret(programOf(p), inputs),
    simplify: (inputs, p) =>
      inline(
        programOf(p),
        inputs.map((x) => x.tensor),
      ),
    lower: {
      onnx: (g, inputs, p, { inputs: forms }) =>
        g.inline(
          programOf(p),
          inputs.map((x, i) => g.exact(x, (forms as readonly Aval[])[i]?.dims ?? [])),
        ),
      stablehlo: (h, inputs, p) => h.inline(programOf(p), inputs),
    },
  };
}

export interface CustomJvpParams {
  readonly program: Program;
  /** `(inputs, their tangents) -> (outputs, their tangents)`; integers have tangents too, which are zero. */
  readonly rule: Program;
}

/** A program whose forward derivative is another program. */
export const customJvpOp: Op<CustomJvpParams, Many, Many> = defineOp<CustomJvpParams, Many, Many>({
  name: "customJvp",
  infer(inputs: readonly Aval[], { program }) {
    checkForms("customJvp", "operand", inputs, program.inputs);
    return program.outputs.map((v) => v.aval);
  },
  jvp: {
    kind: "joint",
    apply(tangents: readonly MaybeZero[], primals: readonly Tensor[], { rule }) {
      const dense = primals.map((x, i) => tangents[i] ?? fullLike(x, 0));
      const all = inline(rule, [...primals, ...dense]);
      return { outputs: all.slice(0, all.length / 2), tangents: all.slice(all.length / 2) };
    },
  },
  transpose: notLinear("its tangent is made by the user's rule"),
  batch(inputs: readonly Tensor[], mapped: readonly boolean[], { program, rule }, size) {
    const forms = inputs.map((x) => x.aval);
    const wide = (inner: Program, repeats: number) =>
      closedProgram(`${inner.name}.batched`, Array(repeats).fill(forms).flat(), (xs) =>
        batched(inner, xs, Array(repeats).fill(mapped).flat(), size),
      );
    return apply(customJvpOp, inputs, { program: wide(program, 1), rule: wide(rule, 2) });
  },
  ...computedBy(({ program }) => program),
  samples: () => [sample("exp x − x", [random(2)], { program: expMinus, rule: expMinusRule })],
  rejects: () => [
    rejects(
      "another operand than the program takes",
      [aval("float32", [3])],
      { program: expMinus, rule: expMinusRule },
      "customJvp: operand 1 is float32[3], but the program takes float32[2]",
    ),
  ],
});

const pair = aval("float32", [2]);
const expMinus = closedProgram("expMinus", [pair], ([x]) => [sub(exp(x as Tensor), x as Tensor)]);
const expMinusRule = closedProgram("expMinusRule", [pair, pair], ([x, dx]) => {
  const power = exp(x as Tensor);
  const y = sub(power, x as Tensor);
  return [y, mul(dx as Tensor, sub(power, fullLike(power, 1)))];
});

export interface CustomVjpParams {
  readonly program: Program;
  /** `(inputs) -> (outputs, residuals)` */
  readonly forward: Program;
  /** `(residuals, cotangents of the outputs) -> (cotangents of the inputs)` */
  readonly backward: Program;
}

/** A program whose reverse derivative is another program. */
export const customVjpOp: Op<CustomVjpParams, Many, Many> = defineOp<CustomVjpParams, Many, Many>({
  name: "customVjp",
  infer(inputs: readonly Aval[], { program, forward }) {
    checkForms("customVjp", "operand", inputs, program.inputs);
    checkForms("customVjp", "operand", inputs, forward.inputs);
    return program.outputs.map((v) => v.aval);
  },
  jvp: {
    kind: "joint",
    apply(
      tangents: readonly MaybeZero[],
      primals: readonly Tensor[],
      { program, forward, backward },
    ) {
      const all = inline(forward, primals);
      const count = program.outputs.length;
      const dense = primals.map((x, i) => tangents[i] ?? fullLike(x, 0));
      const residuals = all.slice(count);
      const dots = apply(linearCallOp, [...residuals, ...dense], {
        backward,
        residuals: residuals.length,
      });
      return { outputs: all.slice(0, count), tangents: dots };
    },
  },
  transpose: notLinear("its tangent is a linear call"),
  batch(inputs: readonly Tensor[], mapped: readonly boolean[], p, size) {
    const forms = inputs.map((x) => x.aval);
    const program = closedProgram(`${p.program.name}.batched`, forms, (xs) =>
      batched(p.program, xs, mapped, size),
    );
    const forward = closedProgram(`${p.forward.name}.batched`, forms, (xs) =>
      batched(p.forward, xs, mapped, size),
    );
    return apply(customVjpOp, inputs, {
      program,
      forward,
      backward: backwardOfBatch(p.backward, mapped, size),
    });
  },
  ...computedBy(({ program }) => program),
  samples: () => [sample("x·y", [random(2), random(2)], product)],
  rejects: () => [
    rejects(
      "another operand than the program takes",
      [pair, aval("float32", [3])],
      product,
      "customVjp: operand 2 is float32[3], but the program takes float32[2]",
    ),
  ],
});

const times = closedProgram("times", [pair, pair], ([x, y]) => [mul(x as Tensor, y as Tensor)]);
const timesBack = closedProgram("timesBack", [pair, pair, pair], ([x, y, ct]) => [
  mul(ct as Tensor, y as Tensor),
  mul(ct as Tensor, x as Tensor),
]);
const product: CustomVjpParams = {
  program: times,
  forward: closedProgram("timesForward", [pair, pair], ([x, y]) => [
    mul(x as Tensor, y as Tensor),
    x as Tensor,
    y as Tensor,
  ]),
  backward: timesBack,
};

/** The backward program over a batch; cotangents of operands that all examples share are summed. */
function backwardOfBatch(backward: Program, mapped: readonly boolean[], size: number): Program {
  const forms = backward.inputs.map(({ aval: form }) => wideForm(form, size));
  return closedProgram(`${backward.name}.batched`, forms, (xs) =>
    batched(backward, xs, Array(xs.length).fill(true), size).map((ct, i) =>
      mapped[i] === true ? ct : sum(ct, [0]),
    ),
  );
}

const wideForm = (form: Aval, size: number): Aval =>
  aval(form.dtype, [size, ...form.dims], [null, ...form.names]);

export interface LinearCallParams {
  /** `(residuals, cotangents of the results) -> (cotangents of the linear operands)` */
  readonly backward: Program;
  readonly residuals: number;
}

/**
 * The linear map whose transpose is the user's backward program. Forwards it is the transpose of that
 * program, which must then be linear in the cotangents.
 */
export const linearCallOp: Op<LinearCallParams, Many, Many> = defineOp<
  LinearCallParams,
  Many,
  Many
>({
  name: "linearCall",
  infer(inputs: readonly Aval[], { backward, residuals }) {
    checkForms(
      "linearCall",
      "residual",
      inputs.slice(0, residuals),
      backward.inputs.slice(0, residuals),
    );
    checkForms("linearCall", "operand", inputs.slice(residuals), backward.outputs);
    return backward.inputs.slice(residuals).map((v) => v.aval);
  },
  jvp: linear,
  transpose: {
    kind: "rule",
    apply(cotangents: readonly MaybeZero[], operands: readonly Operand[], { backward, residuals }) {
      const kept = operands.slice(0, residuals).filter((x) => !isLinear(x));
      if (kept.length !== residuals) throw new Error("linearCall: residuals are not linear");
      const cts = backward.inputs
        .slice(residuals)
        .map((v, i) => cotangents[i] ?? fullLike(v.aval, 0));
      const back = inline(backward, [...(kept as readonly Tensor[]), ...cts]);
      return [
        ...kept.map(() => null),
        ...back.map((ct, i) => (isLinear(operands[residuals + i] as Operand) ? ct : null)),
      ];
    },
  },
  batch(inputs: readonly Tensor[], mapped: readonly boolean[], { backward, residuals }, size) {
    const dense = inputs.map((x, i) => (mapped[i] === true ? x : repeat(x, size)));
    const every = backward.outputs.map(() => true);
    return apply(linearCallOp, dense, {
      backward: backwardOfBatch(backward, every, size),
      residuals,
    });
  },
  ...computedBy(forwards),
  samples: () => [
    sample(
      "the derivative of x·y",
      [random(2), random(2), random(2), random(2)],
      { backward: timesBack, residuals: 2 },
      false,
    ),
  ],
  rejects: () => [
    rejects(
      "another operand than the backward program gives",
      [pair, pair, pair, aval("float32", [3])],
      { backward: timesBack, residuals: 2 },
      "linearCall: operand 2 is float32[3], but the program takes float32[2]",
    ),
  ],
});

/** `(residuals, linear operands) -> (results)`, by transposing the backward program. */
function forwards({ backward, residuals }: LinearCallParams): Program {
  const given = backward.inputs.slice(0, residuals).map((v) => v.aval);
  const operands = backward.outputs.map((v) => v.aval);
  return closedProgram(`${backward.name}.transposed`, [...given, ...operands], (xs) => {
    const known = backward.inputs.map((_, i) => (i < residuals ? (xs[i] ?? null) : null));
    const dots = pullBack(backward, known, xs.slice(residuals));
    return backward.inputs
      .slice(residuals)
      .map((v, i) => dots[residuals + i] ?? fullLike(v.aval, 0));
  });
}
