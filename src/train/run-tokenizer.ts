/** @file The tokenizer of a run: bytes, one of a file, or one that the run learns from its own training text. */

import { stat } from "node:fs/promises";
import { join } from "node:path";
import { RunError } from "../core/errors.ts";
import { documents } from "../data/corpora/documents.ts";
import type { ReadOptions } from "../data/corpora/paths.ts";
import { openCorpus } from "../data/corpora/table.ts";
import { parseMixture } from "../data/mixture-text.ts";
import { byteTokenizer, type Tokenizer } from "../data/tokenizer.ts";
import { openTokenizer, TOKENIZER_FILE } from "../data/tokenizers/open.ts";
import { trainTokenizer } from "../data/tokenizers/training.ts";
import { ifPresent } from "../files/disk.ts";

/** What `data.tokenizer` may say beside `byte` and a path: kinds that are learned when the run begins. */
const LEARNED = ["bpe", "unigram"] as const;

export interface RunTokenizerOptions extends ReadOptions {
  /** `byte`, `bpe`, `unigram`, or the path of a `tokenizer.json`. */
  readonly tokenizer: string;
  /** Corpora by name or path; a learned tokenizer sees their training parts only. */
  readonly data: string;
  /** Ids that a learned tokenizer has, at most. */
  readonly vocab: number;
  /** A run that goes on: its own file counts, whatever is said now. */
  readonly resumed: string | undefined;
  /** That of the weights to start from. */
  readonly given?: Tokenizer | undefined;
  onNotice(line: string): void;
}

/**
 * @throws DataError when a file or corpus is missing or damaged
 * @throws ConfigError when the vocabulary is too small to be learned
 */
export async function tokenizerOfRun(options: RunTokenizerOptions): Promise<Tokenizer> {
  const { tokenizer, data, vocab, resumed, onNotice } = options;
  if (resumed !== undefined && (await hasTokenizer(resumed))) return openTokenizer(resumed);
  if (options.given !== undefined) return options.given;
  const kind = LEARNED.find((name) => name === tokenizer);
  if (kind === undefined) return openTokenizer(tokenizer);
  onNotice(`learning a ${kind} tokenizer of ${vocab} tokens from ${data}`);
  return trainTokenizer(trainingTexts(data, options), { kind, vocab });
}

async function* trainingTexts(data: string, options: ReadOptions): AsyncGenerator<string> {
  for (const { name } of parseMixture(data)) {
    const corpus = await openCorpus(name, options);
    for await (const { text } of documents(corpus, { split: "train" })) yield text;
  }
}

/**
 * The tokenizer that a finished or stopped run was trained with.
 *
 * @param fingerprint - as the run's configuration states it
 * @throws RunError when the folder's tokenizer is another one
 */
export async function savedTokenizer(
  folder: string,
  fingerprint: string | undefined,
): Promise<Tokenizer> {
  const tokenizer = (await hasTokenizer(folder)) ? await openTokenizer(folder) : byteTokenizer;
  const found = tokenizer.fingerprint();
  if (fingerprint === undefined || found === fingerprint) return tokenizer;
  throw new RunError("RUN-01", `run: the tokenizer in ${folder} is not the one of its weights.`, [
    ["tokenizer", `${tokenizer.name}, ${tokenizer.vocab} tokens, ${found.slice(0, 12)}…`],
    ["trained with", `${fingerprint.slice(0, 12)}…`],
    ["fix", `put back the ${TOKENIZER_FILE} that the run wrote`],
  ]);
}

async function hasTokenizer(folder: string): Promise<boolean> {
  return (await ifPresent(stat(join(folder, TOKENIZER_FILE)))) !== undefined;
}
