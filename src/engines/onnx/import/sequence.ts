/** @file Operators on sequences and optional values: lists that exist while tracing only. */

import type { Tensor } from "../../../core/tensor.ts";
import * as np from "../../../numpy/index.ts";
import { reshape } from "../../../ops/layout.ts";
import type { Call, Result } from "./call.ts";
import { range } from "./forms.ts";
import { type Operator, type Operators, operator } from "./operator.ts";
import {
  hostArray,
  NOTHING,
  type SequenceValue,
  showValue,
  tensorValue,
  type Value,
} from "./value.ts";

function sequence(call: Call, i: number): readonly Value[] {
  const value = call.inputs[i];
  if (value?.kind === "sequence") return value.items;
  throw call.wrong(`input ${i + 1} is ${showValue(value)}, where a sequence belongs`);
}

function listed(items: readonly Value[]): SequenceValue {
  return { kind: "sequence", items };
}

/** A place in a sequence, counted from the end when negative; up to `last`. */
function place(call: Call, i: number, length: number, last = length - 1): number {
  const given = call.number(i, "the choice from a sequence");
  const at = given < 0 ? given + length : given;
  if (at >= 0 && at <= last) return at;
  throw call.wrong(`there is no place ${given} in a sequence of ${length}`);
}

function insert(call: Call): Value {
  const items = sequence(call, 0);
  const at = call.has(2) ? place(call, 2, items.length, items.length) : items.length;
  return listed([...items.slice(0, at), call.value(1), ...items.slice(at)]);
}

function erase(call: Call): Value {
  const items = sequence(call, 0);
  const at = call.has(1) ? place(call, 1, items.length) : items.length - 1;
  return listed(items.filter((_, i) => i !== at));
}

function tensors(call: Call, items: readonly Value[]): Tensor[] {
  return items.map((item) => {
    if (item.kind === "tensor") return item.tensor();
    throw call.wrong(`the sequence holds ${showValue(item)}`);
  });
}

function joined(call: Call): Tensor {
  const xs = tensors(call, sequence(call, 0));
  const [first] = xs;
  if (first === undefined) throw call.wrong("the sequence is empty");
  const along = call.flag("new_axis", false);
  const axis = call.axis(call.int("axis"), first.rank + Number(along));
  const parts = along
    ? xs.map((x) => reshape(x, [...x.dims.slice(0, axis), 1, ...x.dims.slice(axis)]))
    : xs;
  return np.concatenate(parts, axis);
}

function splitToSequence(call: Call): Value {
  const x = call.x(0);
  const axis = call.axis(call.int("axis", 0), x.rank);
  const length = x.dims[axis] ?? 0;
  const given = call.has(1) ? call.numbers(1, "the number of pieces") : [1];
  const scalar = !call.has(1) || call.dims(1).length === 0;
  const step = given[0] ?? 0;
  if (scalar && step < 1) throw call.wrong(`pieces of ${step}`);
  const sizes = scalar
    ? range(Math.ceil(length / step)).map((i) => Math.min(step, length - i * step))
    : given;
  const pieces = np.split(x, axis, sizes);
  const keep = call.has(1) || call.flag("keepdims", true);
  const dims = x.dims.filter((_, i) => i !== axis);
  return listed(pieces.map((piece) => tensorValue(keep ? piece : reshape(piece, dims))));
}

/** The body runs on each item of the first sequence, with those of the others beside it. */
function map(call: Call): readonly Result[] {
  const body = call.graph("body");
  const items = sequence(call, 0);
  const runs = items.map((_, i) =>
    call.run(
      body,
      call.inputs.map((value, j) => {
        const item = value?.kind === "sequence" ? value.items[i] : value;
        if (item === undefined) throw call.wrong(`input ${j + 1} has no item ${i}`);
        return item;
      }),
    ),
  );
  return body.outputs.map((_, k) => listed(runs.map((run) => run[k] ?? NOTHING)));
}

/** Nothing of this is arithmetic. */
function plain(since: number, rule: (call: Call) => Result | readonly Result[]): Operator {
  return operator(since, rule, { fold: false });
}

export const SEQUENCE: Operators = {
  SequenceConstruct: plain(11, (call) =>
    listed(range(call.inputs.length).map((i) => call.value(i))),
  ),
  SequenceEmpty: plain(11, () => listed([])),
  SequenceLength: plain(11, (call) => hostArray("int64", [], [sequence(call, 0).length])),
  SequenceAt: plain(11, (call) => {
    const items = sequence(call, 0);
    return items[place(call, 1, items.length)];
  }),
  SequenceInsert: plain(11, insert),
  SequenceErase: plain(11, erase),
  SequenceMap: plain(17, map),
  SplitToSequence: plain(11, splitToSequence),
  ConcatFromSequence: plain(11, joined),
  Optional: plain(15, (call) => call.inputs[0] ?? NOTHING),
  OptionalGetElement: plain(15, (call) => {
    const value = call.inputs[0];
    if (value !== undefined && value.kind !== "nothing") return value;
    throw call.wrong("the optional is empty");
  }),
  OptionalHasElement: plain(15, (call) => {
    const value = call.inputs[0];
    return hostArray("bool", [], [Number(value !== undefined && value.kind !== "nothing")]);
  }),
};
