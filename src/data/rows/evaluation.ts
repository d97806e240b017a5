/** @file Batches of held-out text: every target counted exactly once, the last batch padded. */

import type { DocumentSource, TokenSource } from "../store/source.ts";
import { fillPieces } from "./packed.ts";
import { type PackedPiece, planPacking } from "./packing.ts";
import { type BatchArrays, emptyBatch } from "./row-stream.ts";

export interface EvaluationOptions {
  readonly batch: number;
  readonly length: number;
  /** Documents side by side that cannot see each other; else one long text in windows. */
  readonly packed: boolean;
  /** At most this many batches, at even distances; all when absent. */
  readonly batches?: number | undefined;
}

export interface Evaluation {
  /** Batches in all, before any limit. */
  readonly all: number;
  /** Targets in all of them. */
  readonly targets: number;
  /** The same batches each time, made one by one. */
  batches(): Iterable<BatchArrays>;
}

/**
 * With an end-of-text token every token is a target, the first after an end-of-text; without one the first of the text,
 * or packed the first of each document, is not: nothing stands before it.
 */
export function evaluationOf(source: DocumentSource, options: EvaluationOptions): Evaluation {
  const { batch, length, packed } = options;
  const { rows, targets, row } = packed ? packedPlan(source, length) : windowPlan(source, length);
  const all = Math.ceil(rows / batch);
  const used = Math.min(all, options.batches ?? all);
  return {
    all,
    targets,
    *batches() {
      for (let index = 0; index < used; index++) {
        const arrays = emptyBatch(batch, length, packed);
        const first = Math.floor((index * all) / used) * batch;
        for (let at = 0; at < Math.min(batch, rows - first); at++) {
          fillPieces(source, row(first + at), arrays, at * length);
        }
        yield arrays;
      }
    },
  };
}

interface RowPlan {
  readonly rows: number;
  readonly targets: number;
  row(index: number): readonly PackedPiece[];
}

function packedPlan(source: DocumentSource, length: number): RowPlan {
  return planPacking(source, length);
}

function windowPlan(source: DocumentSource, length: number): RowPlan {
  const skipped = source.endOfText === undefined ? 1 : 0;
  const targets = Math.max(0, source.length - skipped);
  return {
    rows: Math.ceil(targets / length),
    targets,
    row: (index) => {
      const from = skipped + index * length;
      return [{ from, count: Math.min(length, source.length - from) }];
    },
  };
}

/** One document without an end: a text that is only tokens. */
export function asOneDocument(source: TokenSource): DocumentSource {
  return {
    length: source.length,
    read: (start, end) => source.read(start, end),
    documents: 1,
    ends: (first, last) => Float64Array.of(source.length).slice(first, last),
    endOfText: undefined,
  };
}
