/** @file `metrics.jsonl`: one JSON object a line, appended as the run goes and cut back on resume. */

import { appendFile, open } from "node:fs/promises";
import { RunError } from "../core/errors.ts";
import { writeAtomically } from "../files/atomic.ts";
import { diskError, ifPresent } from "../files/disk.ts";
import { readSmall } from "../files/read.ts";

/** Bytes; a string holds no more. */
const LARGEST_METRICS = 2 ** 29 - 2 ** 10;

/**
 * Flat names with slashes, for example `train/loss`, besides `step` and `time` (ISO 8601, UTC).
 * A number that is not finite is written as null, since JSON has no other word for it.
 */
export interface MetricsRow {
  readonly step: number;
  readonly time: string;
  readonly [metric: string]: number | string | boolean | null;
}

/** @throws DiskError when the disk refuses */
export async function appendMetrics(path: string, rows: readonly MetricsRow[]): Promise<void> {
  if (rows.length === 0) return;
  try {
    await appendFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  } catch (cause) {
    throw diskError("metrics", path, cause);
  }
}

/** The rows that can be read; a line torn by a kill is passed over. Empty when there is no file. */
export async function readMetrics(path: string): Promise<MetricsRow[]> {
  const text = (await readText(path)) ?? "";
  return text.split("\n").flatMap((line) => parseRow(line) ?? []);
}

/**
 * Drops the rows that a resumed run writes again, and torn lines.
 *
 * @param step - the last step to keep; Infinity drops torn lines only
 * @param batches - rows that say how many batches were seen go by this number: a skipped update has
 *   seen a batch but made no step
 * @returns how many lines were dropped
 * @throws DiskError when the disk refuses; the file is then as it was
 */
export async function dropMetricsAfter(
  path: string,
  step: number,
  batches: number = step,
): Promise<number> {
  const text = await readText(path);
  if (text === undefined) return 0;
  const lines = text.split("\n").filter((line) => line !== "");
  const kept = lines.filter((line) => {
    const row = parseRow(line);
    if (row === undefined) return false;
    const seen = row["train/batches"];
    return typeof seen === "number" ? seen <= batches : row.step <= step;
  });
  const clean = kept.map((line) => `${line}\n`).join("");
  if (clean !== text) await writeAtomically(path, clean);
  return lines.length - kept.length;
}

/** Brings the rows so far to the disk, so that a power cut does not take them. @throws DiskError */
export async function syncMetrics(path: string): Promise<void> {
  try {
    const handle = await ifPresent(open(path, "r"));
    await handle?.sync().finally(() => handle.close());
  } catch (cause) {
    throw diskError("metrics", path, cause);
  }
}

/** @throws RunError when the file is no plain one, or larger than a string can be */
async function readText(path: string): Promise<string | undefined> {
  try {
    return await ifPresent(readSmall(path, LARGEST_METRICS));
  } catch (cause) {
    throw new RunError("RUN-01", `run: ${path} cannot be read.`, [
      ["cause", cause instanceof Error ? cause.message : String(cause)],
      ["fix", "put back the file as the run wrote it, or move it away"],
    ]);
  }
}

function parseRow(line: string): MetricsRow | undefined {
  try {
    const row = JSON.parse(line) as unknown;
    const good = typeof row === "object" && row !== null && "step" in row;
    return good && typeof row.step === "number" ? (row as MetricsRow) : undefined;
  } catch {
    return undefined;
  }
}
