/** @file `bench text`: encoding against the JavaScript and the Rust package, training against the Rust one, turn by turn. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "../core/errors.ts";
import { median } from "../core/statistics.ts";
import { documentTexts } from "../data/corpora/documents.ts";
import type { Corpus } from "../data/corpora/entry.ts";
import type { FileTokenizer } from "../data/tokenizers/open-json.ts";
import { PackageTokenizer } from "../data/tokenizers/package.ts";
import type { Splitting } from "../data/tokenizers/splitting.ts";
import { type TokenizerKind, trainTokenizer } from "../data/tokenizers/training.ts";
import { chosenCases } from "./chosen-cases.ts";
import { type Runner, startTextPeer } from "./peers.ts";

export interface TextBenchOptions {
  readonly corpus: Corpus;
  readonly vocab: number;
  readonly python: string | undefined;
  readonly rounds: number;
  readonly threads: number;
  /** Cases whose name contains one of these; all when empty. */
  readonly only: readonly string[];
  onNotice(line: string): void;
}

/** Seconds of one side over the rounds. */
export interface Seconds {
  readonly min: number;
  readonly median: number;
}

export interface TextBenchRow {
  readonly what: "encode" | "train";
  readonly name: string;
  /** UTF-8 bytes that each round reads. */
  readonly bytes: number;
  readonly ours: Seconds;
  readonly peers: Readonly<Record<string, Seconds>>;
  /** Their time over ours, by peer. */
  readonly speedups: Readonly<Record<string, Seconds>>;
  readonly goal: { readonly peer: string; readonly speedup: number };
  /** Whether all sides gave as many tokens, of encoding. */
  readonly same: boolean | null;
}

export interface TextBenchResult {
  readonly cpu: string;
  readonly node: string;
  readonly threads: number;
  readonly corpus: string;
  readonly vocab: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly results: readonly TextBenchRow[];
}

interface Case {
  readonly name: string;
  readonly kind: TokenizerKind;
  readonly splitting: Splitting;
}

const CASES: readonly Case[] = [
  { name: "bpe gpt2", kind: "bpe", splitting: "gpt2" },
  { name: "bpe metaspace", kind: "bpe", splitting: "metaspace" },
  { name: "unigram", kind: "unigram", splitting: "metaspace" },
];

/** The JavaScript package reads no more than this in a round. */
const MOST_ENCODED = 2_000_000;
const DOCUMENT = 4_000;
const TRAINING_ROUNDS = 3;

/**
 * Times all cases.
 *
 * @throws ConfigError when `only` names no case, or the peer cannot start
 */
