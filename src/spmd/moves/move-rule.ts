/** @file How an op runs on pieces of a factor along which data moves. */

import type { Groups } from "../../core/collective.ts";
import { type AxisPart, groupsAlong, joinParts, type Mesh } from "../../core/mesh.ts";
import type { Equation, Variable } from "../../core/program.ts";
import type { Factor, ShardingRule } from "../../core/sharding-rule.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { SliceParams } from "../../ops/pieces.ts";
import type { Assignment } from "../assignment.ts";
import { pieceOf } from "../pieces.ts";
import { shardingOn } from "../sharding.ts";

/** An equation to be run on pieces. */
export interface MoveQuestion {
  readonly mesh: Mesh;
  readonly equation: Equation;
  readonly rule: ShardingRule;
  readonly assignment: Assignment;
  /** Pieces of the operands, as the assignment has them; padding is arbitrary but along factors reduced away. */
  readonly operands: readonly Tensor[];
  /** What an operand is a slice of, where that lies as the operand does. */
  sliceOf(at: number): Sliced | undefined;
}

/** A value of which somebody took a slice. */
export interface Sliced {
  readonly whole: Variable;
  readonly piece: Tensor;
  readonly params: SliceParams;
}

export interface MoveRule {
  /** Those of `rule.moves` that may be split. */
  movable(rule: ShardingRule, params: unknown): ReadonlySet<Factor>;
  /** Rules beside the op's own one, whose moving factors may all be split. */
  others?(equation: Equation): readonly ShardingRule[];
  /** Pieces of the results, as the assignment has them. */
  apply(question: MoveQuestion): readonly Tensor[];
}

/** A split dimension of an operand, or of a result. */
export interface SplitDim {
  readonly dim: number;
  /** Of the whole value. */
  readonly size: number;
  readonly axes: readonly AxisPart[];
  /** Devices that hold the pieces of one line, in order. */
  readonly groups: Groups;
}

/** Every dimension of an operand or a result that is split along a factor that moves. */
export function splitDims(
  { mesh, rule, assignment, equation }: MoveQuestion,
  side: "operand" | "result",
  at: number,
): SplitDim[] {
  const axes = (side === "operand" ? rule.operands : rule.results)[at] ?? [];
  const v = (side === "operand" ? equation.inputs : equation.outputs)[at];
  return axes.flatMap((factor, dim) => {
    if (typeof factor !== "string" || !rule.moves.includes(factor)) return [];
    const parts = joinParts(assignment.factors.get(factor) ?? []);
    if (parts.length === 0) return [];
    const size = v?.aval.dims[dim] ?? 0;
    return { dim, size, axes: parts, groups: groupsAlong(mesh, parts) };
  });
}

/** The one such dimension of an operand. */
export function splitOperand(question: MoveQuestion, at = 0): SplitDim {
  return only(splitDims(question, "operand", at));
}

/** The one such dimension of a result. */
export function splitResult(question: MoveQuestion, at = 0): SplitDim {
  return only(splitDims(question, "result", at));
}

function only(splits: readonly SplitDim[]): SplitDim {
  const [first] = splits;
  if (first === undefined) throw new RangeError("no dimension is split along a factor that moves");
  return first;
}

/** A rule for ops whose every moving factor may be split. */
export function moveRule(apply: (question: MoveQuestion) => readonly Tensor[]): MoveRule {
  return { movable: ({ moves }) => new Set(moves), apply };
}

/** Params of the op for the pieces of its results. */
export function localParams<P>({ rule, assignment, equation }: MoveQuestion): P {
  const dims = equation.outputs.map(
    (v, i) => pieceOf(v.aval, assignment.results[i] ?? shardingOn([])).dims,
  );
  return rule.local(dims) as P;
}
