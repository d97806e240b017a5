/** @file What a per-device program sends: its collectives, with the bytes that each device sends. */

import type { Groups } from "../core/collective.ts";
import { dtypeFacts } from "../core/dtype.ts";
import { type Equation, type Program, programsIn } from "../core/program.ts";
import { sizeOf } from "../core/shape.ts";
import type { SourceLine } from "../core/source.ts";
import type { PermuteParams } from "../ops/collectives.device.ts";
import { type ScanParams, scanOp } from "../ops/control/scan.ts";
import { bytesSent, type CollectiveKind, isCollectiveKind } from "./collective-bytes.ts";

export interface Exchange {
  readonly kind: CollectiveKind;
  /** Devices that talk among themselves. */
  readonly devices: number;
  /** Some of them that do, by number: one group, or a sender and a receiver. */
  readonly group: readonly number[];
  /** Sent from each device in one go. */
  readonly bytes: number;
  /** How often, in loops of known length; loops of unknown length count once. */
  readonly times: number;
  readonly source: SourceLine;
}

export function exchangesOf(program: Program, times = 1): Exchange[] {
  return program.equations.flatMap((equation) => {
    const own = exchangeOf(equation, times);
    if (own !== undefined) return [own];
    const { op, params } = equation;
    const steps = (op as unknown) === scanOp ? (params as ScanParams).length : 1;
    return programsIn(params).flatMap((inner) => exchangesOf(inner, times * steps));
  });
}

/** What one equation sends; undefined where it is no collective, or devices stand alone in it. */
export function exchangeOf(
  { op, params, inputs, outputs, source }: Equation,
  times = 1,
): Exchange | undefined {
  const kind = op.name;
  if (!isCollectiveKind(kind)) return undefined;
  const [x, y] = [inputs[0]?.aval, outputs[0]?.aval];
  if (x === undefined || y === undefined) return undefined;
  const permute = kind === "collectivePermute";
  const groups = permute ? [] : (params as { readonly groups: Groups }).groups;
  const devices = permute ? (params as PermuteParams).devices : (groups[0]?.length ?? 1);
  if (devices === 1) return undefined;
  const larger = kind === "allGather" ? y : x;
  const size = sizeOf(larger.dims) * dtypeFacts(larger.dtype).bytes;
  const bytes = bytesSent(kind, devices, size);
  const group = groups[0] ?? (params as PermuteParams).pairs?.find(([a, b]) => a !== b) ?? [];
  return { kind, devices, group, bytes, times, source };
}

export interface ExchangeTotal {
  readonly kind: CollectiveKind;
  readonly count: number;
  /** Sent from each device, loops counted in full. */
  readonly bytes: number;
}

/** By kind, the most bytes first. */
export function totalsOf(
  exchanges: readonly Pick<Exchange, "kind" | "bytes" | "times">[],
): ExchangeTotal[] {
  const totals = new Map<CollectiveKind, { count: number; bytes: number }>();
  for (const { kind, bytes, times } of exchanges) {
    const total = totals.get(kind) ?? { count: 0, bytes: 0 };
    total.count += times;
    total.bytes += bytes * times;
    totals.set(kind, total);
  }
  return [...totals].map(([kind, total]) => ({ kind, ...total })).sort((a, b) => b.bytes - a.bytes);
}
