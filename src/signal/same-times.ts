/** @file Whether two series stand on the same times. */

import { SignalError } from "../core/errors.ts";
import type { Series } from "./series.ts";

/** Times may differ by this part of a step, as text and sums of steps round. */
const SLACK = 1e-6;

/** @throws SignalError naming what differs */
export function requireSameTimes(what: string, a: Series, b: Series): void {
  const told = ({ re, start, step, timeUnit }: Series) =>
    `${re.length} samples from ${start} by ${step} ${timeUnit}`;
  const far = Math.abs(a.start - b.start) + a.re.length * Math.abs(a.step - b.step);
  if (a.timeUnit === b.timeUnit && a.re.length === b.re.length && far < SLACK * a.step) return;
  throw new SignalError("SIGNAL-01", `${what} of ${a.name} and ${b.name}: their times differ.`, [
    [a.name, told(a)],
    [b.name, told(b)],
    ["fix", "bring both to the same monthly or daily times first"],
  ]);
}
