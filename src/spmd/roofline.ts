/**
 * @file How long a per-device program takes by a roofline: every op as long as its arithmetic or its memory traffic,
 * whichever is longer; exchanges by their bytes over the links, one after the other. Nothing is hidden behind anything,
 * unless overlap is asked for.
 *
 * Shares of the peaks that are reached are those of calculon's system files: matrix products by their work per call,
 * memory by bytes per op. Element-wise ops that follow one another are fused by every compiler that matters: their
 * intermediate values cost nothing, so an element-wise result counts only where something else reads it.
 */

import { isCollective } from "../core/collective.ts";
import { dtypeFacts } from "../core/dtype.ts";
import { type Equation, isProgram, type Program, type Variable } from "../core/program.ts";
import { sizeOf } from "../core/shape.ts";
import { factorsOfAxis } from "../core/sharding-rule.ts";
import { type ScanParams, scanOp } from "../ops/control/scan.ts";
import type { Device } from "./devices.ts";
import { type Exchange, exchangesOf } from "./exchanges.ts";
import type { Mesh } from "./mesh.ts";
import { ringOf } from "./torus.ts";

export interface StepTime {
  /** Of matrix products and convolutions, on each device. */
  readonly flops: number;
  /** Seconds. */
  readonly products: number;
  readonly memory: number;
  readonly exchanges: number;
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
  const own = computation(program, device, width, 1);
  const exchanges = exchangesOf(program).reduce(
    (sum, each) => sum + each.times * exchangeSeconds(each, device, width, mesh),
    0,
  );
  const shown = overlap ? Math.max(0, exchanges - own.products) : exchanges;
  return { ...own, exchanges, total: own.products + own.memory + shown };
}

/** Bytes over the ring, and a latency for each hop. */
export function exchangeSeconds(
  { kind, bytes, group }: Exchange,
  device: Device,
  width = 2,
  mesh?: Mesh,
): number {
  const { rate, hops } = ringOf(device, group, mesh);
  const steps = kind === "collectivePermute" ? 1 : (kind === "allReduce" ? 2 : 1) * hops;
  return (bytes * (width / 4)) / (rate * LINK_SHARE) + steps * device.latency;
}

function computation(
  program: Program,
  device: Device,
  width: number,
  times: number,
): Pick<StepTime, "flops" | "products" | "memory"> {
  let [flops, products, memory] = [0, 0, 0];
  const readers = readersOf(program);
  for (const equation of program.equations) {
    if (isCollective(equation.op)) continue;
    const inner = programsIn(equation.params);
    if (inner.length > 0) {
      const steps =
        (equation.op as unknown) === scanOp ? (equation.params as ScanParams).length : 1;
      for (const held of inner) {
        const own = computation(held, device, width, times * steps);
        flops += own.flops;
        products += own.products;
        memory += own.memory;
      }
      continue;
    }
    const work = productFlops(equation);
    const bytes = trafficOf(equation, readers, width);
    const byMemory = bytes === 0 ? 0 : bytes / (device.bandwidth * shareOf(bytes, MEMORY_SHARE));
    if (work > 0) {
      const byWork = work / (device.flops * shareOf(work, PRODUCT_SHARE));
      flops += times * work;
      products += times * Math.max(byWork, byMemory);
    } else memory += times * byMemory;
  }
  return { flops, products, memory };
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

function programsIn(params: unknown): Program[] {
  if (isProgram(params)) return [params];
  if (typeof params !== "object" || params === null || ArrayBuffer.isView(params)) return [];
  return Object.values(params).flatMap(programsIn);
}
