/**
 * @file The folder of a run: `config.json`, `metrics.jsonl`, `checkpoints/`, `report.html`, and a
 * lock while a process writes to it.
 */

import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { RunError } from "../core/errors.ts";
import { TOKENIZER_FILE } from "../data/tokenizers/open.ts";
import { isOrphan, isTemporary, writeAtomically } from "../files/atomic.ts";
import { diskError, ifPresent } from "../files/disk.ts";
import { makeFolder } from "../files/folder.ts";
import { readSmall } from "../files/read.ts";
import { listCheckpoints } from "./checkpoint.ts";
import { type ConfigChange, changesBetween, isRecord, showValue } from "./config-changes.ts";
import { LOCK_FILE, type Lock, takeLock } from "./lock.ts";
import {
  appendMetrics,
  dropMetricsAfter,
  type MetricsRow,
  readMetrics,
  syncMetrics,
} from "./metrics.ts";
import { sweepLeftovers } from "./retention.ts";
import { createEventWriter } from "./tensorboard.ts";

/** The resolved configuration, as sections of JSON values; `model` and `data` are compared on resume. */
export type RunConfig = Readonly<Record<string, unknown>>;

export interface RunOptions {
  /** Go on with the run that is there; otherwise one that is there is refused. */
  readonly resume: boolean;
  readonly config: RunConfig;
  /** The text of `tokenizer.json`, for runs whose tokenizer is not bytes. */
  readonly tokenizer?: string | undefined;
  /** Whether every row goes into an event file for TensorBoard, too. */
  readonly tensorboard?: boolean;
}

/** An open run. Only one process has it at a time; `close` lets it go. */
export interface RunFolder {
  readonly path: string;
  readonly resumed: boolean;
  /** What differs from the configuration before; empty for a new run. */
  readonly changes: readonly ConfigChange[];
  /** Lines for the user, for example about a lock taken from a dead process. */
  readonly notes: readonly string[];
  appendMetrics(rows: readonly MetricsRow[]): Promise<void>;
  /** Rows so far, for the report. */
  readMetrics(): Promise<MetricsRow[]>;
  /** Call it after loading the checkpoint of `step`, before the first new row. */
  dropMetricsAfter(step: number, batches?: number): Promise<number>;
  /** Brings the rows so far to the disk; for the moment before a checkpoint takes its place. */
  syncMetrics(): Promise<void>;
  /** Writes `report.html` in the folder. */
  writeReport(html: string): Promise<void>;
  /** Safe to call twice. */
  close(): Promise<void>;
}

const CONFIG_FILE = "config.json";
const METRICS_FILE = "metrics.jsonl";
/** Bytes. */
const LARGEST_CONFIG = 2 ** 24;
/** A checkpoint fits only the model it is of, and a data position only its data. */
const FIXED_SECTIONS = ["model", "data"];

/**
 * Opens the folder for one run, new or resumed, and sweeps what a killed run left there.
 *
 * @throws RunError when the folder is in use, has a run but `resume` is not set, has none but it
 *   is, or has a run of another model or other data
 * @throws DiskError when the folder cannot be written
 */
