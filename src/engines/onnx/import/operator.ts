/** @file How the table of operators is written. */

import type { Rule } from "./call.ts";

/** An operator of ONNX on Meshloom's ops. */
export interface Operator {
  /** First version of the operator set whose form of this operator the rule reads. */
  readonly since: number;
  readonly rule: Rule;
  /**
   * What happens to a call whose inputs are all known: its results are computed while tracing, unless the rule answers
   * them itself or its work is no matter for the host.
   */
  readonly fold: boolean;
  /** For integers narrower than 32 bits: whether results can leave the range, and are to be wrapped. */
  readonly wraps: boolean;
  /** Inputs whose values decide about forms; float weights there are constants, not parameters. */
  readonly forms: readonly number[];
}

export type Operators = Readonly<Record<string, Operator>>;

/** An operator whose results of known inputs are computed on the host. */
export function operator(
  since: number,
  rule: Rule,
  options: Partial<Pick<Operator, "fold" | "wraps" | "forms">> = {},
): Operator {
  return { since, rule, fold: true, wraps: false, forms: [], ...options };
}
