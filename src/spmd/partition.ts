/**
 * @file From a program for one device to one program for all: every value becomes its piece, and what the pieces need
 * of each other becomes collectives.
 *
 * Equation by equation: choose which mesh axes split which factor (`assignment.ts`), reshard the operands to that, run
 * the op on the pieces, add what was left partial, and reshard the results to where propagation wants them. The program
 * that comes out does not grow with the number of devices: it knows its own only by `partitionId`.
 */

import { apply, Builder, onBehalfOf, replay, writing } from "../core/builder.ts";
import { isCollective } from "../core/collective.ts";
import { dtypeFacts } from "../core/dtype.ts";
import { groupsAlong, type Mesh } from "../core/mesh.ts";
import {
  type Equation,
  mapPrograms,
  type Program,
  usesOf,
  type Variable,
  withoutDeadCode,
} from "../core/program.ts";
import type { Aval } from "../core/shape.ts";
import type { Factor, ShardingRule } from "../core/sharding-rule.ts";
import { factorsOfAxis } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { add as addTensors } from "../ops/arithmetic.ts";
import { allReduce } from "../ops/collectives.ts";
import { type ManualParams, manualOp, type SplitAxes } from "../ops/control/manual.ts";
import { type ScanParams, scanOp } from "../ops/control/scan.ts";
import { fullLike } from "../ops/creation.ts";
import { shardOp } from "../ops/shard.ts";
import { inline } from "../transforms/trace.ts";
import {
  type Assignment,
  type AssignmentQuestion,
  assignmentKey,
  cheapest,
  type Placed,
} from "./assignment.ts";
import { type Flows, flowsOf, isStacked, type Place, variableAt } from "./control-flow.ts";
import { type Piece, Pieces } from "./copies.ts";
import { exchangesOf } from "./exchanges.ts";
import { type LateSums, lateSumsOf } from "./late-sums.ts";
import { checkRegion, outsideOf, runCollective } from "./manual-region.ts";
import { type Neutral, withoutPadding } from "./mask.ts";
import type { Sliced } from "./moves/move-rule.ts";
import { moveRuleOf } from "./moves/moves.ts";
import { slicesMadeBy } from "./moves/slices.ts";
import { pieceOf } from "./pieces.ts";
import type { Propagated } from "./propagate.ts";
import { ruleOf } from "./relations.ts";
import { reshardBytes } from "./reshard/reshard.ts";
import { dimOn, replicatedSharding, type Sharding, sameLayout, shardingOn } from "./sharding.ts";
import { type PartitionWarning, refuseWarnings, warningOf } from "./warnings.ts";
import type { WindowedOptions } from "./windowed/options.ts";
import { windowed } from "./windowed/windowed.ts";

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
  readonly onChoice?: (equation: Equation, assignment: Assignment) => void;
  /** Told of what has to be moved although nobody asked for it. */
  readonly onWarning?: (warning: PartitionWarning) => void;
  /** Whether such a move is an error; false when absent. */
  readonly strict?: boolean;
  /** Which gathers and scatters become loops with the product beside them; by their conditions when absent. */
  readonly windowed?: WindowedOptions;
}

/**
 * @param found - shardings of the program's values, and of those in the programs inside
 * @throws ShardingError when `strict` finds a move that nobody asked for
 */
export function partition(
  program: Program,
  found: Propagated,
  options: PartitionOptions = {},
): Partitioned {
  const warnings: PartitionWarning[] = [];
  const onWarning = (warning: PartitionWarning) => {
    warnings.push(warning);
    options.onWarning?.(warning);
  };
  const partitioner = new Partitioner(found, lateSumsOf(program), { ...options, onWarning });
  const inputs = program.inputs.map((v) => found.shardingOf(v));
  const outputs = program.outputs.map((v, i) => options.outputs?.[i] ?? found.shardingOf(v));
  const { program: local } = partitioner.partition(program, inputs, outputs);
  if (options.strict === true) refuseWarnings(found.mesh, warnings);
  return {
    ...{ mesh: found.mesh, inputs, outputs },
    program: windowed(local, found.mesh, options.windowed),
  };
}

/** A program on pieces. */
interface OnPieces {
  readonly program: Program;
  /** Of each result, the mesh axes over which it is still to be summed. */
  readonly sums: readonly Sharding["sum"][];
}

