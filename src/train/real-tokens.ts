/** @file Which places of a batch hold tokens, and which are padding. */

import type { Tensor } from "../core/tensor.ts";
import { cummax } from "../numpy/index.ts";
import type { TokenBatch } from "./model.ts";

/**
 * Where a batch has tokens, bool `[batch, pos]`: in a document, if it is packed, else wherever a target stands
 * at this place or later. Beyond the last target nothing is looked at.
 */
export function realTokens({ targets, segments }: TokenBatch): Tensor {
  if (segments !== undefined) return segments.greaterEqual(0);
  return cummax(targets, "pos", { reverse: true }).greaterEqual(0);
}
