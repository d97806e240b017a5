/** @file Training in a process of its own, watched and killed at a chosen moment. */

import { type ChildProcess, spawn } from "node:child_process";
import { watch } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { isTemporary } from "../files/atomic.ts";

const BIN = fileURLToPath(new URL("../../bin/meshloom.js", import.meta.url));
/** A process that was asked to stop and has not is ended for good. */
const PATIENCE_MS = 60_000;

/** When a kill falls. */
export type Moment =
  /** So long after the process was started. */
  | { readonly at: "start-up"; readonly delayMs: number }
  /** After so many steps, and a little more. */
  | { readonly at: "a step"; readonly steps: number; readonly delayMs: number }
  /** When the files of a checkpoint appear under their temporary name, after so many steps. */
  | { readonly at: "a write"; readonly steps: number; readonly delayMs: number };

export type Signal = "SIGKILL" | "SIGTERM" | "SIGINT";

export interface SessionEnd {
  /** Exit code; null when a signal ended the process. */
  readonly code: number | null;
  /** Whether the run came to its end before the signal. */
  readonly done: boolean;
  readonly stderr: string;
}

/**
 * Runs `meshloom <words> --json` until it ends, by itself or by `kill`.
 *
 * @param run - the run folder; its folder `checkpoints` must be there
 */
export async function session(
  words: readonly string[],
  run: string,
  kill?: { readonly signal: Signal; readonly moment: Moment },
): Promise<SessionEnd> {
  const child = spawn(process.execPath, [BIN, ...words, "--json"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = follow(child);
  const ended = new Promise<number | null>((done) => child.once("close", done));
  const stop = new AbortController();
  if (kill !== undefined) void killAt(child, output, run, kill, stop.signal).catch(() => {});
  const code = await ended;
  stop.abort();
  return { code, done: output.done(), stderr: output.stderr() };
}

interface Output {
  /** Resolves after the n-th line of a step, from 1. */
  reached(steps: number): Promise<void>;
  done(): boolean;
  stderr(): string;
}

function follow(child: ChildProcess): Output {
  let [rest, stderr, steps, done] = ["", "", 0, false];
  const waiting: { readonly steps: number; readonly go: () => void }[] = [];
  child.stdout?.on("data", (piece: Buffer) => {
    const lines = (rest + piece.toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line.startsWith('{"done":true')) done = true;
      if (!line.startsWith('{"step"') || !line.includes('"loss"')) continue;
      steps++;
      for (const each of waiting) if (each.steps === steps) each.go();
    }
  });
  child.stderr?.on("data", (piece: Buffer) => {
    stderr += piece.toString();
  });
  return {
    reached: (wanted) => new Promise((go) => waiting.push({ steps: wanted, go })),
    done: () => done,
    stderr: () => stderr,
  };
}

async function killAt(
  child: ChildProcess,
  output: Output,
  run: string,
  { signal, moment }: { readonly signal: Signal; readonly moment: Moment },
  stop: AbortSignal,
): Promise<void> {
  if (moment.at !== "start-up") await output.reached(moment.steps);
  if (moment.at === "a write") await writeBegins(run, stop);
  if (moment.delayMs > 0) await setTimeout(moment.delayMs, undefined, { signal: stop });
  child.kill(signal);
  await setTimeout(PATIENCE_MS, undefined, { signal: stop });
  child.kill("SIGKILL");
}

function writeBegins(run: string, stop: AbortSignal): Promise<void> {
  return new Promise((begins) => {
    const watcher = watch(join(run, "checkpoints"), { signal: stop }, (_, name) => {
      if (name === null || !isTemporary(name)) return;
      watcher.close();
      begins();
    });
    watcher.on("error", () => {});
  });
}
