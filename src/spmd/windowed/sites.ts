/** @file Where a contraction stands beside a collective that can be taken apart into steps. */

import type { Groups } from "../../core/collective.ts";
import type { Equation, Program, Variable } from "../../core/program.ts";
import { sameDims } from "../../core/shape.ts";
import { addOp } from "../../ops/arithmetic.ts";
import { type AlongParams, allGatherOp, reduceScatterOp } from "../../ops/collectives.ts";
import { contractOp } from "../../ops/contract.ts";
import {
  type BroadcastParams,
  broadcastOp,
  type FullParams,
  fullOp,
  type IotaParams,
  iotaOp,
} from "../../ops/creation.ts";
import { reshapeOp } from "../../ops/layout.ts";
import { lessOp, selectOp } from "../../ops/logic.ts";
import { type PadParams, padOp, type SliceParams, sliceOp } from "../../ops/pieces.ts";

/** Zeros of an operand along one of its dimensions: wherever `start`, int32[], plus the index is not below `limit`. */
export interface Mask {
  readonly dim: number;
  readonly start: Variable;
  readonly limit: number;
}

interface Along {
  readonly contract: Equation;
  readonly groups: Groups;
  /** Equations that the loop takes the place of, besides the contraction. */
  readonly replaced: readonly Equation[];
}

/** An operand that is gathered for nothing but the contraction. */
export interface GatherSite extends Along {
  readonly kind: "gather";
  readonly side: 0 | 1;
  /** What each device holds of the operand. */
  readonly piece: Variable;
  /** The operand's dimension that is gathered. */
  readonly dim: number;
  /** How many of the gathered elements the contraction reads; what stands behind them is padding. */
  readonly length: number;
  /** On what was gathered, in the order in which they are applied. */
  readonly masks: readonly Mask[];
  /** The operand before padding is cut away. */
  readonly whole: Variable;
}

/** A result that is added over devices and scattered, and nothing else. */
export interface ScatterSite extends Along {
  readonly kind: "scatter";
  /** The result's dimension that is scattered. */
  readonly dim: number;
  /** What each device gets. */
  readonly part: Variable;
  /** The result with a block for every device. */
  readonly whole: Variable;
}

export type Site = GatherSite | ScatterSite;

/** Every contraction with what could be windowed of it, in the order of the program. */
export function sitesOf(program: Program): ReadonlyMap<Equation, readonly Site[]> {
  const links = new Links(program);
  const sites = new Map<Equation, readonly Site[]>();
  for (const equation of program.equations) {
    if (!is(equation, contractOp)) continue;
    const found = [gatherOf(equation, 0, links), gatherOf(equation, 1, links)];
    const own = [...found, scatterOf(equation, links)].filter((site) => site !== undefined);
    if (own.length > 0) sites.set(equation, own);
  }
  return sites;
}

/** Who makes a value and who reads it. */
class Links {
  readonly #makers = new Map<Variable, Equation>();
  readonly #readers = new Map<Variable, (Equation | "result")[]>();

  constructor(program: Program) {
    for (const equation of program.equations) {
      for (const v of equation.outputs) this.#makers.set(v, equation);
      for (const v of equation.inputs) this.#read(v, equation);
    }
    for (const v of program.outputs) this.#read(v, "result");
  }

  #read(v: Variable, reader: Equation | "result"): void {
    const list = this.#readers.get(v) ?? [];
    list.push(reader);
    this.#readers.set(v, list);
  }

  makerOf(v: Variable | undefined): Equation | undefined {
    return v === undefined ? undefined : this.#makers.get(v);
  }

  /** The one equation that reads a value, once; undefined where there are more, or none, or it is a result. */
  onlyReaderOf(v: Variable | undefined): Equation | undefined {
    const [first, ...others] = (v === undefined ? undefined : this.#readers.get(v)) ?? [];
    return others.length > 0 || first === "result" ? undefined : first;
  }
}

function is(equation: Equation | undefined, op: unknown): equation is Equation {
  return (equation?.op as unknown) === op;
}

