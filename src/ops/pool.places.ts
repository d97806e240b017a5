/**
 * @file One element under each window, by its place: the derivative of a maximum, and its transpose. As row by row
 * gather and scatterAdd they would not know that a place lies near its window.
 */

import { apply } from "../core/builder.ts";
import { isFloat } from "../core/dtype.ts";
import { DTypeError, ShapeError } from "../core/errors.ts";
import { at, mapElements, type NdArray, put, zeros } from "../core/ndarray.ts";
import { asIs, defineOp, isLinear, type One, type Op, type Two } from "../core/op.ts";
import { type Rejection, random, rejects, type Sample, sample, values } from "../core/samples.ts";
import { type Aval, aval, sameDims, showAval, sizeOf } from "../core/shape.ts";
import { factorNames, rule } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { onnxThrough, stablehloThrough } from "./decomposition.ts";
import { checkDType, SIGNED } from "./dtypes.ts";
import { repeat } from "./families.ts";
import { gather, scatterAdd } from "./indexing.ts";
import { reshape } from "./layout.ts";
import { axesOf, elementUnder, type SlidingWindow } from "./sliding-window.ts";

export interface WindowPlacesParams extends Omit<SlidingWindow, "inputDilation"> {
  readonly taps: readonly number[];
  /** Of the axes along which the window moves. */
  readonly sizes: readonly number[];
}

function axes(p: WindowPlacesParams) {
  return axesOf({ ...p, inputDilation: p.taps.map(() => 1) }, p.sizes, p.taps);
}

function counts(p: WindowPlacesParams): number[] {
  return axes(p).map(({ count }) => count);
}

/** Windows that never share an element name no place twice. */
function distinct(p: WindowPlacesParams): number {
  const apart = axes(p).every(
    ({ count, stride, taps, dilation }) => count <= 1 || stride > (taps - 1) * dilation,
  );
  return apart ? 1 : 0;
}

function check(
  operation: string,
  x: Aval,
  last: readonly number[],
  places: Aval,
  p: WindowPlacesParams,
): Aval {
  // biome-ignore format: one line
  checkDType(operation, x, SIGNED);
  if (places.dtype !== "int32")
    throw new DTypeError("DTYPE-01", `${operation}: places must be int32, not ${showAval(places)}`);
  const lead = x.dims.slice(0, x.dims.length - p.taps.length);
  if (sameDims(x.dims, [...lead, ...last]) && sameDims(places.dims, [...lead, ...counts(p)]))
    return x;
  throw new ShapeError("SHAPE-01", `${operation}: every window needs one place.`, [
    ["operand", showAval(x)],
    ["places", showAval(places)],
    ["elements", `[${p.sizes.join(", ")}]`],
    ["windows", `[${counts(p).join(", ")}]`],
  ]);
}

/** Rows of elements, and rows of places or of values at windows. */
function asRows(x: Tensor, p: WindowPlacesParams): Tensor {
  const lead = x.rank - p.taps.length;
  return reshape(x, [sizeOf(x.dims.slice(0, lead)), sizeOf(x.dims.slice(lead))]);
}

function pickByRows(x: Tensor, places: Tensor, p: WindowPlacesParams): Tensor {
  const y = gather(asRows(x, p), asRows(places, p), 1, distinct(p));
  return reshape(y, places.dims, x.names);
}

function putByRows(y: Tensor, places: Tensor, p: WindowPlacesParams): Tensor {
  const lead = y.dims.slice(0, y.rank - p.taps.length);
  const size = sizeOf(p.sizes);
  const scattered = { batchDims: 1, distinct: distinct(p), size, name: null };
  return reshape(
    scatterAdd(asRows(y, p), asRows(places, p), scattered),
    [...lead, ...p.sizes],
    y.names,
  );
}

/** Both operands with a new axis in front. */
function spread([x, places]: readonly [Tensor, Tensor], mapped: readonly boolean[], size: number) {
  return [
    mapped[0] === true ? x : repeat(x, size),
    mapped[1] === true ? places : repeat(places, size),
  ] as const;
}

/** Elements and windows are cut alike, and edges go to where the windows are. */
function shardPlaces(x: Aval, p: WindowPlacesParams) {
  const factors = factorNames(x.dims.length);
  return rule(p, [factors, factors], [factors], {
    moves: factors.slice(x.dims.length - p.taps.length),
  });
}

/** Calls `visit(window, element)` with flat places in the whole tensors. */
function forPlaces(places: NdArray, p: WindowPlacesParams, visit: (w: number, i: number) => void) {
  const [windows, size] = [sizeOf(counts(p)), sizeOf(p.sizes)];
  for (let w = 0; w < places.data.length; w++) {
    const place = Math.min(Math.max(at(places, w), 0), size - 1);
    visit(w, Math.floor(w / windows) * size + place);
  }
}

/** `y[…, w] = x[…, places[…, w]]` for windows w; a place is flat along the windowed axes of x, and under its window. */
export const windowPickOp: Op<WindowPlacesParams, Two, One> = defineOp<
  WindowPlacesParams,
  Two,
  One
