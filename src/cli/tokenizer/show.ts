/** @file `tokenizer show`: what a tokenizer is, and how it reads a text. */

import { documents } from "../../data/corpora/documents.ts";
import { openCorpus } from "../../data/corpora/table.ts";
import type { Tokenizer } from "../../data/tokenizer.ts";
import { openTokenizer } from "../../data/tokenizers/open.ts";
import { type Command, defineCommand } from "../command.ts";
import { formatTable } from "../table.ts";
import { describeTokenizer, type TokenizerFacts, usesOf } from "./facts.ts";

export const command: Command = defineCommand({
  name: "tokenizer show",
  summary: "Show a tokenizer: its kind, special tokens, and the pieces of a text",
  positionals: [
    {
      name: "tokenizer",
      help: 'a tokenizer.json, a folder that holds one, or "byte"',
      required: true,
    },
  ],
  options: {
    text: { type: "string", default: undefined, help: "a text whose pieces to show" },
    data: {
      type: "string",
      default: undefined,
      help: "a corpus, file or folder on which to count bytes per token",
    },
    parseSpecial: {
      type: "flag",
      default: false,
      help: "read special tokens in the text as what they name",
    },
    addSpecial: {
      type: "flag",
      default: false,
      help: "add the tokens around the text that the tokenizer's template says",
    },
  },
  examples: ['meshloom tokenizer show tokenizer.json --text "Call me Ishmael."'],

  async run({ tokenizer: given, text, data, parseSpecial, addSpecial }, context) {
    const tokenizer = await openTokenizer(given);
    const facts = describeTokenizer(tokenizer);
    const corpus = data === undefined ? undefined : await openCorpus(data);
    const uses =
      corpus === undefined ? undefined : { data, ...(await usesOf(tokenizer, documents(corpus))) };
    const pieces =
      text === undefined
        ? undefined
        : piecesOf(tokenizer, tokenizer.encode(text, { parseSpecial, addSpecial }));
    if (context.json) {
      context.out(JSON.stringify({ ...facts, corpus: uses ?? null, pieces: pieces ?? null }));
      return;
    }
    for (const line of showFacts(facts)) context.out(line);
    if (uses !== undefined) {
      context.out(
        `${uses.data}  ${uses.tokens} tokens, ${uses.bytesPerToken.toFixed(3)} bytes per token, ${uses.used} ids in use`,
      );
    }
    if (pieces !== undefined) {
      const rows = pieces.map(({ id, piece, bytes }) => [
        `${id}`,
        JSON.stringify(piece),
        `${bytes}`,
      ]);
      context.out("");
      context.out(
        formatTable(["id", "piece", "bytes"], rows, { align: ["right", "left", "right"] }),
      );
    }
  },
});

interface Piece {
  readonly id: number;
  readonly piece: string;
  readonly bytes: number;
}

function piecesOf(tokenizer: Tokenizer, ids: Int32Array): Piece[] {
  return Array.from(ids, (id) => ({
    id,
    piece: tokenizer.piece(id),
    bytes: tokenizer.bytesOf(id),
  }));
}

function showFacts(facts: TokenizerFacts): string[] {
  const roles = [
    ["ends a text", facts.endOfText],
    ["begins a text", facts.bos],
    ["fills rows", facts.padding],
  ].flatMap(([role, id]) => (id === null ? [] : [`${id} ${role}`]));
  const special = Object.entries(facts.special).map(([content, id]) => `${content} ${id}`);
  const rows = [
    ["name", facts.name],
    ["kind", facts.kind],
    ["ids", `${facts.vocab}`],
    ["special", special.length === 0 ? "none" : special.join(", ")],
    ...(roles.length === 0 ? [] : [["roles", roles.join(", ")]]),
    ["encoded by", facts.encoder === "own" ? "our own code" : "@huggingface/tokenizers"],
    ["chat template", facts.chatTemplate ? "yes" : "no"],
    ["fingerprint", facts.fingerprint],
  ];
  return rows.map(([name = "", value = ""]) => `${name.padEnd(14)}${value}`);
}
