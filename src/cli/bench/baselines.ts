/** @file `bench baselines`: n-gram models and compressors on a corpus's held-out text. */

import { baselinesOf } from "../../bench/baselines.ts";
import { formatCount } from "../../core/text.ts";
import { openTokenizer } from "../../data/tokenizers/open.ts";
import { type Command, defineCommand } from "../command.ts";
import { formatTable } from "../table.ts";

export const command: Command = defineCommand({
  name: "bench baselines",
  summary: "Bits per byte of n-gram models, gzip, brotli and xz on held-out text",
  positionals: [],
  options: {
    data: { type: "string", default: "moby-dick", help: "a corpus by name, a file or folder" },
    tokenizer: {
      type: "string",
      default: "byte",
      help: "byte, or a tokenizer.json: n-grams of its tokens, too",
    },
    order: { type: "int", default: 6, min: 1, max: 16, help: "the longest n-gram" },
  },
  examples: ["meshloom bench baselines --data books --order 5"],

  async run({ data, tokenizer, order }, context) {
    const opened = await openTokenizer(tokenizer);
    const { signal, log: onNotice } = context;
    const found = await baselinesOf({ data, tokenizer: opened, order, signal, onNotice });
    if (context.json) for (const row of found) context.out(JSON.stringify(row));
    else {
      const rows = found
        .toSorted((a, b) => a.bitsPerByte - b.bitsPerByte)
        .map(({ name, bitsPerByte, size }) => [
          name,
          bitsPerByte.toFixed(4),
          size === undefined ? "" : formatCount(size),
        ]);
      const align = ["left", "right", "right"] as const;
      context.out(formatTable(["baseline", "bits per byte", "n-grams"], rows, { align }));
    }
  },
});
