/**
 * @file The predicted share of the peak of training runs, beside the measured one. One set of constants for all rows
 * (`spmd/devices.ts`, `spmd/roofline.ts`, `spmd/torus.ts`): nothing is fitted to a row.
 */

import { deviceCount, parseMesh } from "../core/mesh.ts";
import { leaves } from "../core/tree.ts";
import { finalisedRules, seedsOf } from "../spmd/annotations.ts";
import { deviceNamed } from "../spmd/devices.ts";
import { memoryUse } from "../spmd/liveness.ts";
import { partition } from "../spmd/partition.ts";
import { propagate } from "../spmd/propagate.ts";
import { type StepTime, stepTime } from "../spmd/roofline.ts";
import { openPreset } from "../train/families.ts";
import { traceStep } from "../train/memory.ts";
import type { LanguageModel } from "../train/model.ts";
import { simplifyAll } from "../transforms/simplify.ts";
import type { UtilizationRow } from "./utilization.rows.ts";

export interface Utilization extends UtilizationRow {
  readonly devices: number;
  readonly parameters: number;
  readonly sequences: number;
  readonly tokensPerStep: number;
  /** Predicted, in seconds. */
  readonly step: StepTime;
  /** Predicted share of the peak, of the work that the measured one counts: exchanges after products. */
  readonly predicted: number;
  /** The same, if exchanges ran beside products wherever these last long enough: more than can be. */
  readonly withOverlap: number;
  /** Bytes that a device holds at most: arguments, and what is made on the way. */
  readonly memory: { readonly state: number; readonly peakOfTheRest: number };
}

/** FLOPs of a step by which a share of the peak is counted: three forward passes, without what is computed again. */
export function countedFlops(model: LanguageModel, counts: UtilizationRow["counts"]): number {
  const { activatedParameters, sizes } = model.facts();
  const { batch, length } = model.training;
  const [head = 0, dim = 0] = String(sizes["heads"]).split(" × ").map(Number);
  // As MaxText counts it: every position looks at every other.
  const attention =
    counts === "parameters" ? 0 : 12 * Number(sizes["layers"]) * head * dim * length;
  return (6 * activatedParameters + attention) * batch * length;
}

export async function predictUtilization(row: UtilizationRow): Promise<Utilization> {
  const mesh = parseMesh(row.mesh);
  const device = deviceNamed(row.device);
  const model = await openPreset(row.preset, { batch: row.batch });
  const { program: whole, state } = traceStep(model);
  const seeds = seedsOf(mesh, whole, { rules: finalisedRules(mesh) });
  const program = simplifyAll(
    partition(whole, propagate(mesh, whole, seeds), { windowed: { device } }).program,
  );
  const step = stepTime(program, device, { mesh });
  const devices = deviceCount(mesh);
  const hidden = stepTime(program, device, { mesh, overlap: true });
  const { inputs, peak } = memoryUse(program, { width: 2, donated: leaves(state).length });
  const share = ({ total }: StepTime) =>
    countedFlops(model, row.counts) / (devices * device.flops * total);
  return {
    ...row,
    ...{ devices, parameters: model.facts().parameters, step },
    sequences: model.training.batch,
    tokensPerStep: model.training.batch * model.training.length,
    ...{ predicted: share(step), withOverlap: share(hidden) },
    memory: { state: inputs, peakOfTheRest: peak },
  };
}

/** Mean of |predicted − measured| over the rows that have both, in points; NaN for none. */
export function meanError(rows: readonly Utilization[]): number {
  const errors = rows.flatMap(({ predicted, measured }) =>
    measured === null ? [] : [100 * Math.abs(predicted - measured)],
  );
  return errors.reduce((sum, error) => sum + error, 0) / errors.length;
}
