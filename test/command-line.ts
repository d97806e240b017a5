/** @file Runs the command line for tests: within this process, or as a process of its own. */

import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Host } from "../src/cli/host.ts";
import { main } from "../src/cli/main.ts";
import type { MetricsRow } from "../src/train/metrics.ts";

const CACHE = join(tmpdir(), "meshloom-test-cache");

export interface Ended {
  /** Exit code; null after a signal that nobody caught. */
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export const ROOT: string = fileURLToPath(new URL("..", import.meta.url));
const BIN = fileURLToPath(new URL("../bin/meshloom.js", import.meta.url));

/** Runs `meshloom <words>` in this process, to its end. */
export async function meshloom(...words: readonly string[]): Promise<Ended> {
  const out: string[] = [];
  const err: string[] = [];
  const host: Host = {
    out: (text) => out.push(text),
    err: (text) => err.push(text),
    interactive: false,
    outIsTerminal: false,
    columns: 80,
    env: {},
    now: () => performance.now(),
    exit: (code) => {
      throw new Error(`the command line wants to exit with ${code}`);
    },
    onSignal: () => () => {},
    onClosed: () => () => {},
  };
  const code = await main(words, host);
  return { code, out: out.join(""), err: withoutSlowNotes(err.join("")) };
}

/** What was compiled or encoded is said only where it took long, so it is no part of what a test expects. */
function withoutSlowNotes(text: string): string {
  return text.replace(
    /^((compiled|found) .* equations in | *\d+\/\d+ KiB .*encoding |encoded ).*\n/gm,
    "",
  );
}

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves when a whole line of stdout, or a piece of stderr, satisfies `wanted`; else at the end. */
  until(wanted: (text: string) => boolean): Promise<void>;
}

/** Starts `node bin/meshloom.js <words>`. */
export function startMeshloom(
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Started {
  const child = spawn(process.execPath, [BIN, ...words], {
    stdio: ["ignore", "pipe", "pipe"],
    // Processes that are killed and started again compile once.
    env: { ...process.env, MESHLOOM_CACHE: CACHE, ...env },
  });
  let [out, err] = ["", ""];
  const watchers = new Set<(text: string) => void>();
  const tell = (text: string) => {
    for (const watch of watchers) watch(text);
  };
  child.stdout.on("data", (piece: Buffer) => {
    const from = out.lastIndexOf("\n") + 1;
    out += piece.toString();
    for (const line of out.slice(from, out.lastIndexOf("\n") + 1).split("\n")) tell(line);
  });
  child.stderr.on("data", (piece: Buffer) => {
    err += piece.toString();
    tell(piece.toString());
  });
  const ended = new Promise<Ended>((done) => {
    child.on("close", (code) => done({ code, out, err: withoutSlowNotes(err) }));
  });
  const until = (wanted: (text: string) => boolean) =>
    new Promise<void>((done) => {
      watchers.add((text) => {
        if (wanted(text)) done();
      });
      ended.then(() => done());
    });
  return { child, ended, until };
}

/** Values of the lines of `--json`. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** The step of a `--json` line of a training step. */
export function stepOf(line: string): number | undefined {
  if (!line.startsWith('{"step"') || !line.includes('"loss"')) return undefined;
  return (JSON.parse(line) as { readonly step: number }).step;
}

/** Columns that hold times, which differ from run to run. */
const TIMES = [
  "time",
  "train/seconds",
  "throughput/tokens_per_second",
  "throughput/waiting_seconds",
];

/** Rows of `metrics.jsonl` without times. JSON keeps every bit. */
export async function metricsOf(run: string): Promise<MetricsRow[]> {
  const text = await readFile(`${run}/metrics.jsonl`, "utf8");
  return jsonLines(text).map(
    (row) =>
      Object.fromEntries(Object.entries(row).filter(([key]) => !TIMES.includes(key))) as MetricsRow,
  );
}

/** Paths of all files below a folder, hidden ones too, sorted. */
export function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => `${entry.parentPath}/${entry.name}`.slice(folder.length + 1))
    .sort();
}
