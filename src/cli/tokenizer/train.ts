/** @file `tokenizer train`: learns BPE or unigram pieces from a corpus. */

import { formatCount, formatSeconds } from "../../core/text.ts";
import { documents } from "../../data/corpora/documents.ts";
import { openCorpus } from "../../data/corpora/table.ts";
import { SPLITTINGS } from "../../data/tokenizers/splitting.ts";
import { TOKENIZER_KINDS, trainTokenizer } from "../../data/tokenizers/training.ts";
import { NORMALISATIONS } from "../../data/tokenizers/written-json.ts";
import { writeAtomically } from "../../files/atomic.ts";
import { type Command, defineCommand } from "../command.ts";
import { createProgress } from "../progress.ts";
import { describeTokenizer, usesOf } from "./facts.ts";

export const command: Command = defineCommand({
  name: "tokenizer train",
  summary: "Learn a tokenizer from a text and write tokenizer.json",
  positionals: [],
  options: {
    data: { type: "string", default: "moby-dick", help: "a corpus by name, or a file or folder" },
    vocab: { type: "int", default: 4096, min: 1, help: "ids in all, special tokens included" },
    kind: {
      type: "choice",
      choices: TOKENIZER_KINDS,
      default: "bpe",
      help: "merges of frequent pairs, or pieces of a unigram language model",
    },
    splitting: {
      type: "choice",
      choices: SPLITTINGS,
      default: undefined,
      help: "where words begin; gpt2 for bpe and metaspace for unigram when left out",
    },
    special: {
      type: "string",
      default: undefined,
      valueName: "list",
      help: "special tokens, with commas between; <|endoftext|>, or <unk>,<s>,</s> for metaspace, when left out",
    },
    minFrequency: { type: "int", default: 2, min: 1, help: "bpe: least occurrences of a pair" },
    longestPiece: {
      type: "int",
      default: undefined,
      min: 2,
      help: "most bytes (metaspace: characters) in a piece; 16 for unigram, else no limit",
    },
    coverage: {
      type: "float",
      default: 1,
      above: 0,
      max: 1,
      help: "metaspace: share of the text's characters in the alphabet",
    },
    alphabet: {
      type: "int",
      default: undefined,
      min: 1,
      help: "metaspace: most characters in the alphabet",
    },
    byteFallback: {
      type: "flag",
      default: true,
      help: "metaspace: spell other characters in bytes, instead of <unk>",
    },
    normalisation: {
      type: "choice",
      choices: NORMALISATIONS,
      default: "none",
      help: "Unicode form of all text; nfkc cannot be undone by decoding",
    },
    out: { type: "string", default: "tokenizer.json", valueName: "path", help: "file to write" },
  },
  examples: [
    "meshloom tokenizer train --data books --vocab 4096 --out tokenizer.json",
    "meshloom tokenizer train --data books --kind unigram --vocab 8000 --out unigram.json",
  ],

  async run(options, context) {
    const corpus = await openCorpus(options.data);
    // What is held out to test models on must not shape their vocabulary either.
    const training = () => documents(corpus, { split: "train" });
    const progress = createProgress({
      total: options.vocab,
      unit: "pieces",
      interactive: context.interactive,
      write: context.json ? () => undefined : context.write,
      now: () => performance.now(),
    });
    context.log(`${corpus.name}: counting words`);
    const started = performance.now();
    const { special, longestPiece, alphabet, splitting } = options;
    const tokenizer = await trainTokenizer(textsOf(training()), {
      kind: options.kind,
      vocab: options.vocab,
      minFrequency: options.minFrequency,
      coverage: options.coverage,
      byteFallback: options.byteFallback,
      normalisation: options.normalisation,
      ...(splitting === undefined ? {} : { splitting }),
      ...(special === undefined ? {} : { special: special.split(",").filter((x) => x !== "") }),
      ...(longestPiece === undefined ? {} : { longestPiece }),
      ...(alphabet === undefined ? {} : { alphabet }),
      onProgress: ({ phase, done, total }) => {
        if (phase === "count") return;
        // Unigram training comes down to its size from above.
        if (total === undefined || done <= total) progress.update(done);
        else progress.note(`${formatCount(done)} pieces`);
      },
    });
    await writeAtomically(options.out, tokenizer.json());
    const seconds = (performance.now() - started) / 1000;
    progress.finish(`wrote ${options.out} in ${formatSeconds(seconds)}`);
    const facts = { ...describeTokenizer(tokenizer), ...(await usesOf(tokenizer, training())) };
    if (context.json) {
      context.out(JSON.stringify({ out: options.out, data: corpus.name, seconds, ...facts }));
      return;
    }
    if (tokenizer.vocab < options.vocab) {
      context.log(
        `the text has no more than ${tokenizer.vocab} pieces, fewer than ${options.vocab}`,
      );
    }
    context.out(
      `${options.out}: ${facts.kind}, ${facts.vocab} ids, ${facts.bytesPerToken.toFixed(3)} bytes per token on ${corpus.name}`,
    );
  },
});

async function* textsOf(list: AsyncIterable<{ readonly text: string }>): AsyncGenerator<string> {
  for await (const { text } of list) yield text;
}
