/** @file A program as the text of one StableHLO module: every op writes its own lines. */

import { isCollective } from "../../core/collective.ts";
import { dtypeFacts } from "../../core/dtype.ts";
import { EngineError, MeshloomError } from "../../core/errors.ts";
import type { HloEmitter, HloValue } from "../../core/lowering.ts";
import type { Op } from "../../core/op.ts";
import type { Equation, Program, Variable } from "../../core/program.ts";
import { type Aval, aval, dimOf, showAval } from "../../core/shape.ts";
import { showSource } from "../../core/source.ts";
import { hloNumber } from "../../ops/creation.ts";

type Form = Pick<Aval, "dtype" | "dims">;

export interface StablehloOptions {
  /** How many devices run the program, each as one partition; 1 for a program without collectives. */
  readonly partitions?: number;
  /** Makes it a whole program that a partitioner is to cut: how its values lie on the partitions. */
  readonly annotations?: HloAnnotations;
}

/** Words for a partitioner, as attributes in MLIR's form: `{mhlo.sharding = "{replicated}"}`. */
export interface HloAnnotations {
  /** Of arguments and results, by place. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Stands in place of an op's own lines where the op is an annotation; undefined for all other ops. */
  lower(
    op: Op,
    params: unknown,
    emitter: HloEmitter,
    operands: readonly HloValue[],
  ): readonly HloValue[] | undefined;
}

/** What lines are written for. */
interface Target {
  readonly partitions: number;
  readonly annotations: HloAnnotations | undefined;
}

/**
 * Prints a program for XLA and other compilers that read StableHLO:
 *
 *     module @square {
 *       func.func public @main(%arg0: tensor<3xf32>) -> (tensor<3xf32>) {
 *         %v0 = stablehlo.multiply %arg0, %arg0 : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
 *         return %v0 : tensor<3xf32>
 *       }
 *     }
 *
 * Inputs and outputs keep their order and forms; axis names are not part of StableHLO. float64 stays
 * float64. A per-device program of several partitions has its number of them as an attribute of the
 * module, and its lines inside a manual computation: XLA's partitioner leaves them as they are.
 *
 * @throws EngineError when an op's lowering leaves a result out, or a collective speaks of another number
 * of devices than `partitions`
 */
export function printStablehlo(
  program: Program,
  { partitions = 1, annotations }: StablehloOptions = {},
): string {
  const target: Target = { partitions, annotations };
  const { emitter, lines } = createEmitter(target);
  const values = new Map<Variable, HloValue>();
  const declare = (prefix: string, v: Variable, i: number) => `%${prefix}${i}: ${typeText(v.aval)}`;
  const asOne = partitions === 1 || annotations !== undefined; // whole values, no program per device
  const own = asOne ? "arg" : "own"; // names of the inputs, where the lines stand
  program.inputs.forEach((v, i) => {
    values.set(v, { name: `%${own}${i}`, dtype: v.aval.dtype, dims: v.aval.dims });
  });
  for (const equation of program.equations) lower(equation, emitter, values, target);
  const results = program.outputs.map((v) => hloOf(values, v));
  const body: Body = {
    parameters: program.inputs.map((v, i) => declare(own, v, i)),
    inputs: program.inputs.map(({ aval }) => aval),
    lines,
    results,
  };
  const words = (list: readonly string[] | undefined, i: number) =>
    list?.[i] === undefined ? "" : ` ${list[i]}`;
  const parameters = program.inputs
    .map((v, i) => `${declare("arg", v, i)}${words(annotations?.inputs, i)}`)
    .join(", ");
  const types = results.map((y, i) => `${typeText(y)}${words(annotations?.outputs, i)}`).join(", ");
  const count = `mhlo.num_partitions = ${partitions} : i32, mhlo.num_replicas = 1 : i32`;
  return [
    `module @${symbol(program.name)} ${partitions === 1 ? "" : `attributes {${count}} `}{`,
    ...(asOne ? [] : [`  sdy.mesh @devices = <["device"=${partitions}]>`]),
    `  func.func public @main(${parameters}) -> (${types}) {`,
    ...(asOne ? plain(body) : manual(body)).map((line) => line.replace(/^/gm, "    ")),
    "  }",
    "}",
    "",
  ].join("\n");
}

/** The lines of a function with its parameters, as declared and as forms, and its results. */
interface Body {
  readonly parameters: readonly string[];
  readonly inputs: readonly Form[];
  readonly lines: readonly string[];
  readonly results: readonly HloValue[];
}

function plain({ lines, results }: Body): readonly string[] {
  return [...lines, returning("return", results)];
}

/** The lines as what each partition computes by itself; XLA is told that all values are whole. */
function manual({ parameters, inputs, lines, results }: Body): readonly string[] {
  const whole = (forms: readonly Form[]) =>
    `[${forms.map(({ dims }) => `<@devices, [${dims.map(() => "{}").join(", ")}]>`).join(", ")}]`;
  const types = (forms: readonly Form[]) => `(${forms.map(typeText).join(", ")})`;
  const operands = inputs.map((_, i) => `%arg${i}`).join(", ");
  const made =
    results.length === 0 ? "" : `%all${results.length === 1 ? "" : `:${results.length}`} = `;
  const all = results.map(({ dtype, dims }, i) => ({
    name: results.length === 1 ? "%all" : `%all#${i}`,
    dtype,
    dims,
  }));
  return [
    `${made}sdy.manual_computation(${operands}) in_shardings=${whole(inputs)} out_shardings=${whole(results)} manual_axes={"device"} (${parameters.join(", ")}) {`,
    ...lines.map((line) => line.replace(/^/gm, "  ")),
    `  ${returning("sdy.return", results)}`,
    `} : ${types(inputs)} -> ${types(results)}`,
    returning("return", all),
  ];
}

