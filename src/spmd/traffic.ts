/**
 * @file What a per-device program sends: bytes per device of each of its collectives.
 *
 * Ring algorithms in a group of n: an all-gather sends (n − 1)/n of its result, a reduce-scatter and an all-to-all
 * (n − 1)/n of their operand, an all-reduce twice that, a permute its operand.
 */

import { type Groups, isCollective } from "../core/collective.ts";
import { dtypeFacts } from "../core/dtype.ts";
import { type Equation, type Program, withoutDeadCode } from "../core/program.ts";
import { type Aval, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { programOf } from "../transforms/trace.ts";

/** One collective of a program. */
export interface Sent {
  /** The name of its op. */
  readonly op: string;
  /** Per device that sends. */
  readonly bytes: number;
}

/** The collectives that the program's outputs need, in order. Those inside loops and branches are not looked for. */
export function trafficOf(program: Program): readonly Sent[] {
  return withoutDeadCode(program).equations.flatMap((equation) => {
    const bytes = isCollective(equation.op) ? bytesOf(equation) : 0;
    return bytes === 0 ? [] : [{ op: equation.op.name, bytes }];
  });
}

/** Bytes that `write` would make a device send, given local tensors of these forms. */
export function bytesToSend(
  forms: readonly Aval[],
  write: (xs: readonly Tensor[]) => readonly Tensor[],
): number {
  const { program } = programOf("bytesToSend", forms, write);
  return trafficOf(program).reduce((sum, { bytes }) => sum + bytes, 0);
}

function bytesOf({ op, params, inputs, outputs }: Equation): number {
  const size = (form: Aval | undefined) =>
    form === undefined ? 0 : sizeOf(form.dims) * dtypeFacts(form.dtype).bytes;
  const [operand, result] = [size(inputs[0]?.aval), size(outputs[0]?.aval)];
  if (op.name === "collectivePermute") return operand;
  const { groups = [] } = params as { readonly groups?: Groups };
  const members = Math.max(0, ...groups.map((group) => group.length));
  if (members < 2) return 0;
  const part = (members - 1) / members;
  if (op.name === "allGather") return part * result;
  return (op.name === "allReduce" ? 2 : 1) * part * operand;
}
