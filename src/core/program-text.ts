/** @file Programs as text: printed for people, parsed back for tests and tools. */

import { parseDType } from "./dtype.ts";
import { ProgramError } from "./errors.ts";
import type { Op } from "./op.ts";
import { type Equation, isProgram, type Program, type Variable, variable } from "./program.ts";
import { type Aval, showAval } from "./shape.ts";
import { NO_SOURCE, showSource } from "./source.ts";

/**
 * Prints one equation a line; programs inside equations follow as `@1`, `@2` …:
 *
 *     program loss(a: float32[batch 8, embed 4]) -> (c) {
 *       b: float32[batch 8] = sum(a) {"axes":[1]}    # model.ts:12
 *     }
 */
export function printProgram(
  program: Program,
  options: { readonly sources: boolean } = { sources: true },
): string {
  const waiting: Program[] = [];
  const refer = (inner: Program) => `@${waiting.push(inner)}`;
  const blocks = [printBlock(program, "", options.sources, refer)];
  for (let i = 0; i < waiting.length; i++) {
    const inner = waiting[i];
    if (inner !== undefined) blocks.push(printBlock(inner, `@${i + 1} `, options.sources, refer));
  }
  return blocks.join("\n");
}

function printBlock(
  program: Program,
  label: string,
  sources: boolean,
  refer: (inner: Program) => string,
): string {
  const names = new Map<Variable, string>();
  const nameOf = (v: Variable): string => {
    const known = names.get(v);
    if (known !== undefined) return known;
    const name = letters(names.size);
    names.set(v, name);
    return name;
  };
  const declare = (v: Variable) => `${nameOf(v)}: ${showAval(v.aval)}`;
  const inputs = program.inputs.map(declare).join(", ");
  const lines = program.equations.map((equation) => {
    const operands = equation.inputs.map(nameOf).join(", ");
    const outputs = equation.outputs.map(declare).join(", ");
    const params = paramsText(equation.params, refer);
    const source = sources ? showSource(equation.source) : "";
    const text = `  ${outputs} = ${equation.op.name}(${operands})${params === "{}" ? "" : ` ${params}`}`;
    return source === "" ? text : `${text}    # ${source}`;
  });
  const outputs = program.outputs.map(nameOf).join(", ");
  return [`program ${label}${program.name}(${inputs}) -> (${outputs}) {`, ...lines, "}"].join("\n");
}

/** Params as JSON; typed arrays as plain arrays, infinities and NaN as strings, programs as text. */
export function showParams(params: unknown): string {
  return paramsText(params, (inner) => printProgram(inner, { sources: false }));
}

function paramsText(params: unknown, refer: (inner: Program) => string): string {
  return JSON.stringify(params, (_key, value: unknown) => {
    if (isProgram(value)) return refer(value);
    if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<number>);
    if (typeof value === "number" && !Number.isFinite(value)) return `${value}`;
    if (Object.is(value, -0)) return "-0";
    return value;
  });
}

function readParams(text: string, programs: ReadonlyMap<string, Program>): unknown {
  const special = new Map<string, unknown>([
    ["Infinity", Infinity],
    ["-Infinity", -Infinity],
    ["NaN", NaN],
    ["-0", -0],
    ...programs,
  ]);
  return JSON.parse(text, (_key, value: unknown) =>
    typeof value === "string" && special.has(value) ? special.get(value) : value,
  );
}

const HEADER = /^program (?:(@\d+) )?(\S+?)\((.*)\) -> \((.*)\) \{$/;
const LINE = /^ {2}(.+) = ([A-Za-z][A-Za-z0-9]*)\(([^)]*)\)(?: (\{.*\}))?$/;

/**
 * Reads what `printProgram` wrote.
 *
 * @throws ProgramError naming the line that cannot be read
 */
