/** @file Files with their checksum, written or read in one pass. */

import { writeDurably } from "./atomic.ts";

const { createHash } = process.getBuiltinModule("node:crypto");
const { constants, open } = process.getBuiltinModule("node:fs/promises");

/** What tells whether a file is still the one that was written. */
export interface FileFacts {
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** Writes and checks large files; here, or on another thread. */
export interface FileHasher {
  /** A new file that is on the disk when the promise resolves. @throws Error as Node's, with its code */
  write(path: string, chunks: readonly Uint8Array[]): Promise<FileFacts>;
  /** Facts of a file that is there. @throws Error as Node's, with its code */
  hash(path: string): Promise<FileFacts>;
}

/** Large enough that system calls cost nothing, small enough to lie in a cache between hash and write. */
const BLOCK = 4 * 2 ** 20;

/** The hasher of this thread: it hashes one block while the system writes it. */
export const onThisThread: FileHasher = {
  async write(path, chunks) {
    const hash = createHash("sha256");
    let bytes = 0;
    await writeDurably(path, blocksOf(chunks), (block) => {
      hash.update(block);
      bytes += block.length;
    });
    return { bytes, sha256: hash.digest("hex") };
  },
  async hash(path) {
    const hash = createHash("sha256");
    let bytes = 0;
    await readBlocks(path, (block) => {
      hash.update(block);
      bytes += block.length;
    });
    return { bytes, sha256: hash.digest("hex") };
  },
};

/**
 * A file block by block. A block is only good until `take` returns: the next one is being read into
 * the other of two buffers meanwhile.
 *
 * @throws Error as Node's, with its code; ENOTFILE for what is no plain file
 */
export async function readBlocks(path: string, take: (block: Uint8Array) => void): Promise<void> {
  // Without O_NONBLOCK, opening a pipe waits for a writer.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = await handle.stat();
    if (!found.isFile()) {
      throw Object.assign(new Error(`${path} is no plain file`), { code: "ENOTFILE" });
    }
    const size = Math.max(1, Math.min(BLOCK, found.size));
    let [filling, full] = [new Uint8Array(size), new Uint8Array(size)];
    let reading = handle.read(filling, 0, size);
    for (;;) {
      const { bytesRead } = await reading;
      if (bytesRead === 0) return;
      [filling, full] = [full, filling];
      reading = handle.read(filling, 0, size);
      // Looked at only after `take`, which may throw.
      reading.catch(() => {});
      take(full.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}

/** Large chunks cut into blocks, small ones as they are. */
function* blocksOf(chunks: readonly Uint8Array[]): Iterable<Uint8Array> {
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += BLOCK) yield chunk.subarray(at, at + BLOCK);
  }
}
