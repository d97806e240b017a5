/** @file How values flow into and out of the programs that loops and branches hold. */

import type { Equation, Program, Variable } from "../core/program.ts";
import { type CheckpointParams, checkpointOp } from "../ops/control/checkpoint.ts";
import { type ManualParams, manualOp } from "../ops/control/manual.ts";
import { rolesOf, type ScanParams, scanOp } from "../ops/control/scan.ts";
import { type SwitchParams, switchOp } from "../ops/control/switch.ts";
import { type WhileParams, whileOp } from "../ops/control/while.ts";

/** Where a value stands: an operand or a result of the equation, an input or an output of a program in it. */
export type Place =
  | { readonly side: "operand" | "result"; readonly at: number; readonly stacked?: boolean }
  | { readonly side: "input" | "output"; readonly program: number; readonly at: number };

/** Places of one value: an operand of a loop, what its body sees and gives back, the loop's result. */
export type Edge = readonly Place[];

export interface Flows {
  readonly programs: readonly Program[];
  readonly edges: readonly Edge[];
}

const operand = (at: number, stacked = false): Place => ({ side: "operand", at, stacked });
const result = (at: number, stacked = false): Place => ({ side: "result", at, stacked });
const input = (program: number, at: number): Place => ({ side: "input", program, at });
const output = (program: number, at: number): Place => ({ side: "output", program, at });

/** Undefined for an equation that holds no program, or only such as simplification has to remove. */
export function flowsOf({ op, params, inputs, outputs }: Equation): Flows | undefined {
  const record: unknown = op;
  if (record === scanOp) return scanFlows(params as ScanParams, inputs.length, outputs.length);
  if (record === whileOp) return whileFlows(params as WhileParams, inputs.length);
  if (record === switchOp) {
    const { branches } = params as SwitchParams;
    const each = (place: (program: number) => Place) => branches.map((_, k) => place(k));
    return {
      programs: branches,
      edges: [
        ...inputs.slice(1).map((_, i) => [operand(i + 1), ...each((k) => input(k, i))]),
        ...outputs.map((_, i) => [...each((k) => output(k, i)), result(i)]),
      ],
    };
  }
  if (record === checkpointOp || record === manualOp) {
    return {
      programs: [(params as CheckpointParams | ManualParams).program],
      edges: [
        ...inputs.map((_, i) => [operand(i), input(0, i)]),
        ...outputs.map((_, i) => [output(0, i), result(i)]),
      ],
    };
  }
  return undefined;
}

function scanFlows(p: ScanParams, operands: number, results: number): Flows {
  const places = Array.from({ length: operands }, (_, i) => i);
  const { constants, carries, elements } = rolesOf(places, p);
  const stacks = Array.from({ length: results - p.carries }, (_, i) => p.carries + i);
  return {
    programs: [p.body],
    edges: [
      ...constants.map((i) => [operand(i), input(0, i)]),
      ...carries.map((i, k) => [input(0, i), operand(i), output(0, k), result(k)]),
      ...elements.map((i) => [input(0, i), operand(i, true)]),
      ...stacks.map((i) => [output(0, i), result(i, true)]),
    ],
  };
}

function whileFlows(p: WhileParams, operands: number): Flows {
  const [test, body] = [p.testConstants, p.bodyConstants];
  const places = Array.from({ length: operands }, (_, i) => i);
  return {
    programs: [p.test, p.body],
    edges: [
      ...places.slice(0, test).map((i) => [input(0, i), operand(i)]),
      ...places.slice(test, test + body).map((i) => [input(1, i - test), operand(i)]),
      ...places
        .slice(test + body)
        .map((i, k) => [
          input(1, body + k),
          operand(i),
          input(0, test + k),
          output(1, k),
          result(k),
        ]),
    ],
  };
}

export function variableAt({ inputs, outputs }: Equation, flows: Flows, place: Place): Variable {
  const program = "program" in place ? flows.programs[place.program] : undefined;
  const lists = {
    operand: inputs,
    result: outputs,
    input: program?.inputs ?? [],
    output: program?.outputs ?? [],
  };
  const v = lists[place.side][place.at];
  if (v === undefined) throw new RangeError(`no ${place.side} ${place.at}`);
  return v;
}

export function isStacked(place: Place): boolean {
  return "stacked" in place && place.stacked === true;
}
