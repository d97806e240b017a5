/**
 * @file Checkpoints written behind a training loop.
 *
 * A save copies the tensors into memory of its own (the next step writes over theirs) and returns;
 * another thread hashes and writes the copy. One write is under way at a time: a second save waits
 * for it, so every checkpoint that is asked for is made, and the copy takes no more memory than one
 * state.
 */

import { MeshloomError } from "../core/errors.ts";
import type { FileHasher } from "../files/hashed.ts";
import { createOffThreadHasher } from "../files/off-thread.ts";
import { stateShards, writeCheckpoint } from "./checkpoint.ts";
import { markBest, pruneCheckpoints, type Retention } from "./retention.ts";
import type { NamedTensor } from "./safetensors.ts";
import type { Shard } from "./shards.ts";

export interface CheckpointerOptions {
  readonly runFolder: string;
  readonly retention: Retention;
  /** Gets lines for the user, such as a write that failed and is tried again at the next save. */
  onNotice(line: string): void;
  /** Called just before a checkpoint takes its place: what belongs to it must be on the disk by then. */
  beforeCommit?(): Promise<void>;
  /** Writes and checks files; on a thread of its own when absent. */
  readonly hasher?: FileHasher & { close(): Promise<void> };
}

export interface SaveOptions {
  /** Loss on held-out text, in nats per token, when this is the best step so far. */
  readonly bestLoss?: number | undefined;
}

export interface Checkpointer {
  /**
   * Copies the tensors and starts to write them; `checkpoints/<step>` appears some time later.
   *
   * @returns milliseconds that the caller was held up: waiting for the write before, and copying
   * @throws DiskError when two writes in a row failed; earlier checkpoints are untouched
   * @throws CheckpointError when the tensors cannot be written faithfully
   */
  save(step: number, tensors: readonly NamedTensor[], options?: SaveOptions): Promise<number>;
  /** Resolves when nothing is under way. @throws DiskError when the last write failed */
  flush(): Promise<void>;
  /** Ends the thread; waits for a write under way, whose failure `flush` tells. Safe to call twice. */
  close(): Promise<void>;
}

export function createCheckpointer(options: CheckpointerOptions): Checkpointer {
  const { runFolder, retention, onNotice } = options;
  const hasher = options.hasher ?? createOffThreadHasher();
  const memory = new SharedMemory();
  let writing: Promise<void> = Promise.resolve();
  let failed: unknown;
  let failures = 0;

  const write = async (
    step: number,
    shards: readonly Shard[],
    bestLoss: number | undefined,
  ): Promise<void> => {
    await options.beforeCommit?.();
    await writeCheckpoint(runFolder, step, shards, {}, hasher);
    if (bestLoss !== undefined) await markBest(runFolder, { step, loss: bestLoss });
    try {
      await pruneCheckpoints(runFolder, retention, step, hasher);
    } catch (error) {
      // The new checkpoint is there; old ones that cannot be deleted are no reason to stop.
      onNotice(`step ${step} is saved, but older checkpoints stay: ${headlineOf(error)}`);
    }
  };

  const start = (step: number, shards: readonly Shard[], bestLoss: number | undefined): void => {
    writing = write(step, shards, bestLoss).then(
      () => {
        failed = undefined;
        failures = 0;
      },
      (error: unknown) => {
        failed = error;
        failures++;
        onNotice(`step ${step} is not saved: ${headlineOf(error)}`);
      },
    );
  };

  return {
    async save(step, tensors, { bestLoss } = {}) {
      const started = performance.now();
      await writing;
      // One failure may pass, such as a disk that was full for a while; the second one ends the run.
      if (failures > 1) throw failed;
      start(step, memory.copy(stateShards(step, tensors)), bestLoss);
      return performance.now() - started;
    },
    async flush() {
      await writing;
      if (failed !== undefined) throw failed;
    },
    async close() {
      await writing;
      await hasher.close();
    },
  };
}

/** Memory that is kept from copy to copy: fresh memory costs several times the copying itself. */
class SharedMemory {
  readonly #buffers = new Map<string, SharedArrayBuffer>();

  /** The same files in shared memory, each in one piece. */
  copy(shards: readonly Shard[]): readonly Shard[] {
    return shards.map(({ file, bytes, chunks }, i) => {
      const whole = this.#take(`${i}`, bytes);
      let at = 0;
      for (const chunk of chunks) {
        whole.set(chunk, at);
        at += chunk.length;
      }
      return { file, bytes, chunks: [whole] };
    });
  }

  #take(key: string, bytes: number): Uint8Array {
    const kept = this.#buffers.get(key);
    const buffer =
      kept !== undefined && kept.byteLength >= bytes ? kept : new SharedArrayBuffer(bytes);
    this.#buffers.set(key, buffer);
    return new Uint8Array(buffer, 0, bytes);
  }
}

function headlineOf(error: unknown): string {
  if (error instanceof MeshloomError) return error.headline;
  return error instanceof Error ? error.message : String(error);
}