class Partitioner {
  readonly #mesh: Mesh;
  readonly #found: Propagated;
  readonly #sums: LateSums;
  readonly #options: PartitionOptions;
  /** The axes of the per-device code that is being partitioned. */
  #region: ManualParams["mesh"] | undefined;
  /** Values that are slices of others. */
  readonly #slices = new Map<Variable, Omit<Sliced, "piece">>();
  /** By key: which of the op's rules, and how its factors are split. */
  readonly #assignments = new Map<
    string,
    { readonly assignment: Assignment; readonly at: number }
  >();

  /** Uses of the values of the program that is being partitioned. */
  #uses: ReadonlyMap<Variable, number> = new Map();

  /** Sums of a carry and something late that are partial. */
  readonly #totals = new Set<Variable>();

  constructor(found: Propagated, sums: LateSums, options: PartitionOptions) {
    this.#mesh = found.mesh;
    this.#found = found;
    this.#sums = sums;
    this.#options = options;
  }

  partition(program: Program, inputs: readonly Sharding[], outputs: readonly Sharding[]): OnPieces {
    const builder = new Builder(program.name);
    const pieces = new Pieces(this.#mesh);
    const around = this.#uses;
    this.#uses = usesOf(program);
    return writing(builder, () => {
      program.inputs.forEach((v, i) => {
        const sharding = inputs[i] ?? this.#found.shardingOf(v);
        pieces.set(v, { tensor: builder.input(pieceOf(v.aval, sharding)), sharding });
      });
      for (const equation of program.equations)
        onBehalfOf(equation.source, () => this.#equation(equation, pieces));
      this.#uses = around;
      const results = program.outputs.map((v, i) => {
        const to = outputs[i] ?? this.#found.shardingOf(v);
        const partial = this.#mayStayPartial(v) ? pieces.partialOf(v, to) : undefined;
        return partial ?? { tensor: pieces.as(v, to), sharding: to };
      });
      const { program: local } = builder.finish(results.map(({ tensor }) => tensor));
      return {
        program: withoutDeadCode(local),
        sums: results.map(({ sharding }) => sharding.sum),
      };
    });
  }

  #equation(equation: Equation, pieces: Pieces): void {
    if ((equation.op as unknown) === manualOp) {
      this.#manual(equation, pieces);
      return;
    }
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
      const made = this.#sums.passes.has(equation) ? pieces.onTheWay(x, sharding) : sharding;
      pieces.set(y, { tensor: pieces.as(x, made), sharding: made }, sharding);
      return;
    }
    const rule = ruleOf(equation);
    const assignment = this.#assign(equation, rule, pieces);
    this.#options.onChoice?.(equation, assignment);
    if (this.#onPartialSums(equation, assignment, pieces)) return;
    const operands = inputs.map((v, i) =>
      pieces.as(v, assignment.operands[i] ?? this.#found.shardingOf(v), (from, to, bytes) => {
        const warning = warningOf(equation, rule, i, { value: v, from, to, bytes });
        if (warning !== undefined) this.#options.onWarning?.(warning);
      }),
    );
    const results = this.#run(equation, assignment, operands, (v, sharding) =>
      pieces.has(v, sharding) ? pieces.as(v, sharding) : undefined,
    );
    const slices = slicesMadeBy(equation);
    outputs.forEach((v, i) => {
      const sharding = assignment.results[i] ?? shardingOn([]);
      pieces.set(v, { tensor: results[i] as Tensor, sharding }, this.#found.shardingOf(v));
      const slice = slices[i];
      if (slice !== undefined) this.#slices.set(v, slice);
    });
  }