function gatherOf(contract: Equation, side: 0 | 1, links: Links): GatherSite | undefined {
  const replaced: Equation[] = [];
  const masks: Mask[] = [];
  let v = contract.inputs[side];
  /** The equation that makes what nobody else reads, now to be replaced. */
  const up = (op: unknown): Equation | undefined => {
    const maker = links.makerOf(v);
    if (!is(maker, op) || links.onlyReaderOf(v) === undefined) return undefined;
    replaced.push(maker);
    return maker;
  };
  const throughNames = () => {
    while (isRename(links.makerOf(v))) {
      const rename = up(reshapeOp);
      if (rename === undefined) return;
      [v] = rename.inputs;
    }
  };
  throughNames();
  while (is(links.makerOf(v), selectOp)) {
    const mask = maskOf(links.makerOf(v), links);
    const select = mask === undefined ? undefined : up(selectOp);
    if (mask === undefined || select === undefined) return undefined;
    masks.unshift(mask);
    v = select.inputs[1];
    throughNames();
  }
  const used = v;
  const cut = up(sliceOp);
  if (cut !== undefined) v = cut.inputs[0];
  throughNames();
  const gather = up(allGatherOp);
  const [piece, whole] = [gather?.inputs[0], gather?.outputs[0]];
  if (gather === undefined || piece === undefined || whole === undefined) return undefined;
  const { axis: dim, groups } = gather.params as AlongParams;
  if (cut !== undefined && !isHead(cut, whole, dim)) return undefined;
  const length = used?.aval.dims[dim] ?? 0;
  return { kind: "gather", contract, side, piece, whole, dim, length, masks, groups, replaced };
}

/** Whether an equation only gives axes other names. */
function isRename(equation: Equation | undefined): boolean {
  const [x, y] = [equation?.inputs[0], equation?.outputs[0]];
  return is(equation, reshapeOp) && sameDims(x?.aval.dims ?? [], y?.aval.dims ?? []);
}

/** Whether a slice keeps the first elements along one dimension, and all of the others. */
function isHead({ params }: Equation, x: Variable, dim: number): boolean {
  const { start, limit, stride } = params as SliceParams;
  const { dims } = x.aval;
  const all = limit.every((end, i) => i === dim || end === dims[i]);
  return all && start.every((first) => first === 0) && stride.every((step) => step === 1);
}

/** What `withoutPadding` of `mask.ts` writes: `select(iota + start < limit, x, 0)`. */
function maskOf(select: Equation | undefined, links: Links): Mask | undefined {
  const [test, , zero] = select?.inputs ?? [];
  const less = links.makerOf(test);
  const other = links.makerOf(zero);
  if (!is(less, lessOp) || !is(other, fullOp) || (other.params as FullParams).value !== 0)
    return undefined;
  const [index, limit] = less.inputs.map((v) => links.makerOf(v));
  if (!is(index, addOp) || !is(limit, fullOp)) return undefined;
  const [count, shift] = index.inputs.map((v) => links.makerOf(v));
  if (!is(count, iotaOp) || !is(shift, broadcastOp)) return undefined;
  const [start] = shift.inputs;
  if (start === undefined || (shift.params as BroadcastParams).axes.length > 0) return undefined;
  const { axis: dim } = count.params as IotaParams;
  return { dim, start, limit: (limit.params as FullParams).value };
}

function scatterOf(contract: Equation, links: Links): ScatterSite | undefined {
  let [whole] = contract.outputs;
  const replaced: Equation[] = [];
  let padding = links.onlyReaderOf(whole);
  while (padding !== undefined && isRename(padding)) {
    replaced.push(padding);
    padding = links.onlyReaderOf(padding.outputs[0]);
  }
  const scatter = is(padding, padOp) ? links.onlyReaderOf(padding.outputs[0]) : padding;
  if (!is(scatter, reduceScatterOp)) return undefined;
  const { axis: dim, groups } = scatter.params as AlongParams;
  if (is(padding, padOp)) {
    if (!isTail(padding.params as PadParams, dim)) return undefined;
    replaced.push(padding);
    [whole] = padding.outputs;
  }
  replaced.push(scatter);
  const [part] = scatter.outputs;
  if (part === undefined || whole === undefined) return undefined;
  return { kind: "scatter", contract, dim, part, whole, groups, replaced };
}

/** Whether elements are put behind the last one of one dimension, and nowhere else. */
function isTail({ low, high, interior }: PadParams, dim: number): boolean {
  const none = (list: readonly number[]) => list.every((count) => count === 0);
  return none(low) && none(interior) && high.every((count, i) => count === 0 || i === dim);
}
