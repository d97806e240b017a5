/** @file Relative position bias in T5's buckets: near distances exactly, far ones on a log scale. */

import { fromData, type Tensor } from "../../core/tensor.ts";
import { broadcastTo, einsum, full, oneHot } from "../../numpy/index.ts";
import { normal, type ParamSpec, param } from "../param.ts";

export const BUCKETS = 32;
const MAX_DISTANCE = 128;

/** One number per head and bucket, `[head, bucket]`. */
export function positionBiasParam(head: number): ParamSpec {
  return param({ head, bucket: BUCKETS }, normal((head * BUCKETS) ** -0.5));
}

/** Whether a position sees only itself and earlier ones, or all. */
export type Direction = "causal" | "both";

/**
 * Bucket of the distance from a position back to one it looks at.
 *
 * Up to 15 exactly; then `16 + ⌊ln(δ/16) / ln(128/16) · 16⌋`, at most 31; 0 for the future. In both
 * directions each has half of the buckets, the future the second half: up to 7 exactly, and so on.
 */
export function bucketOf(distance: number, direction: Direction = "causal"): number {
  if (direction === "causal") return bucketAmong(BUCKETS, distance);
  const own = BUCKETS / 2;
  return distance >= 0 ? bucketAmong(own, distance) : own + bucketAmong(own, -distance);
}

function bucketAmong(count: number, distance: number): number {
  const exact = count / 2;
  if (distance < exact) return Math.max(0, distance);
  const far = (Math.log(distance / exact) / Math.log(MAX_DISTANCE / exact)) * exact;
  return Math.min(count - 1, exact + Math.floor(far));
}

/** The bias of every pair of a query and a key of one sequence: `[head, pos, mem]`. */
export function positionBias(p: Tensor, length: number, direction: Direction = "causal"): Tensor {
  const heads = p.size("head");
  const around = 2 * length;
  // One number per offset mem − pos, negative offsets at the end, as on a circle of 2·length places.
  const circle = einsum(
    "head bucket, offset bucket -> head offset",
    p.astype("float32"), // it meets the logits, which are of single precision even where products are not
    oneHot(circleBuckets(length, direction), BUCKETS, "bucket"),
  );
  // Rows of equal circles, read in strides one shorter than a circle, are each turned by one place.
  const rows = broadcastTo(circle.reshape([heads, 1, around]), full(0, [heads, length, around]));
  const turned = rows.reshape([heads, length * around]).slice(1, 0, length * (around - 1));
  return turned
    .reshape([heads, length, around - 1])
    .slice(2, 0, length)
    .as("head pos mem");
}

/** One-hot buckets of the distances 0, 1, 2 …, `[distance, bucket]`. */
export function bucketsByDistance(length: number): Tensor {
  const buckets = listed(`distances ${length}`, length, (distance) => bucketOf(distance));
  return oneHot(buckets.as("distance"), BUCKETS, "bucket");
}

/** Buckets by offset on the circle. */
function circleBuckets(length: number, direction: Direction): Tensor {
  return listed(`circle ${length} ${direction}`, 2 * length, (k) =>
    bucketOf(k < length ? -k : 2 * length - k, direction),
  ).as("offset");
}

const lists = new Map<string, Tensor>();

/** Each list is made once, so that all layers share one constant. */
function listed(name: string, length: number, bucket: (i: number) => number): Tensor {
  const known = lists.get(name);
  if (known !== undefined) return known;
  const made = fromData(
    "int32",
    [length],
    Int32Array.from({ length }, (_, i) => bucket(i)),
  );
  lists.set(name, made);
  return made;
}
