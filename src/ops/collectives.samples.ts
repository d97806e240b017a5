/** @file Samples and rejections of the collectives: on one device, and on several. */

import type { Groups } from "../core/collective.ts";
import {
  integers,
  named,
  type Rejection,
  random,
  rejects,
  type Sample,
  sample,
  values,
} from "../core/samples.ts";
import { aval } from "../core/shape.ts";
import type { PermuteParams } from "./collectives.device.ts";
import type { AllReduceParams, AllToAllParams, AlongParams } from "./collectives.ts";

const ONE: Groups = [[0]];
/** Groups of one member: each of two devices stands alone. */
const APART: Groups = [[1], [0]];
const PAIRS: Groups = [
  [0, 1],
  [2, 3],
];
/** Members out of order: results follow the group's order, not the devices'. */
const CROSSED: Groups = [
  [3, 0],
  [1, 2],
];
const ALL: Groups = [[0, 1, 2, 3]];
const UNEVEN: Groups = [[2, 0, 3], [1]];

/** A matrix with axis names, which collectives keep. */
const rows = named(random(2, 3), "batch", "embed");

export function allReduce(): Sample<AllReduceParams>[] {
  return [
    sample("one device", [rows], { groups: ONE, reduction: "sum" }),
    sample("each alone", [random(3)], { groups: APART, reduction: "max" }, false),
    sample("integers", [integers(-9, 9, 4)], { groups: ONE, reduction: "min" }),
  ];
}

export function allReduceDevices(): Sample<AllReduceParams>[] {
  const of = (groups: Groups, reduction: AllReduceParams["reduction"]) => ({ groups, reduction });
  return [
    sample("the sum of pairs", [rows], of(PAIRS, "sum")),
    sample("the sum of all, crossed", [random(4)], of(CROSSED, "sum")),
    sample("the sum of uneven groups", [random(3)], of(UNEVEN, "sum")),
    sample("the sum of nothing", [random(0, 2)], of(ALL, "sum")),
    sample("the sum of scalars", [random()], of(ALL, "sum")),
    sample("the sum of integers", [integers(-9, 9, 5)], of(ALL, "sum")),
    sample("the largest", [random(2, 3)], of(PAIRS, "max")),
    sample("the least of uneven groups", [random(5)], of(UNEVEN, "min")),
    sample("the product of pairs", [random(2, 3)], of(PAIRS, "prod")),
    sample("the product of integers", [integers(-9, 9, 5)], of(CROSSED, "prod")),
    sample("the largest integer", [integers(-9, 9, 5)], of(ALL, "max")),
    sample(
      "ties and infinities",
      [values(aval("float32", [4]), 1, Infinity, -Infinity, 0)],
      of(PAIRS, "max"),
      false,
    ),
  ];
}

export function along(): Sample<AlongParams>[] {
  return [
    sample("one device", [rows], { axis: 1, groups: ONE }),
    sample("each alone", [random(3)], { axis: 0, groups: APART }),
    sample("integers", [integers(-9, 9, 4)], { axis: 0, groups: ONE }),
    sample("nothing", [random(0, 2)], { axis: 0, groups: ONE }),
  ];
}

export function allGatherDevices(): Sample<AlongParams>[] {
  return [
    sample("rows of pairs", [rows], { axis: 0, groups: PAIRS }),
    sample("columns of all", [random(2, 1)], { axis: 1, groups: ALL }),
    sample("in the group's order", [random(2, 3, 2)], { axis: 1, groups: CROSSED }),
    sample("nothing", [random(0, 2)], { axis: 0, groups: ALL }),
    sample("integers", [integers(-9, 9, 3)], { axis: 0, groups: ALL }),
  ];
}

export function reduceScatterDevices(): Sample<AlongParams>[] {
  return [
    sample("rows of pairs", [named(random(4, 3), "batch", "embed")], { axis: 0, groups: PAIRS }),
    sample("columns of all", [random(2, 4)], { axis: 1, groups: ALL }),
    sample("in the group's order", [random(2, 6, 2)], { axis: 1, groups: CROSSED }),
    sample("nothing", [random(4, 0)], { axis: 0, groups: ALL }),
    sample("integers", [integers(-9, 9, 8)], { axis: 0, groups: ALL }),
  ];
}

export function allToAll(): Sample<AllToAllParams>[] {
  return [
    sample("one device", [rows], { splitAxis: 0, concatAxis: 1, groups: ONE }),
    sample("each alone", [random(3)], { splitAxis: 0, concatAxis: 0, groups: APART }),
  ];
}

export function allToAllDevices(): Sample<AllToAllParams>[] {
  return [
    sample("rows to columns", [rows], { splitAxis: 0, concatAxis: 1, groups: PAIRS }),
    sample("columns to rows, all", [random(3, 4)], { splitAxis: 1, concatAxis: 0, groups: ALL }),
    sample("along one axis", [random(4, 2)], { splitAxis: 0, concatAxis: 0, groups: ALL }),
    sample("in the group's order", [random(2, 2, 3)], {
      splitAxis: 1,
      concatAxis: 2,
      groups: CROSSED,
    }),
    sample("nothing", [random(4, 0)], { splitAxis: 0, concatAxis: 1, groups: ALL }),
    sample("integers", [integers(-9, 9, 4, 1)], { splitAxis: 0, concatAxis: 1, groups: ALL }),
  ];
}

export function permute(): Sample<PermuteParams>[] {
  return [
    sample("to itself", [rows], { devices: 1, pairs: [[0, 0]] }),
    sample("to nobody", [random(3)], { devices: 1, pairs: [] }),
  ];
}

export function permuteDevices(): Sample<PermuteParams>[] {
  const of = (...pairs: (readonly [number, number])[]) => ({ devices: 4, pairs });
  return [
    sample("a shift, zeros at the edge", [rows], of([0, 1], [1, 2], [2, 3])),
    sample("a ring", [random(2, 2)], of([0, 1], [1, 2], [2, 3], [3, 0])),
    sample("two swap", [random(3)], of([1, 3], [3, 1], [2, 2])),
    sample("everyone keeps its own", [random(3)], of([0, 0], [1, 1], [2, 2], [3, 3])),
    sample("nobody sends", [random(3)], of()),
    sample("nothing is sent", [random(0)], of([0, 1])),
    sample("integers", [integers(-9, 9, 3)], of([3, 0], [0, 2])),
  ];
}

/** What no collective accepts as groups. */
export function groupRejections<P extends object>(
  name: string,
  rest: P,
  lengths: "any" | "equal" = "any",
): Rejection<P & { readonly groups: Groups }>[] {
  const x = aval("float32", [4, 2]);
  const of = (label: string, groups: Groups, message: string) =>
    rejects(label, [x], { ...rest, groups }, `${name}: groups ${message}`);
  const all = [
    of("no device", [], "[] name no device"),
    of("a device that stands twice", [[0, 1], [1]], "[[0, 1], [1]] name device 1 twice"),
    of("a gap", [[0], [2]], "[[0], [2]] name 2 devices, but not device 1"),
    of("an empty group", [[0], []], "[[0], []] hold an empty group"),
  ];
  const uneven = of("uneven groups", [[0, 1], [2]], "[[0, 1], [2]] have different lengths");
  return lengths === "any" ? all : [...all, uneven];
}
