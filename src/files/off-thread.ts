/** @file Hashing and writing on a thread of their own, so that a training loop goes on meanwhile. */

import type { FileFacts, FileHasher } from "./hashed.ts";
import { startThread } from "./thread.ts";
import type { Answer, Request } from "./worker.ts";

/** A hasher with a thread behind it. */
export interface OffThreadHasher extends FileHasher {
  /** Ends the thread, once what it does is done. */
  close(): Promise<void>;
}

/**
 * Starts the thread. Requests take their turns.
 *
 * Chunks of shared memory are not copied on their way; they must not change until the write is done.
 * The thread holds up the end of the process only while it works.
 */
export function createOffThreadHasher(): OffThreadHasher {
  const worker = startThread("worker", import.meta.url);
  let pending: { done(facts: FileFacts): void; fail(error: unknown): void } | undefined;
  let gone: Error | undefined;
  let turn: Promise<unknown> = Promise.resolve();

  const settle = (then: (waiting: NonNullable<typeof pending>) => void): void => {
    const waiting = pending;
    pending = undefined;
    worker.unref();
    if (waiting !== undefined) then(waiting);
  };
  const lost = (error: Error): void => {
    gone ??= error;
    settle(({ fail }) => fail(error));
  };
  worker.unref();
  worker.on("message", (answer: Answer) =>
    settle(({ done, fail }) => {
      if ("facts" in answer) done(answer.facts);
      else fail(Object.assign(new Error(answer.message), { code: answer.code }));
    }),
  );
  worker.on("error", lost);
  worker.on("exit", (code) => lost(new Error(`the writing thread ended with code ${code}`)));

  const ask = (request: Request): Promise<FileFacts> => {
    const answer = turn.then(
      () =>
        new Promise<FileFacts>((done, fail) => {
          if (gone !== undefined) return fail(gone);
          pending = { done, fail };
          worker.ref();
          worker.postMessage(request);
        }),
    );
    turn = answer.catch(() => undefined);
    return answer;
  };
  return {
    write: (path, chunks) => ask({ write: path, chunks }),
    hash: (path) => ask({ hash: path }),
    async close() {
      await turn;
      await worker.terminate();
    },
  };
}