export function parseProgram(text: string, ops: ReadonlyMap<string, Op>): Program {
  const lines = text
    .trim()
    .split("\n")
    .map((line) => line.replace(/ {4}# .*$/, ""));
  const starts = lines.flatMap((line, i) => (i === 0 || line.startsWith("program ") ? [i] : []));
  const programs = new Map<string, Program>();
  let outermost: Program | undefined;
  // A program refers only to later ones, so the last is read first.
  starts.reverse().forEach((start, i) => {
    const end = starts[i - 1] ?? lines.length;
    const { label, program } = parseBlock(lines.slice(start, end), start + 1, ops, programs);
    if (label !== undefined) programs.set(label, program);
    else outermost = program;
  });
  if (outermost === undefined)
    throw unreadable(1, lines[0] ?? "", "every program here is a part of another");
  return outermost;
}

/** Reads one `program … { … }` whose first line has the number `first`. */
function parseBlock(
  lines: readonly string[],
  first: number,
  ops: ReadonlyMap<string, Op>,
  programs: ReadonlyMap<string, Program>,
): { readonly label: string | undefined; readonly program: Program } {
  const header = HEADER.exec(lines[0] ?? "");
  if (header === null)
    throw unreadable(first, lines[0] ?? "", "expected `program name(inputs) -> (outputs) {`");
  const [, label, name = "", inputText = "", outputText = ""] = header;
  const variables = new Map<string, Variable>();
  const declare = (declaration: string, at: number): Variable => {
    const [id = "", form = ""] = splitOnce(declaration, ": ");
    if (variables.has(id)) throw unreadable(at, declaration, `"${id}" is already defined`);
    const v = variable(parseAval(form, at));
    variables.set(id, v);
    return v;
  };
  const use = (id: string, at: number): Variable => {
    const v = variables.get(id);
    if (v === undefined) throw unreadable(at, id, `"${id}" is not defined above`);
    return v;
  };
  const inputs = splitDeclarations(inputText).map((d) => declare(d, first));
  const equations: Equation[] = lines.slice(1, -1).map((line, i) => {
    const at = first + i + 1;
    const match = LINE.exec(line);
    if (match === null)
      throw unreadable(at, line, "expected `  name: form = op(operands) {params}`");
    const [, outputs = "", opName = "", operands = "", params = "{}"] = match;
    const op = ops.get(opName);
    if (op === undefined) throw unreadable(at, line, `no op is called "${opName}"`);
    const used = operands === "" ? [] : operands.split(", ").map((id) => use(id, at));
    return {
      op,
      params: readParams(params, programs),
      inputs: used,
      outputs: splitDeclarations(outputs).map((d) => declare(d, at)),
      source: NO_SOURCE,
    };
  });
  const outputs = outputText === "" ? [] : outputText.split(", ").map((id) => use(id, first));
  return { label, program: { name, inputs, equations, outputs } };
}

function parseAval(text: string, at: number): Aval {
  const match = /^([a-z0-9]+)\[(.*)\]$/.exec(text);
  if (match === null) throw unreadable(at, text, "expected a form such as float32[batch 8, 4]");
  const [, dtype = "", axes = ""] = match;
  const parts = axes === "" ? [] : axes.split(", ").map((axis) => axis.split(" "));
  return {
    dtype: parseDType(dtype),
    dims: parts.map((part) => Number(part[part.length - 1])),
    names: parts.map((part) => (part.length === 2 ? (part[0] ?? null) : null)),
  };
}

/** Splits `a: f32[2, 3], b: f32[]` at the commas outside brackets. */
function splitDeclarations(text: string): string[] {
  if (text === "") return [];
  return text.split(/, (?=[a-z]+[0-9]*: )/);
}

function splitOnce(text: string, at: string): [string, string] {
  const i = text.indexOf(at);
  return i < 0 ? [text, ""] : [text.slice(0, i), text.slice(i + at.length)];
}

function unreadable(line: number, text: string, why: string): ProgramError {
  return new ProgramError("PROGRAM-01", `parse: line ${line} cannot be read.`, [
    ["line", text.trim()],
    ["why", why],
  ]);
}

/** a … z, a1 … z1, a2 … */
function letters(i: number): string {
  const letter = String.fromCharCode(97 + (i % 26));
  return i < 26 ? letter : `${letter}${Math.floor(i / 26)}`;
}
