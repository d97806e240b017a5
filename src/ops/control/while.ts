/** @file `while`: a loop that runs as long as a test of its state holds. */

import { apply } from "../../core/builder.ts";
import { DTypeError, ShapeError } from "../../core/errors.ts";
import { interpret } from "../../core/interpret.ts";
import type { HloEmitter, HloValue, OnnxEmitter, OnnxValue } from "../../core/lowering.ts";
import { at, type NdArray } from "../../core/ndarray.ts";
import { asIs, defineOp, type Many, type MaybeZero, type Op } from "../../core/op.ts";
import { dependents, type Program } from "../../core/program.ts";
import { integers, random, rejects, sample } from "../../core/samples.ts";
import { type Aval, aval, showAval } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { pushForward } from "../../transforms/jvp.ts";
import { lineariseProgram } from "../../transforms/linearise.ts";
import { closedProgram, inline } from "../../transforms/trace.ts";
import { batched, batchedWhereMapped } from "../../transforms/vmap.ts";
import { add, mul } from "../arithmetic.ts";
import { broadcast, full, fullLike } from "../creation.ts";
import { reduceMax } from "../extremes.ts";
import { repeat } from "../families.ts";
import { convert, greaterEqual, less, select } from "../logic.ts";
import { sum } from "../sum.ts";
import { checkForms, untilSteady, whole } from "./forms.ts";
import { whileText } from "./scan.lowering.ts";

export interface WhileParams {
  /** `(test constants, carries) -> (one bool)` */
  readonly test: Program;
  /** `(body constants, carries) -> (carries)` */
  readonly body: Program;
  readonly testConstants: number;
  readonly bodyConstants: number;
}

/** Operands by role: those of the test, those of the body, and the state that both see. */
function rolesOf<T>(list: readonly T[], p: WhileParams) {
  const from = p.testConstants + p.bodyConstants;
  const carries = list.slice(from);
  return {
    test: list.slice(0, p.testConstants),
    body: list.slice(p.testConstants, from),
    carries,
    forTest: [...list.slice(0, p.testConstants), ...carries],
    forBody: list.slice(p.testConstants),
  };
}

/** The test runs before each step; an endless loop runs on. Results are the last state. */
export const whileOp: Op<WhileParams, Many, Many> = defineOp<WhileParams, Many, Many>({
  name: "while",
  infer(inputs: readonly Aval[], p) {
    const { forTest, forBody, carries } = rolesOf(inputs, p);
    checkForms("while", "operand of the test", forTest, p.test.inputs);
    checkForms("while", "operand of the body", forBody, p.body.inputs);
    const state = p.body.inputs.slice(p.bodyConstants);
    checkForms(
      "while",
      "new carry",
      p.body.outputs.map((v) => v.aval),
      state,
    );
    const [verdict, ...more] = p.test.outputs;
    if (verdict === undefined || more.length > 0 || verdict.aval.dims.length > 0)
      throw new ShapeError("SHAPE-01", "while: the test must give one bool");
    if (verdict.aval.dtype !== "bool")
      throw new DTypeError(
        "DTYPE-01",
        `while: the test must give a bool, not ${showAval(verdict.aval)}`,
      );
    return carries;
  },
  jvp: { kind: "joint", apply: whileJvp },
  transpose: {
    kind: "irreversible",
    reason:
      "how many steps to go back is not known; use scan, with a mask where steps should end early",
  },
  batch: whileBatch,
  shard: whole,
  evaluate(inputs: readonly NdArray[], p) {
    const { test, body, carries } = rolesOf(inputs, p);
    const holds = (state: readonly NdArray[]) =>
      interpret(p.test, [...test, ...state]).some((verdict) => at(verdict, 0) !== 0);
    let state: readonly NdArray[] = carries;
    while (holds(state)) state = interpret(p.body, [...body, ...state]);
    return state;
  },
  simplify: asIs,
  lower: { onnx: whileOnnx, stablehlo: whileStablehlo },
  samples: () => [
    sample("doubled until large", [random(2), random(2)], doubling),
    sample("a count of steps", [integers(0, 3), integers(5, 9), random(2)], counting),
    sample("not once", [integers(9, 10), integers(5, 9), random(2)], counting),
  ],
  rejects: () => [
    rejects(
      "a state of another form",
      [aval("float32", [2]), aval("float32", [3])],
      doubling,
      "while: operand of the test 1 is float32[3], but the program takes float32[2]",
    ),
    rejects(
      "a test that gives a number",
      [aval("float32", [2]), aval("float32", [2])],
      { ...doubling, test: closedProgram("test", [pair], (xs) => [sum(first(xs), [0])]) },
      "while: the test must give a bool, not float32[]",
    ),
  ],
});

