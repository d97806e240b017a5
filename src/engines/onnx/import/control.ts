/**
 * @file If, Loop and Scan.
 *
 * What is known while tracing decides: a known condition takes its branch, a short loop of known length is written out,
 * so that forms inside it may depend on the trip. The others become loops and branches of the program.
 */

import { OnnxError } from "../../../core/errors.ts";
import { at } from "../../../core/ndarray.ts";
import { sameDims } from "../../../core/shape.ts";
import type { Tensor } from "../../../core/tensor.ts";
import * as np from "../../../numpy/index.ts";
import { reshape, reverse, transpose } from "../../../ops/layout.ts";
import type { GraphFile } from "../model-file.ts";
import type { Call, Result } from "./call.ts";
import { range } from "./forms.ts";
import { type Operators, operator } from "./operator.ts";
import {
  hostArray,
  knownValue,
  showValue,
  type TensorValue,
  tensorValue,
  type Value,
} from "./value.ts";

/** Loops up to this many trips are written out. */
export const WRITTEN_OUT = 16;

/** What is known of a truth value: it, or nothing. */
function truth(value: Value | undefined): boolean | undefined {
  if (value?.kind !== "tensor" || value.known?.data.length !== 1) return undefined;
  return at(value.known, 0) !== 0;
}

function branch(call: Call): readonly Result[] {
  const known = truth(call.value(0));
  if (known !== undefined) return call.run(call.graph(known ? "then_branch" : "else_branch"), []);
  // The first branch's values, for their forms: those of the other must be equal.
  let first: readonly Value[] | undefined;
  const side = (name: string) => () => {
    const values = call.run(call.graph(name), []);
    first ??= values;
    values.forEach((value, i) => {
      if (!alike(value, first?.[i])) throw unequal(call, first?.[i], value);
    });
    return values.map((value) => tensorIn(call, value));
  };
  const test = reshape(call.x(0), []);
  const results = np.cond(test, side("then_branch"), side("else_branch"));
  return results.map((x, i) => tensorValue(x, typeOf(first?.[i])));
}

function typeOf(value: Value | undefined): TensorValue["type"] | undefined {
  return value?.kind === "tensor" ? value.type : undefined;
}

function alike(x: Value, y: Value | undefined): boolean {
  return (
    x.kind === "tensor" &&
    y?.kind === "tensor" &&
    x.type === y.type &&
    sameDims(x.form.dims, y.form.dims)
  );
}

function unequal(call: Call, yes: Value | undefined, no: Value): OnnxError {
  return new OnnxError(
    "ONNX-03",
    `importOnnx: the form of the result depends on the condition of ${call.node.op}.`,
    [
      ["then", showValue(yes)],
      ["else", showValue(no)],
      ["fix", "close over a tensor with data for the condition, so that it is known while tracing"],
    ],
  );
}

/** A loop that only its condition ends is written out up to this many trips. */
const ENDLESS = 1000;

/** Body inputs: trip, condition, carried …; outputs: condition, carried …, scanned …. */
interface Loop {
  readonly body: GraphFile;
  /** Infinite where only the condition ends the loop; undefined when it is data. */
  readonly trips: number | undefined;
  readonly carried: readonly Value[];
}

const YES = knownValue(hostArray("bool", [], [1]));

function loop(call: Call): readonly Result[] {
  const given = call.has(0) ? call.value(0) : undefined;
  const trips = given === undefined ? Infinity : given.known && Number(given.known.data[0]);
  const carried = call.inputs.slice(2).map((value) => {
    if (value === undefined) throw call.wrong("a carried value is absent");
    return value;
  });
  const loop: Loop = { body: call.graph("body"), trips, carried };
  const going = call.has(1) ? truth(call.value(1)) : true;
  if (trips !== undefined && going !== undefined) {
    const limit = Number.isFinite(trips) ? (trips > WRITTEN_OUT ? 1 : trips) : ENDLESS;
    const written = writtenOut(call, loop, going, limit, trips);
    if (written !== undefined) return written;
  }
  return call.node.outputs.length <= carried.length
    ? whileGoing(call, loop)
    : counted(call, loop, going);
}

