/** @file How values flow into and out of the programs that loops and branches hold. */

import type { Equation, Program, Variable } from "../core/program.ts";
import { type CheckpointParams, checkpointOp } from "../ops/control/checkpoint.ts";
import { rolesOf, type ScanParams, scanOp } from "../ops/control/scan.ts";
import { type SwitchParams, switchOp } from "../ops/control/switch.ts";
import { type WhileParams, whileOp } from "../ops/control/while.ts";

/** Variables that hold one value: an operand of a loop, what its body sees and gives back, the loop's result. */
export interface Edge {
  readonly values: readonly Variable[];
  /** Which of them have the axis of steps in front. */
  readonly leading: readonly boolean[];
}

export interface Flows {
  readonly edges: readonly Edge[];
  readonly programs: readonly Program[];
}

const same = (...values: readonly (Variable | undefined)[]): Edge => ({
  values: values.filter((v) => v !== undefined),
  leading: [],
});

/** Undefined for an equation that holds no program. */
export function flowsOf({ op, params, inputs, outputs }: Equation): Flows | undefined {
  const record: unknown = op;
  if (record === scanOp) return scanFlows(params as ScanParams, inputs, outputs);
  if (record === whileOp) return whileFlows(params as WhileParams, inputs, outputs);
  if (record === switchOp) {
    const { branches } = params as SwitchParams;
    const [, ...operands] = inputs;
    return {
      programs: branches,
      edges: [
        ...operands.map((v, i) => same(v, ...branches.map((branch) => branch.inputs[i]))),
        ...outputs.map((v, i) => same(v, ...branches.map((branch) => branch.outputs[i]))),
      ],
    };
  }
  if (record === checkpointOp) {
    const { program } = params as CheckpointParams;
    return {
      programs: [program],
      edges: [
        ...inputs.map((v, i) => same(v, program.inputs[i])),
        ...outputs.map((v, i) => same(v, program.outputs[i])),
      ],
    };
  }
  return undefined;
}

function scanFlows(
  p: ScanParams,
  inputs: readonly Variable[],
  outputs: readonly Variable[],
): Flows {
  const [outer, inner] = [rolesOf(inputs, p), rolesOf(p.body.inputs, p)];
  const after = p.body.outputs;
  const stacked = (whole: Variable, one: Variable | undefined): Edge => ({
    values: one === undefined ? [whole] : [whole, one],
    leading: [true, false],
  });
  return {
    programs: [p.body],
    edges: [
      ...outer.constants.map((v, i) => same(v, inner.constants[i])),
      ...outer.carries.map((v, i) => same(v, inner.carries[i], after[i], outputs[i])),
      ...outer.elements.map((v, i) => stacked(v, inner.elements[i])),
      ...outputs.slice(p.carries).map((v, i) => stacked(v, after[p.carries + i])),
    ],
  };
}

function whileFlows(
  p: WhileParams,
  inputs: readonly Variable[],
  outputs: readonly Variable[],
): Flows {
  const [test, body] = [p.testConstants, p.bodyConstants];
  return {
    programs: [p.test, p.body],
    edges: [
      ...inputs.slice(0, test).map((v, i) => same(v, p.test.inputs[i])),
      ...inputs.slice(test, test + body).map((v, i) => same(v, p.body.inputs[i])),
      ...inputs
        .slice(test + body)
        .map((v, i) =>
          same(v, p.test.inputs[test + i], p.body.inputs[body + i], p.body.outputs[i], outputs[i]),
        ),
    ],
  };
}
