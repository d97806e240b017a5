/**
 * @file Our partitioner beside XLA's GSPMD on one program: three runs that must give the same values, and what two of
 * them send.
 *
 * The whole program on the reference interpreter; our program per device, simulated; XLA's own partitioning of the
 * annotated StableHLO; and our program per device as StableHLO, its collectives run by XLA. What stands behind the last
 * element of an uneven dimension is NaN for all of them.
 */

import { interpret } from "../../core/interpret.ts";
import { deviceCount, parseMesh } from "../../core/mesh.ts";
import { at, type NdArray } from "../../core/ndarray.ts";
import type { Program } from "../../core/program.ts";
import { materialise } from "../../core/samples.ts";
import { sameDims } from "../../core/shape.ts";
import { verify } from "../../core/verify.ts";
import { printAnnotated } from "../../engines/xla/annotate.ts";
import { exchangesOfHlo, type HloExchange } from "../../engines/xla/hlo-exchanges.ts";
import { printStablehlo } from "../../engines/xla/stablehlo.ts";
import { seedsOf } from "../../spmd/annotations.ts";
import { type ExchangeTotal, exchangesOf, totalsOf } from "../../spmd/exchanges.ts";
import { type Partitioned, type PartitionOptions, partition } from "../../spmd/partition.ts";
import { propagate } from "../../spmd/propagate.ts";
import { parseSharding } from "../../spmd/sharding.ts";
import { cut, join, simulate } from "../../spmd/simulate.ts";
import { simplify } from "../../transforms/simplify.ts";
import type { PartitionCase } from "./case.ts";
import type { SpmdPeer } from "./peer.ts";

/**
 * Two arrays agree when no element differs by more than this times the largest magnitude in the array, or 1: float32
 * sums in another order.
 */
export const TOLERANCE = 2e-5;

/** A case, partitioned by us. */
export interface Prepared {
  readonly program: Program;
  readonly parted: Partitioned;
  readonly values: readonly NdArray[];
}

export function prepare(one: PartitionCase, options: PartitionOptions = {}): Prepared {
  const mesh = parseMesh(one.mesh);
  const program = simplify(one.program());
  const inputs = one.arguments.map(({ sharding }) => parseSharding(mesh, sharding));
  const outputs = one.results.map((text) => parseSharding(mesh, text));
  const found = propagate(mesh, program, seedsOf(mesh, program, { inputs, outputs }));
  const parted = partition(program, found, { ...options, outputs });
  return {
    program,
    parted: { ...parted, program: verify(simplify(parted.program), one.name) },
    values: one.arguments.map(({ input }, i) => materialise(input, i + 1, false)),
  };
}

/** Bytes that each device sends, by kind of exchange. */
export interface Sent {
  readonly total: number;
  readonly exchanges: readonly ExchangeTotal[];
}

export function sentBy(exchanges: readonly HloExchange[]): Sent {
  const totals = totalsOf(exchanges);
  return { total: totals.reduce((sum, { bytes }) => sum + bytes, 0), exchanges: totals };
}

export function sentByUs({ parted }: Prepared): Sent {
  return sentBy(exchangesOf(parted.program));
}

export interface Agreement {
  readonly name: string;
  readonly mesh: string;
  /** What differs from the whole program, and how; empty when all agree. */
  readonly mismatches: readonly string[];
  readonly ours: Sent;
  readonly xla: Sent | undefined;
}

/** Bytes by XLA's choice over which ours are too many. */
export const ALLOWANCE = 1.05;

export function isAbove({ ours, xla }: Agreement): boolean {
  return xla !== undefined && ours.total > ALLOWANCE * xla.total;
}

/** Cases at a time: XLA compiles one while we compute the other. */
const AT_ONCE = 2;

/** @returns in the order of the cases */
export async function agreementsOn(
  cases: readonly PartitionCase[],
  peer: SpmdPeer,
  onDone: (agreement: Agreement) => void = () => undefined,
): Promise<readonly Agreement[]> {
  const found: Agreement[] = [];
  const left = cases.entries();
  const work = async () => {
    for (const [i, one] of left) {
      const agreement = await agreementOn(one, peer);
      found[i] = agreement;
      onDone(agreement);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return found;
}

/** Runs a case everywhere. */
export async function agreementOn(one: PartitionCase, peer: SpmdPeer): Promise<Agreement> {
  const prepared = prepare(one);
  const { parted, program, values } = prepared;
  const { mesh, inputs, outputs } = parted;
  const pieces = values.map((x, i) => cut(mesh, x, inputs[i] as never, Number.NaN));
  const devices = Array.from({ length: deviceCount(mesh) }, (_, device) =>
    pieces.map((list) => list[device] as NdArray),
  );
  const annotated = printAnnotated(program, { mesh, inputs, outputs });
  const perDevice = printStablehlo(parted.program, { partitions: devices.length });
  // XLA works on both while we compute.
  const answers = [
    { who: "XLA's partitions", answer: peer.run(annotated, "gspmd", devices) },
    { who: "our partitions run by XLA", answer: peer.run(perDevice, "manual", devices) },
  ];
  const wanted = interpret(program, values);
  const forms = program.outputs.map((v) => v.aval.dims);
  const mismatches: string[] = [];
  const compare = (who: string, results: readonly NdArray[]) => {
    wanted.forEach((y, i) => {
      const why = difference(results[i], y);
      if (why !== undefined) mismatches.push(`${who}, result ${i}: ${why}`);
    });
  };
  compare("our partitions", simulate(parted, values, forms, Number.NaN));
  let xla: Sent | undefined;
  for (const { who, answer } of answers) {
    const got = await answer;
    if ("error" in got) {
      mismatches.push(`${who}: ${got.error}`);
      continue;
    }
    const joined = outputs.map((sharding, i) =>
      join(
        mesh,
        forms[i] ?? [],
        got.devices.map((own) => own[i] as NdArray),
        sharding,
      ),
    );
    compare(who, joined);
    xla ??= sentBy(exchangesOfHlo(got.hlo));
  }
  return { name: one.name, mesh: one.mesh, mismatches, ours: sentByUs(prepared), xla };
}

/** Why an array is not what it should be, but for rounding; NaN is itself. */
export function difference(y: NdArray | undefined, wanted: NdArray): string | undefined {
  if (y === undefined || !sameDims(y.dims, wanted.dims)) return `dims [${y?.dims}]`;
  let scale = 1;
  for (let i = 0; i < wanted.data.length; i++) {
    const size = Math.abs(at(wanted, i));
    if (Number.isFinite(size)) scale = Math.max(scale, size);
  }
  for (let i = 0; i < wanted.data.length; i++) {
    const [a, b] = [at(y, i), at(wanted, i)];
    if (Object.is(a, b) || a === b || Math.abs(a - b) <= TOLERANCE * scale) continue;
    return `element ${i} is ${a}, of the whole ${b}`;
  }
  return undefined;
}
