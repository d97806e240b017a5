/** @file The worker thread behind `off-thread.ts`: answers each request by doing it on its own thread. */

import { parentPort } from "node:worker_threads";
import { errnoOf } from "./disk.ts";
import { type FileFacts, onThisThread } from "./hashed.ts";

export type Request =
  | { readonly write: string; readonly chunks: readonly Uint8Array[] }
  | { readonly hash: string };

export type Answer =
  | { readonly facts: FileFacts }
  | { readonly message: string; readonly code: string | undefined };

async function answer(request: Request): Promise<Answer> {
  try {
    const facts =
      "write" in request
        ? await onThisThread.write(request.write, request.chunks)
        : await onThisThread.hash(request.hash);
    return { facts };
  } catch (cause) {
    // Errors lose their codes on the way between threads.
    return {
      message: cause instanceof Error ? cause.message : String(cause),
      code: errnoOf(cause),
    };
  }
}

parentPort?.on("message", async (request: Request) => {
  parentPort?.postMessage(await answer(request));
});
