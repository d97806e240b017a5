/** @file What is shown while corpora are encoded, which takes time only once. */

import { formatBytes, formatCount } from "../core/text.ts";
import type { TrainingDataOptions } from "../data/training-data.ts";
import type { CommandContext } from "./context.ts";
import { createProgress, type Progress } from "./progress.ts";

/** Encoding that takes less than this shows nothing. */
const QUIET_MS = 1000;
const MEBIBYTE = 2 ** 20;

export interface EncodingDisplay {
  readonly onProgress: NonNullable<TrainingDataOptions["onProgress"]>;
  /** Clears what is shown. */
  end(): void;
}

/** A progress line for each corpus: MiB of its files, rate, time left, tokens so far. */
export function showEncoding(context: CommandContext): EncodingDisplay {
  const started = performance.now();
  let shown: { readonly corpus: string; readonly progress: Progress } | undefined;
  let last = "";
  const end = (): void => {
    shown?.progress.finish(last);
    shown = undefined;
  };
  return {
    end,
    onProgress(corpus, done, total, tokens) {
      if (context.json || performance.now() - started < QUIET_MS) return;
      if (shown?.corpus !== corpus) {
        end();
        const progress = createProgress({
          total: Math.max(1, Math.ceil(total / MEBIBYTE)),
          unit: "MiB",
          interactive: context.interactive,
          write: context.write,
          now: () => performance.now(),
        });
        shown = { corpus, progress };
      }
      last = `encoded ${corpus}: ${formatBytes(done)} to ${formatCount(tokens)} tokens`;
      shown.progress.update(Math.floor(done / MEBIBYTE), {
        encoding: corpus,
        tokens: formatCount(tokens),
      });
    },
  };
}
