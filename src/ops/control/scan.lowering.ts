/** @file `scan` for the engines: ONNX has the same op, StableHLO a loop that reads and writes by index. */

import type { HloEmitter, HloValue, OnnxEmitter, OnnxValue } from "../../core/lowering.ts";
import { type Aval, aval, sizeOf } from "../../core/shape.ts";
import type { ScanParams } from "./scan.ts";
import { rolesOf } from "./scan.ts";

export function scanOnnx(
  g: OnnxEmitter,
  inputs: readonly OnnxValue[],
  p: ScanParams,
  avals: { readonly inputs: readonly Aval[]; readonly outputs: readonly Aval[] },
): readonly OnnxValue[] {
  const whole = inputs.map((x, i) => g.exact(x, avals.inputs[i]?.dims ?? []));
  const { constants, carries, elements } = rolesOf(whole, p);
  if (p.length === 0) {
    const empty = avals.outputs.slice(p.carries).map((y) => g.constant(y.dtype, y.dims, []));
    return [...carries, ...empty];
  }
  // ONNX wants a sequence to count the steps by; one byte a step stands in where there is none.
  const counted =
    elements.length > 0 ? elements : [g.constant("bool", [p.length], new Uint8Array(p.length))];
  const one = ({ dtype, dims }: OnnxValue) => ({ dtype, dims: dims.slice(1) });
  const body = g.subgraph("scan", [...carries, ...counted.map(one)], (xs) =>
    g.inline(p.body, [...constants, ...xs.slice(0, carries.length + elements.length)]),
  );
  const directions = (count: number) => ({
    ints: new Array<number>(count).fill(p.reverse ? 1 : 0),
  });
  return g.nodes({
    op: "Scan",
    inputs: [...carries, ...counted],
    outputs: avals.outputs,
    attributes: {
      body: { graph: body },
      num_scan_inputs: { int: counted.length },
      scan_input_directions: directions(counted.length),
      scan_output_directions: directions(avals.outputs.length - p.carries),
    },
  });
}

export function scanStablehlo(
  h: HloEmitter,
  inputs: readonly HloValue[],
  p: ScanParams,
  outputs: readonly Aval[],
): readonly HloValue[] {
  const { constants, carries, elements } = rolesOf(inputs, p);
  const index = aval("int32", []);
  const results = outputs.slice(p.carries);
  if (p.length === 0) return [...carries, ...results.map((y) => h.splat(0, y))];
  const start = [h.splat(0, index), ...carries, ...results.map((y) => h.splat(0, y))];
  const state = start.map((x) => h.argument(x));
  const [counter] = state as [HloValue];
  const test = h.region(() => {
    const end = h.splat(p.length, index);
    return [h.line(compare("LT", counter, end, h), aval("bool", []))];
  });
  const body = h.region(() => {
    const zero = h.splat(0, index);
    const last = h.splat(p.length - 1, index);
    const place = p.reverse ? h.elementwise("stablehlo.subtract", [last, counter], index) : counter;
    const slices = elements.map((x) => {
      const piece = { dtype: x.dtype, dims: [1, ...x.dims.slice(1)] };
      const starts = [place, ...piece.dims.slice(1).map(() => zero)];
      const types = [x, ...starts].map((v) => h.type(v)).join(", ");
      const names = [x, ...starts].map((v) => v.name).join(", ");
      const cut = h.line(
        `stablehlo.dynamic_slice ${names}, sizes = [${piece.dims.join(", ")}] : (${types}) -> ${h.type(piece)}`,
        piece,
      );
      return reshaped(h, cut, piece.dims.slice(1));
    });
    const out = h.inline(p.body, [...constants, ...state.slice(1, 1 + p.carries), ...slices]);
    const stacked = state.slice(1 + p.carries).map((y, i) => {
      const value = out[p.carries + i];
      if (value === undefined || sizeOf(y.dims) === 0) return y;
      const row = reshaped(h, value, [1, ...value.dims]);
      const operands = [y, row, place, ...value.dims.map(() => zero)];
      const types = operands.map((v) => h.type(v)).join(", ");
      return h.line(
        `stablehlo.dynamic_update_slice ${operands.map((v) => v.name).join(", ")} : (${types}) -> ${h.type(y)}`,
        y,
      );
    });
    const next = h.elementwise("stablehlo.add", [counter, h.splat(1, index)], index);
    return [next, ...out.slice(0, p.carries), ...stacked];
  });
  return whileText(h, state, start, test, body).slice(1);
}

/** `stablehlo.while` over a state; returns its last values. */
export function whileText(
  h: HloEmitter,
  state: readonly HloValue[],
  start: readonly HloValue[],
  test: string,
  body: string,
): readonly HloValue[] {
  const header = state.map((x, i) => `${x.name} = ${start[i]?.name}`).join(", ");
  const types = state.map((x) => h.type(x)).join(", ");
  return h.lines(
    `stablehlo.while(${header}) : ${types}\ncond {\n${test}\n} do {\n${body}\n}`,
    state,
  );
}

function compare(direction: string, x: HloValue, y: HloValue, h: HloEmitter): string {
  return `stablehlo.compare ${direction}, ${x.name}, ${y.name} : (${h.type(x)}, ${h.type(y)}) -> tensor<i1>`;
}

function reshaped(h: HloEmitter, x: HloValue, dims: readonly number[]): HloValue {
  const y = { dtype: x.dtype, dims };
  return h.line(`stablehlo.reshape ${x.name} : (${h.type(x)}) -> ${h.type(y)}`, y);
}
