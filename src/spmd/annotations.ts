/** @file What is known of a program's values before propagation: marks in it, and rules from axis words to mesh axes. */

import { ShardingError } from "../core/errors.ts";
import { type AxisPart, type Mesh, showMesh, wholeAxis } from "../core/mesh.ts";
import { type Equation, type Program, programsIn, type Variable } from "../core/program.ts";
import { type Aval, showAval } from "../core/shape.ts";
import { showSource } from "../core/source.ts";
import { type ManualParams, manualOp } from "../ops/control/manual.ts";
import { type ShardParams, shardOp, showAnnotation } from "../ops/shard.ts";
import type { Seed } from "./propagate.ts";
import { checkSharding, openSharding, type Sharding, showSharding } from "./sharding.ts";

/** Axis words, and the mesh axes that split them: `{ batch: "data", mlp: "model" }`. */
export type AxisRules = Readonly<Record<string, string | readonly string[]>>;

export interface AnnotationOptions {
  /** For arguments and results, by their axis words. */
  readonly rules?: AxisRules;
  /** Of single arguments, by place; undefined leaves one to the rules. */
  readonly inputs?: readonly (Sharding | undefined)[];
  readonly outputs?: readonly (Sharding | undefined)[];
}

/**
 * @throws ShardingError for an axis that the mesh lacks, with the line of the annotation; for a sharding of another
 * rank than its value
 */
export function seedsOf(
  mesh: Mesh,
  program: Program,
  { rules = {}, inputs = [], outputs = [] }: AnnotationOptions,
): Map<Variable, Seed> {
  const seeds = new Map<Variable, Seed>();
  const ends = [
    ...program.inputs.map((v, i) => ({ v, given: inputs[i], what: `argument ${i}` })),
    ...program.outputs.map((v, i) => ({ v, given: outputs[i], what: `result ${i}` })),
  ];
  const said = new Set<Variable>();
  for (const { v, given, what } of ends) {
    if (given !== undefined) {
      checkRank(given, v.aval, what);
      checkSharding(mesh, given);
      // An argument that is a result, too, lies as the argument does; `partition` moves it in the end.
      if (said.has(v)) continue;
      said.add(v);
      seeds.set(v, { sharding: given, text: `${what} ${showSharding(given, mesh)}` });
    } else if (!seeds.has(v)) {
      const sharding = byRules(mesh, v.aval.names, rules);
      if (sharding !== undefined) seeds.set(v, { sharding, text: `${what}, by the rules` });
    }
  }
  for (const equation of equationsOf(program)) {
    if ((equation.op as unknown) === manualOp)
      for (const [v, seed] of insideOf(equation)) seeds.set(v, seed);
    if ((equation.op as unknown) !== shardOp) continue;
    const [v] = equation.outputs;
    const seed = v === undefined ? undefined : markOf(mesh, equation, rules);
    if (v !== undefined && seed !== undefined) seeds.set(v, seed);
  }
  return seeds;
}

/** What goes in and out of a region of per-device code: its axes split nothing inside. */
function insideOf({ params }: Equation): (readonly [Variable, Seed])[] {
  const { program, mesh } = params as ManualParams;
  const whole = mesh.axes.map(({ name }) => name);
  return [...program.inputs, ...program.outputs].map((v) => [
    v,
    {
      sharding: { ...openSharding(v.aval.dims.length), whole },
      text: `pieces of devices along ${whole.join(", ")}`,
    },
  ]);
}

function* equationsOf(program: Program): Generator<Equation> {
  for (const equation of program.equations) {
    for (const held of programsIn(equation.params)) yield* equationsOf(held);
    yield equation;
  }
}

/** What a mark says; undefined for words without rules, which say nothing. */
function markOf(mesh: Mesh, { params, source }: Equation, rules: AxisRules): Seed | undefined {
  const asked = params as ShardParams;
  if (asked.dims.some(({ word }) => word !== undefined)) {
    const words = asked.dims.map(({ word }) => word ?? null);
    const sharding = byRules(mesh, words, rules);
    return sharding && { sharding, text: `laid ${showAnnotation(asked)}, by the rules` };
  }
  const where = showSource(source);
  const text = `shard ${showAnnotation(asked)}${where === "" ? "" : ` at ${where}`}`;
  try {
    const sharding: Sharding = {
      dims: asked.dims.map(({ axes, open, priority }) => ({
        axes: axes.map((name) => wholeAxis(mesh, name)),
        ...{ open, priority },
      })),
      ...{ whole: asked.whole, sum: [] },
    };
    checkSharding(mesh, sharding);
    return { sharding, text };
  } catch (error) {
    if (error instanceof ShardingError) error.tell("annotation", text);
    throw error;
  }
}

