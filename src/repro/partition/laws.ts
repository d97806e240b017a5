/** @file The law of partitioning over many draws: samples of every op, random windows and boxes, and random programs; with what was covered. */

import { isCollective } from "../../core/collective.ts";
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
  const samples = ops.flatMap((op) => op.samples().map((sample) => ({ op, sample })));
  const counts = new Map<string, number>();
  const mismatches: string[] = [];
  for (let i = 0; i < cases; i++) {
    const own = seed * 1_000_003 + i;
    const found = drawnCase(i, own, samples);
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

function drawnCase(i: number, seed: number, samples: readonly DrawnOp[]): PartitionedCase {
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
  return partitionedSample(chosen.op, chosen.sample, seed);
}

function coverageOf(op: (typeof OPS)[number], counts: ReadonlyMap<string, number>): Coverage {
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
  const splits = [...kinds].map((kind) => [kind, counts.get(`${op.name} ${kind}`) ?? 0] as const);
  return { op: op.name, splits: Object.fromEntries(splits), gathered };
}
