/** @file A tokenizer out of the text of a `tokenizer.json`: by our own encoder where it has a fast way, else by the package. */

import { DataError } from "../../core/errors.ts";
import type { DecodeOptions, EncodeOptions, TextStream, Tokenizer } from "../tokenizer.ts";
import { fingerprintOf } from "./canonical.ts";
import { byteDecodingOf, byteStream, lossyDecoder } from "./decoding.ts";
import { type Component, damaged, readTokenizerFile, type TokenizerFile } from "./file.ts";
import { ownEncoder } from "./own-encoder.ts";
import { type ThroughPackage, throughPackage } from "./package-tokenizer.ts";
import { patternsOf, safePattern } from "./patterns.ts";
import { pipelineOf } from "./pipeline.ts";
import { rolesOf } from "./roles.ts";
import { wholeSplitter } from "./splitting.ts";
import { wellFormed } from "./word-counts.ts";

export interface FileTokenizer extends Tokenizer {
  /** `BPE`, `Unigram`, `WordPiece` or `WordLevel`. */
  readonly kind: TokenizerFile["model"]["type"];
  /** Who encodes: our own code, or `@huggingface/tokenizers`. */
  readonly encoder: "own" | "package";
  /** The folder's chat template, where it has one. */
  readonly chatTemplate: string | undefined;
}

