/** @file Which ops know how to run where a factor is split along which data moves. All others gather it first. */

import type { Op } from "../../core/op.ts";
import type { Equation } from "../../core/program.ts";
import type { Factor, ShardingRule } from "../../core/sharding-rule.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { Assignment } from "../assignment.ts";
import type { Mesh } from "../mesh.ts";

/** An equation to be run on pieces. */
export interface MoveQuestion {
  readonly mesh: Mesh;
  readonly equation: Equation;
  readonly rule: ShardingRule;
  readonly assignment: Assignment;
  /** Pieces of the operands, as the assignment has them; padding is arbitrary but along factors reduced away. */
  readonly operands: readonly Tensor[];
}

export interface MoveRule {
  /** Those of `rule.moves` that may be split. */
  movable(rule: ShardingRule, params: unknown): ReadonlySet<Factor>;
  /** Pieces of the results, as the assignment has them. */
  apply(question: MoveQuestion): readonly Tensor[];
}

const MOVE_RULES: ReadonlyMap<Op, MoveRule> = new Map();

export function moveRuleOf(op: Op): MoveRule | undefined {
  return MOVE_RULES.get(op);
}
