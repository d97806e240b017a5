/** @file What is shown while corpora are encoded, which takes time only once. */

import { formatBytes, formatCount } from "../core/text.ts";
import type { TrainingDataOptions } from "../data/training-data.ts";
import type { CommandContext } from "./context.ts";
import { createProgress, type Progress } from "./progress.ts";

/** Encoding that takes less than this shows nothing. */
const QUIET_MS = 2000;
const KIBIBYTE = 2 ** 10;

export interface EncodingDisplay {
  readonly onProgress: NonNullable<TrainingDataOptions["onProgress"]>;
  /** Ends what is shown with a line that says what was done. */
  end(): void;
}

interface Encoding {
  readonly corpus: string;
  readonly started: number;
  progress: Progress | undefined;
  done: string;
}

/** A progress line for each corpus: KiB of its files, rate, time left, tokens so far. */
export function showEncoding(context: CommandContext): EncodingDisplay {
  let now: Encoding | undefined;
  const end = (): void => {
    now?.progress?.finish(now.done);
    now = undefined;
  };
  return {
    end,
    onProgress(corpus, done, total, tokens) {
      if (now?.corpus !== corpus) {
        end();
        now = { corpus, started: performance.now(), progress: undefined, done: "" };
      }
      if (context.json || performance.now() - now.started < QUIET_MS) return;
      now.progress ??= createProgress({
        total: Math.max(1, Math.ceil(total / KIBIBYTE)),
        unit: "KiB",
        interactive: context.interactive,
        write: context.write,
        now: () => performance.now(),
      });
      now.done = `encoded ${corpus}: ${formatBytes(done)} to ${formatCount(tokens)} tokens`;
      now.progress.update(Math.floor(done / KIBIBYTE), {
        encoding: corpus,
        tokens: formatCount(tokens),
      });
    },
  };
}
