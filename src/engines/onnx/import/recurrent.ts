/**
 * @file Recurrent operators: short sequences are written out, long ones are loops.
 *
 * The recurrences are those of the operators' pages: gates in ONNX's order, one set of weights per direction.
 */

import type { Tensor } from "../../../core/tensor.ts";
import type { TensorLike } from "../../../numpy/index.ts";
import * as np from "../../../numpy/index.ts";
import { fullLike } from "../../../ops/creation.ts";
import { reshape, transpose } from "../../../ops/layout.ts";
import { ACTIVATIONS } from "./activation.ts";
import type { Call, Result } from "./call.ts";
import { WRITTEN_OUT } from "./control.ts";
import { range } from "./forms.ts";
import { matmul } from "./matrix.ts";
import { type Operators, operator } from "./operator.ts";

type Activate = (x: Tensor) => Tensor;
/** Hidden states: one for RNN and GRU; hidden and cell for LSTM. */
type State = readonly Tensor[];

/** Weights of one direction, transposed for products from the right. */
interface Weights {
  /** [input, gates · hidden] */
  readonly input: Tensor;
  /** [hidden, gates · hidden] */
  readonly recurrent: Tensor;
  /** [gates · hidden] each; undefined without biases. */
  readonly inputBias: Tensor | undefined;
  readonly recurrentBias: Tensor | undefined;
  /** LSTM's looks at the cell, [3 · hidden]. */
  readonly peepholes: Tensor | undefined;
  readonly activations: readonly Activate[];
}

/** One step: x is [batch, input]; answers the new state, hidden first. */
type Step = (call: Call, x: Tensor, state: State, weights: Weights) => State;

interface Kind {
  readonly gates: number;
  readonly states: number;
  readonly activations: readonly string[];
  readonly step: Step;
}

const rnn: Kind = {
  gates: 1,
  states: 1,
  activations: ["Tanh"],
  step: (call, x, [h], w) => {
    const f = w.activations[0] ?? np.tanh;
    return [f(np.add(affine(call, x, w.input, w.inputBias), recurrentPart(call, h, w)))];
  },
};

const gru: Kind = {
  gates: 3,
  states: 1,
  activations: ["Sigmoid", "Tanh"],
  step: (call, x, [h], w) => {
    if (h === undefined) throw call.wrong("it has no state");
    const [f = np.logistic, g = np.tanh] = w.activations;
    const [xz, xr, xh] = parts(affine(call, x, w.input, w.inputBias), 3);
    const linear = call.flag("linear_before_reset", false);
    const [hz, hr, hh] = parts(recurrentPart(call, h, w), 3);
    const z = f(np.add(xz, hz));
    const r = f(np.add(xr, hr));
    // The reset gate acts after the recurrent product, or before it.
    const candidate = linear
      ? np.mul(r, hh)
      : affine(call, np.mul(r, h), third(w.recurrent, 2), lastThird(w.recurrentBias));
    const n = g(np.add(xh, candidate));
    return [np.add(np.mul(np.sub(1, z), n), np.mul(z, h))];
  },
};

const lstm: Kind = {
  gates: 4,
  states: 2,
  activations: ["Sigmoid", "Tanh", "Tanh"],
  step: (call, x, [h, c], w) => {
    if (h === undefined || c === undefined) throw call.wrong("it has no state");
    const [f = np.logistic, g = np.tanh, out = np.tanh] = w.activations;
    const gates = np.add(affine(call, x, w.input, w.inputBias), recurrentPart(call, h, w));
    const [i, o, forget, cell] = parts(gates, 4);
    const [pi, po, pf] = w.peepholes === undefined ? [] : parts(w.peepholes, 3);
    const look = (gate: Tensor, peephole: Tensor | undefined, at: Tensor) =>
      f(peephole === undefined ? gate : np.add(gate, np.mul(at, peephole)));
    const it = look(i, pi, c);
    const keep = call.flag("input_forget", false) ? np.sub(1, it) : look(forget, pf, c);
    const next = np.add(np.mul(keep, c), np.mul(it, g(cell)));
    return [np.mul(look(o, po, next), out(next)), next];
  },
};

