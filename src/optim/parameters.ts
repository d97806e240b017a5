/** @file What a parameter is, told by its axis words and its path: a matrix, or something that is none. */

import { ConfigError, suggestion } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";

/** Chooses parameters by where they stand and what they are. */
export type ParameterFilter = (path: string, param: Tensor) => boolean;

/** Leading axes of these names hold equal parameters side by side. */
const STACKS: ReadonlySet<string | null> = new Set(["layer", "expert"]);
/** Axes that are looked up by a number: embeddings and biases by distance. */
const TABLES: ReadonlySet<string | null> = new Set(["vocab", "bucket"]);
const NO_WEIGHT = /(bias|norm|scale)$/i;

/** A parameter as a stack of matrices: how many, and their two sizes. */
export interface MatrixForm {
  readonly stack: number;
  readonly rows: number;
  readonly columns: number;
  /** Whether the rows are what the matrix makes (a convolution's filters), and not what it reads. */
  readonly makesRows: boolean;
}

/**
 * True for weights that multiply: not for embeddings and other tables (axes `vocab`, `bucket`), nor for biases,
 * scales and norms (by the last word of their path), nor for anything with one axis.
 */
export const isMatrix: ParameterFilter = (path, param) => {
  if (param.names.some((name) => TABLES.has(name)) || NO_WEIGHT.test(path)) return false;
  return param.rank - stackedAxes(param) >= 2;
};

/** Every parameter. */
export const isAny: ParameterFilter = () => true;

/** Axes at the front that only stack: `[expert, embed, mlp]` has one, the router's `[embed, expert]` none. */
function stackedAxes({ names }: Tensor): number {
  const first = names.findIndex((name) => !STACKS.has(name));
  return first < 0 ? names.length : first;
}

/**
 * A tensor of three or more axes as matrices: `[head, dim, embed]` reads heads and makes `embed`; without
 * `embed` at the end the first axis is the rows, as of `[embed, head, dim]` and `[filter, channel, width]`.
 */
export function matrixForm(param: Tensor): MatrixForm {
  const stacked = stackedAxes(param);
  const product = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1);
  const [stack, own] = [param.dims.slice(0, stacked), param.dims.slice(stacked)];
  const split = param.names.at(-1) === "embed" ? own.length - 1 : 1;
  return {
    stack: product(stack),
    rows: product(own.slice(0, split)),
    columns: product(own.slice(split)),
    makesRows: param.names[stacked] === "filter",
  };
}

/**
 * Parameters by path: a pattern is the beginning of a path, `*` stands for any one word in it. `layers/3` holds all of
 * layer 3, and with `*` for the number the same part of every layer.
 */
export function byPath(patterns: readonly string[]): ParameterFilter {
  return (path) => patterns.some((pattern) => begins(path, pattern));
}

function begins(path: string, pattern: string): boolean {
  const words = path.split("/");
  const matches = (word: string, i: number) =>
    i < words.length && (word === "*" || word === words[i]);
  return pattern.split("/").every(matches);
}

/** @throws ConfigError for a pattern that matches no path, with the nearest beginning of one */
export function checkPatterns(
  setting: string,
  patterns: readonly string[],
  paths: readonly string[],
): void {
  for (const pattern of patterns) {
    if (paths.some((path) => begins(path, pattern))) continue;
    const depth = pattern.split("/").length;
    const beginnings = new Set(paths.map((path) => path.split("/").slice(0, depth).join("/")));
    throw new ConfigError("CONFIG-01", `${setting}: "${pattern}" matches no parameter.`, [
      ["fix", suggestion(pattern, [...beginnings])],
    ]);
  }
}