  /** Whether a result of a loop's body may be a partial sum: one that is only added up, or goes on to where it is. */
  #mayStayPartial(v: Variable): boolean {
    return this.#sums.late.has(v) || this.#totals.has(v);
  }

  /** Runs an op on summands, if operands are still to be summed and may stay so; false otherwise. */
  #onPartialSums(equation: Equation, assignment: Assignment, pieces: Pieces): boolean {
    const { inputs, outputs } = equation;
    const { rule, factors } = assignment;
    const [result] = assignment.results;
    const partial = new Map<number, Piece>();
    for (const at of this.#summandsOf(equation, pieces)) {
      const [v, to] = [inputs[at], assignment.operands[at]];
      const piece = v === undefined || to === undefined ? undefined : pieces.partialOf(v, to);
      if (piece === undefined) return false;
      partial.set(at, piece);
    }
    const [own] = partial.values();
    const [y] = outputs;
    if (own === undefined || y === undefined || result === undefined) return false;
    if (rule.moves.some((factor) => (factors.get(factor) ?? []).length > 0)) return false;
    const carry = this.#sums.carries.get(equation);
    if (carry !== undefined) {
      // From step to step it lies the same way, or it would be summed where it is moved.
      const home = pieces.homeOf(carry);
      if (!sameLayout(home, { ...own.sharding, sum: [] }) || !sameLayout(home, result))
        return false;
      this.#totals.add(y);
    }
    const operands = inputs.map(
      (v, i) => partial.get(i)?.tensor ?? pieces.as(v, assignment.operands[i] ?? pieces.homeOf(v)),
    );
    const [tensor] = this.#run(equation, assignment, operands, () => undefined) as [Tensor];
    const sharding = { ...result, sum: [...result.sum, ...own.sharding.sum] };
    pieces.set(y, { tensor, sharding }, this.#found.shardingOf(y));
    return true;
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
    const scan = (equation.op as unknown) === scanOp ? (equation.params as ScanParams) : undefined;
    const [only] = flows.programs.length === 1 ? flows.programs : [];
    const sums = only === undefined ? undefined : programs.get(only)?.sums;
    const sumOf = (i: number) => sums?.[i] ?? [];
    const { carries: carried = 0, constants: first = 0 } = scan ?? {};
    const operands = inputs.map((v, i) => {
      const x = pieces.as(v, at({ side: "operand", at: i }));
      const k = i - first;
      // A partial sum begins with nothing on each device.
      return k >= 0 && k < carried && sumOf(k).length > 0 ? fullLike(x.aval, 0) : x;
    });
    const params = mapPrograms(
      equation.params,
      (program) => programs.get(program)?.program ?? program,
    );
    const results: readonly Tensor[] = apply(equation.op, operands, params);
    outputs.forEach((v, i) => {
      const own = at({ side: "result", at: i });
      const made = { tensor: results[i] as Tensor, sharding: { ...own, sum: sumOf(i) } };
      pieces.set(v, made, own);
      const start = inputs[first + i];
      if (i >= carried || sumOf(i).length === 0 || start === undefined) return;
      if (this.#sums.zeros.has(start)) return;
      const begun = pieces.as(start, at({ side: "operand", at: first + i }));
      pieces.set(v, { tensor: addTensors(begun, pieces.as(v, own)), sharding: own });
    });
  }

  /** Per-device code: its pieces are cut as it says, and it goes into the program as it stands. */
  #manual({ params, inputs, outputs }: Equation, pieces: Pieces): void {
    const { program, mesh: region, operands, results } = params as ManualParams;
    checkRegion(this.#mesh, region);
    const lying = (v: Variable, inside: Variable | undefined, axes: SplitAxes | undefined) =>
      outsideOf(
        this.#mesh,
        v.aval.dims,
        axes ?? [],
        inside === undefined ? shardingOn([]) : this.#found.shardingOf(inside),
      );
    const given = inputs.map((v, i) => lying(v, program.inputs[i], operands[i]));
    const made = outputs.map((v, i) => lying(v, program.outputs[i], results[i]));
    const around = this.#region;
    this.#region = region;
    const { program: local } = this.partition(
      program,
      given.map(({ inside }) => inside),
      made.map(({ inside }) => inside),
    );
    this.#region = around;
    const tensors = inline(
      local,
      inputs.map((v, i) => pieces.as(v, given[i]?.outside ?? pieces.homeOf(v))),
    );
    outputs.forEach((v, i) => {
      const sharding = made[i]?.outside ?? shardingOn([]);
      pieces.set(v, { tensor: tensors[i] as Tensor, sharding }, this.#found.shardingOf(v));
    });
  }

  #assign(equation: Equation, rule: ShardingRule, pieces: Pieces): Assignment {
    const { op, params, inputs, outputs } = equation;
    const move = moveRuleOf(op);
    // Seldom asked for: most questions have been answered before, and mostly by the rule itself.
    let made: readonly ShardingRule[] | undefined;
    const others = () => {
      made ??= move?.others?.(equation) ?? [];
      return made;
    };
    const summands = this.#summandsOf(equation, pieces);
    const question: AssignmentQuestion = {
      rule,
      operands: inputs.map(
        (v, i): Placed => ({
          form: v.aval,
          sharding: pieces.homeOf(v),
          copies: this.#unsummed(v, pieces.copiesOf(v)),
          shared: (this.#uses.get(v) ?? 0) > 1,
          summands: summands.includes(i) ? pieces.summandsOf(v) : undefined,
        }),
      ),
      results: outputs.map(
        (v): Placed => ({
          ...{ form: v.aval, sharding: this.#found.shardingOf(v) },
          late: this.#sums.late.has(v),
        }),
      ),
      movable: move?.movable(rule, params) ?? new Set<Factor>(),
      others,
      moved: (assignment) => this.#moved(equation, assignment, pieces),
      bytes: (form: Aval, from: Sharding, to: Sharding) =>
        reshardBytes(this.#mesh, form.dims, dtypeFacts(form.dtype).bytes, from, to),
    };
    const { choose } = this.#options;
    if (choose !== undefined) return choose(question);
    const key = assignmentKey(question, op.name, params);
    let known = this.#assignments.get(key);
    if (known === undefined) {
      const assignment = cheapest(question);
      known = { assignment, at: [rule, ...others()].indexOf(assignment.rule) };
      this.#assignments.set(key, known);
    }
    // The rule of an equation alike makes params of its own.
    return { ...known.assignment, rule: known.at === 0 ? rule : (others()[known.at - 1] ?? rule) };
  }

  /** Operands that may stay summands, all of them together. */
  #summandsOf(equation: Equation, pieces: Pieces): readonly number[] {
    const { inputs } = equation;
    const at = this.#sums.passes
      .get(equation)
      ?.find((i) => pieces.summandsOf(inputs[i] as Variable));
    if (at !== undefined) return [at];
    if (!this.#sums.joins.has(equation)) return [];
    const [a, b] = inputs.map((v) => pieces.summandsOf(v));
    const alike = a !== undefined && b !== undefined && sameLayout(a, b);
    return alike ? [0, 1] : [];
  }

  /** Of what may stay a partial sum, how the summands lie: the sum costs nothing here. */
  #unsummed(v: Variable, copies: readonly Sharding[]): readonly Sharding[] {
    return this.#sums.late.has(v) ? copies.map((copy) => ({ ...copy, sum: [] })) : copies;
  }

  /** Bytes that the op sends from each device when it runs so. */
  #moved(equation: Equation, assignment: Assignment, pieces: Pieces): number {
    const builder = new Builder(equation.op.name);
    const program = writing(builder, () => {
      const inputOf = (v: Variable, sharding: Sharding) => builder.input(pieceOf(v.aval, sharding));
      const operands = equation.inputs.map((v, i) =>
        inputOf(v, assignment.operands[i] ?? shardingOn([])),
      );
      const results = this.#run(equation, assignment, operands, (v, sharding) =>
        pieces.has(v, sharding) ? inputOf(v, sharding) : undefined,
      );
      return builder.finish(results).program;
    });
    return exchangesOf(withoutDeadCode(program)).reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /**
   * The op on pieces; sums still partial, extremes combined.
   *
   * @param pieceOn - the piece of a value under a sharding, if it lies so
   */
  #run(
    equation: Equation,
    assignment: Assignment,
    operands: readonly Tensor[],
    pieceOn: (v: Variable, sharding: Sharding) => Tensor | undefined,
  ): readonly Tensor[] {
    const { op, inputs, outputs } = equation;
    if (this.#region !== undefined && isCollective(op))
      return runCollective(this.#mesh, this.#region, equation, operands);
    const { rule } = assignment;
    const split = (factors: readonly Factor[]) =>
      factors.filter((factor) => (assignment.factors.get(factor) ?? []).length > 0);
    const clean = operands.map((x, i) => this.#clean(x, inputs[i] as Variable, i, assignment));
    const moved = split(rule.moves);
    const move = moveRuleOf(op);
    const sliceOf = (at: number): Sliced | undefined => {
      const slice = this.#slices.get(inputs[at] as Variable);
      const sharding = assignment.operands[at];
      if (slice === undefined || sharding === undefined) return undefined;
      const piece = pieceOn(slice.whole, sharding);
      return piece && { ...slice, piece };
    };
    if (moved.length > 0 && move !== undefined)
      return move.apply({ mesh: this.#mesh, equation, rule, assignment, operands: clean, sliceOf });
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
  #clean(x: Tensor, v: Variable, at: number, { rule, factors }: Assignment): Tensor {
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