function affine(call: Call, x: Tensor, w: Tensor, bias: Tensor | undefined): Tensor {
  const product = matmul(call, x, w);
  return bias === undefined ? product : np.add(product, bias);
}

function recurrentPart(call: Call, h: Tensor | undefined, w: Weights): Tensor {
  if (h === undefined) throw call.wrong("it has no state");
  return affine(call, h, w.recurrent, w.recurrentBias);
}

/** Equal parts along the last axis. */
function parts(x: Tensor, count: 3): readonly [Tensor, Tensor, Tensor];
function parts(x: Tensor, count: 4): readonly [Tensor, Tensor, Tensor, Tensor];
function parts(x: Tensor, count: number): readonly Tensor[] {
  const size = (x.dims[x.rank - 1] ?? 0) / count;
  return np.split(x, x.rank - 1, Array<number>(count).fill(size));
}

function third(x: Tensor, i: 0 | 1 | 2): Tensor {
  return parts(x, 3)[i];
}

function lastThird(x: Tensor | undefined): Tensor | undefined {
  return x === undefined ? undefined : third(x, 2);
}

function activationsOf(call: Call, kind: Kind, directions: number): readonly Activate[] {
  const names = call.texts("activations") ?? range(directions).flatMap(() => kind.activations);
  // Numbers stand only for activations that take them, in their order.
  const alphas = [...(call.floats("activation_alpha") ?? [])];
  const betas = [...(call.floats("activation_beta") ?? [])];
  return names.map((name) => {
    const found = Object.entries(ACTIVATIONS).find(
      ([known]) => known.toLowerCase() === name.toLowerCase(),
    )?.[1];
    if (found === undefined) throw call.unsupported(`activation "${name}"`);
    const alpha = found.alpha === 0 ? 0 : (alphas.shift() ?? found.alpha);
    const beta = found.beta === 0 ? 0 : (betas.shift() ?? found.beta);
    return (x) => found.f(x, alpha, beta);
  });
}

function clipped(f: Activate, limit: number): Activate {
  return (x) => f(np.maximum(np.minimum(x, limit), -limit));
}

/** Runs a recurrence over the sequence, in one or both directions. */
function recurrent(kind: Kind): (call: Call) => readonly Result[] {
  return (call) => {
    const byBatch = call.flag("layout", false);
    const given = call.x(0);
    const x = byBatch ? transpose(given, [1, 0, 2]) : given;
    const [length = 0, batch = 0] = x.dims;
    const direction = call.oneOf("direction", ["forward", "reverse", "bidirectional"], "forward");
    const directions = direction === "bidirectional" ? 2 : 1;
    const hidden = call.dims(2)[2] ?? 0;
    const activations = activationsOf(call, kind, directions);
    const lengths = lengthsOf(call, length, batch);
    const perDirection = activations.length / directions;
    const runs = range(directions).map((d) => {
      const own = activations.slice(d * perDirection, (d + 1) * perDirection);
      const weights = weightsOf(call, kind, d, hidden, own);
      const start = range(kind.states).map((k) => startOf(call, k, d, x, [batch, hidden], byBatch));
      const backward = direction === "reverse" || d === 1;
      return unrolled(call, kind, x, start, weights, backward, lengths);
    });
    // [length, directions, batch, hidden], or with the batch first
    const all = np.concatenate(
      runs.map(({ outputs }) => reshape(outputs, [length, 1, batch, hidden])),
      1,
    );
    const last = range(kind.states).map((k) => np.stack(runs.map((run) => run.state[k] as Tensor)));
    return byBatch
      ? [transpose(all, [2, 0, 1, 3]), ...last.map((y) => transpose(y, [1, 0, 2]))]
      : [all, ...last];
  };
}

