/** @file The thread behind `off-thread.ts`: fills the rows of some periods, which lie in shared memory. */

import { parentPort } from "node:worker_threads";
import { MeshloomError } from "../core/errors.ts";
import type { Complex } from "./fourier.ts";
import { type NtftOptions, transformInto } from "./ntft.ts";
import type { Series } from "./series.ts";

export interface Request {
  readonly series: Series;
  readonly options: NtftOptions;
  /** A row for each of the periods. */
  readonly rows: readonly Complex[];
}

/** What went wrong, in its own words; nothing when all is filled in. */
export interface Answer {
  readonly error?: string;
}

function answer({ series, options, rows }: Request): Answer {
  try {
    transformInto(series, options, rows);
    return {};
  } catch (error) {
    return { error: error instanceof MeshloomError ? error.message : String(error) };
  }
}

parentPort?.on("message", (request: Request) => parentPort?.postMessage(answer(request)));
