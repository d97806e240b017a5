/** @file Where a sliding window stands: the one relation behind convolution, pooling and their transposes. */

import { ShapeError } from "../core/errors.ts";

/**
 * A window over the space axes of a tensor, one entry per space axis.
 *
 * Tap k of window p reads the place `p·stride + k·dilation − padding[0]` of the input, whose elements
 * stand `inputDilation` apart with nothing between them. Negative padding cuts off.
 */
export interface SlidingWindow {
  readonly stride: readonly number[];
  /** Places added before and after the (dilated) input. */
  readonly padding: readonly (readonly [low: number, high: number])[];
  readonly inputDilation: readonly number[];
  /** Distance between the window's own taps. */
  readonly dilation: readonly number[];
}

/** A window that moves by one over the bare input. */
export function plainWindow(rank: number): SlidingWindow {
  const ones = Array<number>(rank).fill(1);
  return {
    stride: ones,
    padding: ones.map(() => [0, 0] as const),
    inputDilation: ones,
    dilation: ones,
  };
}

/** One space axis of a window with all that is known about it. */
export interface WindowAxis {
  /** Elements of the input, taps of the window, windows. */
  readonly length: number;
  readonly taps: number;
  readonly count: number;
  readonly stride: number;
  readonly low: number;
  readonly high: number;
  readonly inputDilation: number;
  readonly dilation: number;
}

/** Extent of `n` elements that stand `apart`. */
export function extent(n: number, apart: number): number {
  return n === 0 ? 0 : (n - 1) * apart + 1;
}

/** The window's axes over an input of these sizes. */
export function axesOf(
  window: SlidingWindow,
  lengths: readonly number[],
  taps: readonly number[],
): readonly WindowAxis[] {
  return lengths.map((length, i) => {
    const [low, high] = window.padding[i] ?? [0, 0];
    const stride = window.stride[i] ?? 1;
    const inputDilation = window.inputDilation[i] ?? 1;
    const dilation = window.dilation[i] ?? 1;
    const own = taps[i] ?? 1;
    const room = extent(length, inputDilation) + low + high - extent(own, dilation);
    const count = room < 0 ? 0 : Math.floor(room / stride) + 1;
    return { length, taps: own, count, stride, low, high, inputDilation, dilation };
  });
}

/** The element under tap `k` of window `p`; undefined where there is none. */
export function elementUnder(axis: WindowAxis, p: number, k: number): number | undefined {
  const place = p * axis.stride + k * axis.dilation - axis.low;
  const i = place / axis.inputDilation;
  return Number.isInteger(i) && i >= 0 && i < axis.length ? i : undefined;
}

/**
 * The window that goes back, from windows to elements, with taps counted from the last to the first:
 * `i·inputDilation = p·stride + k·dilation − low` read as a window over p. Strides and input dilation
 * change places; it has exactly as many windows as the input has elements.
 */
export function backwards(axes: readonly WindowAxis[]): SlidingWindow {
  return {
    stride: axes.map((axis) => axis.inputDilation),
    inputDilation: axes.map((axis) => axis.stride),
    dilation: axes.map((axis) => axis.dilation),
    padding: axes.map(({ length, taps, count, stride, low, inputDilation, dilation }) => {
      const reach = (taps - 1) * dilation;
      const wanted = (length - 1) * inputDilation + 1 + reach;
      return [reach - low, wanted - extent(count, stride) - (reach - low)] as const;
    }),
  };
}

/**
 * For every pair of a window and a tap, both row-major, the flat element under it, or −1.
 *
 * @returns a table of `windows × taps` entries
 */
export function elementTable(axes: readonly WindowAxis[]): Int32Array {
  let table: number[] = [0];
  let [windows, taps] = [1, 1];
  for (const axis of axes) {
    const next: number[] = new Array(windows * axis.count * taps * axis.taps);
    for (let w = 0; w < windows; w++)
      for (let p = 0; p < axis.count; p++)
        for (let t = 0; t < taps; t++)
          for (let k = 0; k < axis.taps; k++) {
            const outer = table[w * taps + t] ?? -1;
            const inner = elementUnder(axis, p, k);
            next[((w * axis.count + p) * taps + t) * axis.taps + k] =
              outer < 0 || inner === undefined ? -1 : outer * axis.length + inner;
          }
    table = next;
    windows *= axis.count;
    taps *= axis.taps;
  }
  return Int32Array.from(table);
}

/** @throws ShapeError unless every list has one entry per space axis and every step is a whole number ≥ 1 */
export function checkWindow(
  operation: string,
  window: SlidingWindow,
  taps: readonly number[],
  rank: number,
  facts: () => readonly (readonly [string, string])[],
): void {
  const { stride, padding, inputDilation, dilation } = window;
  const lists = { stride, padding, inputDilation, dilation, window: taps };
  for (const [name, list] of Object.entries(lists)) {
    if (list.length === rank) continue;
    throw new ShapeError(
      "SHAPE-01",
      `${operation}: ${name} has ${list.length} entries for ${rank} space axes.`,
      [...facts(), ["fix", "give one entry per axis along which the window moves"]],
    );
  }
  for (const name of ["stride", "inputDilation", "dilation", "window"] as const) {
    const bad = lists[name].find((step) => !Number.isInteger(step) || step < 1);
    if (bad === undefined) continue;
    throw new ShapeError("SHAPE-01", `${operation}: ${name} must be whole numbers ≥ 1.`, [
      ["given", `[${lists[name].join(", ")}]`],
      ...facts(),
    ]);
  }
  const uneven = padding.find((pair) => pair.some((n) => !Number.isInteger(n)));
  if (uneven === undefined) return;
  throw new ShapeError("SHAPE-01", `${operation}: padding must be whole numbers.`, [
    ["given", `[${uneven.join(", ")}]`],
    ...facts(),
  ]);
}

/** A window as one line of facts. */
export function showWindow({ stride, padding, inputDilation, dilation }: SlidingWindow): string {
  const list = (items: readonly number[]) => `[${items.join(", ")}]`;
  const pads = padding.map(([low, high]) => `[${low}, ${high}]`).join(", ");
  const spread = inputDilation.some((step) => step !== 1)
    ? `, input dilation ${list(inputDilation)}`
    : "";
  return `stride ${list(stride)}, padding ${pads}, dilation ${list(dilation)}${spread}`;
}
