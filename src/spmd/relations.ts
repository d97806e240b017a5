/**
 * @file A program as relations between the axes of its values: every equation's sharding rule, and for loops and
 * branches the edges along which values flow into and out of the programs inside. Propagation sees nothing else.
 */

import type { Equation, Program, Variable } from "../core/program.ts";
import { factorNames, rule, type ShardingRule } from "../core/sharding-rule.ts";
import { type Edge, type Flows, flowsOf, isStacked, variableAt } from "./control-flow.ts";

/** When axes may pass: element-wise ops first, since there all agree; broadcasts forward last. */
export type Stage = 0 | 1 | 2 | 3;
export const STAGES: readonly Stage[] = [0, 1, 2, 3];
/** From here on axes pass along factors that data moves along, or that are reduced. */
export const LATE: Stage = 2;

export interface Relation {
  readonly values: readonly Variable[];
  readonly rule: ShardingRule;
  /** How many of the values are operands; they come first. */
  readonly operands: number;
  readonly equation: Equation;
  /** From which stage on axes pass forward, and from which backward, along all factors but those of `late`. */
  readonly forward: Stage;
  readonly backward: Stage;
  /** Factors along which data moves or is reduced: from `LATE` on. */
  readonly late: ReadonlySet<string>;
}

/** All relations in the order of the equations, those of inner programs before that of the equation that holds them. */
export function relationsOf(program: Program): Relation[] {
  return program.equations.flatMap((equation) => {
    const flows = flowsOf(equation);
    if (flows === undefined) return [relationOf(equation)];
    return [
      ...flows.edges.map((edge) => edgeRelation(equation, flows, edge)),
      ...flows.programs.flatMap(relationsOf),
    ];
  });
}

const rules = new WeakMap<Equation, ShardingRule>();

/** The sharding rule of an equation; made once for all who ask. */
export function ruleOf(equation: Equation): ShardingRule {
  const known = rules.get(equation);
  if (known !== undefined) return known;
  const { op, inputs, outputs, params } = equation;
  const made = op.shard(
    inputs.map((v) => v.aval),
    outputs.map((v) => v.aval),
    params,
  );
  rules.set(equation, made);
  return made;
}

function relationOf(equation: Equation): Relation {
  const { inputs, outputs } = equation;
  const own = ruleOf(equation);
  const late = new Set([...own.sum, ...own.max, ...own.min, ...own.moves]);
  const inside = (axes: ShardingRule["operands"][number]) =>
    new Set(axes.flat().filter((factor) => factor !== null));
  const operands = own.operands.map(inside).filter((factors) => factors.size > 0);
  const results = own.results.map(inside);
  const all = new Set([...operands, ...results].flatMap((factors) => [...factors]));
  const elementwise =
    late.size === 0 && [...operands, ...results].every((factors) => factors.size === all.size);
  const spreads =
    operands.length <= 1 &&
    late.size === 0 &&
    results.some((factors) => factors.size > (operands[0]?.size ?? 0));
  return {
    ...{ values: [...inputs, ...outputs], rule: own, operands: inputs.length, equation, late },
    forward: elementwise ? 0 : spreads ? 3 : 1,
    backward: elementwise ? 0 : 1,
  };
}

/** The same value under several variables; where the steps of a loop are stacked it has one axis more in front. */
function edgeRelation(equation: Equation, flows: Flows, edge: Edge): Relation {
  const values = edge.map((place) => variableAt(equation, flows, place));
  const ranks = edge.map((place, i) => {
    const rank = values[i]?.aval.dims.length ?? 0;
    return isStacked(place) ? rank - 1 : rank;
  });
  const factors = factorNames(Math.min(...ranks));
  const axes = edge.map((place) => (isStacked(place) ? [null, ...factors] : factors));
  return {
    ...{ values, operands: values.length, equation },
    rule: rule({}, axes, []),
    ...{ forward: 0, backward: 0, late: new Set() },
  };
}