>({
  name: "windowPick",
  infer([x, places], p) {
    check("windowPick", x, p.sizes, places, p);
    return [aval(x.dtype, places.dims, x.names)];
  },
  jvp: {
    kind: "rule",
    apply: ([dx], [, places], _y, p) => [dx === null ? null : windowPick(dx, places, p)],
  },
  transpose: {
    kind: "rule",
    apply: ([ct], [, places], p) => [
      ct === null || isLinear(places) ? null : windowPut(ct, places, p),
      null,
    ],
  },
  batch: (inputs, mapped, p, size) => [windowPick(...spread(inputs, mapped, size), p)],
  shard: ([x], _y, p) => shardPlaces(x, p),
  evaluate: ([x, places], p, [y]) => {
    const out = zeros(y);
    forPlaces(places, p, (window, element) => {
      put(out, window, at(x, element));
    });
    return [out];
  },
  simplify: asIs,
  lower: {
    onnx: onnxThrough(([x, places], p) => [pickByRows(x, places, p)]),
    stablehlo: stablehloThrough(([x, places], p) => [pickByRows(x, places, p)]),
  },
  samples: () => samples("elements"),
  rejects: () => refusals("windowPick", [4]),
});

/** `x[…, i] = Σ y[…, w]` over the windows w whose place is i. */
export const windowPutOp: Op<WindowPlacesParams, Two, One> = defineOp<WindowPlacesParams, Two, One>(
  {
    name: "windowPut",
    infer([y, places], p) {
      check("windowPut", y, counts(p), places, p);
      return [
        aval(y.dtype, [...y.dims.slice(0, y.dims.length - p.taps.length), ...p.sizes], y.names),
      ];
    },
    jvp: {
      kind: "rule",
      apply: ([dy], [, places], _x, p) => [dy === null ? null : windowPut(dy, places, p)],
    },
    transpose: {
      kind: "rule",
      apply: ([ct], [, places], p) => [
        ct === null || isLinear(places) ? null : windowPick(ct, places, p),
        null,
      ],
    },
    batch: (inputs, mapped, p, size) => [windowPut(...spread(inputs, mapped, size), p)],
    shard: ([y], _x, p) => shardPlaces(y, p),
    evaluate: ([y, places], p, [x]) => {
      // Floats are rounded once, whole sums.
      const out = zeros(isFloat(x.dtype) ? { ...x, dtype: "float64" } : x);
      forPlaces(places, p, (window, element) => {
        put(out, element, at(out, element) + at(y, window));
      });
      return [mapElements(out, x.dtype, (sum) => sum)];
    },
    simplify: asIs,
    lower: {
      onnx: onnxThrough(([y, places], p) => [putByRows(y, places, p)]),
      stablehlo: stablehloThrough(([y, places], p) => [putByRows(y, places, p)]),
    },
    samples: () => samples("windows"),
    rejects: () => refusals("windowPut", [3]),
  },
);

/** Windows with a place under each, over batches of two. */
function samples(of: "elements" | "windows"): Sample<WindowPlacesParams>[] {
  const cases: readonly (readonly [label: string, p: WindowPlacesParams])[] = [
    ["one axis", { stride: [1], padding: [[0, 0]], dilation: [1], taps: [2], sizes: [5] }],
    ["halves", { stride: [2, 2], padding: [[0, 0], [0, 0]], dilation: [1, 1], taps: [2, 2], sizes: [4, 6] }],
    ["overlapping, with padding", { stride: [2, 2], padding: [[1, 1], [1, 1]], dilation: [1, 1], taps: [3, 3], sizes: [5, 4] }],
    ["dilated, negative padding", { stride: [1], padding: [[-1, 2]], dilation: [2], taps: [3], sizes: [9] }],
  ]; // biome-ignore format: a table
  return cases.map(([label, p]) => {
    const each = counts(p);
    const places = Array.from({ length: sizeOf(each) }, (_, w) => placeUnder(w, p));
    const form = aval("int32", [2, ...each]);
    const x = random(2, ...(of === "elements" ? p.sizes : each));
    return sample(label, [x, values(form, ...places, ...places)], p);
  });
}

/** Some place under a window, by its flat number. */
function placeUnder(window: number, p: WindowPlacesParams): number {
  let [place, rest] = [0, sizeOf(counts(p))];
  for (const axis of axes(p)) {
    rest /= axis.count;
    const own = Math.floor(window / rest) % axis.count;
    const under = Array.from({ length: axis.taps }, (_, k) => elementUnder(axis, own, k));
    const inside = under.flatMap((element) => (element === undefined ? [] : [element]));
    place = place * axis.length + (inside[(3 * window + 1) % inside.length] ?? 0);
  }
  return place;
}

function refusals(operation: string, last: readonly number[]): Rejection<WindowPlacesParams>[] {
  const p = { stride: [1], padding: [[0, 0]], dilation: [1], taps: [2], sizes: [4] } as const;
  const x = aval("float32", [2, ...last]);
  return [
    rejects(
      "a place too few",
      [x, aval("int32", [2, 2])],
      p,
      `${operation}: every window needs one place.`,
    ),
    rejects(
      "places that are no whole numbers",
      [x, aval("float32", [2, 3])],
      p,
      `${operation}: places must be int32, not float32[2, 3]`,
    ),
  ];
}

export function windowPick(x: Tensor, places: Tensor, p: WindowPlacesParams): Tensor {
  const { stride, padding, dilation, taps, sizes } = p;
  return apply(windowPickOp, [x, places], { stride, padding, dilation, taps, sizes })[0];
}

export function windowPut(y: Tensor, places: Tensor, p: WindowPlacesParams): Tensor {
  const { stride, padding, dilation, taps, sizes } = p;
  return apply(windowPutOp, [y, places], { stride, padding, dilation, taps, sizes })[0];
}
