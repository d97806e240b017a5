/** @file The law of partitioning over many draws: samples of every op, random windows and boxes, and random programs; with what was covered. */

import { isCollective } from "../../core/collective.ts";
import type { Op } from "../../core/op.ts";
import { aval } from "../../core/shape.ts";
import { factorsOfAxis } from "../../core/sharding-rule.ts";
import { manualOp } from "../../ops/control/manual.ts";
import { OPS } from "../../ops/registry.ts";
import { shardOp } from "../../ops/shard.ts";
import { moveRuleOf } from "../../spmd/moves/moves.ts";
import {
  CHOICES,
  drawer,
  type PartitionedCase,
  partitionedCase,
  partitionedSample,
  type Split,
} from "./random-case.ts";
import { randomProgram } from "./random-program.ts";
import { type DrawnOp, drawMovingOp } from "./random-window.ts";

export interface LawOptions {
  /** A quarter of them samples of ops, a quarter random windows, boxes and reshapes, half random programs. */
  readonly cases: number;
  readonly seed: number;
  onProgress(done: number): void;
}

/** How often a kind of factor was split. */
export interface Coverage {
  readonly op: string;
  /** By kind that the rules of the op's samples have. A moving factor that nobody can split is gathered, or another takes its axes. */
  readonly splits: Readonly<Partial<Record<Split, number>>>;
  readonly gathered: boolean;
}

export interface LawResult {
  readonly cases: number;
  readonly seed: number;
  readonly mismatches: readonly string[];
  readonly coverage: readonly Coverage[];
}

/** Ops that partitioning reads: not those that it writes, nor regions of per-device code, which have tests of their own. */
export const PARTITIONED_OPS: typeof OPS = OPS.filter(
  (op) => !isCollective(op) && (op as unknown) !== manualOp,
);

/** Mismatches that are told in full. */
const MOST_TOLD = 20;

export function partitionLaws({ cases, seed, onProgress }: LawOptions): LawResult {
  // An annotation is no work of its own: its operand is moved.
  const ops = PARTITIONED_OPS.filter((op) => (op as unknown) !== shardOp);
  const samplesOf = (op: Op) => op.samples().map((sample) => ({ op, sample }));
  const samples = ops.flatMap(samplesOf);
  const kinds = ops.map((op) => ({ op, kinds: kindsOf(op).kinds }));
  const counts = new Map<string, number>();
  const mismatches: string[] = [];
  for (let i = 0; i < cases; i++) {
    const own = seed * 1_000_003 + i;
    const rare = i % 8 === 4 ? rarest(kinds, counts) : undefined;
    const found = drawnCase(
      i,
      own,
      rare === undefined ? samples : samplesOf(rare),
      rare !== undefined,
    );
    for (const [op, split] of found.splits) {
      const key = `${op} ${split}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    if (found.mismatch !== undefined && mismatches.length < MOST_TOLD)
      mismatches.push(`case ${own}: ${found.mismatch}`);
    onProgress(i + 1);
  }
  return { cases, seed, mismatches, coverage: ops.map((op) => coverageOf(op, counts)) };
}

/** The op of which some kind of factor was split least often. */
function rarest(
  ops: readonly { readonly op: Op; readonly kinds: ReadonlySet<Split> }[],
  counts: ReadonlyMap<string, number>,
): Op | undefined {
  let least: { readonly op: Op; readonly count: number } | undefined;
  for (const { op, kinds } of ops)
    for (const kind of kinds) {
      const count = counts.get(`${op.name} ${kind}`) ?? 0;
      if (least === undefined || count < least.count) least = { op, count };
    }
  return least?.op;
}

/** @param everywhere - whether all values of the program are annotated */
function drawnCase(
  i: number,
  seed: number,
  samples: readonly DrawnOp[],
  everywhere: boolean,
): PartitionedCase {
  if (i % 2 === 1) {
    const { program, inputs } = randomProgram(drawer(seed));
    return partitionedCase(program, inputs, drawer(seed, CHOICES));
  }
  if (i % 4 === 2) {
    const { op, sample } = drawMovingOp(drawer(seed));
    return partitionedSample(op, sample, seed, true);
  }
  const chosen = samples[(i >> 2) % samples.length];
  if (chosen === undefined) return { mismatch: undefined, splits: [] };
  return partitionedSample(chosen.op, chosen.sample, seed, everywhere);
}

/** Kinds of factors that can be split in an op, and whether some other one is always gathered. */
function kindsOf(op: Op): { readonly kinds: ReadonlySet<Split>; readonly gathered: boolean } {
  const kinds = new Set<Split>();
  let gathered = false;
  for (const sample of op.samples()) {
    const forms = sample.inputs.map((input) => input.aval);
    const outputs = op.infer(
      forms.map((form) => aval(form.dtype, form.dims)),
      sample.params,
    );
    const rule = op.shard(forms, outputs as never, sample.params);
    const move = moveRuleOf(op);
    for (const factor of [...rule.operands, ...rule.results].flat().flatMap(factorsOfAxis)) {
      const extreme = rule.max.includes(factor) || rule.min.includes(factor);
      if (!rule.moves.includes(factor))
        kinds.add(rule.sum.includes(factor) ? "sum" : extreme ? "extreme" : "free");
      else if (move?.movable(rule, sample.params).has(factor)) kinds.add("moves");
      else gathered = true;
    }
    if (move?.others !== undefined) kinds.add("moves");
  }
  return { kinds, gathered };
}

function coverageOf(op: Op, counts: ReadonlyMap<string, number>): Coverage {
  const { kinds, gathered } = kindsOf(op);
  const splits = [...kinds].map((kind) => [kind, counts.get(`${op.name} ${kind}`) ?? 0] as const);
  return { op: op.name, splits: Object.fromEntries(splits), gathered };
}
