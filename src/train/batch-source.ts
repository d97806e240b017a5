/** @file The batches of a training loop, each made ready while the step before it runs. */

import type { Batches } from "../data/batches.ts";
import { tensorsOfBatch } from "./evaluator.ts";
import type { LanguageModel, TokenBatch } from "./model.ts";

export interface ReadyBatch {
  readonly batch: TokenBatch;
  /** Tokens that have a target. */
  readonly tokens: number;
}

export interface BatchSource {
  /** Batch `index`, from 0. */
  take(index: number): Promise<ReadyBatch>;
  /** Makes batch `index` ready as soon as this thread has nothing else to do. */
  prepare(index: number): void;
}

export function createBatchSource(batches: Batches, model: LanguageModel): BatchSource {
  let ready: { readonly index: number; readonly made: Promise<ReadyBatch> } | undefined;
  const make = (index: number): ReadyBatch => {
    const batch = batches.train(index);
    let tokens = 0;
    for (const id of batch.targets) if (id >= 0) tokens++;
    return { batch: tensorsOfBatch(batch, model), tokens };
  };
  return {
    take: async (index) => (ready?.index === index ? ready.made : make(index)),
    prepare(index) {
      const made = new Promise<ReadyBatch>((done, fail) => {
        // Later than the promises that lead up to the start of the step on its own threads.
        setImmediate(() => {
          try {
            done(make(index));
          } catch (error) {
            fail(error);
          }
        });
      });
      // It is told when the batch is taken.
      made.catch(() => {});
      ready = { index, made };
    },
  };
}
