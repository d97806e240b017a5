/** @file The transform on several threads of Node, some periods each. */

import { once } from "node:events";
import type { Worker } from "node:worker_threads";
import { startThread } from "../files/thread.ts";
import type { Complex } from "./fourier.ts";
import { mapOf, type NtftOptions, ntft, outputs, type TimeFrequencyMap } from "./ntft.ts";
import type { Series } from "./series.ts";
import type { Answer, Request } from "./worker.ts";

/** Started threads; they hold up the end of the process only while they work. */
export interface TransformThreads {
  /**
   * As `ntft` on this thread, with the same numbers. A kernel with a scale of its own stays on this thread: functions
   * do not travel.
   *
   * @throws SignalError as `ntft` does
   */
  ntft(series: Series, options: NtftOptions): Promise<TimeFrequencyMap>;
  close(): Promise<void>;
}

/** @param count threads, 1 at least */
export function createTransformThreads(count: number): TransformThreads {
  const workers = Array.from({ length: count }, () => startThread("worker", import.meta.url));
  for (const worker of workers) worker.unref();
  let turn: Promise<unknown> = Promise.resolve();
  return {
    ntft(series, options) {
      if (typeof options.kernel === "object") return (async () => ntft(series, options))();
      const map = turn.then(() => shared(workers, series, options));
      turn = map.catch(() => undefined);
      return map;
    },
    async close() {
      await turn;
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

async function shared(
  workers: readonly Worker[],
  series: Series,
  options: NtftOptions,
): Promise<TimeFrequencyMap> {
  const length = outputs(series, options);
  const rows = options.periods.map((): Complex => ({ re: column(length), im: column(length) }));
  const answers = await Promise.all(
    workers.map((worker, at) => {
      // Each takes long and short periods alike, since these cost unlike time.
      const mine = rows.map((_, row) => row).filter((row) => row % workers.length === at);
      return ask(worker, {
        series,
        options: { ...options, periods: mine.map((row) => options.periods[row] ?? 0) },
        rows: mine.flatMap((row) => rows[row] ?? []),
      });
    }),
  );
  // Errors lose their classes on the way: this thread meets the same one again.
  if (answers.some(({ error }) => error !== undefined)) return ntft(series, options);
  return mapOf(series, options, rows);
}

function column(length: number): Float64Array {
  return new Float64Array(new SharedArrayBuffer(8 * length));
}

async function ask(worker: Worker, request: Request): Promise<Answer> {
  worker.ref();
  try {
    worker.postMessage(request);
    const [answer] = await once(worker, "message");
    return answer;
  } finally {
    worker.unref();
  }
}
