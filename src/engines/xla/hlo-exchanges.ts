/**
 * @file What XLA's compiled program sends: the collectives of its HLO text, counted as our own are.
 *
 * XLA's CPU pipeline leaves an all-reduce whose result is only sliced by the device's own place as it is; other
 * back-ends make it a reduce-scatter, and it is counted as one here.
 */

import { EngineError } from "../../core/errors.ts";
import { bytesSent, type CollectiveKind } from "../../spmd/collective-bytes.ts";
import type { Exchange } from "../../spmd/exchanges.ts";
import { arranged } from "../../spmd/xla-text.ts";
import { bytesOf, type HloGraph, type HloNode, type HloShape, parseHlo } from "./hlo-text.ts";

export type HloExchange = Omit<Exchange, "source" | "group">;

const KINDS: Readonly<Record<string, CollectiveKind>> = {
  "all-reduce": "allReduce",
  "all-gather": "allGather",
  "reduce-scatter": "reduceScatter",
  "all-to-all": "allToAll",
  "collective-permute": "collectivePermute",
};

/** @throws EngineError for groups of devices in a form that is not known */
export function exchangesOfHlo(text: string): HloExchange[] {
  const graph = parseHlo(text);
  const uses = usesOf(graph);
  return graph.nodes.flatMap((node) => {
    // `-start` and `-done` are two halves of one.
    const kind = KINDS[node.opcode.replace(/-start$/, "")];
    return kind === undefined ? [] : exchangeOf(kind, node, graph, uses);
  });
}

function exchangeOf(
  kind: CollectiveKind,
  node: HloNode,
  graph: HloGraph,
  uses: ReadonlyMap<HloNode, readonly HloNode[]>,
): HloExchange[] {
  const { attributes, operands, times } = node;
  const operandBytes = operands.map(({ shapes }) => sum(shapes.map(bytesOf)));
  if (kind === "collectivePermute") {
    const list = /source_target_pairs=\{([^=]*)\}/.exec(attributes)?.[1] ?? "";
    const pairs = [...list.matchAll(/\{(\d+),(\d+)\}/g)];
    if (pairs.every(([, source, target]) => source === target)) return [];
    return [{ kind, devices: graph.partitions, bytes: sum(operandBytes), times }];
  }
  const groups = groupsIn(attributes, graph.partitions);
  const devices = groups[0]?.length ?? 1;
  if (devices === 1) return [];
  const sent = (as: CollectiveKind, bytes: number): HloExchange => {
    const whole = as === "allGather" ? bytes * devices : bytes;
    return { kind: as, devices, bytes: bytesSent(as, devices, whole), times };
  };
  if (kind !== "allReduce") return [sent(kind, sum(operandBytes))];
  const scattered = operands.map((_, i) => {
    const parts = graph.roots.includes(node) ? [] : partOf(node, i, uses);
    return parts.length > 0 && isSliced(parts, groups, graph, uses);
  });
  return (["reduceScatter", "allReduce"] as const).flatMap((as) => {
    const own = operandBytes.filter((_, i) => scattered[i] === (as === "reduceScatter"));
    return own.length === 0 ? [] : [sent(as, sum(own))];
  });
}

function sum(list: readonly number[]): number {
  return list.reduce((a, b) => a + b, 0);
}

function usesOf({ nodes }: HloGraph): Map<HloNode, HloNode[]> {
  const uses = new Map<HloNode, HloNode[]>();
  for (const node of nodes)
    for (const operand of new Set(node.operands))
      uses.set(operand, [...(uses.get(operand) ?? []), node]);
  return uses;
}

/** The nodes that are the i-th result of an all-reduce. */
function partOf(
  node: HloNode,
  i: number,
  uses: ReadonlyMap<HloNode, readonly HloNode[]>,
): readonly HloNode[] {
  const done = (uses.get(node) ?? []).filter(({ opcode }) => opcode === "all-reduce-done");
  return [node, ...done].flatMap((each) =>
    each.shapes.length === 1
      ? [each]
      : (uses.get(each) ?? []).filter(
          ({ opcode, attributes }) =>
            opcode === "get-tuple-element" && Number(/index=(\d+)/.exec(attributes)?.[1]) === i,
        ),
  );
}

/** Ops that hand their operand on as it is. */
const PASS: ReadonlySet<string> = new Set([
  ...["bitcast", "copy", "reshape", "transpose", "convert", "all-reduce-done"],
]);

/** Whether all that is read of the values is each device's own 1/n of them. */
function isSliced(
  values: readonly HloNode[],
  groups: Groups,
  graph: HloGraph,
  uses: ReadonlyMap<HloNode, readonly HloNode[]>,
): boolean {
  return values.every((value) => {
    if (graph.roots.includes(value)) return false;
    const own = uses.get(value) ?? [];
    return (
      own.length > 0 &&
      own.every((use) => {
        if (PASS.has(use.opcode)) return isSliced([use], groups, graph, uses);
        if (use.opcode !== "dynamic-slice" || use.operands[0] !== value) return false;
        const n = groups[0]?.length ?? 1;
        const whole = elements(value.shapes[0]);
        return elements(use.shapes[0]) * n === whole && differsInGroups(use, groups);
      })
    );
  });
}

function elements(shape: HloShape | undefined): number {
  return shape?.dims.reduce((size, dim) => size * dim, 1) ?? 0;
}

/** Whether the devices of each group slice at places of their own; a place that is too hard to tell will be. */
function differsInGroups(slice: HloNode, groups: Groups): boolean {
  const starts = slice.operands.slice(1);
  const places = (device: number) => starts.map((start) => scalarOn(start, device));
  if (places(0).includes(undefined)) return starts.some(knowsDevice);
  return groups.every(
    (group) => new Set(group.map((device) => places(device).join())).size === group.length,
  );
}

