/** @file Where the windows of convolutions and pools stand: attributes to strides, padding and sizes. */

import { sizeOf } from "../../../core/shape.ts";
import type { Call } from "./call.ts";
import { range } from "./forms.ts";

/** A window over the space axes (those after batch and channels), one entry per axis. */
export interface Window {
  readonly taps: readonly number[];
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly low: readonly number[];
  /** Padding behind, as the model states it; a window of `ceil_mode` may reach further. */
  readonly high: readonly number[];
  /** Windows along each axis. */
  readonly count: readonly number[];
}

function list(call: Call, name: string, rank: number): readonly number[] {
  const given = call.ints(name) ?? Array<number>(rank).fill(1);
  if (given.length === rank && given.every((n) => Number.isSafeInteger(n) && n >= 1)) return given;
  throw call.wrong(`${name} [${given.join(", ")}] for ${rank} axes of space`);
}

/** Distance from the first to the last tap, both included. */
export function extent(taps: number, dilation: number): number {
  return (taps - 1) * dilation + 1;
}

export function padsOf(call: Call, rank: number): readonly number[] {
  const pads = call.ints("pads") ?? Array<number>(2 * rank).fill(0);
  if (pads.length === 2 * rank && pads.every(Number.isSafeInteger)) return pads;
  throw call.wrong(`pads [${pads.join(", ")}] for ${rank} axes of space`);
}

/** The window over an input whose space has these sizes. */
export function windowOf(call: Call, space: readonly number[], taps: readonly number[]): Window {
  const rank = space.length;
  if (taps.length !== rank) throw call.wrong(`a kernel of rank ${taps.length} for rank ${rank}`);
  const stride = list(call, "strides", rank);
  const dilation = list(call, "dilations", rank);
  const how = call.oneOf("auto_pad", ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"], "NOTSET");
  const reach = taps.map((n, i) => extent(n, dilation[i] ?? 1));
  const base = { taps, stride, dilation };
  if (how === "SAME_UPPER" || how === "SAME_LOWER") {
    const count = space.map((n, i) => Math.ceil(n / (stride[i] ?? 1)));
    const total = count.map((n, i) =>
      Math.max(0, (n - 1) * (stride[i] ?? 1) + (reach[i] ?? 1) - (space[i] ?? 0)),
    );
    const less = total.map((n) => Math.floor(n / 2));
    const more = total.map((n, i) => n - (less[i] ?? 0));
    return how === "SAME_UPPER"
      ? { ...base, count, low: less, high: more }
      : { ...base, count, low: more, high: less };
  }
  const pads = how === "VALID" ? Array<number>(2 * rank).fill(0) : padsOf(call, rank);
  const low = pads.slice(0, rank);
  const high = pads.slice(rank);
  const ceil = call.flag("ceil_mode", false);
  const count = space.map((n, i) => {
    const room = n + (low[i] ?? 0) + (high[i] ?? 0) - (reach[i] ?? 1);
    const s = stride[i] ?? 1;
    const whole = (ceil ? Math.ceil(room / s) : Math.floor(room / s)) + 1;
    // The last window must begin inside the input or the padding in front of it.
    const late = ceil && (whole - 1) * s >= n + (low[i] ?? 0);
    return Math.max(0, late ? whole - 1 : whole);
  });
  return { ...base, low, high, count };
}

/** What padding behind makes every window fit, which may be negative where places are left over. */
export function fittingHigh(window: Window, space: readonly number[]): readonly number[] {
  return window.count.map((n, i) => {
    const end =
      (n - 1) * (window.stride[i] ?? 1) + extent(window.taps[i] ?? 1, window.dilation[i] ?? 1);
    return end - (space[i] ?? 0) - (window.low[i] ?? 0);
  });
}

/** All tuples of taps, row-major. */
export function tapsOf(taps: readonly number[]): readonly (readonly number[])[] {
  return range(sizeOf(taps)).map((flat) => {
    let rest = flat;
    return [...taps]
      .reverse()
      .map((n) => {
        const k = rest % n;
        rest = Math.floor(rest / n);
        return k;
      })
      .reverse();
  });
}
