/**
 * @file XLA's HLO text as a graph: what its compiler made of a module, for those who count or look.
 *
 * Fusions and calls are written out in place, so that uses are seen through them. Loops and branches stand as one
 * instruction each; the programs in them are graphs of their own.
 */

import { EngineError } from "../../core/errors.ts";

export interface HloShape {
  readonly dtype: string;
  readonly dims: readonly number[];
}

export interface HloNode {
  readonly opcode: string;
  /** One for an array, one for each element of a flat tuple. */
  readonly shapes: readonly HloShape[];
  readonly operands: readonly HloNode[];
  /** What stands between the parentheses of a constant, a parameter or an iota. */
  readonly literal: string;
  /** What stands behind the parentheses. */
  readonly attributes: string;
  /** How often it runs: loops of unknown length count once. */
  readonly times: number;
}

export interface HloGraph {
  readonly partitions: number;
  /** All instructions, those of loop bodies and branches too. */
  readonly nodes: readonly HloNode[];
  /** Results of the module and of the programs in it: they are used by somebody outside. */
  readonly roots: readonly HloNode[];
}

interface Instruction {
  readonly name: string;
  readonly isRoot: boolean;
  readonly shapes: readonly HloShape[];
  readonly opcode: string;
  readonly inside: string;
  readonly attributes: string;
}

const BYTES: Readonly<Record<string, number>> = {
  ...{ pred: 1, s8: 1, u8: 1, s16: 2, u16: 2, f16: 2, bf16: 2 },
  ...{ s32: 4, u32: 4, f32: 4, s64: 8, u64: 8, f64: 8, c64: 8, c128: 16 },
};

/** @throws EngineError for a type that is not known */
export function bytesOf({ dtype, dims }: HloShape): number {
  const bytes = BYTES[dtype];
  if (bytes === undefined)
    throw new EngineError("ENGINE-02", `HLO: the type ${dtype} is not known`);
  return dims.reduce((size, dim) => size * dim, bytes);
}

/** @throws EngineError for text that is no HLO module */
export function parseHlo(text: string): HloGraph {
  const [computations, entry] = computationsOf(text);
  const nodes: HloNode[] = [];
  const roots: HloNode[] = [];

  /** The result of a computation on operands; instructions go to the list. */
  const expand = (name: string, args: readonly HloNode[], times: number): HloNode => {
    const own = computations.get(name);
    if (own === undefined) throw new EngineError("ENGINE-02", `HLO: no computation ${name}`);
    const values = new Map<string, HloNode>();
    let root: HloNode | undefined;
    for (const instruction of own) {
      const node = nodeOf(instruction, values, args, times);
      values.set(instruction.name, node);
      if (instruction.isRoot) root = node;
    }
    if (root === undefined) throw new EngineError("ENGINE-02", `HLO: ${name} has no root`);
    return root;
  };

  const nodeOf = (
    { opcode, inside, attributes, shapes }: Instruction,
    values: ReadonlyMap<string, HloNode>,
    args: readonly HloNode[],
    times: number,
  ): HloNode => {
    const known = opcode === "parameter" ? args[Number(inside)] : undefined;
    if (known !== undefined) return known;
    const operands = [...inside.matchAll(/%([\w.-]+)/g)].flatMap(([, name = ""]) => {
      const value = values.get(name);
      return value === undefined ? [] : [value];
    });
    const called = (key: string) =>
      new RegExp(`\\b${key}=%?([\\w.-]+)`).exec(attributes)?.[1] ?? "";
    if (opcode === "fusion") return expand(called("calls"), operands, times);
    if (opcode === "call") return expand(called("to_apply"), operands, times);
    if (opcode === "get-tuple-element" && operands[0]?.opcode === "tuple") {
      const part = operands[0].operands[Number(/index=(\d+)/.exec(attributes)?.[1])];
      if (part !== undefined) return part;
    }
    if (opcode === "while") {
      const trips = Number(/"known_trip_count":\{"n":"(\d+)"/.exec(attributes)?.[1] ?? 1);
      roots.push(expand(called("body"), [], times * trips));
      roots.push(expand(called("condition"), [], times * trips));
    }
    if (opcode === "conditional")
      for (const branch of branchesOf(attributes)) roots.push(expand(branch, [], times));
    const node = { opcode, shapes, operands, literal: inside, attributes, times };
    nodes.push(node);
    return node;
  };

  roots.push(expand(entry, [], 1));
  return { partitions: Number(/num_partitions=(\d+)/.exec(text)?.[1] ?? 1), nodes, roots };
}

function branchesOf(attributes: string): string[] {
  const list = /branch_computations=\{([^}]*)\}/.exec(attributes)?.[1];
  const names = list?.split(",") ?? [
    /true_computation=(%?[\w.-]+)/.exec(attributes)?.[1] ?? "",
    /false_computation=(%?[\w.-]+)/.exec(attributes)?.[1] ?? "",
  ];
  return names.map((name) => name.trim().replace(/^%/, ""));
}

function computationsOf(text: string): [Map<string, Instruction[]>, entry: string] {
  const computations = new Map<string, Instruction[]>();
  let entry: string | undefined;
  let current: Instruction[] = [];
  for (const line of text.split("\n")) {
    const header = /^(ENTRY )?%?([\w.-]+) \(.*\) -> .* \{$/.exec(line);
    if (header !== null) {
      const [, isEntry, name = ""] = header;
      current = [];
      computations.set(name, current);
      if (isEntry !== undefined) entry = name;
    } else if (/^ {2}(ROOT )?%?[\w.-]+ = /.test(line)) current.push(instructionOf(line));
  }
  if (entry === undefined)
    throw new EngineError("ENGINE-02", `HLO: no entry in "${text.slice(0, 80)}"`);
  return [computations, entry];
}

function instructionOf(line: string): Instruction {
  const text = line.replace(/\/\*.*?\*\//g, "");
  const [, root, name = "", rest = ""] = /^ {2}(ROOT )?%?([\w.-]+) = (.*)$/.exec(text) ?? [];
  const typeEnd = rest.startsWith("(") ? closing(rest, 0) + 1 : rest.indexOf(" ");
  const type = rest.slice(0, typeEnd);
  const call = rest.slice(typeEnd).trimStart();
  const open = call.indexOf("(");
  const close = closing(call, open);
  return {
    ...{ name, isRoot: root !== undefined, shapes: shapesOf(type), opcode: call.slice(0, open) },
    ...{ inside: call.slice(open + 1, close), attributes: call.slice(close + 1) },
  };
}

function closing(text: string, open: number): number {
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    if (text[i] === "(") depth++;
    else if (text[i] === ")" && --depth === 0) return i;
  }
  throw new EngineError("ENGINE-02", `HLO: parentheses do not close in "${text.slice(0, 80)}"`);
}

function shapesOf(type: string): HloShape[] {
  return [...type.matchAll(/\b([a-z]+\d*)\[([\d,<=]*)\]/g)].map(([, dtype = "", dims = ""]) => ({
    dtype,
    dims: dims === "" ? [] : dims.split(",").map((dim) => Number(dim.replace("<=", ""))),
  }));
}
