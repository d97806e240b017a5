/** @file Loss on held-out text, by counting nats, tokens and bytes. */

import type { Batches } from "../data/batches.ts";
import { type JitOptions, jit } from "../engines/jit.ts";
import type { LanguageModel, TokenBatch, Weights } from "./model.ts";
import { readyBatch } from "./ready-batch.ts";

export interface Evaluation {
  /** Nats per token. */
  readonly loss: number;
  /** Comparable between tokenizers: all nats over all bytes that the predicted tokens stand for. */
  readonly bitsPerByte: number;
}

export interface EvaluatorOptions {
  readonly model: LanguageModel;
  readonly batches: Batches;
  readonly engine: JitOptions;
  /** Bytes of text that token ids stand for. */
  bytesOf(ids: Int32Array): number;
}

/** A function that evaluates weights; its program is compiled at the first call. */
export function createEvaluator(
  options: EvaluatorOptions,
): (weights: Weights) => Promise<Evaluation> {
  const { model, batches, engine, bytesOf } = options;
  const evaluate = jit((weights: Weights, batch: TokenBatch) => model.evaluate(weights, batch), {
    ...engine,
    name: "evaluation",
  });
  return async (weights) => {
    let [nats, tokens, bytes] = [0, 0, 0];
    for (const batch of batches.validation()) {
      const found = await evaluate(weights, readyBatch(batch, model).tensors);
      nats += found.nats.item();
      tokens += found.count.item();
      bytes += bytesOf(batch.targets.filter((id) => id >= 0));
    }
    return { loss: nats / tokens, bitsPerByte: nats / Math.LN2 / bytes };
  };
}