/** A dimension whose word has a rule gets its axes, as far as no earlier dimension has them; others are free. */
function byRules(
  mesh: Mesh,
  words: readonly (string | null)[],
  rules: AxisRules,
): Sharding | undefined {
  const used = new Set<string>();
  const dims = words.map((word) => {
    const rule = word === null ? undefined : rules[word];
    const names = typeof rule === "string" ? rule.split("+") : (rule ?? []);
    const axes: AxisPart[] = [];
    for (const name of names) {
      if (used.has(name)) break;
      used.add(name);
      axes.push(wholeAxis(mesh, name));
    }
    return { axes, open: axes.length === 0, priority: 0 };
  });
  return used.size === 0 ? undefined : { dims, whole: [], sum: [] };
}

function checkRank(sharding: Sharding, form: Aval, what: string): void {
  if (sharding.dims.length === form.dims.length) return;
  throw new ShardingError(
    "SHARD-01",
    `sharding of ${what}: ${sharding.dims.length} entries for ${form.dims.length} dimensions.`,
    [
      ["tensor", showAval(form)],
      ["fix", "give one entry per dimension"],
    ],
  );
}

/** @throws ShardingError for a rule with an axis that the mesh lacks */
export function checkRules(mesh: Mesh, rules: AxisRules): void {
  for (const [word, rule] of Object.entries(rules)) {
    const names = typeof rule === "string" ? rule.split("+") : rule;
    for (const name of names) {
      if (mesh.axes.some((axis) => axis.name === name)) continue;
      throw new ShardingError("SHARD-01", `rule for "${word}": the mesh has no axis "${name}".`, [
        ["mesh", showMesh(mesh)],
      ]);
    }
  }
}

/** Rules for meshes with the usual axis names: examples and experts over `data`, widths over `model`, space over `x` and `y`, stages of a pipeline over `stage`. */
export function defaultRules(mesh: Mesh): AxisRules {
  const usual: readonly (readonly [word: string, axes: readonly string[]])[] = [
    ["batch", ["data"]],
    ["group", ["data"]],
    ["expert", ["expert", "data"]],
    ["mlp", ["model"]],
    ["head", ["model"]],
    ["kvHead", ["model"]],
    ["vocab", ["model"]],
    ["depth", ["x"]],
    ["row", ["y"]],
    ["time", ["x"]],
    ["stage", ["stage", "pipe"]],
  ];
  const there = (axis: string) => mesh.axes.some(({ name }) => name === axis);
  return Object.fromEntries(
    usual.flatMap(([word, axes]) => {
      const first = axes.find(there);
      return first === undefined ? [] : [[word, first]];
    }),
  );
}

/**
 * The layout of GSPMD's dense Transformers (§ "2D finalised"; Lingvo's `blm_split`, `mhd_w_split` …) on a mesh {x, y}, or
 * {data, model}: with x along examples and y along heads and hidden units, weights `embed × mlp` lie [x, y], the residual
 * stream [x, -, y], and what is inside layers [x, -, y]. The stream's word is `width` and that of a weight's side `embed`,
 * since the one is split on y, the other on x; the rows of
 * tables are `symbol` and stay whole.
 *
 * @throws ShardingError for a mesh that has neither pair of axes
 */
export function finalisedRules(mesh: Mesh): AxisRules {
  const has = (axis: string) => mesh.axes.some(({ name }) => name === axis);
  const [x, y] = has("x") && has("y") ? ["x", "y"] : ["data", "model"];
  const rules = {
    ...{ batch: x, group: x, embed: x, expert: x },
    ...{ mlp: y, head: y, vocab: y, width: y },
  };
  checkRules(mesh, rules);
  return rules;
}

/**
 * Reads `batch=data,mlp=model,embed=data+model`.
 *
 * @throws ShardingError for other text, a word that stands twice, an axis that the mesh lacks
 */
export function parseRules(mesh: Mesh, text: string): AxisRules {
  const rules: Record<string, readonly string[]> = {};
  for (const piece of text.split(",").map((entry) => entry.trim())) {
    const [word = "", axes = "", ...more] = piece.split("=");
    if (word === "" || axes === "" || more.length > 0 || word in rules)
      throw new ShardingError("SHARD-01", `rules: cannot read "${text}" at "${piece}".`, [
        ["fix", "write each axis word once with its mesh axes: batch=data,mlp=model"],
      ]);
    rules[word] = axes.split("+");
  }
  checkRules(mesh, rules);
  return rules;
}
