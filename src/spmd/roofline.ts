/**
 * @file How long a per-device program takes by a roofline: every op as long as its arithmetic or its memory traffic,
 * whichever is longer; exchanges by their bytes over the links, one after the other. Permutes go on in the background
 * until somebody reads what they bring, so that a windowed product hides them; nothing else is hidden behind anything,
 * unless overlap is asked for.
 *
 * Shares of the peaks that are reached are those of calculon's system files: matrix products by their work per call,
 * memory by bytes per op. Element-wise ops that follow one another are fused by every compiler that matters: their
 * intermediate values cost nothing, so an element-wise result counts only where something else reads it.
 */

import { isCollective } from "../core/collective.ts";
import { dtypeFacts } from "../core/dtype.ts";
import type { Mesh } from "../core/mesh.ts";
import { type Equation, type Program, programsIn, type Variable } from "../core/program.ts";
import { sizeOf } from "../core/shape.ts";
import { factorsOfAxis } from "../core/sharding-rule.ts";
import type { PermuteParams } from "../ops/collectives.device.ts";
import { type ScanParams, scanOp } from "../ops/control/scan.ts";
import type { Device } from "./devices.ts";
import { type Exchange, exchangeOf } from "./exchanges.ts";
import { ringOf } from "./torus.ts";

export interface StepTime {
  /** Of matrix products and convolutions, on each device. */
  readonly flops: number;
  /** Seconds. */
  readonly products: number;
  readonly memory: number;
  /** While at least one is under way. */
  readonly exchanges: number;
  /** Of the exchanges, while nothing is computed. */
  readonly exposed: number;
  readonly total: number;
}

/** Share of peak by work per call, least first. */
const PRODUCT_SHARE = [
  [128e9, 0.95],
  [16e9, 0.9],
  [1e9, 0.6],
  [0, 0.1],
] as const;
const MEMORY_SHARE = [
  [100e6, 0.9],
  [10e6, 0.75],
  [1e6, 0.6],
  [0, 0.3],
] as const;
/** Of a link's one-way rate. */
const LINK_SHARE = 0.8;

export interface RooflineOptions {
  /** Bytes of a float on the device, 2, when absent, for 16-bit arithmetic: float32 values count so. */
  readonly width?: number;
  /** The program's, for exchanges by the axes that they run along. */
  readonly mesh?: Mesh;
  /** Whether exchanges run beside products, as far as these last; not, when absent. */
  readonly overlap?: boolean;
}

export function stepTime(
  program: Program,
  device: Device,
  { width = 2, mesh, overlap = false }: RooflineOptions = {},
): StepTime {
  const clock = new Clock({ device, width, mesh });
  const time = clock.timeOf(program);
  const { flops, products, memory, exchanges, exposed } = time;
  const shown = overlap ? Math.min(exposed, Math.max(0, exchanges - products)) : exposed;
  return { flops, products, memory, exchanges, exposed, total: products + memory + shown };
}

/** Bytes over the ring, and a latency for each hop. */
export function exchangeSeconds(
  { kind, bytes, group }: Pick<Exchange, "kind" | "bytes" | "group">,
  device: Device,
  width = 2,
  mesh?: Mesh,
): number {
  if (kind === "collectivePermute") return permuteSeconds(bytes, group, device, width, mesh);
  const { rate, hops } = ringOf(device, group, mesh);
  const steps = (kind === "allReduce" ? 2 : 1) * hops;
  return (bytes * (width / 4)) / (rate * LINK_SHARE) + steps * device.latency;
}

/** One hop: of a ring's two ways, a permute takes one. */
export function permuteSeconds(
  bytes: number,
  group: readonly number[],
  device: Device,
  width = 2,
  mesh?: Mesh,
): number {
  const { oneWay } = ringOf(device, group, mesh);
  return (bytes * (width / 4)) / (oneWay * LINK_SHARE) + device.latency;
}

/** Of a product or a convolution, by itself. */
export function productSeconds(equation: Equation, device: Device, width = 2): number {
  const work = productFlops(equation);
  const byMemory = memorySeconds(trafficOf(equation, new Map(), width), device);
  return Math.max(work / (device.flops * shareOf(work, PRODUCT_SHARE)), byMemory);
}

/** Of reading or writing so many bytes. */
export function memorySeconds(bytes: number, device: Device): number {
  return bytes === 0 ? 0 : bytes / (device.bandwidth * shareOf(bytes, MEMORY_SHARE));
}

/** Of a program, run once. */
type Lapse = Omit<StepTime, "total">;

/**
 * Runs a program in its order. A permute is sent when it is reached and needs nothing of the device; the first that
 * reads what it brings waits for it. Other exchanges stop everything.
 */
class Clock {
  readonly #device: Device;
  readonly #width: number;
  readonly #mesh: Mesh | undefined;

  constructor({
    device,
    width,
    mesh,
  }: {
    readonly device: Device;
    readonly width: number;
    readonly mesh: Mesh | undefined;
  }) {
    this.#device = device;
    this.#width = width;
    this.#mesh = mesh;
  }

