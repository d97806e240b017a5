/** @file What an op is: one record that holds every rule about it. No field is optional. */

import type { HloEmitter, HloValue, OnnxEmitter, OnnxValue } from "./lowering.ts";
import type { NdArray } from "./ndarray.ts";
import type { Rejection, Sample } from "./samples.ts";
import type { Aval } from "./shape.ts";
import type { ShardingRule } from "./sharding-rule.ts";
import type { Tensor } from "./tensor.ts";

/** A tuple like `I` with `T` in every place. */
export type Each<I extends readonly unknown[], T> = { readonly [K in keyof I]: T };

/** Arities. */
export type None = readonly [];
export type One = readonly [0];
export type Two = readonly [0, 0];
export type Three = readonly [0, 0, 0];
export type Many = readonly unknown[];

/** A tangent or cotangent; null is an exact zero that nobody has to compute. */
export type MaybeZero = Tensor | null;

/** An operand that a linear equation depends on linearly; only its form is known while transposing. */
export class LinearOperand {
  readonly aval: Aval;
  constructor(aval: Aval) {
    this.aval = aval;
  }
}

export type Operand = Tensor | LinearOperand;

export function isLinear(x: Operand): x is LinearOperand {
  return x instanceof LinearOperand;
}

/** Forward derivative: tangents of the outputs from tangents of the inputs. */
export type JvpRule<P, I extends Many, O extends Many> =
  | {
      readonly kind: "rule";
      apply(
        tangents: Each<I, MaybeZero>,
        primals: Each<I, Tensor>,
        outputs: Each<O, Tensor>,
        params: P,
      ): Each<O, MaybeZero>;
    }
  /** Linear in all inputs together: the tangent is the op applied to the tangents. */
  | { readonly kind: "linear" }
  /** Outputs and tangents in one, for ops that hold programs: what both need is computed once. */
  | {
      readonly kind: "joint";
      apply(
        tangents: Each<I, MaybeZero>,
        primals: Each<I, Tensor>,
        params: P,
      ): {
        readonly outputs: Each<O, Tensor>;
        readonly tangents: Each<O, MaybeZero>;
      };
    }
  /** The derivative is zero or does not exist; tangents stop here. */
  | { readonly kind: "none"; readonly reason: string };

/** Reverse of a linear op: cotangents of its linear operands from cotangents of its outputs. */
export type TransposeRule<P, I extends Many, O extends Many> =
  | {
      readonly kind: "rule";
      /** Returns null at operands that are not linear. At least one cotangent is not null. */
      apply(
        cotangents: Each<O, MaybeZero>,
        operands: Each<I, Operand>,
        params: P,
      ): Each<I, MaybeZero>;
    }
  | { readonly kind: "none"; readonly reason: string }
  /** The op has a forward derivative that cannot be run backwards. */
  | { readonly kind: "irreversible"; readonly reason: string };

/** An equation seen by a simplification rule: each operand with the equation that made it. */
export interface Made {
  readonly tensor: Tensor;
  /** The op that made it, or null for an input of the program. */
  readonly op: Op | null;
  readonly params: unknown;
  readonly inputs: readonly Tensor[];
  /** Operands of that equation, seen likewise, one level deep. */
  readonly operands: readonly Made[];
}

export interface Op<P = unknown, I extends Many = Many, O extends Many = Many> {
  readonly name: string;
  /** Forms of the outputs. @throws MeshloomError when the inputs do not fit */
  infer(inputs: Each<I, Aval>, params: P): Each<O, Aval>;
  readonly jvp: JvpRule<P, I, O>;
  readonly transpose: TransposeRule<P, I, O>;
  /**
   * The op over a batch: mapped inputs carry a new leading axis of length `size`, others do not.
   * All outputs carry it.
   */
  batch(
    inputs: Each<I, Tensor>,
    mapped: Each<I, boolean>,
    params: P,
    size: number,
  ): Each<O, Tensor>;
  /** How its axes relate, as factors; used to propagate, partition and plan. */
  shard(inputs: Each<I, Aval>, outputs: Each<O, Aval>, params: P): ShardingRule<P>;
  /** The value by the slow and obvious way. */
  evaluate(inputs: Each<I, NdArray>, params: P, outputs: Each<O, Aval>): Each<O, NdArray>;
  /** A cheaper equal form, or null. */
  simplify(inputs: Each<I, Made>, params: P, outputs: Each<O, Aval>): readonly Tensor[] | null;
  readonly lower: {
    onnx(
      g: OnnxEmitter,
      inputs: Each<I, OnnxValue>,
      params: P,
      avals: { readonly inputs: Each<I, Aval>; readonly outputs: Each<O, Aval> },
    ): Each<O, OnnxValue>;
    stablehlo(
      h: HloEmitter,
      inputs: Each<I, HloValue>,
      params: P,
      outputs: Each<O, Aval>,
    ): Each<O, HloValue>;
  };
  samples(): readonly Sample<P>[];
  rejects(): readonly Rejection<P>[];
}

/** Checks a record against the form of an op; all the work is done by the types. */
export function defineOp<P, I extends Many, O extends Many>(op: Op<P, I, O>): Op<P, I, O> {
  return op;
}

export const linear: { readonly kind: "linear" } = { kind: "linear" };

/** No derivative: tangents are zero. */
export function zeroTangent(reason: string): { readonly kind: "none"; readonly reason: string } {
  return { kind: "none", reason };
}

/** The op never stands in a linear program, since its own derivative is made of other ops. */
export function notLinear(reason: string): { readonly kind: "none"; readonly reason: string } {
  return { kind: "none", reason };
}

/** No simpler form is known. */
export function asIs(): null {
  return null;
}