export async function openRun(folder: string, options: RunOptions): Promise<RunFolder> {
  // A mistyped --out must not leave an empty folder.
  if (options.resume && (await ifPresent(stat(folder))) === undefined) throw noRun(folder);
  try {
    await makeFolder(folder);
  } catch (cause) {
    throw diskError("run", folder, cause);
  }
  const lock = await takeLock(folder);
  try {
    return await openLocked(folder, options, lock);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function openLocked(folder: string, options: RunOptions, lock: Lock): Promise<RunFolder> {
  const configPath = join(folder, CONFIG_FILE);
  const metricsPath = join(folder, METRICS_FILE);
  const before = await readConfig(configPath);
  // As JSON, since that is what is compared next time.
  const config = JSON.parse(JSON.stringify(options.config)) as RunConfig;
  await checkPresence(folder, options.resume, before !== undefined);
  const changes = before === undefined ? [] : changesBetween(sections(before), sections(config));
  refuseOther(folder, changes);

  const notes = lock.takenFrom === undefined ? [] : [`took the lock of ${lock.takenFrom}`];
  const swept = [...(await sweepLeftovers(folder)), ...(await sweepFiles(folder))];
  if (swept.length > 0) notes.push(`swept ${swept.join(", ")}`);
  const torn = await dropMetricsAfter(metricsPath, Infinity);
  if (torn > 0) notes.push(`dropped ${torn} torn lines of ${METRICS_FILE}`);
  // Before the configuration: a folder that has one is a run, and must have all of it.
  if (options.tokenizer !== undefined)
    await writeAtomically(join(folder, TOKENIZER_FILE), options.tokenizer);
  await writeAtomically(configPath, `${JSON.stringify(config, null, 2)}\n`);
  const startEvents = async () =>
    options.tensorboard === true
      ? createEventWriter(folder, await readMetrics(metricsPath))
      : undefined;
  let events = await startEvents();
  return {
    path: folder,
    resumed: before !== undefined,
    changes,
    notes,
    async appendMetrics(rows) {
      await appendMetrics(metricsPath, rows);
      await events?.append(rows);
    },
    readMetrics: () => readMetrics(metricsPath),
    async dropMetricsAfter(step, batches) {
      const dropped = await dropMetricsAfter(metricsPath, step, batches);
      // An event cannot be taken back, so the file is written anew.
      if (dropped > 0) events = await startEvents();
      return dropped;
    },
    syncMetrics: () => syncMetrics(metricsPath),
    writeReport: (html) => writeAtomically(join(folder, "report.html"), html),
    close: () => lock.release(),
  };
}

/** Unfinished files. One of the lock can be of a process that is asking for the lock just now. */
async function sweepFiles(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter(
    (name) => isTemporary(name) && (!name.includes(LOCK_FILE) || isOrphan(name)),
  );
  try {
    for (const name of names) await rm(join(folder, name), { force: true });
  } catch (cause) {
    throw diskError("run", folder, cause);
  }
  return names;
}

async function readConfig(path: string): Promise<RunConfig | undefined> {
  try {
    const text = await ifPresent(readSmall(path, LARGEST_CONFIG));
    if (text === undefined) return undefined;
    const config: unknown = JSON.parse(text);
    if (isRecord(config)) return config;
    throw new SyntaxError("it is no JSON object");
  } catch (cause) {
    throw new RunError("RUN-01", `run: ${path} cannot be read.`, [
      ["cause", (cause as Error).message],
      ["fix", "put back the file as the run wrote it, or choose another folder with --out"],
    ]);
  }
}

async function checkPresence(folder: string, resume: boolean, there: boolean): Promise<void> {
  const checkpoints = await listCheckpoints(folder);
  if (!resume && (there || checkpoints.length > 0)) {
    const newest = checkpoints.at(-1);
    throw new RunError("RUN-01", `run: ${folder} already has a run.`, [
      ["newest", newest === undefined ? "no checkpoint yet" : `checkpoint of step ${newest}`],
      ["fix", "--resume goes on with it; --out with another folder starts a new one"],
    ]);
  }
  if (resume && !there) throw noRun(folder);
}

/** There is nothing to resume. */
export function noRun(folder: string): RunError {
  return new RunError("RUN-01", `run: ${folder} has no run to resume.`, [
    ["missing", join(folder, CONFIG_FILE)],
    ["fix", "check --out, or leave out --resume to start a new run"],
  ]);
}

function refuseOther(folder: string, changes: readonly ConfigChange[]): void {
  const other = changes.filter(({ key }) =>
    FIXED_SECTIONS.some((section) => key === section || key.startsWith(`${section}.`)),
  );
  const [first] = other;
  if (first === undefined) return;
  const section = first.key.split(".")[0];
  throw new RunError("RUN-01", `run: ${folder} is a run with another ${section} configuration.`, [
    ...other.map(
      ({ key, before, now }) => [key, `was ${showValue(before)}, now ${showValue(now)}`] as const,
    ),
    ["fix", "give the same values as before, or start a new run with another --out"],
  ]);
}

/** Without what follows from the other sections. */
function sections({ differences: _, ...others }: RunConfig): RunConfig {
  return others;
}
