/** @file Relative position bias in T5's buckets: near distances exactly, far ones on a log scale. */

import { fromData, type Tensor } from "../core/tensor.ts";
import { broadcastTo, einsum, full, oneHot } from "../numpy/index.ts";
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

/** The bias of every pair of a query and a key of one sequence: `[head, pos, mem]`. */
export function positionBias(p: Tensor, length: number): Tensor {
  const heads = p.size("head");
  const around = 2 * length;
  // One number per offset mem − pos, negative offsets at the end, as on a circle of 2·length places.
  const circle = einsum(
    "head bucket, offset bucket -> head offset",
    p,
    oneHot(circleBuckets(length), BUCKETS, "bucket"),
  );
  // Rows of equal circles, read in strides one shorter than a circle, are each turned by one place.
  const rows = broadcastTo(circle.reshape([heads, 1, around]), full(0, [heads, length, around]));
  const turned = rows.reshape([heads, length * around]).slice(1, 0, length * (around - 1));
  return turned
    .reshape([heads, length, around - 1])
    .slice(2, 0, length)
    .as("head pos mem");
}

const circles = new Map<number, Tensor>();

/** Buckets by offset; made once per length, so that all layers share one constant. */
function circleBuckets(length: number): Tensor {
  const buckets = Int32Array.from({ length: 2 * length }, (_, k) =>
    bucketOf(k < length ? 0 : 2 * length - k),
  );
  const table = circles.get(length) ?? fromData("int32", [2 * length], buckets, "offset");
  circles.set(length, table);
  return table;
}