function returning(word: string, results: readonly HloValue[]): string {
  if (results.length === 0) return word;
  return `${word} ${results.map(({ name }) => name).join(", ")} : ${results.map(typeText).join(", ")}`;
}

function checkDevices(op: Op, params: unknown, partitions: number): void {
  if (!isCollective(op) || op.alone(params) || op.devices(params) === partitions) return;
  throw new EngineError(
    "ENGINE-02",
    `stablehlo: ${op.name} is written for ${op.devices(params)} devices, the module for ${partitions}.`,
    [["fix", `printStablehlo(program, { partitions: ${op.devices(params)} })`]],
  );
}

function lower(
  { op, params, inputs, outputs, source }: Equation,
  emitter: HloEmitter,
  values: Map<Variable, HloValue>,
  { partitions, annotations }: Target,
): void {
  const operands = inputs.map((v) => hloOf(values, v));
  try {
    checkDevices(op, params, partitions);
    const forms = outputs.map((v) => v.aval);
    const results: readonly HloValue[] =
      annotations?.lower(op, params, emitter, operands) ??
      op.lower.stablehlo(emitter, operands, params, forms);
    outputs.forEach((v, i) => {
      const result = results[i];
      if (result === undefined)
        throw new EngineError("ENGINE-02", `stablehlo: ${op.name} leaves out its result ${i + 1}.`);
      values.set(v, result);
    });
  } catch (error) {
    if (error instanceof MeshloomError) error.tell("where", showSource(source));
    throw error;
  }
}

/** Lines of a function under construction, and the emitter that adds to them. */
function createEmitter(target: Target): {
  readonly emitter: HloEmitter;
  readonly lines: readonly string[];
} {
  const outermost: string[] = [];
  const blocks: string[][] = [outermost];
  const lines = () => blocks[blocks.length - 1] ?? outermost;
  let count = 0;

  const argument: HloEmitter["argument"] = ({ dtype, dims }) => ({
    name: `%v${count++}`,
    dtype,
    dims,
  });

  const line: HloEmitter["line"] = (text, output) => {
    const value = argument(output);
    lines().push(`${value.name} = ${text}`);
    return value;
  };

  const linesOf: HloEmitter["lines"] = (text, outputs) => {
    const name = `%v${count++}`;
    lines().push(`${name}:${outputs.length} = ${text}`);
    return outputs.map(({ dtype, dims }, i) => ({
      name: outputs.length === 1 ? name : `${name}#${i}`,
      dtype,
      dims,
    }));
  };

  const region: HloEmitter["region"] = (build) => {
    const block: string[] = [];
    blocks.push(block);
    try {
      const results = build();
      const [names, types] = [results.map(({ name }) => name), results.map(typeText)];
      block.push(`stablehlo.return ${names.join(", ")} : ${types.join(", ")}`);
    } finally {
      blocks.pop();
    }
    return block.map((text) => text.replace(/^/gm, "  ")).join("\n");
  };

  const inline: HloEmitter["inline"] = (program, inputs) => {
    const values = new Map(program.inputs.map((v, i) => [v, inputs[i] as HloValue]));
    for (const equation of program.equations) lower(equation, emitter, values, target);
    return program.outputs.map((v) => hloOf(values, v));
  };

  const elementwise: HloEmitter["elementwise"] = (op, inputs, output) => {
    const operands = inputs.map(({ name }) => name).join(", ");
    const types = inputs.map(typeText).join(", ");
    const signature = op.startsWith("chlo.") ? types : `(${types})`;
    return line(`${op} ${operands} : ${signature} -> ${typeText(output)}`, output);
  };

  const splat: HloEmitter["splat"] = (value, output) =>
    line(
      `stablehlo.constant dense<${hloNumber(value, output.dtype)}> : ${typeText(output)}`,
      output,
    );

  const reduce: HloEmitter["reduce"] = (op, x, initial, axes) => {
    const start = splat(initial, aval(x.dtype, []));
    const kept = x.dims.map((_, i) => i).filter((i) => !axes.includes(i));
    const output = aval(
      x.dtype,
      kept.map((i) => dimOf(x, i)),
    );
    return line(
      `stablehlo.reduce(${x.name} init: ${start.name}) applies ${op} across dimensions = [${axes.join(", ")}] : (${typeText(x)}, ${typeText(start)}) -> ${typeText(output)}`,
      output,
    );
  };

  const broadcast: HloEmitter["broadcast"] = (x, axes, dims) => {
    const output = aval(x.dtype, dims);
    return line(
      `stablehlo.broadcast_in_dim ${x.name}, dims = [${axes.join(", ")}] : (${typeText(x)}) -> ${typeText(output)}`,
      output,
    );
  };

  const emitter: HloEmitter = {
    line,
    lines: linesOf,
    elementwise,
    splat,
    reduce,
    broadcast,
    inline,
    region,
    argument,
    type: typeText,
  };
  return { emitter, lines: outermost };
}

/** `tensor<2x3xf32>`; the type of a scalar is `tensor<f32>`. */
function typeText({ dtype, dims }: Form): string {
  return `tensor<${[...dims, dtypeFacts(dtype).stablehlo].join("x")}>`;
}

/** A name after `@`: bare where MLIR allows it, else quoted. */
function symbol(name: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_$.]*$/.test(name)) return name;
  return `"${name.replace(/["\\]/g, "\\$&").replace(/[\r\n\t]/g, " ")}"`;
}

function hloOf(values: ReadonlyMap<Variable, HloValue>, v: Variable): HloValue {
  const value = values.get(v);
  if (value === undefined)
    throw new EngineError("ENGINE-02", `stablehlo: ${showAval(v.aval)} has no value`);
  return value;
}