/** Trip by trip; undefined when the condition turns out to be data, or `limit` trips did not end it. */
function writtenOut(
  call: Call,
  { body, carried: initial }: Loop,
  start: boolean,
  limit: number,
  trips: number,
): readonly Result[] | undefined {
  let going: boolean | undefined = start;
  let carried = initial;
  const scanned: Value[][] = range(body.outputs.length - 1 - initial.length).map(() => []);
  let trip = 0;
  for (; going === true && trip < limit; trip++) {
    const results = call.run(body, [knownValue(hostArray("int64", [], [trip])), YES, ...carried]);
    going = truth(results[0]);
    carried = results.slice(1, 1 + initial.length);
    results.slice(1 + initial.length).forEach((value, i) => {
      scanned[i]?.push(value);
    });
  }
  if (going === undefined || (going && trip < trips)) return undefined;
  return [...carried, ...scanned.map((values) => stacked(call, values))];
}

/** Values of all trips along a new first axis. */
function stacked(call: Call, values: readonly Value[]): Result {
  if (values.length === 0) throw call.unsupported("a scanned output of a loop without a trip");
  const tensors = values.map((value) => tensorIn(call, value));
  return tensorValue(np.stack(tensors), typeOf(values[0]));
}

function tensorIn(call: Call, value: Value | undefined): Tensor {
  if (value?.kind === "tensor") return value.tensor();
  throw call.wrong(`it carries ${showValue(value)}`);
}

/** Carried tensors as values again, of the types that they came with. */
function typed(tensors: readonly Tensor[], like: readonly Value[]): Value[] {
  return tensors.map((x, i) => tensorValue(x, typeOf(like[i])));
}

/** A known number of trips, whose condition stays true. */
function counted(call: Call, { body, trips, carried }: Loop, going: boolean | undefined): Result[] {
  if (trips === undefined || !Number.isFinite(trips) || going !== true) throw openEnded(call);
  let types: readonly Value[] = [];
  const [last, rows] = np.scan(
    (state: readonly Tensor[], trip: Tensor) => {
      const inputs = [tensorValue(trip), YES, ...typed(state, carried)];
      const [test, ...results] = call.run(body, inputs);
      if (truth(test) !== true) throw call.unsupported("a long loop that may end early");
      types = results;
      const tensors = results.map((value) => tensorIn(call, value));
      return [tensors.slice(0, carried.length), tensors.slice(carried.length)] as const;
    },
    carried.map((value) => tensorIn(call, value)),
    np.astype(np.arange(trips), "int64"),
  );
  return typed([...last, ...rows], types);
}

function openEnded(call: Call): OnnxError {
  return new OnnxError(
    "ONNX-03",
    `importOnnx: the form of a result depends on the number of trips of ${call.node.op}.`,
    [["fix", "close over tensors with data for what the condition is computed from"]],
  );
}

/** Trips as long as the condition holds, which the engine decides. */
function whileGoing(call: Call, { body, carried }: Loop): Result[] {
  if (carried.some((value) => value.kind !== "tensor")) throw openEnded(call);
  const trips = call.has(0) ? np.astype(call.x(0), "int64") : undefined;
  const initial = {
    trip: np.full(0, [], undefined, "int64"),
    going: call.has(1) ? reshape(call.x(1), []) : np.full(1, [], undefined, "bool"),
    state: carried.map((value) => tensorIn(call, value)),
  };
  const done = np.whileLoop(
    ({ trip, going }) =>
      trips === undefined ? going : np.and(going, np.less(trip, reshape(trips, []))),
    ({ trip, going, state }) => {
      const inputs = [tensorValue(trip), tensorValue(going), ...typed(state, carried)];
      const [test, ...results] = call.run(body, inputs);
      return {
        trip: np.add(trip, 1),
        going: reshape(tensorIn(call, test), []),
        state: results.slice(0, carried.length).map((value) => tensorIn(call, value)),
      };
    },
    initial,
  );
  return typed(done.state, carried);
}

/** Body inputs: states …, slices …; outputs: states …, slices …. */
function scan(call: Call): readonly Result[] {
  if (call.opset < 9) return batchedScan(call);
  const body = call.graph("body");
  const slices = call.int("num_scan_inputs");
  return scanned(call, body, call.inputs, slices, {
    inputAxes: call.ints("scan_input_axes"),
    inputDirections: call.ints("scan_input_directions"),
    outputAxes: call.ints("scan_output_axes"),
    outputDirections: call.ints("scan_output_directions"),
  });
}

