/**
 * @file A per-device program, ready to run on all devices of this process: stages on an engine of their own, exchanges
 * as copies, and loops and branches with exchanges inside as programs of their own, driven from here.
 */

import { isCollective } from "../../core/collective.ts";
import { allocate } from "../../core/dtype.ts";
import { interpretTogether } from "../../core/interpret-together.ts";
import type { NdArray } from "../../core/ndarray.ts";
import type { Equation, Program, Variable } from "../../core/program.ts";
import { aval, sizeOf } from "../../core/shape.ts";
import { fromData, stored, type Tensor } from "../../core/tensor.ts";
import { type CheckpointParams, checkpointOp } from "../../ops/control/checkpoint.ts";
import { rolesOf, type ScanParams, scanOp } from "../../ops/control/scan.ts";
import { type WhileParams, whileOp } from "../../ops/control/while.ts";
import type { Engine, Executable } from "../engine.ts";
import { runCollective } from "./collectives.ts";
import { stagesOf } from "./stages.ts";

/** Values by device number, then by place. */
type PerDevice = readonly (readonly Tensor[])[];

type Step =
  | { readonly kind: "local"; readonly program: Program; readonly executable: Executable }
  | {
      readonly kind: "together";
      readonly equation: Equation;
      run(inputs: PerDevice): PerDevice | Promise<PerDevice>;
    };

export class MeshProgram {
  readonly #program: Program;
  readonly #steps: readonly Step[];
  readonly #deviceNumbers: readonly Variable[];
  readonly #inner: readonly MeshProgram[];

  private constructor(
    program: Program,
    steps: readonly Step[],
    deviceNumbers: readonly Variable[],
    inner: readonly MeshProgram[],
  ) {
    this.#program = program;
    this.#steps = steps;
    this.#deviceNumbers = deviceNumbers;
    this.#inner = inner;
  }

  /** @param engine - runs what a device computes by itself */
  static async compile(program: Program, engine: Engine, threads: number): Promise<MeshProgram> {
    const { stages, deviceNumbers } = stagesOf(program);
    const inner: MeshProgram[] = [];
    const within = async (body: Program): Promise<MeshProgram> => {
      const compiled = await MeshProgram.compile(body, engine, threads);
      inner.push(compiled);
      return compiled;
    };
    const steps = await Promise.all(
      stages.map(async (stage): Promise<Step> => {
        if (stage.kind === "together")
          return { ...stage, run: await togetherOf(stage.equation, within) };
        const executable = await engine.compile(stage.program, {
          donated: stage.program.inputs.map(() => false),
          ...{ threads, constants: [] },
        });
        return { ...stage, executable };
      }),
    );
    return new MeshProgram(program, steps, deviceNumbers, inner);
  }

  async run(inputs: PerDevice): Promise<PerDevice> {
    const memories = inputs.map((own, device) => {
      const number = fromData("int32", [], Int32Array.of(device));
      const memory = new Map<Variable, Tensor>(this.#deviceNumbers.map((v) => [v, number]));
      this.#program.inputs.forEach((v, i) => {
        memory.set(v, own[i] as Tensor);
      });
      return memory;
    });
    for (const step of this.#steps) {
      const variables = step.kind === "local" ? step.program.inputs : step.equation.inputs;
      const outputs = step.kind === "local" ? step.program.outputs : step.equation.outputs;
      const given = memories.map((memory) => variables.map((v) => held(memory, v)));
      const results: (readonly Tensor[])[] = [];
      if (step.kind === "together") results.push(...(await step.run(given)));
      else for (const own of given) results.push(await step.executable.run(own));
      results.forEach((own, device) => {
        outputs.forEach((v, i) => {
          memories[device]?.set(v, own[i] as Tensor);
        });
      });
    }
    return memories.map((memory) => this.#program.outputs.map((v) => held(memory, v)));
  }

