/** @file A program being written: ops append equations to the innermost builder. */

import { MeshloomError, TraceError } from "./errors.ts";
import type { Each, Many, Op } from "./op.ts";
import { type Equation, type Program, type Variable, variable } from "./program.ts";
import { type Aval, showAval } from "./shape.ts";
import { captureSource, NO_SOURCE, type SourceLine, showSource } from "./source.ts";
import { Tensor } from "./tensor.ts";

const stack: Builder[] = [];
/** Set while a rule of the system writes equations for one of the user's. */
let inherited: SourceLine | undefined;

/** An equation about to be written. */
export interface Draft {
  readonly op: Op;
  readonly inputs: readonly Tensor[];
  readonly params: unknown;
  readonly outputs: readonly Aval[];
}

/** What a builder does with an equation that an op wants to write. */
export type BuilderKind =
  | { readonly kind: "plain" }
  /** Keeps only what depends on its own values; the rest goes to the builder around it. */
  | { readonly kind: "linear" }
  /** May answer with tensors that stand for the results already. */
  | { readonly kind: "rewriting"; rewrite(draft: Draft): readonly Tensor[] | null };

/** Collects inputs and equations of one program. */
export class Builder {
  readonly name: string;
  readonly inputs: Variable[] = [];
  readonly equations: Equation[] = [];
  /** Tensors of the world outside, each with the input that stands for it. */
  readonly captured: Map<
    Tensor["origin"],
    { readonly tensor: Tensor; readonly variable: Variable }
  > = new Map();
  readonly kind: BuilderKind;
  #tensors = new WeakMap<Variable, Tensor>();

  constructor(name: string, kind: BuilderKind = { kind: "plain" }) {
    this.name = name;
    this.kind = kind;
  }

  input(form: Aval): Tensor {
    const v = variable(form);
    this.inputs.push(v);
    return this.tensorOf(v);
  }

  /** The tensor that stands for a variable of this program. */
  tensorOf(v: Variable): Tensor {
    let tensor = this.#tensors.get(v);
    if (tensor === undefined) {
      tensor = new Tensor(v.aval, { kind: "traced", builder: this, variable: v });
      this.#tensors.set(v, tensor);
    }
    return tensor;
  }

  /** The variable of a tensor; one from outside becomes a captured input. */
  use(tensor: Tensor): Variable {
    const { origin } = tensor;
    if (origin.kind === "traced" && origin.builder === this) return origin.variable;
    if (origin.kind === "traced" && !stack.includes(origin.builder)) {
      throw new TraceError(
        "TRACE-01",
        `${origin.builder.name}: a tensor is used after the function that made it ended.`,
        [
          ["tensor", showAval(tensor.aval)],
          ["fix", "return it from that function instead of keeping it in an outer variable"],
        ],
      );
    }
    const known = this.captured.get(origin);
    if (known !== undefined) return known.variable;
    const v = variable(tensor.aval);
    this.captured.set(origin, { tensor, variable: v });
    return v;
  }

  /** Appends an equation as it is. */
  write(
    { op, inputs, params, outputs }: Draft,
    source: SourceLine = inherited ?? NO_SOURCE,
  ): readonly Tensor[] {
    const used = inputs.map((tensor) => this.use(tensor));
    const made = outputs.map((form) => variable(form));
    this.equations.push({ op, params, inputs: used, outputs: made, source });
    return made.map((v) => this.tensorOf(v));
  }

  /** The finished program; captured tensors follow its own inputs. */
  finish(outputs: readonly Tensor[]): {
    readonly program: Program;
    readonly captured: readonly Tensor[];
  } {
    const results = outputs.map((output) => this.use(output));
    const captured = [...this.captured.values()];
    return {
      program: {
        name: this.name,
        inputs: [...this.inputs, ...captured.map((c) => c.variable)],
        equations: this.equations,
        outputs: results,
      },
      captured: captured.map((c) => c.tensor),
    };
  }
}

/** Runs `write` with `builder` as the innermost one. */
export function writing<T>(builder: Builder, write: () => T): T {
  stack.push(builder);
  try {
    return write();
  } finally {
    stack.pop();
  }
}

/** Runs a rule whose equations belong to the user's line `source`. */
export function onBehalfOf<T>(source: SourceLine, write: () => T): T {
  const before = inherited;
  inherited = source;
  try {
    return write();
  } finally {
    inherited = before;
  }
}

/** Runs `write` as one line: all its equations get the source of this call, captured once. */
export function asOneLine<T>(write: () => T): T {
  return onBehalfOf(inherited ?? captureSource(), write);
}

/** Whether ops are being recorded. */
export function isTracing(): boolean {
  return stack.length > 0;
}

/**
 * Writes `op` into the program being traced.
 *
 * @throws TraceError outside a traced function; whatever the op's shape rule throws, with the user's line
 */
export function apply<P, I extends Many, O extends Many>(
  op: Op<P, I, O>,
  inputs: Each<I, Tensor>,
  params: P,
): Each<O, Tensor> {
  const list: readonly Tensor[] = inputs;
  const builder = builderFor(list);
  if (builder === undefined) {
    throw new TraceError("TRACE-01", `${op.name}: used outside a traced function.`, [
      ["fix", "put the computation into a function and call it through jit(…)"],
    ]);
  }
  const source = inherited ?? captureSource();
  const forms = inferAt(op, list.map((x) => x.aval) as unknown as Each<I, Aval>, params, source);
  const draft: Draft = {
    op: op as unknown as Op,
    inputs: list,
    params,
    outputs: forms as readonly Aval[],
  };
  const rewritten = builder.kind.kind === "rewriting" ? builder.kind.rewrite(draft) : null;
  return (rewritten ?? builder.write(draft, source)) as unknown as Each<O, Tensor>;
}

/** The innermost builder, past linear ones that own none of the operands. */
function builderFor(inputs: readonly Tensor[]): Builder | undefined {
  for (let i = stack.length - 1; i >= 0; i--) {
    const builder = stack[i];
    if (builder?.kind.kind !== "linear") return builder;
    if (inputs.some(({ origin }) => origin.kind === "traced" && origin.builder === builder))
      return builder;
  }
  return undefined;
}

function inferAt<P, I extends Many, O extends Many>(
  op: Op<P, I, O>,
  forms: Each<I, Aval>,
  params: P,
  source: SourceLine,
): Each<O, Aval> {
  try {
    return op.infer(forms, params);
  } catch (error) {
    if (error instanceof MeshloomError) error.tell("where", showSource(source));
    throw error;
  }
}

/** Repeats an equation of another program on tensors of the one being written. */
export function replay(equation: Equation, inputs: readonly Tensor[]): readonly Tensor[] {
  return onBehalfOf(equation.source, () => apply(equation.op, inputs, equation.params));
}