  timeOf(program: Program): Lapse {
    let [flops, products, memory, exchanges, now, exposed] = [0, 0, 0, 0, 0, 0];
    const readers = readersOf(program);
    const links = new Links();
    const arrivals = new Map<Variable, number>();
    const waitUntil = (time: number) => {
      exposed += Math.max(0, time - now);
      now = Math.max(now, time);
    };
    for (const equation of program.equations) {
      const { op, inputs, outputs } = equation;
      const ready = inputs.reduce((last, v) => Math.max(last, arrivals.get(v) ?? 0), 0);
      if (isCollective(op)) {
        const exchange = exchangeOf(equation);
        if (exchange === undefined) continue;
        const seconds = exchangeSeconds(exchange, this.#device, this.#width, this.#mesh);
        if (exchange.kind === "collectivePermute") {
          const { bothWays } = ringOf(this.#device, exchange.group, this.#mesh);
          const way = bothWays && isBackwards(equation.params as PermuteParams) ? "back" : "on";
          const sent = links.send(way, Math.max(now, ready), seconds);
          exchanges += sent.busy;
          for (const v of outputs) arrivals.set(v, sent.end);
        } else {
          waitUntil(Math.max(ready, links.free));
          exchanges += seconds;
          waitUntil(now + seconds);
        }
        continue;
      }
      // A new name for what is still on its way.
      if (FREE.has(op.name)) {
        if (ready > now) for (const v of outputs) arrivals.set(v, ready);
        continue;
      }
      waitUntil(ready);
      const inner = programsIn(equation.params);
      for (const held of inner) {
        const steps = (op as unknown) === scanOp ? (equation.params as ScanParams).length : 1;
        const own = this.timeOf(held);
        flops += steps * own.flops;
        products += steps * own.products;
        memory += steps * own.memory;
        exchanges += steps * own.exchanges;
        exposed += steps * own.exposed;
        now += steps * (own.products + own.memory + own.exposed);
      }
      if (inner.length > 0) continue;
      const work = productFlops(equation);
      if (work > 0) {
        const seconds = productSeconds(equation, this.#device, this.#width);
        flops += work;
        products += seconds;
        now += seconds;
      } else {
        const seconds = memorySeconds(trafficOf(equation, readers, this.#width), this.#device);
        memory += seconds;
        now += seconds;
      }
    }
    waitUntil(links.free);
    return { flops, products, memory, exchanges, exposed };
  }
}

/** The links of a device, one way round and the other. */
class Links {
  readonly #free = { on: 0, back: 0 };

  /** When the last byte has arrived. */
  get free(): number {
    return Math.max(this.#free.on, this.#free.back);
  }

  /** @returns when all has arrived, and for how long no other link was busy */
  send(way: "on" | "back", from: number, seconds: number): { end: number; busy: number } {
    const start = Math.max(from, this.#free[way]);
    const end = start + seconds;
    const busy = Math.max(0, end - Math.max(start, this.free));
    this.#free[way] = end;
    return { end, busy };
  }
}

/** Whether most devices send to one before them. */
function isBackwards({ pairs }: PermuteParams): boolean {
  const before = pairs.filter(([from, to]) => to < from).length;
  return 2 * before > pairs.length;
}

function shareOf(amount: number, table: readonly (readonly [number, number])[]): number {
  return table.find(([least]) => amount >= least)?.[1] ?? 1;
}

/** Two per point of the index space of an op that multiplies and adds; 0 for others. */
export function productFlops({ op, inputs, outputs, params }: Equation): number {
  if (!PRODUCTS.has(op.name)) return 0;
  const forms = [...inputs, ...outputs].map((v) => v.aval);
  if (op.name !== "contract") {
    // Each element of the result meets one kernel: of the operands all but the batch.
    const [, w] = forms;
    const [y] = outputs;
    const channels = y?.aval.dims[1] ?? 1;
    return 2 * sizeOf(y?.aval.dims ?? []) * (sizeOf(w?.dims ?? []) / Math.max(1, channels));
  }
  const rule = op.shard(
    inputs.map((v) => v.aval),
    outputs.map((v) => v.aval),
    params,
  );
  const lengths = new Map<string, number>();
  [...rule.operands, ...rule.results].forEach((axes, i) => {
    axes.forEach((axis, dim) => {
      for (const factor of factorsOfAxis(axis)) lengths.set(factor, forms[i]?.dims[dim] ?? 1);
    });
  });
  return 2 * [...lengths.values()].reduce((a, b) => a * b, 1);
}

const PRODUCTS = new Set(["contract", "convolve", "convolveKernel"]);

/** Bytes read and written; a value between two element-wise ops stays in registers. */
function trafficOf(
  { op, inputs, outputs }: Equation,
  readers: ReadonlyMap<Variable, readonly Equation[]>,
  width: number,
): number {
  if (FREE.has(op.name)) return 0;
  const bytes = (v: Variable) => {
    const { kind, bytes: own } = dtypeFacts(v.aval.dtype);
    return sizeOf(v.aval.dims) * (kind === "float" ? Math.min(width, own) : own);
  };
  // A block is written in place.
  if (op.name === "dynamicUpdateSlice") return bytes(inputs[1] as Variable);
  const heavy = PRODUCTS.has(op.name);
  const written = outputs.filter((v) => heavy || !onlyFused(readers.get(v) ?? []));
  const read = heavy ? inputs : [];
  return [...written, ...read].reduce((sum, v) => sum + bytes(v), 0);
}

/** Ops that compute nothing: names, views, constants. */
const FREE = new Set(["reshape", "full", "literal", "iota", "broadcast", "shard", "stopGradient"]);

function onlyFused(equations: readonly Equation[]): boolean {
  return (
    equations.length > 0 && equations.every(({ op }) => !PRODUCTS.has(op.name) && !isCollective(op))
  );
}

function readersOf(program: Program): Map<Variable, Equation[]> {
  const readers = new Map<Variable, Equation[]>();
  for (const equation of program.equations)
    for (const v of equation.inputs) {
      const list = readers.get(v) ?? [];
      list.push(equation);
      readers.set(v, list);
    }
  return readers;
}