function weightsOf(
  call: Call,
  kind: Kind,
  d: number,
  hidden: number,
  activations: readonly Activate[],
): Weights {
  const row = (x: Tensor): Tensor => {
    const one = np.slice(x, 0, d, d + 1);
    return reshape(one, one.dims.slice(1));
  };
  const bias = call.maybe(3);
  const both = bias === undefined ? undefined : row(bias);
  const size = kind.gates * hidden;
  const limit = call.given("clip") ? call.float("clip") : undefined;
  const peepholes = kind.states === 2 ? call.maybe(7) : undefined;
  return {
    input: transpose(row(call.x(1)), [1, 0]),
    recurrent: transpose(row(call.x(2)), [1, 0]),
    inputBias: both === undefined ? undefined : np.slice(both, 0, 0, size),
    recurrentBias: both === undefined ? undefined : np.slice(both, 0, size, 2 * size),
    peepholes: peepholes === undefined ? undefined : row(peepholes),
    activations: activations.map((f) => (limit === undefined ? f : clipped(f, limit))),
  };
}

function startOf(
  call: Call,
  state: number,
  d: number,
  x: Tensor,
  dims: readonly number[],
  byBatch: boolean,
): Tensor {
  const given = call.maybe(5 + state);
  if (given === undefined) return np.full(0, dims, undefined, x.dtype);
  const whole = byBatch ? transpose(given, [1, 0, 2]) : given;
  return reshape(np.slice(whole, 0, d, d + 1), dims);
}

/** Lengths of the sequences as int32 [batch, 1]; undefined when all are whole. */
function lengthsOf(call: Call, length: number, batch: number): Tensor | undefined {
  const given = call.maybe(4);
  if (given === undefined) return undefined;
  const known = call.value(4).known;
  if (known?.data.every((n) => Number(n) === length)) return undefined;
  return reshape(np.astype(given, "int32"), [batch, 1]);
}

/**
 * The recurrence over all steps: outputs `[length, batch, hidden]` and the last state.
 *
 * Steps past a sequence's end keep its state and answer zeros; so a reversed run starts at its end.
 */
function unrolled(
  call: Call,
  kind: Kind,
  x: Tensor,
  start: State,
  weights: Weights,
  backward: boolean,
  lengths: Tensor | undefined,
): { readonly outputs: Tensor; readonly state: State } {
  const [length = 0, batch = 0, width = 0] = x.dims;
  const step = (state: State, now: Tensor, t: TensorLike): readonly [State, Tensor] => {
    const next = kind.step(call, now, state, weights);
    const [hidden] = next;
    if (hidden === undefined) throw call.wrong("it has no state");
    if (lengths === undefined) return [next, hidden];
    const inside = np.greater(lengths, t);
    const kept = next.map((y, k) => np.where(inside, y, state[k] ?? y));
    return [kept, np.where(inside, hidden, fullLike(hidden, 0))];
  };
  if (length > WRITTEN_OUT) {
    const sequences = { now: x, t: np.arange(length) };
    const [state, outputs] = np.scan(
      (carry: State, { now, t }: typeof sequences) => step(carry, now, t),
      start,
      sequences,
      { reverse: backward },
    );
    return { outputs, state };
  }
  const outputs: Tensor[] = [];
  let state = start;
  for (const i of range(length)) {
    const t = backward ? length - 1 - i : i;
    const now = reshape(np.slice(x, 0, t, t + 1), [batch, width]);
    const [next, output] = step(state, now, t);
    state = next;
    outputs[t] = output;
  }
  return { outputs: np.stack(outputs), state };
}

export const RECURRENT: Operators = {
  RNN: operator(1, recurrent(rnn), { fold: false }),
  GRU: operator(3, recurrent(gru), { fold: false }),
  LSTM: operator(1, recurrent(lstm), { fold: false }),
};
