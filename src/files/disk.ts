/** @file What the disk refuses, as errors that name the path and a way out. */

import { DiskError } from "../core/errors.ts";

interface Refusal {
  readonly what: string;
  readonly fix: string;
}

const FULL: Refusal = {
  what: "the disk is full",
  fix: "free some space or choose another folder with --out, then go on with --resume",
};
const FORBIDDEN: Refusal = {
  what: "permission denied",
  fix: "make the folder writable for this user, or choose another with --out",
};
const IN_THE_WAY: Refusal = {
  what: "a file or folder of another kind is in the way",
  fix: "move it away, or choose another folder with --out",
};

const REFUSALS: Readonly<Record<string, Refusal>> = {
  ENOSPC: FULL,
  EDQUOT: { ...FULL, what: "the disk quota is used up" },
  EFBIG: { ...FULL, what: "the file is larger than this file system or user may write" },
  EROFS: {
    what: "the file system is read-only",
    fix: "mount it for writing, or choose another folder with --out",
  },
  EACCES: FORBIDDEN,
  EPERM: FORBIDDEN,
  ENOENT: {
    what: "the folder above it takes no new files or folders",
    fix: "choose another folder with --out",
  },
  ENOTDIR: IN_THE_WAY,
  EISDIR: IN_THE_WAY,
  EEXIST: IN_THE_WAY,
  ENOTFILE: IN_THE_WAY,
};

/**
 * @param operation - what was being done, for example `checkpoint`
 * @param path - the file or folder that was asked for, not a temporary one
 */
export function diskError(operation: string, path: string, cause: unknown): DiskError {
  if (cause instanceof DiskError) return cause;
  const code = errnoOf(cause) ?? "unknown";
  const refusal = REFUSALS[code] ?? {
    what: `the system answered ${code}`,
    fix: "check the path and the disk",
  };
  return new DiskError("DISK-01", `${operation}: cannot write ${path}: ${refusal.what}.`, [
    ["cause", cause instanceof Error ? cause.message : String(cause)],
    ["fix", refusal.fix],
  ]);
}

/** Whether more space would have helped. */
export function isFull(cause: unknown): boolean {
  return ["ENOSPC", "EDQUOT", "EFBIG"].includes(errnoOf(cause) ?? "");
}

/** The system's code of a failed call, for example `ENOENT`. */
export function errnoOf(cause: unknown): string | undefined {
  return cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined;
}

/** The result, or undefined when the path does not exist. */
export async function ifPresent<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (cause) {
    if (errnoOf(cause) === "ENOENT") return undefined;
    throw cause;
  }
}