export async function benchText(options: TextBenchOptions): Promise<TextBenchResult> {
  const { corpus, vocab, python, threads, only } = options;
  const cases = chosenCases("bench text", CASES, only);
  const folder = await mkdtemp(join(tmpdir(), "meshloom-text-"));
  const peer = python === undefined ? undefined : startTextPeer(python);
  try {
    const versions = peer === undefined ? {} : await greet(peer, threads, python ?? "");
    const texts = await documentTexts(corpus);
    const documents = documentsOf(texts.join("\n\n"));
    const all = join(folder, "all.json");
    await writeFile(all, JSON.stringify(documents));
    const results: TextBenchRow[] = [];
    for (const one of cases) {
      const { row, tokenizer } = await timeTraining(one, { ...options, peer, documents, all });
      results.push(row);
      options.onNotice(noticeOf(row));
      const encoding = await timeEncoding(one, tokenizer, { ...options, peer, documents, folder });
      results.push(encoding);
      options.onNotice(noticeOf(encoding));
    }
    return {
      cpu: cpus()[0]?.model ?? "unknown",
      node: process.version,
      threads,
      corpus: corpus.name,
      vocab,
      versions,
      results,
    };
  } finally {
    peer?.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function greet(
  peer: Runner,
  threads: number,
  python: string,
): Promise<Readonly<Record<string, string>>> {
  try {
    const answer = await peer.ask<{ readonly versions: Record<string, string> }>({
      do: "hello",
      threads,
    });
    return answer.versions;
  } catch (error) {
    throw new ConfigError("CONFIG-01", `bench text: ${python} cannot serve as a peer.`, [
      ["it says", error instanceof Error ? error.message : String(error)],
      ["fix", `${python} -m pip install tokenizers==0.23.3, or leave out --python`],
    ]);
  }
}

/** Pieces of some thousand characters, cut at the ends of lines where there are any. */
function documentsOf(text: string): string[] {
  const documents: string[] = [];
  for (let start = 0; start < text.length; ) {
    const line = text.indexOf("\n", start + DOCUMENT);
    const end = line < 0 || line > start + 4 * DOCUMENT ? start + DOCUMENT : line + 1;
    documents.push(text.slice(start, end));
    start = end;
  }
  return documents;
}

interface Side {
  readonly name: string;
  /** One round. @returns seconds */
  time(): Promise<number>;
}

/** All sides take turns; a round of each belongs together. */
async function takeTurns(
  sides: readonly Side[],
  rounds: number,
): Promise<ReadonlyMap<string, Seconds>> {
  const times = new Map(sides.map(({ name }) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    for (const { name, time } of sides) times.get(name)?.push(await time());
  }
  return new Map(
    [...times].map(([name, list]) => {
      const sorted = list.toSorted((a, b) => a - b);
      return [name, { min: sorted[0] ?? 0, median: median(sorted) }];
    }),
  );
}

function rowOf(
  times: ReadonlyMap<string, Seconds>,
  facts: Pick<TextBenchRow, "what" | "name" | "bytes" | "goal" | "same">,
): TextBenchRow {
  const ours = times.get("ours") ?? { min: 0, median: 0 };
  const peers = [...times].filter(([name]) => name !== "ours");
  return {
    ...facts,
    ours,
    peers: Object.fromEntries(peers),
    speedups: Object.fromEntries(
      peers.map(([name, t]) => [name, { min: t.min / ours.min, median: t.median / ours.median }]),
    ),
  };
}

async function timed(work: () => unknown): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

interface TrainingSetting extends TextBenchOptions {
  readonly peer: Runner | undefined;
  readonly documents: readonly string[];
  /** The documents as a file. */
  readonly all: string;
}

async function timeTraining(
  { name, kind, splitting }: Case,
  { vocab, rounds, peer, documents, all }: TrainingSetting,
): Promise<{ row: TextBenchRow; tokenizer: FileTokenizer }> {
  const train = (): Promise<FileTokenizer> => trainTokenizer(documents, { kind, vocab, splitting });
  let tokenizer: FileTokenizer | undefined;
  const sides: Side[] = [
    {
      name: "ours",
      time: () =>
        timed(async () => {
          tokenizer = await train();
        }),
    },
  ];
  if (peer !== undefined) {
    sides.push({
      name: "rust",
      time: async () => {
        const request = { do: "train", kind, splitting, vocab, text: all };
        return (await peer.ask<{ readonly seconds: number }>(request)).seconds;
      },
    });
  }
  const times = await takeTurns(sides, Math.min(rounds, TRAINING_ROUNDS));
  const goal = { peer: "rust", speedup: 1 / 3 };
  const row = rowOf(times, { what: "train", name, bytes: sizeOf(documents), goal, same: null });
  return { row, tokenizer: tokenizer ?? (await train()) };
}

/** UTF-8 bytes. */
function sizeOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}

interface EncodingSetting extends TextBenchOptions {
  readonly peer: Runner | undefined;
  readonly documents: readonly string[];
  readonly folder: string;
}

async function timeEncoding(
  { name, kind }: Case,
  tokenizer: FileTokenizer,
  { rounds, peer, documents, folder }: EncodingSetting,
): Promise<TextBenchRow> {
  const some = documents.slice(0, Math.ceil(MOST_ENCODED / DOCUMENT));
  const bytes = some.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  const theirs = new PackageTokenizer(JSON.parse(tokenizer.json()), {});
  const encodeOurs = (): number =>
    some.reduce((tokens, text) => tokens + tokenizer.encode(text).length, 0);
  const encodeTheirs = (): number =>
    some.reduce(
      (tokens, text) => tokens + theirs.encode(text, { add_special_tokens: false }).ids.length,
      0,
    );
  // Once before: all sides remember words.
  const counts = [encodeOurs()];
  // The JavaScript package has no byte fallback for unigram: there, other tokens are expected of it.
  const count = encodeTheirs();
  if (kind === "bpe") counts.push(count);
  const sides: Side[] = [
    { name: "ours", time: () => timed(encodeOurs) },
    { name: "package", time: () => timed(encodeTheirs) },
  ];
  if (peer !== undefined) {
    const [file, list] = [join(folder, "tokenizer.json"), join(folder, "some.json")];
    await writeFile(file, tokenizer.json());
    await writeFile(list, JSON.stringify(some));
    const opened = await peer.ask<{ readonly tokens: number }>({
      do: "open",
      file,
      documents: list,
    });
    counts.push(opened.tokens);
    sides.push({
      name: "rust",
      time: async () => (await peer.ask<{ readonly seconds: number }>({ do: "encode" })).seconds,
    });
  }
  const times = await takeTurns(sides, rounds);
  const goal = { peer: "package", speedup: 1 };
  return rowOf(times, { what: "encode", name, bytes, goal, same: new Set(counts).size === 1 });
}

function noticeOf({ what, name, bytes, ours, speedups }: TextBenchRow): string {
  const ratios = Object.entries(speedups).map(
    ([peer, { median }]) => `${median.toFixed(2)} × ${peer}`,
  );
  const speed = `${(bytes / 1e6 / ours.median).toFixed(1)} MB/s`;
  return [`${what} ${name}: ${ours.median.toFixed(3)} s, ${speed}`, ...ratios].join(", ");
}
