/** @file What generation asks of a model: to start a cache, and to go on by a few tokens. */

import type { Tensor } from "../core/tensor.ts";

/** State of a decoder between tokens: a tree of tensors, `[batch, …]` each. */
export type DecoderState = object;

/** What a model computes with. */
export interface DecodingWeights {
  readonly params: unknown;
  readonly extra: unknown;
}

/** A model that writes one token after another. Every language model of a run is one. */
export interface DecodingModel {
  /** Token ids lie in `[0, vocab)`. */
  readonly vocab: number;
  /** An empty cache for `length` places of each row, traced. */
  startDecoding(batch: number, length: number): DecoderState;
  /**
   * Goes on by one token or more, traced. A row's result must not depend on the other rows, and a place
   * may be written again as long as nothing after it has been read.
   *
   * @param ids - int32 `[batch, pos]`
   * @param at - int32 `[batch]`, the place of each row's first id; earlier places of the cache are filled
   * @returns logits `[batch, pos, vocab]` and the grown cache
   */
  decode(
    weights: DecodingWeights,
    cache: DecoderState,
    ids: Tensor,
    at: Tensor,
  ): readonly [logits: Tensor, cache: DecoderState];
}