function knowsDevice({ opcode, operands }: HloNode): boolean {
  return opcode === "partition-id" || operands.some(knowsDevice);
}

/** The whole number that a node is on a device; undefined where that depends on data, or on an op not known here. */
function scalarOn(node: HloNode, device: number): number | undefined {
  const of = (i: number): number | undefined => {
    const operand = node.operands[i];
    return operand === undefined ? undefined : scalarOn(operand, device);
  };
  const two = (f: (a: number, b: number) => number) => {
    const [a, b] = [of(0), of(1)];
    return a === undefined || b === undefined ? undefined : f(a, b);
  };
  switch (node.opcode) {
    case "partition-id":
      return device;
    case "constant": {
      const text = node.literal.replace(/^\{+|\}+$/g, "");
      return /^-?\d+$/.test(text) ? Number(text) : undefined;
    }
    case "clamp": {
      const [low, x, high] = [of(0), of(1), of(2)];
      if (low === undefined || x === undefined || high === undefined) return undefined;
      return Math.min(Math.max(x, low), high);
    }
    case "broadcast":
    case "convert":
    case "bitcast":
    case "reshape":
    case "copy":
      return of(0);
    case "dynamic-slice": {
      const [table] = node.operands;
      const at = of(1);
      if (table?.opcode !== "constant" || at === undefined || node.operands.length !== 2)
        return undefined;
      return Number(table.literal.replace(/[{}\s]/g, "").split(",")[at]);
    }
    case "add":
      return two((a, b) => a + b);
    case "subtract":
      return two((a, b) => a - b);
    case "multiply":
      return two((a, b) => a * b);
    case "divide":
      return two((a, b) => Math.trunc(a / b));
    case "remainder":
      return two((a, b) => a % b);
    case "and":
      return two((a, b) => a & b);
    case "shift-right-logical":
      return two((a, b) => a >>> b);
    case "minimum":
      return two(Math.min);
    case "maximum":
      return two(Math.max);
    default:
      return undefined;
  }
}

type Groups = readonly (readonly number[])[];

/**
 * Groups of devices in each of XLA's three forms: `{{0,1},{2,3}}`, `[4,2]<=[2,4]T(1,0)`, and
 * `mesh['a'=2,'b'=4], device_ids=([8]) {'b'}`, where an axis may be a part of one, `'b':(2)2`.
 *
 * @throws EngineError for any other
 */
export function groupsIn(attributes: string, partitions: number): Groups {
  const at = attributes.indexOf("replica_groups=");
  const text = at < 0 ? "" : attributes.slice(at + "replica_groups=".length);
  if (at < 0 || text.startsWith("{}")) return [Array.from({ length: partitions }, (_, i) => i)];
  if (text.startsWith("{{")) {
    const list = /^\{(\{[\d,]+\},?)+\}/.exec(text)?.[0] ?? "";
    return [...list.matchAll(/\{([\d,]+)\}/g)].map(([, row = ""]) => row.split(",").map(Number));
  }
  const iota = /^\[(\d+),(\d+)\]<=(\[[\d,]+\](?:T\([\d,]+\))?)/.exec(text);
  if (iota !== null) return rows(arrangedText(iota[3] ?? ""), Number(iota[2]));
  const mesh = /^mesh\[([^\]]*)\](?:, device_ids=\(([^)]*\)?)\))? \{([^}]*)\}/.exec(text);
  if (mesh === null)
    throw new EngineError("ENGINE-02", `HLO: replica groups "${text.slice(0, 60)}" are not known`);
  const [, axes = "", ids, chosen = ""] = mesh;
  return meshGroups(axes, ids, chosen);
}

function meshGroups(axes: string, ids: string | undefined, chosen: string): Groups {
  const named = [...axes.matchAll(/'([^']+)'=(\d+)/g)].map(([, name = "", size]) => ({
    name,
    size: Number(size),
  }));
  const parts = [...chosen.matchAll(/'([^']+)'(?::\((\d+)\)(\d+))?/g)].map(
    ([, name = "", before = "1", size]) => {
      const at = named.findIndex((axis) => axis.name === name);
      const length = named[at]?.size ?? 1;
      const count = Number(size ?? length);
      const later = named.slice(at + 1).reduce((n, axis) => n * axis.size, 1);
      return { size: count, stride: (later * length) / (Number(before) * count) };
    },
  );
  const total = named.reduce((n, { size }) => n * size, 1);
  const devices = arrangedText(ids ?? `[${total}]`);
  const offsets = parts.reduce<number[]>(
    (list, { size, stride }) =>
      list.flatMap((from) => Array.from({ length: size }, (_, k) => from + k * stride)),
    [0],
  );
  const seen = new Set<number>();
  const groups: number[][] = [];
  for (let place = 0; place < total; place++) {
    if (seen.has(place)) continue;
    const group = offsets.map((offset) => place + offset);
    for (const member of group) seen.add(member);
    groups.push(group.map((member) => devices[member] ?? member));
  }
  return groups;
}

function rows(list: readonly number[], width: number): Groups {
  return Array.from({ length: list.length / width }, (_, i) =>
    list.slice(i * width, (i + 1) * width),
  );
}

/** `[2,4]T(1,0)`: 0, 1, 2 … in rows of that shape, transposed, read in order. */
function arrangedText(text: string): readonly number[] {
  const [, sizes = "", order] = /\[([\d,]+)\](?:T\(([\d,]+)\))?/.exec(text) ?? [];
  const list = arranged(sizes.split(",").map(Number), order?.split(",").map(Number));
  if (list !== undefined) return list;
  throw new EngineError("ENGINE-02", `HLO: ${text} is no list of devices`);
}
