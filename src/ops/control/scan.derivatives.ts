/** @file Derivatives and batching of `scan`: each is a scan again. */

import { isLinear, type MaybeZero, type Operand } from "../../core/op.ts";
import { dependents, type Variable, withoutDeadCode } from "../../core/program.ts";
import { type Aval, aval } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { lineariseProgram } from "../../transforms/linearise.ts";
import { closedProgram, inline } from "../../transforms/trace.ts";
import { pullBack } from "../../transforms/vjp.ts";
import { batchedWhereMapped } from "../../transforms/vmap.ts";
import { add } from "../arithmetic.ts";
import { fullLike } from "../creation.ts";
import { repeat } from "../families.ts";
import { transpose } from "../layout.ts";
import { untilSteady } from "./forms.ts";
import { keeperOf } from "./scan.residuals.ts";
import { rolesOf, type ScanParams, scan } from "./scan.ts";

/**
 * The value as a loop that also gives what the derivative needs of each step, and the derivative as a
 * second loop, linear in the tangents. What no step changes is computed before the loops.
 */
export function scanJvp(
  tangents: readonly MaybeZero[],
  primals: readonly Tensor[],
  p: ScanParams,
): { readonly outputs: readonly Tensor[]; readonly tangents: readonly MaybeZero[] } {
  const { marked: moving, told } = untilSteady(
    tangents.map((dx) => dx !== null),
    { from: p.constants, carries: p.carries },
    (marked) => {
      const parts = lineariseProgram(p.body, marked);
      return { parts, reached: parts.moves };
    },
  );
  const { primal, tangent, moves } = told.parts;
  const count = p.body.outputs.length;
  const kept = primal.outputs.slice(count).map(keeperOf(primal));
  const residuals = [...new Set(kept.map(({ source }) => source))];
  const changing = dependents(
    primal,
    primal.inputs.map((_, i) => i >= p.constants),
  );
  const fixed = residuals.filter((v) => !changing.has(v));
  // Elements of the sequences are at hand already.
  const elementOf = (v: Variable) => {
    const i = primal.inputs.indexOf(v) - p.constants - p.carries;
    return i < 0 ? undefined : rolesOf(primals, p).elements[i];
  };
  const perStep = residuals.filter((v) => changing.has(v));
  const computed = perStep.filter((v) => elementOf(v) === undefined);

  const fixedValues = inline(withoutDeadCode({ ...primal, outputs: fixed }), primals);
  const body = { ...primal, outputs: [...primal.outputs.slice(0, count), ...computed] };
  const all = scan(primals, { ...p, body });
  const outputs = all.slice(0, count);
  const nextStacked = all.slice(count).values();
  const stacked = perStep.map((v) => elementOf(v) ?? take(nextStacked));
  const moved = outputs.map((_, i) =>
    i < p.carries ? moving[p.constants + i] === true : moves[i] === true,
  );
  if (!moved.includes(true)) return { outputs, tangents: outputs.map(() => null) };

  const forms = rolesOf(
    p.body.inputs.map((v, i) => (moving[i] === true ? [v.aval] : [])),
    p,
  );
  const groups = [
    fixed.map((v) => v.aval),
    forms.constants.flat(),
    forms.carries.flat(),
    perStep.map((v) => v.aval),
    forms.elements.flat(),
  ] as const;
  const step = closedProgram(`${p.body.name}.tangent`, groups.flat(), (inputs) => {
    const [fixedIn = [], dConstants = [], dCarries = [], stepIn = [], dElements = []] = regroup(
      inputs,
      groups,
    );
    const [nextFixed, nextStep] = [fixedIn.values(), stepIn.values()];
    const known = new Map(residuals.map((v) => [v, take(changing.has(v) ? nextStep : nextFixed)]));
    const residualsIn = kept.map(({ source, again }) => again(known.get(source) as Tensor));
    const dots = inline(tangent, [
      ...dConstants,
      ...dCarries,
      ...dElements,
      ...residualsIn,
    ]).values();
    const all = moves.map((moves) => (moves ? take(dots) : null));
    return all.flatMap((dot, i) => {
      const form = p.body.outputs[i]?.aval;
      return moved[i] === true && form !== undefined ? [dot ?? fullLike(form, 0)] : [];
    });
  });
  const ds = rolesOf(
    primals.map((x, i) => (moving[i] === true ? [tangents[i] ?? fullLike(x, 0)] : [])),
    p,
  );
  const dots = scan(
    [
      ...fixedValues,
      ...ds.constants.flat(),
      ...ds.carries.flat(),
      ...stacked,
      ...ds.elements.flat(),
    ],
    {
      ...p,
      body: step,
      constants: groups[0].length + groups[1].length,
      carries: groups[2].length,
    },
  ).values();
  return { outputs, tangents: moved.map((moves) => (moves ? take(dots) : null)) };
}

/**
 * The loop run backwards. Carries bring the cotangents of the carries and sums of those of the constants.
 * Carries of a linear loop are linear in its operands, if only as zeros.
 */
