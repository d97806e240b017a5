/**
 * @file Sums of rows by place in sorted blocks, as ONNX nodes: no kernel adds rows for one place both
 * fast and right, but products do.
 *
 * The rows are sorted by place and cut into blocks. In a block, a product with its own one-hot matrix
 * sums the rows of each place; that costs `block` multiply-adds a number, however large the table is.
 * Only the first and last place of a block may reach into its neighbours: their sums, which are sorted
 * again, go through the same again until one block is left. Each level overwrites what the one before
 * wrote for its places, so that the order of writes inside a level does not matter.
 */

import { dtypeFacts } from "../core/dtype.ts";
import type { OnnxEmitter, OnnxValue } from "../core/lowering.ts";
import { type Aval, aval, dimOf } from "../core/shape.ts";

const BLOCK = 64;

const counting = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => from + i);

/**
 * `table` with the sum of all `rows` for a place at each place of `flat`.
 *
 * @param rows - `[count, width]` floats
 * @param flat - int32 `[count]`, places inside the table
 */
export function sumInBlocks(
  g: OnnxEmitter,
  table: OnnxValue,
  rows: OnnxValue,
  flat: OnnxValue,
): OnnxValue {
  const count = dimOf(flat, 0);
  const [sorted, order] = g.nodes({
    op: "TopK",
    inputs: [flat, g.constant("int64", [1], [count])],
    outputs: [aval("int32", [count]), aval("int64", [count])],
    attributes: { axis: { int: 0 }, largest: { int: 0 }, sorted: { int: 1 } },
  });
  if (sorted === undefined || order === undefined) throw new Error("TopK has two outputs");
  const form = aval(rows.dtype, rows.dims);
  return level(g, table, g.node("Gather", [rows, order], form, { axis: { int: 0 } }), sorted);
}

/** One level: `places` are sorted. */
function level(g: OnnxEmitter, table: OnnxValue, rows: OnnxValue, places: OnnxValue): OnnxValue {
  const [count, width] = [dimOf(rows, 0), dimOf(rows, 1)];
  const blocks = Math.ceil(count / BLOCK);
  const block = Math.min(BLOCK, count);
  const ids = g.reshape(padded(g, places, blocks * block), [blocks, block]);
  const whole = g.reshape(padded(g, rows, blocks * block), [blocks, block, width]);
  const rank = rankInBlock(g, ids);
  const distinct = lastOf(g, rank); // [blocks, 1]

  // Slots behind the last place repeat it: they write the same row to the same place.
  const grid = aval("int32", [blocks, block]);
  const slots = g.constant("int32", [1, block], counting(1, block + 1));
  const slot = g.node("Min", [slots, distinct], grid);
  const cube = (dtype: Aval["dtype"]) => aval(dtype, [blocks, block, block]);
  const hit = g.node(
    "Equal",
    [g.reshape(slot, [blocks, block, 1]), g.reshape(rank, [blocks, 1, block])],
    cube("bool"),
  );
  const counts =
    count === blocks * block
      ? hit
      : g.node("And", [hit, valid(g, count, blocks, block)], cube("bool"));
  const weights = g.node("Cast", [counts], cube(rows.dtype), {
    to: { int: dtypeFacts(rows.dtype).onnx },
  });
  const sums = g.node("MatMul", [weights, whole], aval(rows.dtype, whole.dims));
  const ownIds = g.node(
    "Where",
    [hit, g.reshape(ids, [blocks, 1, block]), g.constant("int32", [], [0])],
    cube("int32"),
  );
  const sumIds = g.node("ReduceMax", [ownIds, g.constant("int64", [1], [2])], grid, {
    keepdims: { int: 0 },
  });

  const written = g.node(
    "ScatterND",
    [table, long(g, sumIds, blocks * block), g.reshape(sums, [blocks * block, width])],
    aval(table.dtype, table.dims),
  );
  if (blocks === 1) return written;

  // First and last of every block, in order; where they are one place, the last counts nothing.
  const several = g.node(
    "Greater",
    [distinct, g.constant("int32", [], [1])],
    aval("bool", [blocks, 1]),
  );
  const edge = (at: number) => take(g, sums, at, aval(rows.dtype, [blocks, 1, width]));
  const weight = g.node("Cast", [several], aval(rows.dtype, [blocks, 1]), {
    to: { int: dtypeFacts(rows.dtype).onnx },
  });
  const last = g.node(
    "Mul",
    [edge(block - 1), g.reshape(weight, [blocks, 1, 1])],
    aval(rows.dtype, [blocks, 1, width]),
  );
  const edges = g.node("Concat", [edge(0), last], aval(rows.dtype, [blocks, 2, width]), {
    axis: { int: 1 },
  });
  const edgeIds = g.node(
    "Concat",
    [0, block - 1].map((at) => take(g, sumIds, at, aval("int32", [blocks, 1]))),
    aval("int32", [blocks, 2]),
    { axis: { int: 1 } },
  );
  return level(g, written, g.reshape(edges, [2 * blocks, width]), g.reshape(edgeIds, [2 * blocks]));
}

/** The list made longer by its own last elements, which count nothing. */
function padded(g: OnnxEmitter, x: OnnxValue, length: number): OnnxValue {
  const count = dimOf(x, 0);
  if (count === length) return x;
  const places = counting(0, length).map((i) => Math.min(i, count - 1));
  const form = aval(x.dtype, [length, ...x.dims.slice(1)]);
  return g.node("Gather", [x, g.constant("int64", [length], places)], form, { axis: { int: 0 } });
}

/** Which rows are none of the padding. */
function valid(g: OnnxEmitter, count: number, blocks: number, block: number): OnnxValue {
  const flags = counting(0, blocks * block).map((i) => Number(i < count));
  return g.constant("bool", [blocks, 1, block], flags);
}

/** 1 for the rows of a block's first place, 2 for the second … */
function rankInBlock(g: OnnxEmitter, ids: OnnxValue): OnnxValue {
  const [blocks, block] = [dimOf(ids, 0), dimOf(ids, 1)];
  const grid = (dtype: Aval["dtype"]) => aval(dtype, [blocks, block]);
  const before = g.node(
    "Gather",
    [
      ids,
      g.constant(
        "int64",
        [block],
        counting(0, block).map((i) => Math.max(0, i - 1)),
      ),
    ],
    grid("int32"),
    { axis: { int: 1 } },
  );
  const same = g.node("Equal", [ids, before], grid("bool"));
  const isNew = g.node("Cast", [g.node("Not", [same], grid("bool"))], grid("int32"), {
    to: { int: 6 },
  });
  const steps = g.node("CumSum", [isNew, g.constant("int64", [], [1])], grid("int32"));
  return g.node("Add", [steps, g.constant("int32", [], [1])], grid("int32"));
}

function lastOf(g: OnnxEmitter, x: OnnxValue): OnnxValue {
  return take(g, x, dimOf(x, 1) - 1, aval(x.dtype, [dimOf(x, 0), 1]));
}

/** One element along axis 1, which stays. */
function take(g: OnnxEmitter, x: OnnxValue, at: number, form: Aval): OnnxValue {
  return g.node("Gather", [x, g.constant("int64", [1], [at])], form, { axis: { int: 1 } });
}

function long(g: OnnxEmitter, ids: OnnxValue, count: number): OnnxValue {
  const form = aval("int64", [count, 1]);
  return g.node("Cast", [g.reshape(ids, [count, 1])], form, {
    to: { int: dtypeFacts("int64").onnx },
  });
}
