/** @file The meaning of a per-device program: all devices in lockstep, equation by equation. */

import { isCollective } from "./collective.ts";
import { EngineError } from "./errors.ts";
import { evaluateEquation, Memory } from "./interpret.ts";
import type { NdArray } from "./ndarray.ts";
import type { Equation, Program } from "./program.ts";
import { showSource } from "./source.ts";

/**
 * Values of a per-device program's outputs on every device.
 *
 * @param inputs - by device number, the program's inputs on that device
 * @returns by device number, the program's outputs on that device
 * @throws EngineError when a collective is written for another number of devices
 */
export function interpretTogether(
  program: Program,
  inputs: readonly (readonly NdArray[])[],
): readonly (readonly NdArray[])[] {
  const devices = inputs.map((own) => new Memory(program.inputs, own));
  for (const equation of program.equations) {
    for (const [device, results] of run(equation, devices).entries())
      devices[device]?.store(equation, results);
  }
  return devices.map((memory) => program.outputs.map((v) => memory.get(v)));
}

/** Results of one equation, by device. */
function run(equation: Equation, devices: readonly Memory[]): readonly (readonly NdArray[])[] {
  const { op, params } = equation;
  if (!isCollective(op)) return devices.map((memory) => evaluateEquation(equation, memory));
  const wanted = op.devices(params);
  if (wanted !== devices.length) {
    throw new EngineError(
      "ENGINE-02",
      `interpretTogether: ${op.name} is written for ${wanted} devices, inputs are given for ${devices.length}.`,
      [["where", showSource(equation.source)]],
    );
  }
  return op.together(
    devices.map((memory) => equation.inputs.map((v) => memory.get(v))),
    params,
    equation.outputs.map((v) => v.aval),
  );
}
