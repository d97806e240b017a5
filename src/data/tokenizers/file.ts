/**
 * @file A `tokenizer.json`, read with suspicion: what it says must make sense before any text meets it.
 *
 * The vocabulary is checked by hand: it has up to some hundred thousand entries, and its keys may be any
 * words, `__proto__` among them.
 */

import { z } from "zod";
import { DataError } from "../../core/errors.ts";
import { formatBytes } from "../../core/text.ts";
import { COMPONENT_FORMS } from "./components.ts";

const LARGEST_FILE = 2 ** 28;
/** Ids are rows of an embedding; more than this is a damaged number. */
const LARGEST_ID = 2 ** 22;
const DEEPEST = 8;
/** Anything deeper is made to break what walks over it. */
const DEEPEST_JSON = 64;

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
  readonly normalized: boolean;
  readonly singleWord: boolean;
  /** Whether white space on this side belongs to the token. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
}

/** A normaliser, pre-tokenizer, post-processor or decoder: its type, and what is its own. */
export interface Component {
  readonly type: string;
  readonly [key: string]: unknown;
}

export interface BpeModelFile {
  readonly type: "BPE";
  readonly vocab: ReadonlyMap<string, number>;
  /** Ids: left, right, and what they become. */
  readonly merges: readonly (readonly [left: number, right: number, merged: number])[];
  readonly unknown: string | undefined;
  readonly fuseUnknown: boolean;
  readonly byteFallback: boolean;
  readonly ignoreMerges: boolean;
  /** Whether pieces carry marks for their place in a word. */
  readonly marked: boolean;
}

export interface UnigramModelFile {
  readonly type: "Unigram";
  readonly vocab: ReadonlyMap<string, number>;
  /** By id. */
  readonly scores: readonly number[];
  readonly unknownId: number | undefined;
  readonly byteFallback: boolean;
}

export interface OtherModelFile {
  readonly type: "WordPiece" | "WordLevel";
  readonly vocab: ReadonlyMap<string, number>;
  readonly unknown: string | undefined;
}

export interface TokenizerFile {
  readonly model: BpeModelFile | UnigramModelFile | OtherModelFile;
  readonly added: readonly AddedToken[];
  readonly normalizer: Component | undefined;
  readonly preTokenizer: Component | undefined;
  readonly postProcessor: Component | undefined;
  readonly decoder: Component | undefined;
  /** Content by id, undefined for ids that nothing has. */
  readonly pieces: readonly (string | undefined)[];
  /** The whole file, as JSON gives it. */
  readonly value: Readonly<Record<string, unknown>>;
}

const id = z.int().min(0).max(LARGEST_ID);
const added = z.object({
  id,
  content: z.string().min(1),
  single_word: z.boolean().default(false),
  lstrip: z.boolean().default(false),
  rstrip: z.boolean().default(false),
  normalized: z.boolean().optional(),
  special: z.boolean().default(false),
});
const component = z.looseObject({ type: z.string() }).nullish();
const flag = z.boolean().nullish();
const mark = z.string().nullish();
const bpe = z.looseObject({
  unk_token: z.string().nullish(),
  fuse_unk: flag,
  byte_fallback: flag,
  ignore_merges: flag,
  continuing_subword_prefix: mark,
  end_of_word_suffix: mark,
});
const unigram = z.looseObject({ unk_id: id.nullish(), byte_fallback: flag });
const words = z.looseObject({ unk_token: z.string().nullish() });
const whole = z.looseObject({
  version: z.string().nullish(),
  added_tokens: z.array(added).nullish(),
  normalizer: component,
  pre_tokenizer: component,
  post_processor: component,
  decoder: component,
  model: z.looseObject({ type: z.string().nullish() }),
});

/**
 * Reads and checks the text of a `tokenizer.json`.
 *
 * @param name - the file's, for errors
 * @throws DataError when the text is no JSON, lacks a part, or contradicts itself
 */