/** What a folder of the Hub says beside its `tokenizer.json`. */
export interface FolderFacts {
  /** `tokenizer_config.json`. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly chatTemplate?: string | undefined;
}

/**
 * The tokenizer that a `tokenizer.json` describes.
 *
 * @param text - of the file
 * @param name - of the tokenizer, for people
 * @throws DataError when the file is damaged or asks for what is not here
 */
export function openTokenizerJson(
  text: string,
  name: string,
  facts: FolderFacts = {},
): FileTokenizer {
  const file = readTokenizerFile(text, name);
  const { config = {} } = facts;
  for (const part of [file.normalizer, file.preTokenizer, file.decoder]) {
    for (const source of patternsOf(part)) {
      if (wholeSplitter(source) === undefined) safePattern(source, name);
    }
  }
  const special = new Map(
    file.added.filter((token) => token.special).map(({ content, id }) => [content, id]),
  );
  const pipeline = pipelineOf(file, name);
  const decoding = byteDecodingOf(file);
  const outside =
    pipeline === undefined || decoding === undefined
      ? throughPackage(file, config, name)
      : undefined;
  const specialIds = new Set(special.values());
  const around = affixesOf(file.postProcessor, file, name);
  const encodeText =
    pipeline === undefined
      ? (given: string, parseSpecial: boolean) =>
          Int32Array.from((outside as ThroughPackage).encode(given, parseSpecial))
      : ownEncoder(file, pipeline, specialIds);

  const pieceOf = (id: number): string => {
    const piece = file.pieces[id];
    if (piece !== undefined) return piece;
    throw new DataError("DATA-01", `decode: ${id} is not a token of ${name}.`, [
      [
        "range",
        `0 to ${file.pieces.length - 1}${Number.isInteger(id) && id >= 0 && id < file.pieces.length ? ", where no token has this id" : ""}`,
      ],
      ["fix", "decode with the tokenizer that the model was trained with"],
    ]);
  };
  const bytesById = decoding?.bytes ?? file.pieces.map(approximateBytes);
  const nothing = new Uint8Array(0);
  const shown = (id: number, options: DecodeOptions | undefined): Uint8Array => {
    pieceOf(id);
    const hidden = specialIds.has(id) && options?.special !== "show";
    return hidden ? nothing : (bytesById[id] ?? nothing);
  };

  return {
    name,
    kind: file.model.type,
    encoder: pipeline === undefined ? "package" : "own",
    chatTemplate: facts.chatTemplate,
    vocab: file.pieces.length,
    special,
    ...rolesOf(special, config),
    encode(given, { addSpecial = false, parseSpecial = false }: EncodeOptions = {}) {
      const ids = encodeText(wellFormed(given), parseSpecial);
      if (!addSpecial) return ids;
      return Int32Array.from([...around.before, ...ids, ...around.after]);
    },
    decode(ids, options) {
      if (decoding === undefined) {
        const list = Array.from(ids);
        for (const id of list) pieceOf(id);
        return (outside as ThroughPackage).decode(list, options?.special === "show");
      }
      const parts: Uint8Array[] = [];
      for (let i = 0; i < ids.length; i++) parts.push(shown(ids[i] as number, options));
      const bytes = Buffer.concat(parts);
      const drop = decoding.dropsFirstSpace && bytes[0] === 0x20 ? 1 : 0;
      return lossyDecoder().decode(bytes.subarray(drop));
    },
    stream(options) {
      if (decoding === undefined) return growingStream((ids) => this.decode(ids, options));
      const stream = byteStream(decoding.dropsFirstSpace);
      return { push: (id) => stream.push(shown(id, options)), end: stream.end };
    },
    piece: pieceOf,
    bytesOf: (id) => shown(id, undefined).length,
    json: () => text,
    fingerprint: () => fingerprintOf(file.value),
  };
}

interface Affixes {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** The tokens that the post-processor puts before and after a single text. */
function affixesOf(component: Component | undefined, file: TokenizerFile, name: string): Affixes {
  const none: Affixes = { before: [], after: [] };
  if (component === undefined || component.type === "ByteLevel") return none;
  if (component.type === "Sequence") {
    const parts = ((component["processors"] as Component[] | undefined) ?? []).map((part) =>
      affixesOf(part, file, name),
    );
    return {
      before: parts.flatMap(({ before }) => before),
      after: parts.flatMap(({ after }) => after),
    };
  }
  const known = (id: unknown): number => {
    if (typeof id === "number" && file.pieces[id] !== undefined) return id;
    throw damaged(name, `puts the id ${JSON.stringify(id)} around a text, which no token has`);
  };
  if (component.type === "BertProcessing" || component.type === "RobertaProcessing") {
    const { cls, sep } = component as { readonly cls?: unknown; readonly sep?: unknown };
    const second = (pair: unknown): number => known(Array.isArray(pair) ? pair[1] : undefined);
    return { before: [second(cls)], after: [second(sep)] };
  }
  if (component.type === "TemplateProcessing") return templateAffixes(component, known, name);
  throw damaged(name, `has a post-processor of the type ${JSON.stringify(component.type)}`);
}

function templateAffixes(
  { single, special_tokens: tokens }: Component,
  known: (id: unknown) => number,
  name: string,
): Affixes {
  const before: number[] = [];
  const after: number[] = [];
  let side = before;
  if (!Array.isArray(single)) throw damaged(name, "has a template that is no list");
  for (const part of single as (Readonly<Record<string, { readonly id?: unknown }>> | null)[]) {
    if (part?.["Sequence"] !== undefined) {
      side = after;
      continue;
    }
    const token = String(part?.["SpecialToken"]?.id);
    const entry = (tokens as Readonly<Record<string, { readonly ids?: unknown }>> | undefined)?.[
      token
    ];
    if (!Array.isArray(entry?.ids)) {
      throw damaged(
        name,
        `has a template with the token ${JSON.stringify(token)}, whose ids it does not say`,
      );
    }
    for (const id of entry.ids) side.push(known(id));
  }
  return { before, after };
}

/** Where the package decodes: a piece's text without the mark of a word's continuation. */
function approximateBytes(piece: string | undefined): Uint8Array | undefined {
  return piece === undefined ? undefined : new TextEncoder().encode(piece.replace(/^##/, ""));
}

/** Ids kept back for context: spaces between words depend on neighbours. */
const CONTEXT = 8;

/** Shows what is added at the end when one more id is decoded, once it is no half character. */
function growingStream(decode: (ids: readonly number[]) => string): TextStream {
  let ids: number[] = [];
  let shown = "";
  const advance = (text: string): string => {
    const more = text.startsWith(shown) ? text.slice(shown.length) : "";
    shown = text;
    return more;
  };
  return {
    push(id) {
      ids.push(id);
      const text = decode(ids);
      if (text.endsWith("\ufffd") || !text.startsWith(shown)) return "";
      const more = advance(text);
      if (ids.length > 4 * CONTEXT) {
        ids = ids.slice(-CONTEXT);
        shown = decode(ids);
      }
      return more;
    },
    end: () => (ids.length === 0 ? "" : advance(decode(ids))),
  };
}