interface Directions {
  readonly inputAxes: readonly number[] | undefined;
  readonly inputDirections: readonly number[] | undefined;
  readonly outputAxes: readonly number[] | undefined;
  readonly outputDirections: readonly number[] | undefined;
}

function scanned(
  call: Call,
  body: GraphFile,
  inputs: readonly (Value | undefined)[],
  slices: number,
  how: Directions,
): Tensor[] {
  const stateCount = inputs.length - slices;
  const states = inputs.slice(0, stateCount).map((value): Value => {
    if (value === undefined) throw call.wrong("a state is absent");
    return value;
  });
  const given = inputs.slice(stateCount).map((value, i) => {
    const x = tensorIn(call, value);
    const axis = call.axis(how.inputAxes?.[i] ?? 0, x.rank);
    return transpose(x, [axis, ...range(x.rank).filter((j) => j !== axis)]);
  });
  const length = given[0]?.dims[0] ?? 0;
  const turned = given.map((x, i) => (how.inputDirections?.[i] === 1 ? reverse(x, [0]) : x));
  const [last, rows] =
    length <= WRITTEN_OUT
      ? eachStep(call, body, states, turned, length)
      : asLoop(call, body, states, turned);
  const done = rows.map((all, i) => {
    const x = how.outputDirections?.[i] === 1 ? reverse(all, [0]) : all;
    const axis = call.axis(how.outputAxes?.[i] ?? 0, x.rank);
    const rest = range(x.rank).slice(1);
    return transpose(x, [...rest.slice(0, axis), 0, ...rest.slice(axis)]);
  });
  return [...last, ...done];
}

type Scanned = readonly [last: readonly Tensor[], rows: readonly Tensor[]];

function eachStep(
  call: Call,
  body: GraphFile,
  initial: readonly Value[],
  xs: readonly Tensor[],
  length: number,
): Scanned {
  if (length === 0) throw call.unsupported("a scan over nothing");
  let states = initial;
  const rows: Tensor[][] = range(body.outputs.length - states.length).map(() => []);
  for (const t of range(length)) {
    const results = call.run(body, [...states, ...xs.map((x) => pieceAt(x, t))]);
    states = results.slice(0, initial.length);
    results.slice(initial.length).forEach((value, i) => {
      rows[i]?.push(tensorIn(call, value));
    });
  }
  return [states.map((value) => tensorIn(call, value)), rows.map((list) => np.stack(list))];
}

function asLoop(
  call: Call,
  body: GraphFile,
  initial: readonly Value[],
  xs: readonly Tensor[],
): Scanned {
  return np.scan(
    (state: readonly Tensor[], pieces: readonly Tensor[]) => {
      const inputs = [...typed(state, initial), ...pieces.map((x) => tensorValue(x))];
      const results = call.run(body, inputs).map((value) => tensorIn(call, value));
      return [results.slice(0, initial.length), results.slice(initial.length)] as const;
    },
    initial.map((value) => tensorIn(call, value)),
    xs,
  );
}

function pieceAt(x: Tensor, t: number): Value {
  const piece = np.slice(x, 0, t, t + 1);
  return tensorValue(reshape(piece, piece.dims.slice(1)));
}

/** Opset 8: a leading batch axis on everything, and sequence lengths as the first input. */
function batchedScan(call: Call): readonly Result[] {
  if (call.has(0)) throw call.unsupported("sequence_lens");
  const body = call.graph("body");
  const slices = call.int("num_scan_inputs");
  const inputs = call.inputs.slice(1);
  const first = tensorIn(call, inputs[0]);
  const perBatch = range(first.dims[0] ?? 0).map((b) =>
    scanned(
      call,
      body,
      inputs.map((value) => pieceAt(tensorIn(call, value), b)),
      slices,
      {
        inputAxes: undefined,
        inputDirections: call.ints("directions"),
        outputAxes: undefined,
        outputDirections: undefined,
      },
    ),
  );
  return range(perBatch[0]?.length ?? 0).map((i) =>
    np.stack(perBatch.map((outputs) => outputs[i] as Tensor)),
  );
}

export const CONTROL: Operators = {
  If: operator(1, branch, { fold: false }),
  Loop: operator(1, loop, { fold: false }),
  Scan: operator(8, scan, { fold: false }),
};
