/** @file What a language model of a corpus must beat, in bits per byte of its held-out text. */

import { COMPRESSORS, compressionOf } from "../data/baselines/compression.ts";
import { type Smoothing, trainNGrams } from "../data/baselines/n-gram-model.ts";
import { documentTexts } from "../data/corpora/documents.ts";
import { openCorpus } from "../data/corpora/table.ts";
import type { StoreTokenizer } from "../data/store/format.ts";

export interface BaselineOptions {
  readonly data: string;
  /** Its tokens, beside bytes, are what n-grams are made of. */
  readonly tokenizer?: StoreTokenizer | undefined;
  /** The longest n-gram: all orders up to it are tried. */
  readonly order: number;
  readonly signal: AbortSignal;
  readonly onNotice: (line: string) => void;
}

export interface Baseline {
  readonly name: string;
  readonly bitsPerByte: number;
  /** N-grams kept, for n-grams. */
  readonly size?: number;
}

const SMOOTHINGS: readonly Smoothing[] = ["kneser-ney", "witten-bell"];

/**
 * N-gram models are trained on the training documents, and a document is a sequence of its own: its end is not
 * predicted. Bits per byte are all bits of the held-out tokens over the UTF-8 bytes of the held-out documents. The
 * compressors see the documents with an empty line between.
 */
export async function baselinesOf(options: BaselineOptions): Promise<Baseline[]> {
  const { onNotice, order, signal, tokenizer } = options;
  const corpus = await openCorpus(options.data);
  const train = await documentTexts(corpus, { split: "train" });
  const held = await documentTexts(corpus, { split: "validation" });
  const bytes = held.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  const found: Baseline[] = [];
  const add = (baseline: Baseline): void => {
    found.push(baseline);
    onNotice(`${baseline.name}: ${baseline.bitsPerByte.toFixed(4)} bits per byte`);
  };
  const units = [
    { name: "bytes", vocab: 256, encode: (text: string) => new TextEncoder().encode(text) },
    ...(tokenizer === undefined || tokenizer.name === "byte"
      ? []
      : [{ ...tokenizer, name: "tokens" }]),
  ];
  for (const { name, vocab, encode } of units) {
    const sequences = train.map((text) => encode(text));
    const heldOut = held.map((text) => encode(text));
    for (const smoothing of SMOOTHINGS) {
      for (let n = 1; n <= order; n++) {
        signal.throwIfAborted();
        const model = trainNGrams(sequences, { vocab, order: n, smoothing });
        const bitsPerByte = model.bits(heldOut) / bytes;
        add({ name: `${smoothing} ${n}-gram of ${name}`, bitsPerByte, size: model.size });
      }
    }
  }
  const [known, text] = [Buffer.from(train.join("\n\n")), Buffer.from(held.join("\n\n"))];
  for (const compressor of COMPRESSORS) {
    const packed = await compressionOf(compressor, known, text, signal);
    if (packed === undefined) onNotice(`${compressor} is not on this machine`);
    else {
      add({ name: `${compressor} alone`, bitsPerByte: packed.alone });
      add({ name: `${compressor} after the training text`, bitsPerByte: packed.primed });
    }
  }
  return found;
}
