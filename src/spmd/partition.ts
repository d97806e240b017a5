/**
 * @file From a program for one device to one program for all: every value becomes its piece, and what the pieces need
 * of each other becomes collectives.
 *
 * Equation by equation: choose which mesh axes split which factor (`assignment.ts`), reshard the operands to that, run
 * the op on the pieces, add what was left partial, and reshard the results to where propagation wants them. The program
 * that comes out does not grow with the number of devices: it knows its own only by `partitionId`.
 */

import { apply, Builder, onBehalfOf, replay, writing } from "../core/builder.ts";
import { dtypeFacts } from "../core/dtype.ts";
import { type Equation, mapPrograms, type Program, type Variable } from "../core/program.ts";
import type { Aval } from "../core/shape.ts";
import type { Factor, ShardingRule } from "../core/sharding-rule.ts";
import { factorsOfAxis } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { allReduce } from "../ops/collectives.ts";
import { shardOp } from "../ops/shard.ts";
import {
  type Assignment,
  type AssignmentQuestion,
  assignmentKey,
  cheapest,
  type Placed,
} from "./assignment.ts";
import { type Flows, flowsOf, isStacked, type Place, variableAt } from "./control-flow.ts";
import { delaySums } from "./delay-sums.ts";
import { type Neutral, withoutPadding } from "./mask.ts";
import { groupsAlong, type Mesh } from "./mesh.ts";
import { moveRuleOf } from "./moves/moves.ts";
import { pieceOf } from "./pieces.ts";
import type { Propagated } from "./propagate.ts";
import { reshard, reshardBytes } from "./reshard.ts";
import {
  dimOn,
  replicatedSharding,
  type Sharding,
  sameLayout,
  shardingOn,
  showSharding,
} from "./sharding.ts";

/** A program for each device of a mesh, and how its arguments and results lie. */
export interface Partitioned {
  readonly mesh: Mesh;
  readonly program: Program;
  readonly inputs: readonly Sharding[];
  readonly outputs: readonly Sharding[];
}

export interface PartitionOptions {
  /** Of results, by place, where they are not to lie as propagation found: one value may be several of them. */
  readonly outputs?: readonly (Sharding | undefined)[];
  /** Which mesh axes split which factor; the cheapest choice when absent. Tests choose at random. */
  readonly choose?: (question: AssignmentQuestion) => Assignment;
  /** Told what was chosen for every equation. */
  readonly onChoice?: (equation: Equation, rule: ShardingRule, assignment: Assignment) => void;
}

/** @param found - shardings of the program's values, and of those in the programs inside */
export function partition(
  program: Program,
  found: Propagated,
  options: PartitionOptions = {},
): Partitioned {
  const partitioner = new Partitioner(found, options);
  const inputs = program.inputs.map((v) => found.shardingOf(v));
  const outputs = program.outputs.map((v, i) => options.outputs?.[i] ?? found.shardingOf(v));
  return {
    ...{ mesh: found.mesh, inputs, outputs },
    program: delaySums(partitioner.partition(program, inputs, outputs)),
  };
}

/** A piece of a value, and how the pieces lie. */
interface Piece {
  readonly tensor: Tensor;
  readonly sharding: Sharding;
}

class Partitioner {
  readonly #mesh: Mesh;
  readonly #found: Propagated;
  readonly #options: PartitionOptions;
  readonly #assignments = new Map<string, Assignment>();

  constructor(found: Propagated, options: PartitionOptions) {
    this.#mesh = found.mesh;
    this.#found = found;
    this.#options = options;
  }

