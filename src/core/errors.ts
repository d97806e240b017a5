/** @file Every error a user can meet. One class per cause; `docs/errors.md` has a section per code. */

import { closest } from "./text.ts";

/** The codes in use. Each has a section in `docs/errors.md`. */
export type ErrorCode =
  | "SHAPE-01"
  | "SHAPE-02"
  | "AXIS-01"
  | "DTYPE-01"
  | "TREE-01"
  | "TRACE-01"
  | "TRACE-02"
  | "PROGRAM-01"
  | "GRAD-01"
  | "CONFIG-01"
  | "USAGE-01"
  | "DATA-01"
  | "CHECKPOINT-01"
  | "RUN-01"
  | "SERVE-01"
  | "DISK-01"
  | "ENGINE-01"
  | "ENGINE-02"
  | "MEMORY-01"
  | "ONNX-01"
  | "ONNX-02"
  | "ONNX-03"
  | "TRAIN-01"
  | "SIGNAL-01"
  | "SIGNAL-02"
  | "SHARD-01"
  | "SHARD-02";

/** One row of facts under the headline: a name and what it is. */
export type Fact = readonly [name: string, value: string];

/**
 * House form: `operation: what is wrong.`, then facts in columns, then what to do, then the code.
 *
 * The first line alone must make sense, since terminals and logs often show nothing else.
 */
export class MeshloomError extends Error {
  readonly code: ErrorCode;
  readonly headline: string;
  readonly facts: Fact[];

  constructor(code: ErrorCode, headline: string, facts: readonly Fact[] = []) {
    super(layOut(code, headline, facts));
    this.name = new.target.name;
    this.code = code;
    this.headline = headline;
    this.facts = [...facts];
  }

  /** Adds a fact that an outer layer knows, such as the user's source line, before the fix. */
  tell(name: string, value: string): this {
    if (value === "" || this.facts.some(([known]) => known === name)) return this;
    const fix = this.facts.findIndex(([known]) => known === "fix");
    this.facts.splice(fix < 0 ? this.facts.length : fix, 0, [name, value]);
    this.message = layOut(this.code, this.headline, this.facts);
    return this;
  }
}

function layOut(code: ErrorCode, headline: string, facts: readonly Fact[]): string {
  const width = Math.max(0, ...facts.map(([name]) => name.length)) + 4;
  const rows = facts.map(([name, value]) => `  ${name.padEnd(width)}${value}`);
  return [headline, ...rows].join("\n") + (rows.length > 0 ? `    [${code}]` : ` [${code}]`);
}

/** Shapes that do not fit together. */
export class ShapeError extends MeshloomError {}
/** An axis name that is missing, doubled, or means two things. */
export class AxisError extends MeshloomError {}
/** A dtype that the operation does not take. */
export class DTypeError extends MeshloomError {}
/** A tree of tensors that has another form than it should. */
export class TreeError extends MeshloomError {}
/** Tracing or using a traced value in the wrong place. */
export class TraceError extends MeshloomError {}
/** A program that breaks the rules of the intermediate language. */
export class ProgramError extends MeshloomError {}
/** A derivative that does not exist. */
export class GradError extends MeshloomError {}
/** A configuration value out of its range. */
export class ConfigError extends MeshloomError {}
/** A command line that cannot be understood; exit code 2. */
export class UsageError extends MeshloomError {}
/** Input data that cannot be used. */
export class DataError extends MeshloomError {}
/** A checkpoint that is damaged, incomplete, or of another model. */
export class CheckpointError extends MeshloomError {}
/** A run folder that cannot be used now. */
export class RunError extends MeshloomError {}
/** The disk refused: full, read-only, no permission. */
export class DiskError extends MeshloomError {}
/** An engine that is missing or failed. */
export class EngineError extends MeshloomError {}
/** An ONNX model that cannot be read, or asks for what is not here. */
export class OnnxError extends MeshloomError {}
/** Training that cannot go on. */
export class TrainingError extends MeshloomError {}
/** A record or a setting that a method of signal analysis cannot take. */
export class SignalError extends MeshloomError {}
/** A mesh, a sharding or an annotation that cannot be. */
export class ShardingError extends MeshloomError {}
/** A server cannot start, or cannot go on. */
export class ServeError extends MeshloomError {}

/** `, did you mean "x"?` when a known name is near, else the list of known names. */
export function suggestion(given: string, known: readonly string[]): string {
  const near = closest(given, known);
  return near === undefined ? `one of: ${known.join(", ")}` : `did you mean "${near}"?`;
}
