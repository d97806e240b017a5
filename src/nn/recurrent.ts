/** @file Recurrent cells: one step of a sequence. */

import type { Tensor } from "../core/tensor.ts";
import { concatenate, einsum, logistic, scan, split, tanh } from "../numpy/index.ts";
import { normal, type ParamSpec, param, zeros } from "./param.ts";

/** One matrix for input and hidden state together, and the biases: `[joint, gate, hidden]` and `[gate, hidden]`. */
export interface LstmCell<T> {
  readonly weight: T;
  readonly bias: T;
}

/** State of an LSTM, `[batch, hidden]` each. */
export interface LstmState<T> {
  readonly hidden: T;
  readonly cell: T;
}

/** @param embed - width of the input; the rows of the weight are those of the input, then those of the state */
export function lstmCellParams(embed: number, hidden: number): LstmCell<ParamSpec> {
  const joint = embed + hidden;
  return {
    weight: param({ joint, gate: 4, hidden }, normal(joint ** -0.5)),
    bias: param({ gate: 4, hidden }, zeros),
  };
}

/** The gates' inner values `[batch, hidden]`, one by one, from one matrix product. */
function gatesOf(weight: Tensor, bias: Tensor, x: Tensor): readonly Tensor[] {
  const inner = einsum("batch joint, joint gate hidden -> batch gate hidden", x, weight).add(bias);
  const [batch, gates, hidden] = [inner.size("batch"), inner.size("gate"), inner.size("hidden")];
  return split(inner, "gate", Array<number>(gates).fill(1)).map((gate) =>
    gate.reshape([batch, hidden], "batch hidden"),
  );
}

/**
 * One step of a long short-term memory. Gates stand in the order input, forget, candidate, output:
 * `c' = σ(f) c + σ(i) tanh(g)`, `h' = σ(o) tanh(c')`.
 *
 * @param x - `[batch, embed]`
 * @returns the next state; its `hidden` is also the answer of the step
 * @see Hochreiter and Schmidhuber (1997); forget gate: Gers et al. (2000)
 */
export function lstmCell(
  p: LstmCell<Tensor>,
  x: Tensor,
  { hidden, cell }: LstmState<Tensor>,
): LstmState<Tensor> {
  const joint = concatenate([x.as("batch joint"), hidden.as("batch joint")], "joint");
  const [input, forget, candidate, output] = gatesOf(p.weight, p.bias, joint) as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
  ];
  const next = logistic(forget)
    .mul(cell)
    .add(logistic(input).mul(tanh(candidate)));
  return { hidden: logistic(output).mul(tanh(next)), cell: next };
}

/**
 * A long short-term memory over a sequence, one loop for all of it.
 *
 * @param xs - `[time, batch, embed]`: steps come first, as the loop takes them
 * @returns the hidden states `[time, batch, hidden]`, and the last state
 */
export function lstm(
  p: LstmCell<Tensor>,
  xs: Tensor,
  initial: LstmState<Tensor>,
  options: { readonly reverse?: boolean } = {},
): readonly [hidden: Tensor, last: LstmState<Tensor>] {
  const step = (state: LstmState<Tensor>, x: Tensor) => {
    const next = lstmCell(p, x, state);
    return [next, next.hidden] as const;
  };
  const [last, hidden] = scan(step, initial, xs.as("time batch embed"), options);
  return [hidden, last];
}

/** Weights `[joint, gate, hidden]` of input and state, biases `[gate, hidden]`: the candidate keeps its two sides apart. */
export interface GruCell<T> {
  readonly input: T;
  readonly state: T;
  readonly inputBias: T;
  readonly stateBias: T;
}

export function gruCellParams(embed: number, hidden: number): GruCell<ParamSpec> {
  const side = (joint: number) => param({ joint, gate: 3, hidden }, normal(joint ** -0.5));
  const bias = param({ gate: 3, hidden }, zeros);
  return { input: side(embed), state: side(hidden), inputBias: bias, stateBias: bias };
}

/**
 * One step of a gated recurrent unit, with the reset after the product as in cuDNN and PyTorch. Gates
 * stand in the order reset, update, candidate: `n = tanh(x_n + σ(r) h_n)`, `h' = σ(z) h + (1 − σ(z)) n`.
 *
 * The candidate needs the parts of input and state apart, so each side has a product of its own; that
 * of the input does not wait for the state, and may be taken for all steps at once.
 *
 * @param x - `[batch, embed]`
 * @param hidden - `[batch, hidden]`
 * @returns the next hidden state, which is also the answer of the step
 * @see Cho et al., arXiv:1406.1078
 */
export function gruCell(p: GruCell<Tensor>, x: Tensor, hidden: Tensor): Tensor {
  const fromInput = gatesOf(p.input, p.inputBias, x.as("batch joint"));
  const fromState = gatesOf(p.state, p.stateBias, hidden.as("batch joint"));
  const [inputReset, inputUpdate, inputCandidate] = fromInput as [Tensor, Tensor, Tensor];
  const [stateReset, stateUpdate, stateCandidate] = fromState as [Tensor, Tensor, Tensor];
  const reset = logistic(inputReset.add(stateReset));
  const update = logistic(inputUpdate.add(stateUpdate));
  const candidate = tanh(inputCandidate.add(reset.mul(stateCandidate)));
  return candidate.add(update.mul(hidden.sub(candidate)));
}

/** A gated recurrent unit over a sequence; arguments and results as those of `lstm`. */
export function gru(
  p: GruCell<Tensor>,
  xs: Tensor,
  initial: Tensor,
  options: { readonly reverse?: boolean } = {},
): readonly [hidden: Tensor, last: Tensor] {
  const step = (state: Tensor, x: Tensor) => {
    const next = gruCell(p, x, state);
    return [next, next] as const;
  };
  const [last, hidden] = scan(step, initial, xs.as("time batch embed"), options);
  return [hidden, last];
}