export function scanTranspose(
  cotangents: readonly MaybeZero[],
  operands: readonly Operand[],
  p: ScanParams,
): readonly MaybeZero[] {
  const at = (i: number) => i >= p.constants && i < p.constants + p.carries;
  const known = operands.map((x, i) => (isLinear(x) || at(i) ? null : x));
  const forms = rolesOf(
    p.body.inputs.map((v, i) => ({ form: v.aval, known: known[i] ?? null })),
    p,
  );
  const results = p.body.outputs.slice(p.carries).map((v) => v.aval);
  const resultCts = cotangents.slice(p.carries);
  const formsOf = (list: typeof forms.carries, linear: boolean): readonly Aval[] =>
    list.flatMap((x) => ((x.known === null) === linear ? [x.form] : []));
  const valuesOf = (list: typeof forms.carries): readonly Tensor[] =>
    list.flatMap((x) => x.known ?? []);
  const groups = [
    formsOf(forms.constants, false),
    formsOf(forms.carries, true),
    formsOf(forms.constants, true),
    formsOf(forms.elements, false),
    results.filter((_, i) => resultCts[i] != null),
  ] as const;
  const step = closedProgram(`${p.body.name}.transposed`, groups.flat(), (inputs) => {
    const [constants = [], carries = [], sums = [], elements = [], cts = []] = regroup(
      inputs,
      groups,
    );
    const [nextConstant, nextElement, nextCt] = [
      constants.values(),
      elements.values(),
      cts.values(),
    ];
    const operandsIn = known.map((x, i) =>
      x === null ? null : take(i < p.constants ? nextConstant : nextElement),
    );
    const resultCtsIn = results.map((_, i) => (resultCts[i] == null ? null : take(nextCt)));
    const back = rolesOf(
      pullBack(p.body, operandsIn, [...carries, ...resultCtsIn]).map((ct, i) => ({
        ct,
        form: p.body.inputs[i]?.aval,
        linear: known[i] == null,
      })),
      p,
    );
    const dense = (list: typeof back.carries) =>
      list.flatMap(({ ct, form, linear }) =>
        linear && form !== undefined ? [ct ?? fullLike(form, 0)] : [],
      );
    const more = dense(back.constants);
    return [
      ...dense(back.carries),
      ...sums.map((total, i) => (more[i] === undefined ? total : add(total, more[i]))),
      ...dense(back.elements),
    ];
  });
  const out = scan(
    [
      ...valuesOf(forms.constants),
      ...groups[1].map((form, i) => cotangents[i] ?? fullLike(form, 0)),
      ...groups[2].map((form) => fullLike(form, 0)),
      ...valuesOf(forms.elements),
      ...resultCts.filter((ct) => ct !== null),
    ],
    {
      ...p,
      body: step,
      constants: groups[0].length,
      carries: groups[1].length + groups[2].length,
      reverse: !p.reverse,
    },
  );
  const [carries, sums, elements] = regroup(out, [groups[1], groups[2], out]);
  const [nextCarry, nextSum, nextElement] = [carries, sums, elements].map((list) =>
    (list ?? []).values(),
  );
  return operands.map((x, i) => {
    if (known[i] != null) return null;
    const ct = (i < p.constants ? nextSum : at(i) ? nextCarry : nextElement)?.next().value ?? null;
    return isLinear(x) ? ct : null;
  });
}

/** One loop for all examples; a carry is batched when any step makes it depend on the example. */
export function scanBatch(
  inputs: readonly Tensor[],
  mapped: readonly boolean[],
  p: ScanParams,
  size: number,
): readonly Tensor[] {
  const carriesAt = { from: p.constants, carries: p.carries };
  const { marked: all } = untilSteady(mapped, carriesAt, (marked) => {
    const reached = dependents(p.body, marked);
    return { reached: p.body.outputs.map((v) => reached.has(v)) };
  });
  const forms = p.body.inputs.map(({ aval: form }, i) =>
    all[i] === true ? aval(form.dtype, [size, ...form.dims], [null, ...form.names]) : form,
  );
  const resultsMapped: boolean[] = [];
  const body = closedProgram(`${p.body.name}.batched`, forms, (xs) =>
    batchedWhereMapped(p.body, xs, all, size).map((y, i) => {
      resultsMapped[i] = y.mapped;
      return i < p.carries && all[p.constants + i] === true && !y.mapped
        ? repeat(y.tensor, size)
        : y.tensor;
    }),
  );
  const operands = inputs.map((x, i) => {
    if (all[i] !== true) return x;
    if (i < p.constants + p.carries) return mapped[i] === true ? x : repeat(x, size);
    return transpose(x, [1, 0, ...x.dims.slice(2).map((_, axis) => axis + 2)]);
  });
  return scan(operands, { ...p, body }).map((y, i) => {
    if (i < p.carries) return all[p.constants + i] === true ? y : repeat(y, size);
    if (resultsMapped[i] !== true) return repeat(y, size);
    return transpose(y, [1, 0, ...y.dims.slice(2).map((_, axis) => axis + 2)]);
  });
}

/** The list cut into pieces as long as the groups; the last takes what is left. */
function regroup<T>(
  list: readonly T[],
  groups: readonly (readonly unknown[])[],
): readonly (readonly T[])[] {
  let from = 0;
  return groups.map((group) => {
    const piece = list.slice(from, from + group.length);
    from += group.length;
    return piece;
  });
}

function take<T>(list: Iterator<T>): T {
  const { value, done } = list.next();
  if (done === true) throw new Error("scan: a value is missing");
  return value;
}