  release(): void {
    for (const step of this.#steps) if (step.kind === "local") step.executable.release();
    for (const program of this.#inner) program.release();
  }
}

function held(memory: ReadonlyMap<Variable, Tensor>, v: Variable): Tensor {
  const x = memory.get(v);
  if (x === undefined) throw new RangeError("a stage uses what none has made");
  return x;
}

/** How an equation runs that spans devices. */
async function togetherOf(
  equation: Equation,
  within: (program: Program) => Promise<MeshProgram>,
): Promise<(inputs: PerDevice) => PerDevice | Promise<PerDevice>> {
  const { op, params } = equation;
  const record: unknown = op;
  if (isCollective(op)) return (inputs) => runCollective(equation, inputs);
  if (record === scanOp) {
    const loop = params as ScanParams;
    const body = await within(loop.body);
    return (inputs) => scanned(body, loop, equation, inputs);
  }
  if (record === whileOp) {
    const loop = params as WhileParams;
    const [test, body] = [await within(loop.test), await within(loop.body)];
    return (inputs) => repeated(test, body, loop, inputs);
  }
  if (record === checkpointOp) {
    const program = await within((params as CheckpointParams).program);
    return (inputs) => program.run(inputs);
  }
  return (inputs) => interpreted(equation, inputs);
}

async function scanned(
  body: MeshProgram,
  p: ScanParams,
  { outputs }: Equation,
  inputs: PerDevice,
): Promise<PerDevice> {
  const roles = inputs.map((own) => rolesOf(own, p));
  const stacks = inputs.map(() =>
    outputs.slice(p.carries).map(({ aval: y }) => stored(y, allocate(y.dtype, sizeOf(y.dims)))),
  );
  let carries: PerDevice = roles.map((own) => own.carries);
  for (let step = 0; step < p.length; step++) {
    const at = p.reverse ? p.length - 1 - step : step;
    const given = roles.map(({ constants, elements }, device) => [
      ...constants,
      ...(carries[device] ?? []),
      ...elements.map((x) => rowOf(x, at)),
    ]);
    const results = await body.run(given);
    carries = results.map((own) => own.slice(0, p.carries));
    results.forEach((own, device) => {
      stacks[device]?.forEach((stack, i) => {
        const y = own[p.carries + i];
        if (y !== undefined)
          (rowOf(stack, at).data() as Float32Array).set(y.data() as Float32Array);
      });
    });
  }
  return carries.map((own, device) => [...own, ...(stacks[device] ?? [])]);
}

/** Element `at` along the first axis; shares the memory. */
function rowOf(x: Tensor, at: number): Tensor {
  const form = aval(x.dtype, x.dims.slice(1), x.names.slice(1));
  const size = sizeOf(form.dims);
  return stored(form, (x.data() as Float32Array).subarray(at * size, (at + 1) * size));
}

/** All devices test alike, since the condition is whole on each. */
async function repeated(
  test: MeshProgram,
  body: MeshProgram,
  p: WhileParams,
  inputs: PerDevice,
): Promise<PerDevice> {
  const constants = p.testConstants + p.bodyConstants;
  let state: PerDevice = inputs.map((own) => own.slice(constants));
  const withState = (from: number, to: number) =>
    inputs.map((own, device) => [...own.slice(from, to), ...(state[device] ?? [])]);
  for (;;) {
    const [first] = await test.run(withState(0, p.testConstants));
    if (first?.[0]?.data()[0] !== 1) return state;
    state = await body.run(withState(p.testConstants, constants));
  }
}

/** A branch with collectives in it, by the interpreter. */
function interpreted(equation: Equation, inputs: PerDevice): PerDevice {
  const { inputs: variables, outputs } = equation;
  // A value may stand in several places of the operands.
  const distinct = [...new Set(variables)];
  const program: Program = {
    name: equation.op.name,
    inputs: distinct,
    equations: [equation],
    outputs,
  };
  const arrays = inputs.map((own) =>
    distinct.map((v): NdArray => {
      const x = own[variables.indexOf(v)] as Tensor;
      return { dtype: x.dtype, dims: x.dims, data: x.data() };
    }),
  );
  return interpretTogether(program, arrays).map((own) =>
    own.map((y, i) => stored(outputs[i]?.aval ?? aval(y.dtype, y.dims), y.data)),
  );
}