export function readTokenizerFile(text: string, name: string): TokenizerFile {
  if (text.length > LARGEST_FILE) {
    throw damaged(name, "is too large", [["size", formatBytes(text.length)]]);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw damaged(name, "is not JSON", [["it says", String((cause as Error).message)]]);
  }
  if (isDeeper(json, DEEPEST_JSON)) throw damaged(name, `nests deeper than ${DEEPEST_JSON}`);
  const value = checked(whole, json, name, "");
  const model = readModel(value.model, name);
  const tokens = (value.added_tokens ?? []).map(
    (token): AddedToken => ({
      id: token.id,
      content: token.content,
      special: token.special,
      normalized: token.normalized ?? !token.special,
      singleWord: token.single_word,
      lstrip: token.lstrip,
      rstrip: token.rstrip,
    }),
  );
  for (const key of ["normalizer", "pre_tokenizer", "decoder"] as const) {
    checkComponent(key, value[key], name, 0);
  }
  checkComponent("post_processor", value.post_processor, name, 0);
  return {
    model,
    added: tokens,
    normalizer: (value.normalizer as Component | null) ?? undefined,
    preTokenizer: (value.pre_tokenizer as Component | null) ?? undefined,
    postProcessor: (value.post_processor as Component | null) ?? undefined,
    decoder: (value.decoder as Component | null) ?? undefined,
    pieces: piecesById(model, tokens, name),
    value: json as Record<string, unknown>,
  };
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  for (const member of Object.values(value)) if (isDeeper(member, levels - 1)) return true;
  return false;
}

/** An error about a file that cannot be a tokenizer. */
export function damaged(
  name: string,
  wrong: string,
  facts: readonly (readonly [string, string])[] = [],
): DataError {
  return new DataError("DATA-01", `tokenizer: ${name} ${wrong}.`, [
    ...facts,
    [
      "fix",
      "give the tokenizer.json of a tokenizer that works, or train one: meshloom tokenizer train",
    ],
  ]);
}

function checked<T>(schema: z.ZodType<T>, value: unknown, name: string, place: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = [place, ...(issue?.path ?? [])].filter((part) => part !== "").join(".");
  throw damaged(name, `has a wrong ${path === "" ? "form" : `"${path}"`}`, [
    ["it says", issue?.message ?? "unreadable"],
  ]);
}

function readModel(value: Readonly<Record<string, unknown>>, name: string): TokenizerFile["model"] {
  const type = value["type"] ?? kindByParts(value);
  if (type === "Unigram") return readUnigram(value, name);
  const vocab = readVocab(value["vocab"], name);
  if (type === "BPE") {
    const model = checked(bpe, value, name, "model");
    const unknown = model.unk_token ?? undefined;
    if (unknown !== undefined && unknown !== "" && !vocab.has(unknown)) {
      throw damaged(
        name,
        `has the unknown token ${quoted(unknown)}, which is not in its vocabulary`,
      );
    }
    const suffix = (model.continuing_subword_prefix ?? "").length;
    return {
      type,
      vocab,
      merges: readMerges(value["merges"], vocab, suffix, name),
      unknown: unknown === "" ? undefined : unknown,
      fuseUnknown: model.fuse_unk ?? false,
      byteFallback: model.byte_fallback ?? false,
      ignoreMerges: model.ignore_merges ?? false,
      marked: suffix > 0 || (model.end_of_word_suffix ?? "") !== "",
    };
  }
  if (type === "WordPiece" || type === "WordLevel") {
    const unknown = checked(words, value, name, "model").unk_token ?? undefined;
    if (unknown !== undefined && !vocab.has(unknown)) {
      throw damaged(
        name,
        `has the unknown token ${quoted(unknown)}, which is not in its vocabulary`,
      );
    }
    return { type, vocab, unknown };
  }
  throw damaged(name, `has a model of the type ${quoted(type)}`, [
    ["known", "BPE, Unigram, WordPiece, WordLevel"],
  ]);
}

/** Old files name no type. */
function kindByParts(value: Readonly<Record<string, unknown>>): string {
  if (Array.isArray(value["vocab"])) return "Unigram";
  if ("merges" in value) return "BPE";
  return "continuing_subword_prefix" in value ? "WordPiece" : "WordLevel";
}

function readVocab(value: unknown, name: string): Map<string, number> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw damaged(name, `has no vocabulary: "model.vocab" is ${quoted(value)}`);
  }
  const vocab = new Map<string, number>();
  const owners = new Map<number, string>();
  for (const [piece, at] of Object.entries(value)) {
    if (!isId(at)) throw damaged(name, `gives the piece ${quoted(piece)} the id ${quoted(at)}`);
    const owner = owners.get(at);
    if (owner !== undefined) {
      throw damaged(name, `gives the id ${at} to ${quoted(owner)} and to ${quoted(piece)}`);
    }
    owners.set(at, piece);
    vocab.set(piece, at);
  }
  if (vocab.size === 0) throw damaged(name, "has an empty vocabulary");
  return vocab;
}

function isId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= LARGEST_ID;
}

