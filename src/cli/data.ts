/** @file `data`: which corpora there are, what is in them, and how many tokens they make. */

import { formatBytes, formatCount } from "../core/text.ts";
import { documents, noCounts } from "../data/corpora/documents.ts";
import { type Corpus, SPLITS, type Split } from "../data/corpora/entry.ts";
import { dataFolder } from "../data/corpora/named.ts";
import { listCorpora, missingFile, openCorpus } from "../data/corpora/table.ts";
import { openTokenStore } from "../data/store/open.ts";
import type { OnInvalid } from "../data/text/utf8.ts";
import type { Tokenizer } from "../data/tokenizer.ts";
import { openTokenizer } from "../data/tokenizers/open.ts";
import { type Command, defineCommand } from "./command.ts";
import type { CommandContext } from "./context.ts";
import { showEncoding } from "./encoding.ts";
import { formatTable } from "./table.ts";

/** Documents shown where the user says no number. */
const SHOWN = 2;
/** Characters of each. */
const EXCERPT = 400;

export const command: Command = defineCommand({
  name: "data",
  summary: "List the corpora with their licences, or show what is in one",
  positionals: [
    {
      name: "corpus",
      help: "a name, name/part, file, folder or glob; the list of corpora when absent",
      required: false,
    },
  ],
  options: {
    tokenizer: {
      type: "string",
      default: undefined,
      valueName: "path",
      help: "count tokens: byte, or a tokenizer.json or the folder that holds it",
    },
    documents: {
      type: "int",
      default: undefined,
      min: 0,
      unit: "documents",
      help: `how many to show the beginnings of; ${SHOWN} when absent, none of offensive corpora`,
    },
    field: {
      type: "string",
      default: "text",
      help: "the field of JSON records that holds the text, with dots into objects",
    },
    separator: {
      type: "string",
      default: undefined,
      help: "what stands between documents of a text file; each file is one document when absent",
    },
    invalid: {
      type: "choice",
      choices: ["stop", "replace"],
      default: "stop",
      help: "at bytes that are no UTF-8: stop, or put U+FFFD there",
    },
  },
  examples: ["meshloom data", "meshloom data books --tokenizer byte", 'meshloom data "notes/*.md"'],

  async run(options, context) {
    if (options.corpus === undefined) {
      await list(context);
      return;
    }
    const corpus = await openCorpus(options.corpus, options);
    const tokenizer =
      options.tokenizer === undefined ? undefined : await openTokenizer(options.tokenizer);
    const shown = options.documents ?? (corpus.notice === undefined ? SHOWN : 0);
    const parts = await partsOf(corpus, options.invalid, tokenizer, context);
    const excerpts = await excerptsOf(corpus, options.invalid, shown);
    if (context.json) context.out(JSON.stringify(asJson(corpus, parts, excerpts)));
    else print(corpus, parts, excerpts, context);
  },
});

interface ListedCorpus {
  readonly name: string;
  readonly licence: string;
  readonly language: string;
  readonly documents: number | undefined;
  /** Bytes of text. */
  readonly bytes: number | undefined;
  /** Why there are no numbers; where to get it. */
  readonly missing: string | undefined;
  readonly notice: string | undefined;
  readonly source: string;
  readonly parts: readonly string[];
}

async function list(context: CommandContext): Promise<void> {
  const rows: ListedCorpus[] = [];
  for (const entry of listCorpora()) {
    const { name, licence, language, notice, source, parts = {} } = entry;
    const missing = await missingFile({ files: entry.files() });
    const size = missing === undefined ? await sizeOf(await openCorpus(name)) : undefined;
    rows.push({
      name,
      licence,
      language,
      notice,
      source,
      missing,
      documents: size?.documents,
      bytes: size?.bytes,
      parts: Object.keys(parts),
    });
  }
  if (context.json) {
    for (const row of rows) context.out(JSON.stringify(row));
    return;
  }
  const cells = rows.map((row) => [
    row.notice === undefined ? row.name : `${row.name} !`,
    row.documents === undefined ? "–" : String(row.documents),
    row.bytes === undefined ? "not here" : formatBytes(row.bytes),
    row.language,
    row.licence,
  ]);
  context.out(
    formatTable(["corpus", "documents", "text", "language", "licence"], cells, {
      align: ["left", "right", "right", "left", "left"],
    }),
  );
  context.log("");
  context.log("! contains offensive or upsetting text: meshloom data NAME says what it is for");
  for (const { name, parts } of rows) {
    if (parts.length > 0) context.log(`parts of ${name}, as ${name}/PART: ${parts.join(", ")}`);
  }
  context.log(`moby-dick is installed with Meshloom; the others are looked for in ${dataFolder()}`);
  context.log("(set MESHLOOM_DATA to change that); any file, folder or glob can be named, too");
}

