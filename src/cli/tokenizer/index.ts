/** @file What can be done with tokenizers. */

import type { CommandList } from "../dispatch.ts";

export const TOKENIZER_COMMANDS: CommandList = {
  train: {
    summary: "Learn a tokenizer from a text and write tokenizer.json",
    load: () => import("./train.ts"),
  },
  show: {
    summary: "Show a tokenizer: its kind, special tokens, and the pieces of a text",
    load: () => import("./show.ts"),
  },
};