  partition(program: Program, inputs: readonly Sharding[], outputs: readonly Sharding[]): Program {
    const builder = new Builder(program.name);
    const pieces = new Pieces(this.#mesh);
    return writing(builder, () => {
      program.inputs.forEach((v, i) => {
        const sharding = inputs[i] ?? this.#found.shardingOf(v);
        pieces.set(v, { tensor: builder.input(pieceOf(v.aval, sharding)), sharding });
      });
      for (const equation of program.equations)
        onBehalfOf(equation.source, () => this.#equation(equation, pieces));
      const results = program.outputs.map((v, i) =>
        pieces.as(v, outputs[i] ?? this.#found.shardingOf(v)),
      );
      return builder.finish(results).program;
    });
  }

  #equation(equation: Equation, pieces: Pieces): void {
    const flows = flowsOf(equation);
    if (flows !== undefined) {
      this.#flow(equation, flows, pieces);
      return;
    }
    const { op, inputs, outputs } = equation;
    if ((op as unknown) === shardOp) {
      // An annotation is where resharding happens, and nothing else.
      const [x, y] = [inputs[0], outputs[0]];
      if (x === undefined || y === undefined) return;
      const sharding = this.#found.shardingOf(y);
      pieces.set(y, { tensor: pieces.as(x, sharding), sharding });
      return;
    }
    const rule = op.shard(
      inputs.map((v) => v.aval),
      outputs.map((v) => v.aval),
      equation.params,
    );
    const assignment = this.#assign(equation, rule, pieces);
    this.#options.onChoice?.(equation, rule, assignment);
    const operands = inputs.map((v, i) =>
      pieces.as(v, assignment.operands[i] ?? this.#found.shardingOf(v)),
    );
    const results = this.#run(equation, rule, assignment, operands);
    outputs.forEach((v, i) => {
      const from = assignment.results[i] ?? shardingOn([]);
      const to = this.#found.shardingOf(v);
      const tensor = reshard(this.#mesh, results[i] as Tensor, v.aval.dims, from, to);
      pieces.set(v, { tensor, sharding: to });
    });
  }

  /**
   * A loop or a branch: each value keeps one sharding on its way through, that of the program that sees it first, so
   * that a carry comes back as it went in.
   */
  #flow(equation: Equation, flows: Flows, pieces: Pieces): void {
    const { inputs, outputs } = equation;
    const chosen = new Map<string, Sharding>();
    const keyOf = (place: Place) =>
      `${place.side} ${"program" in place ? place.program : ""} ${place.at}`;
    for (const edge of flows.edges) {
      const first = edge.find((place) => "program" in place) ?? edge[0];
      if (first === undefined) continue;
      const own = this.#found.shardingOf(variableAt(equation, flows, first));
      const stacked = { ...own, dims: [dimOn([]), ...own.dims] };
      for (const place of edge) chosen.set(keyOf(place), isStacked(place) ? stacked : own);
    }
    const at = (place: Place): Sharding => {
      const { dims } = variableAt(equation, flows, place).aval;
      return chosen.get(keyOf(place)) ?? replicatedSharding(dims.length);
    };
    const programs = new Map(
      flows.programs.map((program, k) => [
        program,
        this.partition(
          program,
          program.inputs.map((_, i) => at({ side: "input", program: k, at: i })),
          program.outputs.map((_, i) => at({ side: "output", program: k, at: i })),
        ),
      ]),
    );
    const operands = inputs.map((v, i) => pieces.as(v, at({ side: "operand", at: i })));
    const params = mapPrograms(equation.params, (program) => programs.get(program) ?? program);
    const results: readonly Tensor[] = apply(equation.op, operands, params);
    outputs.forEach((v, i) => {
      pieces.set(v, { tensor: results[i] as Tensor, sharding: at({ side: "result", at: i }) });
    });
  }

  #assign(
    { op, params, inputs, outputs }: Equation,
    rule: ShardingRule,
    pieces: Pieces,
  ): Assignment {
    const move = moveRuleOf(op);
    const question = {
      rule,
      operands: inputs.map((v): Placed => ({ form: v.aval, sharding: pieces.get(v).sharding })),
      results: outputs.map((v): Placed => ({ form: v.aval, sharding: this.#found.shardingOf(v) })),
      movable: move?.movable(rule, params) ?? new Set<Factor>(),
      bytes: (form: Aval, from: Sharding, to: Sharding) =>
        reshardBytes(form.dims, dtypeFacts(form.dtype).bytes, from, to),
    };
    const { choose } = this.#options;
    if (choose !== undefined) return choose(question);
    const key = assignmentKey(question);
    const known = this.#assignments.get(key) ?? cheapest(question);
    this.#assignments.set(key, known);
    return known;
  }

  /** The op on pieces; sums still partial, extremes combined. */
  #run(
    equation: Equation,
    rule: ShardingRule,
    assignment: Assignment,
    operands: readonly Tensor[],
  ): readonly Tensor[] {
    const { op, inputs, outputs } = equation;
    const split = (factors: readonly Factor[]) =>
      factors.filter((factor) => (assignment.factors.get(factor) ?? []).length > 0);
    const clean = operands.map((x, i) =>
      this.#clean(x, inputs[i] as Variable, i, rule, assignment),
    );
    const moved = split(rule.moves);
    const move = moveRuleOf(op);
    if (moved.length > 0 && move !== undefined)
      return move.apply({ mesh: this.#mesh, equation, rule, assignment, operands: clean });
    const dims = outputs.map(
      (v, i) => pieceOf(v.aval, assignment.results[i] ?? shardingOn([])).dims,
    );
    const local = rule.local(dims);
    let results: readonly Tensor[] =
      local === equation.params ? replay(equation, clean) : apply(op, clean, local);
    for (const kind of ["max", "min"] as const) {
      const axes = split(rule[kind]).flatMap((factor) => assignment.factors.get(factor) ?? []);
      if (axes.length === 0) continue;
      results = results.map((y) => allReduce(y, groupsAlong(this.#mesh, axes), kind));
    }
    return results;
  }

  /** An operand without padding along the factors that are reduced away. */
  #clean(x: Tensor, v: Variable, at: number, rule: ShardingRule, { factors }: Assignment): Tensor {
    let clean = x;
    rule.operands[at]?.forEach((axis, dim) => {
      for (const kind of ["sum", "max", "min"] as const satisfies readonly Neutral[]) {
        const factor = factorsOfAxis(axis).find((each) => rule[kind].includes(each));
        const axes = factor === undefined ? [] : (factors.get(factor) ?? []);
        if (axes.length === 0) continue;
        clean = withoutPadding(this.#mesh, clean, { dim, axes, size: v.aval.dims[dim] ?? 0 }, kind);
      }
    });
    return clean;
  }
}

/** Pieces of the values of one program, in every sharding that was asked for. */
class Pieces {
  readonly #mesh: Mesh;
  readonly #pieces = new Map<Variable, Piece>();
  readonly #other = new Map<Variable, Map<string, Tensor>>();

  constructor(mesh: Mesh) {
    this.#mesh = mesh;
  }

  set(v: Variable, piece: Piece): void {
    this.#pieces.set(v, piece);
  }

  get(v: Variable): Piece {
    const piece = this.#pieces.get(v);
    if (piece === undefined) throw new RangeError("a value is used before it is made");
    return piece;
  }

  /** The piece under another sharding; moved once, however often it is asked for. */
  as(v: Variable, to: Sharding): Tensor {
    const { tensor, sharding } = this.get(v);
    if (sameLayout(sharding, to)) return tensor;
    const known = this.#other.get(v) ?? new Map<string, Tensor>();
    this.#other.set(v, known);
    const key = showSharding(to);
    const moved = known.get(key) ?? reshard(this.#mesh, tensor, v.aval.dims, sharding, to);
    known.set(key, moved);
    return moved;
  }
}
