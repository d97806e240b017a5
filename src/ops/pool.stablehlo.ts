/** @file Pooling windows as `stablehlo.reduce_window`. */

import type { HloEmitter, HloValue } from "../core/lowering.ts";
import type { Each, One } from "../core/op.ts";
import { type Aval, aval, sizeOf } from "../core/shape.ts";
import { LEAST } from "./magnitude.ts";
import type { WindowMaxParams, WindowSumParams } from "./pool.ts";

/** Attributes of a window along the last axes; leading axes have a window of one element. */
function attributesOf(rank: number, p: WindowMaxParams | WindowSumParams): string {
  const lead = rank - p.taps.length;
  const array = (list: readonly number[]) =>
    `array<i64: ${[...Array<number>(lead).fill(1), ...list].join(", ")}>`;
  const padding = [...Array(lead).fill([0, 0]), ...p.padding]
    .map(([low, high]) => `[${low}, ${high}]`)
    .join(", ");
  return [
    `window_dimensions = ${array(p.taps)}`,
    `window_strides = ${array(p.stride)}`,
    `base_dilations = ${array("inputDilation" in p ? p.inputDilation : p.taps.map(() => 1))}`,
    `window_dilations = ${array(p.dilation)}`,
    `padding = dense<[${padding}]> : tensor<${rank}x2xi64>`,
  ].join(", ");
}

function reduceWindow(
  h: HloEmitter,
  x: HloValue,
  p: WindowMaxParams | WindowSumParams,
  op: string,
  start: number,
  y: Aval,
): HloValue {
  if (sizeOf(y.dims) === 0) return h.splat(0, y);
  if (sizeOf(x.dims) === 0) return h.splat(start, y);
  const initial = h.splat(start, aval(y.dtype, []));
  const scalar = h.type(initial);
  return h.line(
    `"stablehlo.reduce_window"(${x.name}, ${initial.name}) <{${attributesOf(x.dims.length, p)}}> ({\n` +
      `    ^bb0(%p: ${scalar}, %q: ${scalar}):\n      %s = ${op} %p, %q : ${scalar}\n      stablehlo.return %s : ${scalar}\n    }) : (${h.type(x)}, ${scalar}) -> ${h.type(y)}`,
    y,
  );
}

export function windowSumStablehlo(
  h: HloEmitter,
  [x]: Each<One, HloValue>,
  p: WindowSumParams,
  [y]: Each<One, Aval>,
): Each<One, HloValue> {
  return [reduceWindow(h, x, p, "stablehlo.add", 0, y)];
}

export function windowMaxStablehlo(
  h: HloEmitter,
  [x]: Each<One, HloValue>,
  p: WindowMaxParams,
  [y]: Each<One, Aval>,
): Each<One, HloValue> {
  return [reduceWindow(h, x, p, "stablehlo.maximum", LEAST[x.dtype], y)];
}

/** Past any place: padding loses every tie. */
const NOWHERE = 2 ** 31 - 1;

/**
 * A window over pairs of element and place. XLA may reduce in any order, so the larger element wins and
 * among equals the lower place.
 */
export function windowArgMaxStablehlo(
  h: HloEmitter,
  [x]: Each<One, HloValue>,
  p: WindowMaxParams,
  [y]: Each<One, Aval>,
): Each<One, HloValue> {
  if (sizeOf(y.dims) === 0) return [h.splat(0, y)];
  const rank = x.dims.length;
  const space = x.dims.slice(rank - p.taps.length);
  const flat = aval("int32", [sizeOf(space)]);
  const counted = h.line(`stablehlo.iota dim = 0 : ${h.type(flat)}`, flat);
  const shaped = aval("int32", space);
  const inSpace = h.line(
    `stablehlo.reshape ${counted.name} : (${h.type(flat)}) -> ${h.type(shaped)}`,
    shaped,
  );
  const places = h.broadcast(
    inSpace,
    space.map((_, i) => rank - space.length + i),
    x.dims,
  );
  const least = h.splat(-Infinity, aval(x.dtype, []));
  const nowhere = h.splat(NOWHERE, aval("int32", []));
  const [f, n] = [h.type(least), h.type(nowhere)];
  const body = [
    `    ^bb0(%a: ${f}, %i: ${n}, %b: ${f}, %j: ${n}):`,
    `      %gt = stablehlo.compare GT, %a, %b : (${f}, ${f}) -> tensor<i1>`,
    `      %eq = stablehlo.compare EQ, %a, %b : (${f}, ${f}) -> tensor<i1>`,
    `      %lt = stablehlo.compare LT, %i, %j : (${n}, ${n}) -> tensor<i1>`,
    "      %first = stablehlo.and %eq, %lt : tensor<i1>",
    `      %nan = stablehlo.compare NE, %a, %a : (${f}, ${f}) -> tensor<i1>`,
    "      %wins = stablehlo.or %gt, %first : tensor<i1>",
    "      %take = stablehlo.or %wins, %nan : tensor<i1>",
    `      %v = stablehlo.select %take, %a, %b : tensor<i1>, ${f}`,
    `      %k = stablehlo.select %take, %i, %j : tensor<i1>, ${n}`,
    `      stablehlo.return %v, %k : ${f}, ${n}`,
  ].join("\n");
  const value = aval(x.dtype, y.dims);
  const [, best] = h.lines(
    `"stablehlo.reduce_window"(${x.name}, ${places.name}, ${least.name}, ${nowhere.name}) <{${attributesOf(rank, p)}}> ({\n${body}\n    }) : (${h.type(x)}, ${h.type(places)}, ${f}, ${n}) -> (${h.type(value)}, ${h.type(y)})`,
    [value, y],
  );
  if (best === undefined) throw new Error("a window over pairs has two results");
  return [best];
}