async function sizeOf(corpus: Corpus): Promise<{ documents: number; bytes: number }> {
  const size = { documents: 0, bytes: 0 };
  for await (const { text, continues } of documents(corpus)) {
    size.bytes += Buffer.byteLength(text);
    if (!continues) size.documents++;
  }
  return size;
}

interface Part {
  readonly split: Split;
  readonly documents: number;
  readonly bytes: number;
  readonly empty: number;
  readonly replaced: number;
  readonly tokens: number | undefined;
}

async function partsOf(
  corpus: Corpus,
  onInvalid: OnInvalid,
  tokenizer: Tokenizer | undefined,
  context: CommandContext,
): Promise<Part[]> {
  const parts: Part[] = [];
  for (const split of SPLITS) {
    const counts = noCounts();
    const size = { documents: 0, bytes: 0 };
    for await (const { text, continues } of documents(corpus, { split, onInvalid, counts })) {
      size.bytes += Buffer.byteLength(text);
      if (!continues) size.documents++;
    }
    if (size.documents === 0) continue;
    const tokens =
      tokenizer === undefined
        ? undefined
        : await tokensOf(corpus, split, onInvalid, tokenizer, context);
    parts.push({ split, ...size, empty: counts.empty, replaced: counts.replaced, tokens });
  }
  return parts;
}

/** Encoded into the cache: who counts tokens will train on them next. */
async function tokensOf(
  corpus: Corpus,
  split: Split,
  onInvalid: OnInvalid,
  tokenizer: Tokenizer,
  context: CommandContext,
): Promise<number> {
  const encoding = showEncoding(context);
  const store = await openTokenStore({
    corpus,
    split,
    onInvalid,
    tokenizer,
    onProgress: ({ counts, tokens }, total) =>
      encoding.onProgress(`${corpus.name} (${split})`, counts.read, total, tokens),
    onNotice: context.log,
  }).finally(encoding.end);
  store.close();
  return store.length;
}

interface Excerpt {
  readonly source: string;
  readonly text: string;
}

async function excerptsOf(corpus: Corpus, onInvalid: OnInvalid, count: number): Promise<Excerpt[]> {
  const excerpts: Excerpt[] = [];
  if (count === 0) return excerpts;
  let inside = false;
  for await (const { text, source, continues } of documents(corpus, { onInvalid })) {
    if (!inside) excerpts.push({ source, text: excerptOf(text) });
    inside = continues;
    if (excerpts.length >= count) break;
  }
  return excerpts;
}

/** Whole characters, and no control characters, which could move the cursor. */
function excerptOf(text: string): string {
  const start = [...text.slice(0, 2 * EXCERPT)].slice(0, EXCERPT).join("");
  const clean = start.replace(/[^\P{Cc}\n]/gu, "\ufffd");
  return start.length < text.length ? `${clean}…` : clean;
}

function asJson(corpus: Corpus, parts: readonly Part[], excerpts: readonly Excerpt[]): object {
  const { name, source, licence, language, form, division, notice = null, files } = corpus;
  return {
    name,
    source,
    licence,
    language,
    form,
    division,
    notice,
    files: files.map(({ path }) => path),
    splits: parts,
    documents: excerpts,
  };
}

function print(
  corpus: Corpus,
  parts: readonly Part[],
  excerpts: readonly Excerpt[],
  { out }: CommandContext,
): void {
  const { name, source, licence, language, form, division, notice, files } = corpus;
  const facts: [string, string][] = [
    ["source", source],
    ["licence", licence],
    ["language", language === "und" ? "not known" : language],
    ["documents", form],
    ["split", division],
    ["files", files.length === 1 ? (files[0]?.path ?? "") : `${files.length}, ${files[0]?.path} …`],
  ];
  if (notice !== undefined) facts.unshift(["notice", notice]);
  out(name);
  out(
    formatTable(
      [],
      facts.map(([fact, value]) => [`  ${fact}`, value]),
    ),
  );
  out("");
  const counted = parts.some(({ tokens }) => tokens !== undefined);
  const skipped = parts.some(({ empty }) => empty > 0);
  const rows = parts.map(({ split, documents: count, bytes, tokens, empty }) => [
    `  ${split}`,
    String(count),
    formatBytes(bytes),
    ...(counted ? [formatCount(tokens ?? 0), ((tokens ?? 0) / Math.max(1, bytes)).toFixed(3)] : []),
    ...(skipped ? [String(empty)] : []),
  ]);
  out(
    formatTable(
      [
        "  split",
        "documents",
        "text",
        ...(counted ? ["tokens", "tokens/byte"] : []),
        ...(skipped ? ["empty, skipped"] : []),
      ],
      rows,
      { align: ["left", "right", "right", "right", "right", "right"] },
    ),
  );
  for (const { source: place, text } of excerpts) {
    out("");
    out(`  ${place}`);
    for (const line of text.split("\n")) out(`    ${line}`.trimEnd());
  }
}