const pair = aval("float32", [2]);
const count = aval("int32", []);
const first = (xs: readonly Tensor[], i = 0): Tensor => xs[i] as Tensor;

/** `x ← 1.5 x + c²` while Σ x² < 50. */
const doubling: WhileParams = {
  test: closedProgram("test", [pair], (xs) => {
    const size = sum(mul(first(xs), first(xs)), [0]);
    return [less(size, fullLike(size, 50))];
  }),
  body: closedProgram("body", [pair, pair], (xs) => [
    add(mul(first(xs, 1), fullLike(pair, 1.5)), add(mul(first(xs), first(xs)), fullLike(pair, 1))),
  ]),
  testConstants: 0,
  bodyConstants: 1,
};

/** `x ← x·x/2 + x` until the count, which starts anywhere, reaches the first operand. */
const counting: WhileParams = {
  test: closedProgram("test", [count, count, pair], (xs) => [less(first(xs, 1), first(xs))]),
  body: closedProgram("body", [count, pair], (xs) => [
    add(first(xs), fullLike(count, 1)),
    mul(first(xs, 1), add(mul(first(xs, 1), fullLike(pair, 0.25)), fullLike(pair, 0.5))),
  ]),
  testConstants: 1,
  bodyConstants: 0,
};

/**
 * A loop over the state and its tangents. Where tangents stand in a linear program, the value runs as a
 * loop of its own outside it: derivatives of derivatives work, the way back does not.
 */
function whileJvp(
  tangents: readonly MaybeZero[],
  primals: readonly Tensor[],
  p: WhileParams,
): { readonly outputs: readonly Tensor[]; readonly tangents: readonly MaybeZero[] } {
  const { marked: moving } = untilSteady(
    rolesOf(tangents, p).forBody.map((dx) => dx !== null),
    { from: p.bodyConstants, carries: p.body.outputs.length },
    (marked) => ({ reached: lineariseProgram(p.body, marked).moves }),
  );
  const count = p.body.inputs.length;
  const movingForms = p.body.inputs.flatMap((v, i) => (moving[i] === true ? [v.aval] : []));
  const movingConstants = moving.slice(0, p.bodyConstants).filter((m) => m).length;
  const forms = p.body.inputs.map((v) => v.aval);
  const [constants, state] = [forms.slice(0, p.bodyConstants), forms.slice(p.bodyConstants)];
  const [dConstants, dState] = [
    movingForms.slice(0, movingConstants),
    movingForms.slice(movingConstants),
  ];
  const body = closedProgram(
    `${p.body.name}.tangent`,
    [...constants, ...dConstants, ...state, ...dState],
    (xs) => {
      const split = constants.length + dConstants.length;
      const values = [...xs.slice(0, constants.length), ...xs.slice(split, split + state.length)];
      const dots = [
        ...xs.slice(constants.length, split),
        ...xs.slice(split + state.length),
      ].values();
      const duals = pushForward(
        p.body,
        values,
        moving.map((m) => (m ? (dots.next().value ?? null) : null)),
      );
      return [
        ...duals.map(({ primal }) => primal),
        ...duals.flatMap(({ primal, tangent }, i) =>
          moving[p.bodyConstants + i] === true ? [tangent ?? fullLike(primal, 0)] : [],
        ),
      ];
    },
  );
  const test = closedProgram(p.test.name, [...p.test.inputs.map((v) => v.aval), ...dState], (xs) =>
    inline(p.test, xs.slice(0, p.test.inputs.length)),
  );
  const given = rolesOf(primals, p);
  const dots = rolesOf(tangents, p).forBody.flatMap((dx, i) => {
    const x = given.forBody[i];
    return moving[i] === true && x !== undefined ? [dx ?? fullLike(x, 0)] : [];
  });
  const all = whileLoop(
    [
      ...given.test,
      ...given.body,
      ...dots.slice(0, movingConstants),
      ...given.carries,
      ...dots.slice(movingConstants),
    ],
    {
      test,
      body,
      testConstants: p.testConstants,
      bodyConstants: constants.length + dConstants.length,
    },
  );
  const apart = tangents.some(
    (dx) => dx?.origin.kind === "traced" && dx.origin.builder.kind.kind === "linear",
  );
  const outputs = apart ? whileLoop(primals, p) : all.slice(0, state.length);
  const moved = all.slice(state.length).values();
  const isMoving = moving.slice(p.bodyConstants, count);
  return { outputs, tangents: isMoving.map((m) => (m ? (moved.next().value ?? null) : null)) };
}