function readMerges(
  value: unknown,
  vocab: ReadonlyMap<string, number>,
  prefix: number,
  name: string,
): (readonly [number, number, number])[] {
  if (!Array.isArray(value))
    throw damaged(name, `has no merges: "model.merges" is ${quoted(value)}`);
  const seen = new Set<string>();
  return value.map((merge: unknown, rank) => {
    const halves = typeof merge === "string" ? merge.split(" ") : merge;
    if (
      !Array.isArray(halves) ||
      halves.length !== 2 ||
      !halves.every((x) => typeof x === "string")
    ) {
      throw damaged(name, `has merge ${rank} as ${quoted(merge)}, which are not two pieces`);
    }
    const [left, right] = halves as [string, string];
    const ids = [left, right, left + right.slice(prefix)].map((piece) => {
      const known = vocab.get(piece);
      if (known !== undefined) return known;
      throw damaged(
        name,
        `has merge ${rank} of ${quoted(left)} and ${quoted(right)}, but no piece ${quoted(piece)}`,
      );
    });
    const key = `${ids[0]} ${ids[1]}`;
    if (seen.has(key)) throw damaged(name, `merges ${quoted(left)} and ${quoted(right)} twice`);
    seen.add(key);
    return ids as [number, number, number];
  });
}

function readUnigram(value: Readonly<Record<string, unknown>>, name: string): UnigramModelFile {
  const rows = value["vocab"];
  if (!Array.isArray(rows))
    throw damaged(name, `has no vocabulary: "model.vocab" is ${quoted(rows)}`);
  if (rows.length === 0) throw damaged(name, "has an empty vocabulary");
  if (rows.length > LARGEST_ID) throw damaged(name, `has ${rows.length} pieces`);
  const vocab = new Map<string, number>();
  const scores = rows.map((row: unknown, at): number => {
    const [piece, score] = Array.isArray(row) && row.length === 2 ? row : [];
    if (typeof piece !== "string" || typeof score !== "number" || !Number.isFinite(score)) {
      throw damaged(name, `has ${quoted(row)} as piece ${at}, which is not a piece and its score`);
    }
    if (vocab.has(piece)) throw damaged(name, `has the piece ${quoted(piece)} twice`);
    vocab.set(piece, at);
    return score;
  });
  const { unk_id, byte_fallback } = checked(unigram, value, name, "model");
  if (unk_id != null && unk_id >= rows.length) {
    throw damaged(name, `has the unknown id ${unk_id}, but only ${rows.length} pieces`);
  }
  return {
    type: "Unigram",
    vocab,
    scores,
    unknownId: unk_id ?? undefined,
    byteFallback: byte_fallback ?? false,
  };
}

/** All contents by id; added tokens may repeat what the model has, but not contradict it. */
function piecesById(
  { vocab }: TokenizerFile["model"],
  tokens: readonly AddedToken[],
  name: string,
): (string | undefined)[] {
  const byId = new Map<number, string>();
  for (const [piece, at] of vocab) byId.set(at, piece);
  const contents = new Map<string, number>(vocab);
  for (const { id: at, content } of tokens) {
    const owner = byId.get(at);
    if (owner !== undefined && owner !== content) {
      throw damaged(
        name,
        `gives the id ${at} to ${quoted(owner)} and to the added token ${quoted(content)}`,
      );
    }
    const known = contents.get(content);
    if (known !== undefined && known !== at) {
      throw damaged(name, `gives the added token ${quoted(content)} the ids ${known} and ${at}`);
    }
    byId.set(at, content);
    contents.set(content, at);
  }
  let last = 0;
  for (const at of byId.keys()) last = Math.max(last, at);
  const holes = last + 1 - byId.size;
  if (holes > byId.size) {
    throw damaged(name, `has ${byId.size} tokens but ids up to ${last}`, [
      ["unused", `${holes} ids; a model would carry an embedding for each`],
    ]);
  }
  return Array.from({ length: last + 1 }, (_, at) => byId.get(at));
}

/** Known types with what they need; what a post-processor needs is checked by who reads its template. */
function checkComponent(
  key: keyof typeof COMPONENT_FORMS | "post_processor",
  value: unknown,
  name: string,
  depth: number,
): void {
  if (value === undefined || value === null) return;
  if (depth > DEEPEST) throw damaged(name, `nests its ${key} deeper than ${DEEPEST}`);
  const { type } = checked(z.looseObject({ type: z.string() }), value, name, key);
  const { form, parts } =
    key === "post_processor" ? { form: z.unknown(), parts: "processors" } : COMPONENT_FORMS[key];
  if (type !== "Sequence") {
    checked(form, value, name, key);
    return;
  }
  const list = (value as Readonly<Record<string, unknown>>)[parts];
  if (!Array.isArray(list))
    throw damaged(name, `has a ${key} of the type Sequence without ${parts}`);
  for (const part of list) checkComponent(key, part ?? {}, name, depth + 1);
}

/** A value as the file writes it, cut to one line. */
export function quoted(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`;
}
