/**
 * @file What a per-device program sends: its collectives, with bytes sent from each device by ring algorithms among n
 * devices: (n − 1)/n of an all-gather's result, of a reduce-scatter's or an all-to-all's operand, twice that of an
 * all-reduce's; the whole operand of a permute.
 */

import type { Groups } from "../core/collective.ts";
import { dtypeFacts } from "../core/dtype.ts";
import { type Equation, isProgram, type Program } from "../core/program.ts";
import { sizeOf } from "../core/shape.ts";
import type { SourceLine } from "../core/source.ts";
import type { PermuteParams } from "../ops/collectives.device.ts";
import { type ScanParams, scanOp } from "../ops/control/scan.ts";

export type ExchangeKind =
  | "allReduce"
  | "allGather"
  | "reduceScatter"
  | "allToAll"
  | "collectivePermute";

export interface Exchange {
  readonly kind: ExchangeKind;
  /** Devices that talk among themselves. */
  readonly devices: number;
  /** Sent from each device in one go. */
  readonly bytes: number;
  /** How often, in loops of known length; loops of unknown length count once. */
  readonly times: number;
  readonly source: SourceLine;
}

/** Share of the larger side that each of n devices sends. */
export const SENT: Readonly<Record<ExchangeKind, (n: number) => number>> = {
  allReduce: (n) => (2 * (n - 1)) / n,
  allGather: (n) => (n - 1) / n,
  reduceScatter: (n) => (n - 1) / n,
  allToAll: (n) => (n - 1) / n,
  collectivePermute: () => 1,
};

export function exchangesOf(program: Program, times = 1): Exchange[] {
  return program.equations.flatMap((equation) => {
    const own = exchangeOf(equation, times);
    if (own !== undefined) return [own];
    const { op, params } = equation;
    const steps = (op as unknown) === scanOp ? (params as ScanParams).length : 1;
    return programsIn(params).flatMap((inner) => exchangesOf(inner, times * steps));
  });
}

function programsIn(params: unknown): Program[] {
  if (isProgram(params)) return [params];
  if (typeof params !== "object" || params === null || ArrayBuffer.isView(params)) return [];
  return Object.values(params).flatMap(programsIn);
}

function exchangeOf(
  { op, params, inputs, outputs, source }: Equation,
  times: number,
): Exchange | undefined {
  if (!(op.name in SENT)) return undefined;
  const kind = op.name as ExchangeKind;
  const [x, y] = [inputs[0]?.aval, outputs[0]?.aval];
  if (x === undefined || y === undefined) return undefined;
  const permute = kind === "collectivePermute";
  const groups = permute ? [] : (params as { readonly groups: Groups }).groups;
  const devices = permute ? (params as PermuteParams).devices : (groups[0]?.length ?? 1);
  if (devices === 1) return undefined;
  const larger = kind === "allGather" ? y : x;
  const bytes = SENT[kind](devices) * sizeOf(larger.dims) * dtypeFacts(larger.dtype).bytes;
  return { kind, devices, bytes, times, source };
}

export interface ExchangeTotal {
  readonly kind: ExchangeKind;
  readonly count: number;
  /** Sent from each device, loops counted in full. */
  readonly bytes: number;
}

/** By kind, the most bytes first. */
export function totalsOf(exchanges: readonly Omit<Exchange, "source">[]): ExchangeTotal[] {
  const totals = new Map<ExchangeKind, { count: number; bytes: number }>();
  for (const { kind, bytes, times } of exchanges) {
    const total = totals.get(kind) ?? { count: 0, bytes: 0 };
    total.count += times;
    total.bytes += bytes * times;
    totals.set(kind, total);
  }
  return [...totals].map(([kind, total]) => ({ kind, ...total })).sort((a, b) => b.bytes - a.bytes);
}
