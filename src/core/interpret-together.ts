/** @file The meaning of a per-device program: all devices in lockstep, equation by equation. */

import { isCollective, type Question, spansDevices, withAnswers } from "./collective.ts";
import { EngineError } from "./errors.ts";
import { evaluateEquation, Memory } from "./interpret.ts";
import type { NdArray } from "./ndarray.ts";
import type { Equation, Program } from "./program.ts";
import { showParams } from "./program-text.ts";
import { showSource } from "./source.ts";

/** Values by device number, then by place. */
type PerDevice = readonly (readonly NdArray[])[];

/**
 * Values of a per-device program's outputs on every device.
 *
 * @param inputs - by device number, the program's inputs on that device
 * @returns by device number, the program's outputs on that device
 * @throws EngineError when a collective is written for another number of devices, or when devices come
 * to different collectives inside a loop or a branch
 */
export function interpretTogether(program: Program, inputs: PerDevice): PerDevice {
  const devices = inputs.map((own) => new Memory(program.inputs, own));
  for (const equation of program.equations) {
    for (const [device, results] of run(equation, devices).entries())
      devices[device]?.store(equation, results);
  }
  return devices.map((memory) => program.outputs.map((v) => memory.get(v)));
}

/** Results of one equation, by device. */
function run(equation: Equation, devices: readonly Memory[]): PerDevice {
  const { op, params, inputs, outputs } = equation;
  if (isCollective(op)) {
    const questions = devices.map(
      (memory): Question => ({
        op,
        params,
        inputs: inputs.map((v) => memory.get(v)),
        outputs: outputs.map((v) => v.aval),
      }),
    );
    return answer(questions, equation);
  }
  return spansDevices(op, params)
    ? runByAsking(equation, devices)
    : devices.map((memory) => evaluateEquation(equation, memory));
}

/** What a collective answers to every device. */
function answer(questions: readonly Question[], equation: Equation): PerDevice {
  const [first] = questions;
  if (first === undefined) return [];
  const { op, params, outputs } = first;
  const wanted = op.devices(params);
  if (wanted !== questions.length) {
    throw new EngineError(
      "ENGINE-02",
      `interpretTogether: ${op.name} is written for ${wanted} devices, inputs are given for ${questions.length}.`,
      [["where", showSource(equation.source)]],
    );
  }
  const inputs = questions.map((question) => question.inputs);
  return op.together(inputs, params, outputs);
}

/** Stops a device that needs what the others have not computed yet. */
class Waiting extends Error {
  readonly question: Question;
  constructor(question: Question) {
    super("waiting for the other devices");
    this.question = question;
  }
}

/**
 * Runs an equation that holds programs with collectives. A device runs until it comes to a collective
 * that has no answer yet; once all have come to it, it is answered, and each device starts over with one
 * answer more. Costs the square of the number of collectives, and needs nothing of loops and branches.
 */
function runByAsking(equation: Equation, devices: readonly Memory[]): PerDevice {
  const answers: PerDevice[] = [];
  for (;;) {
    const outcomes = devices.map((memory, device) => {
      let next = 0;
      const known = (question: Question) => {
        const own = answers[next++]?.[device];
        if (own === undefined) throw new Waiting(question);
        return own;
      };
      try {
        return withAnswers(known, () => evaluateEquation(equation, memory));
      } catch (error) {
        if (error instanceof Waiting) return error.question;
        throw error;
      }
    });
    const results = outcomes.filter((outcome) => !("op" in outcome)) as PerDevice;
    if (results.length === devices.length) return results;
    const questions = outcomes.filter((outcome) => "op" in outcome);
    checkTogether(equation, questions, devices.length);
    answers.push(answer(questions, equation));
  }
}

/** All devices must wait for one and the same collective. */
function checkTogether(equation: Equation, questions: readonly Question[], devices: number): void {
  const asked = new Set(questions.map(({ op, params }) => `${op.name} ${showParams(params)}`));
  if (questions.length === devices && asked.size === 1) return;
  const ended = devices - questions.length;
  throw new EngineError(
    "ENGINE-02",
    `interpretTogether: inside ${equation.op.name}, the devices do not come to the same collective.`,
    [
      ...[...asked].map((what) => ["waiting for", what] as const),
      ["at the end", `${ended} of ${devices} devices`],
      ["where", showSource(equation.source)],
      ["fix", "give all devices the same condition, for example by an allReduce of it"],
    ],
  );
}
