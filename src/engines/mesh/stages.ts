/**
 * @file A per-device program in stages: what a device computes by itself between two exchanges is one program, which
 * any engine can run.
 */

import { isCollective, spansDevices } from "../../core/collective.ts";
import type { Equation, Program, Variable } from "../../core/program.ts";
import { partitionIdOp } from "../../ops/collectives.device.ts";

/** What all devices do next. */
export type Stage =
  | { readonly kind: "local"; readonly program: Program }
  /** A collective, or a loop with collectives in it. */
  | { readonly kind: "together"; readonly equation: Equation };

export interface Staged {
  readonly stages: readonly Stage[];
  /** Hold the number of the device. */
  readonly deviceNumbers: readonly Variable[];
}

/**
 * Equations by how many exchanges stand before them, so that there are as few stages as the longest chain of exchanges.
 */
export function stagesOf(program: Program): Staged {
  const levels = new Map<Variable, number>();
  const local: Equation[][] = [];
  const together: Equation[][] = [];
  const deviceNumbers: Variable[] = [];
  for (const equation of program.equations) {
    const { op, params, inputs, outputs } = equation;
    if ((op as unknown) === partitionIdOp) {
      deviceNumbers.push(...outputs);
      continue;
    }
    const level = inputs.reduce((most, v) => Math.max(most, levels.get(v) ?? 0), 0);
    const exchange = isCollective(op) || spansDevices(op, params);
    for (const v of outputs) levels.set(v, exchange ? level + 1 : level);
    const list = exchange ? together : local;
    list[level] ??= [];
    list[level]?.push(equation);
  }
  const wanted = new Set([...program.outputs, ...together.flat().flatMap((each) => each.inputs)]);
  const stages: Stage[] = [];
  for (let level = 0; level < Math.max(local.length, together.length); level++) {
    const equations = local[level] ?? [];
    const later = new Set(
      local.slice(level + 1).flatMap((each) => (each ?? []).flatMap((e) => e.inputs)),
    );
    const made = new Set(equations.flatMap((each) => each.outputs));
    const outputs = [...made].filter((v) => wanted.has(v) || later.has(v));
    const inputs = [...new Set(equations.flatMap((each) => each.inputs))].filter(
      (v) => !made.has(v),
    );
    if (outputs.length > 0) {
      const name = `${program.name}.stage${level}`;
      stages.push({ kind: "local", program: { name, inputs, equations, outputs } });
    }
    for (const equation of together[level] ?? []) stages.push({ kind: "together", equation });
  }
  return { stages, deviceNumbers };
}
