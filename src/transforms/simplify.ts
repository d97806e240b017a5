/**
 * @file Simplification: constant folding, common subexpressions, algebra, motion of broadcasts and
 * transposes, dead code. The rules stand in the ops' records; this pass knows no op by name.
 */

import { Builder, type Draft, writing } from "../core/builder.ts";
import { spansDevices } from "../core/collective.ts";
import { at, type NdArray } from "../core/ndarray.ts";
import type { Made } from "../core/op.ts";
import { mapPrograms, type Program, withoutDeadCode } from "../core/program.ts";
import { showParams } from "../core/program-text.ts";
import { type Aval, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { fullLike, literal } from "../ops/creation.ts";
import { reshape } from "../ops/layout.ts";
import { inline } from "./trace.ts";

/** Constants up to this many elements are folded; larger ones are cheaper to compute than to store. */
const FOLD_LIMIT = 64;

/** An equal program with less to do. Inputs and outputs keep their order and forms. */
export function simplify(program: Program): Program {
  const made = new Map<Tensor, Omit<Made, "operands">>();
  const known = new Map<string, readonly Tensor[]>();
  const ids = new Map<Tensor, number>();
  const idOf = (x: Tensor) => {
    const id = ids.get(x) ?? ids.size;
    ids.set(x, id);
    return id;
  };
  const view = (tensor: Tensor, depth: number): Made => {
    const by = made.get(tensor) ?? { tensor, op: null, params: {}, inputs: [] };
    return { ...by, operands: depth === 0 ? [] : by.inputs.map((input) => view(input, depth - 1)) };
  };

  const rewrite = (draft: Draft): readonly Tensor[] | null => {
    const { op, inputs, params, outputs } = draft;
    const key = `${op.name} ${showParams(params)} ${inputs.map(idOf).join(" ")} ${outputs.map((y) => y.names).join(";")}`;
    const earlier = known.get(key);
    if (earlier !== undefined) return earlier;
    const simpler =
      op
        .simplify(
          inputs.map((x) => view(x, 1)),
          params,
          outputs,
        )
        ?.map((x, i) => withNames(x, outputs[i])) ?? folded(draft, made);
    if (simpler !== undefined) {
      known.set(key, simpler);
      return simpler;
    }
    const results = builder.write(draft);
    for (const tensor of results) made.set(tensor, { tensor, op, params, inputs });
    known.set(key, results);
    return results;
  };
  const builder = new Builder(program.name, { kind: "rewriting", rewrite });
  return writing(builder, () => {
    const inputs = program.inputs.map(({ aval }) => builder.input(aval));
    const outputs = inline(withoutDeadCode(program), inputs).map((y, i) =>
      withNames(y, program.outputs[i]?.aval),
    );
    return withoutDeadCode(builder.finish(outputs).program);
  });
}

/** As `simplify`, and so the programs inside: bodies of loops, branches, what is computed again. */
export function simplifyAll(program: Program): Program {
  const simple = simplify(program);
  const equations = simple.equations.map((equation) => ({
    ...equation,
    params: mapPrograms(equation.params, simplifyAll),
  }));
  return { ...simple, equations };
}

function withNames(x: Tensor, like: Aval | undefined): Tensor {
  return like === undefined ? x : reshape(x, x.dims, like.names);
}

/** The value of a small equation on constants, as a constant. */
function folded(
  { op, inputs, params, outputs }: Draft,
  made: ReadonlyMap<Tensor, Omit<Made, "operands">>,
): readonly Tensor[] | undefined {
  const small = outputs.every(({ dims }) => sizeOf(dims) <= FOLD_LIMIT);
  if (
    !small ||
    inputs.length === 0 ||
    spansDevices(op, params) || // its value is not one device's to compute
    inputs.some((x) => made.get(x)?.inputs.length !== 0 || sizeOf(x.dims) > FOLD_LIMIT)
  )
    return undefined;
  const values = inputs.map((x): NdArray | null => {
    const by = made.get(x);
    if (by?.op == null || spansDevices(by.op, by.params)) return null;
    return by.op.evaluate([], by.params, [x.aval])[0] ?? null;
  });
  if (values.some((value) => value === null)) return undefined;
  const results = op.evaluate(values as NdArray[], params, outputs);
  return results.map((value, i) => {
    const form = outputs[i] ?? { dtype: value.dtype, dims: value.dims, names: [] };
    const elements = Array.from({ length: value.data.length }, (_, j) => at(value, j));
    const first = elements[0] ?? 0;
    return elements.every((element) => Object.is(element, first))
      ? fullLike(form, first)
      : literal(form, elements);
  });
}