/** Examples whose test fails keep their state while others go on. */
function whileBatch(
  inputs: readonly Tensor[],
  mapped: readonly boolean[],
  p: WhileParams,
  size: number,
): readonly Tensor[] {
  const given = rolesOf(mapped, p);
  const testMoves = (carries: readonly boolean[]) => {
    const reached = dependents(p.test, [...given.test, ...carries]);
    return p.test.outputs.some((v) => reached.has(v));
  };
  const carriesAt = { from: p.bodyConstants, carries: p.body.outputs.length };
  const { marked: flags } = untilSteady(given.forBody, carriesAt, (marked) => {
    if (testMoves(marked.slice(p.bodyConstants)))
      return { reached: p.body.outputs.map(() => true) };
    const reached = dependents(p.body, marked);
    return { reached: p.body.outputs.map((v) => reached.has(v)) };
  });
  const carries = flags.slice(p.bodyConstants);
  const perExample = testMoves(carries);
  const testFlags = [...given.test, ...carries];
  const wide = (program: Program, flags: readonly boolean[]) =>
    program.inputs.map(({ aval: form }, i) =>
      flags[i] === true ? aval(form.dtype, [size, ...form.dims], [null, ...form.names]) : form,
    );
  const test = closedProgram(`${p.test.name}.batched`, wide(p.test, testFlags), (xs) => {
    const verdicts = batchedWhereMapped(p.test, xs, testFlags, size);
    return verdicts.map(({ tensor, mapped: m }) => (m ? any(tensor) : tensor));
  });
  // The body of a loop whose test differs between examples needs the test's operands as well.
  const extra = perExample ? p.testConstants : 0;
  const bodyForms = [...wide(p.test, testFlags).slice(0, extra), ...wide(p.body, flags)];
  const body = closedProgram(`${p.body.name}.batched`, bodyForms, (xs) => {
    const own = xs.slice(extra);
    const state = own.slice(p.bodyConstants);
    const next = batchedWhereMapped(p.body, own, flags, size).map((y, i) =>
      carries[i] === true && !y.mapped ? repeat(y.tensor, size) : y.tensor,
    );
    if (!perExample) return next;
    const [goesOn] = batched(p.test, [...xs.slice(0, extra), ...state], testFlags, size);
    return next.map((y, i) => {
      const old = state[i];
      if (old === undefined || goesOn === undefined) return y;
      return select(broadcast(goesOn, { dims: y.dims, axes: [0], names: y.names }), y, old);
    });
  });
  const operands = rolesOf(inputs, p);
  const state = operands.carries.map((x, i) =>
    carries[i] === true && rolesOf(mapped, p).carries[i] !== true ? repeat(x, size) : x,
  );
  const constants = [...operands.test.slice(0, extra), ...operands.body];
  return whileLoop([...operands.test, ...constants, ...state], {
    test,
    body,
    testConstants: p.testConstants,
    bodyConstants: constants.length,
  }).map((y, i) => (carries[i] === true ? y : repeat(y, size)));
}

/** Whether any of a vector of truths holds. */
function any(truths: Tensor): Tensor {
  const most = reduceMax(convert(truths, "int32"), [0]);
  return greaterEqual(most, full(1, most.aval));
}

function whileOnnx(
  g: OnnxEmitter,
  inputs: readonly OnnxValue[],
  p: WhileParams,
  avals: { readonly inputs: readonly Aval[]; readonly outputs: readonly Aval[] },
): readonly OnnxValue[] {
  const whole = inputs.map((x, i) => g.exact(x, avals.inputs[i]?.dims ?? []));
  const { test, body, carries } = rolesOf(whole, p);
  const counter = { dtype: "int64", dims: [] } as const;
  const verdict = { dtype: "bool", dims: [] } as const;
  const graph = g.subgraph("while", [counter, verdict, ...carries], ([, , ...state]) => {
    const next = g.inline(p.body, [...body, ...state]);
    return [...g.inline(p.test, [...test, ...next]), ...next];
  });
  const [start = null] = g.inline(p.test, [...test, ...carries]);
  return g.nodes({
    op: "Loop",
    inputs: [null, start, ...carries],
    outputs: avals.outputs,
    attributes: { body: { graph } },
  });
}

function whileStablehlo(
  h: HloEmitter,
  inputs: readonly HloValue[],
  p: WhileParams,
): readonly HloValue[] {
  const { test, body, carries } = rolesOf(inputs, p);
  const state = carries.map((x) => h.argument(x));
  const testText = h.region(() => h.inline(p.test, [...test, ...state]));
  const bodyText = h.region(() => h.inline(p.body, [...body, ...state]));
  return whileText(h, state, carries, testText, bodyText);
}

/** Steps while the test holds. @returns the last state */
export function whileLoop(inputs: readonly Tensor[], params: WhileParams): readonly Tensor[] {
  return apply(whileOp, inputs, params);
}
