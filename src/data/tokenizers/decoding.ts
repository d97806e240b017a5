/**
 * @file Ids back into text by way of bytes, so that a character that spans ids comes out whole.
 *
 * What is no valid UTF-8 becomes U+FFFD as in the WHATWG standard, one for each maximal part: models that
 * are still learning write such bytes often, and the text of a stream must not depend on what follows.
 */

import { TextDecoder } from "node:util";
import { byteOfFallback, bytesOfSpelling } from "./byte-level.ts";
import type { Component, TokenizerFile } from "./file.ts";
import { META } from "./splitting.ts";

export interface ByteDecoding {
  /** By id; undefined for ids that nothing has. */
  readonly bytes: readonly (Uint8Array | undefined)[];
  /** Whether a text's first byte, if a space, was put there by the encoder. */
  readonly dropsFirstSpace: boolean;
}

/** How the file's ids stand for bytes; undefined when its decoder works in another way. */
export function byteDecodingOf(file: TokenizerFile): ByteDecoding | undefined {
  const rule = decodingRule(file.decoder);
  if (rule === undefined) return undefined;
  const added = new Set(file.added.map(({ id }) => id));
  const encoder = new TextEncoder();
  const bytes = file.pieces.map((piece, id) => {
    if (piece === undefined) return undefined;
    return added.has(id) ? encoder.encode(piece) : rule.bytesOf(piece);
  });
  return { bytes, dropsFirstSpace: rule.dropsFirstSpace };
}

interface Rule {
  readonly bytesOf: (piece: string) => Uint8Array;
  readonly dropsFirstSpace: boolean;
}

function decodingRule(decoder: Component | undefined): Rule | undefined {
  const encoder = new TextEncoder();
  if (decoder?.type === "ByteLevel") {
    return {
      bytesOf: (piece) => bytesOfSpelling(piece) ?? encoder.encode(piece),
      dropsFirstSpace: false,
    };
  }
  if (decoder === undefined) return undefined;
  const parts =
    decoder.type === "Sequence"
      ? ((decoder["decoders"] as Component[] | undefined) ?? [])
      : [decoder];
  const replacements: (readonly [string, string])[] = [];
  let fallback = false;
  let dropsFirstSpace = false;
  for (const part of parts) {
    const from = (part["pattern"] as { readonly String?: unknown } | undefined)?.String;
    if (part.type === "Replace" && typeof from === "string" && from !== "") {
      replacements.push([from, String(part["content"] ?? "")]);
    } else if (part.type === "Metaspace") {
      replacements.push([String(part["replacement"] ?? META), " "]);
      dropsFirstSpace ||= part["prepend_scheme"] !== "never" && part["add_prefix_space"] !== false;
    } else if (part.type === "ByteFallback") {
      fallback = true;
    } else if (part.type === "Strip" && part["content"] === " " && part["stop"] === 0) {
      if (part["start"] !== 0 && part["start"] !== 1) return undefined;
      dropsFirstSpace ||= part["start"] === 1;
    } else if (part.type !== "Fuse") {
      return undefined;
    }
  }
  return {
    bytesOf: (piece) => {
      const byte = fallback ? byteOfFallback(piece) : undefined;
      if (byte !== undefined) return Uint8Array.of(byte);
      return encoder.encode(
        replacements.reduce((text, [from, to]) => text.replaceAll(from, () => to), piece),
      );
    },
    dropsFirstSpace,
  };
}

/** A decoder of bytes that come in parts; a byte order mark is text like any other. */
export function lossyDecoder(): TextDecoder {
  return new TextDecoder("utf-8", { ignoreBOM: true });
}

const SPACE = 0x20;

/** Takes ids' bytes one after another. */
export function byteStream(dropsFirstSpace: boolean): {
  push(bytes: Uint8Array): string;
  end(): string;
} {
  const decoder = lossyDecoder();
  let atStart = dropsFirstSpace;
  return {
    push(bytes) {
      if (bytes.length === 0) return "";
      const skip = atStart && bytes[0] === SPACE ? 1 : 0;
      atStart = false;
      return decoder.decode(bytes.subarray(skip), { stream: true });
    },
    end: () => decoder.decode(),
  };
}
