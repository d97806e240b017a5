/** @file Relative position bias in T5's buckets: near distances exactly, far ones on a log scale. */

import { fromData, type Tensor } from "../core/tensor.ts";
import { einsum, oneHot } from "../numpy/index.ts";
import { normal, type ParamSpec, param } from "./param.ts";

export const BUCKETS = 32;
const MAX_DISTANCE = 128;

/** One number per head and bucket, `[head, bucket]`. */
export function positionBiasParam(head: number): ParamSpec {
  return param({ head, bucket: BUCKETS }, normal((head * BUCKETS) ** -0.5));
}

/**
 * Bucket of the distance from a position back to one it looks at; 0 for the future.
 *
 * Up to 15 exactly; then `16 + ⌊ln(δ/16) / ln(128/16) · 16⌋`, at most 31.
 */
export function bucketOf(distance: number): number {
  const exact = BUCKETS / 2;
  if (distance < exact) return Math.max(0, distance);
  const far = (Math.log(distance / exact) / Math.log(MAX_DISTANCE / exact)) * exact;
  return Math.min(BUCKETS - 1, exact + Math.floor(far));
}

/** int32 buckets `[pos, mem]` for queries at `start, start + 1 …` and keys at `0, 1 …`. */
export function bucketTable(pos: number, mem: number, start = 0): Int32Array {
  return Int32Array.from({ length: pos * mem }, (_, i) =>
    bucketOf(start + Math.floor(i / mem) - (i % mem)),
  );
}

/** The bias of every pair: `[head, pos, mem]`. */
export function positionBias(p: Tensor, pos: number, mem: number, start = 0): Tensor {
  const buckets = fromData("int32", [pos, mem], bucketTable(pos, mem, start), "pos mem");
  // A product with one-hot rows: its gradient is a product again, where a gather's would be a scatter.
  return einsum(
    "head bucket, pos mem bucket -> head pos mem",
    p,
    oneHot(buckets, BUCKETS, "bucket"),
  );
}
