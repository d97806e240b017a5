/**
 * @file A run's metrics as TensorBoard event files: numbers as scalars, samples as text.
 *
 * The messages are `tensorflow.Event` and `tensorflow.Summary`; only the fields named here are written.
 */

import { appendFile, mkdir, readdir, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { writeAtomically } from "../files/atomic.ts";
import { diskError } from "../files/disk.ts";
import { frameRecord } from "../files/tfrecord.ts";
import type { MetricsRow } from "./metrics.ts";

/** Field numbers of `Event`. */
const EVENT = { wallTime: 1, step: 2, fileVersion: 3, summary: 5 } as const;
/** Of `Summary.Value`. */
const VALUE = { tag: 1, simpleValue: 2, tensor: 8, metadata: 9 } as const;
const DT_STRING = 7;
const EVENT_FILE = /^events\.out\.tfevents\./;

/** Event files of one folder, as TensorBoard looks for them. */
export interface EventWriter {
  readonly path: string;
  append(rows: readonly MetricsRow[]): Promise<void>;
}

/**
 * Writes a fresh event file of the rows so far; older event files in the folder go, since a resumed run
 * may have taken back some of their steps.
 *
 * @throws DiskError when the disk refuses
 */
export async function createEventWriter(
  folder: string,
  rows: readonly MetricsRow[],
): Promise<EventWriter> {
  const started = Date.parse(rows[0]?.time ?? "") / 1000 || Date.now() / 1000;
  const name = `events.out.tfevents.${Math.floor(started)}.${hostname()}`;
  const path = join(folder, name);
  try {
    await mkdir(folder, { recursive: true });
    for (const old of (await readdir(folder)).filter((file) => EVENT_FILE.test(file)))
      if (old !== name) await rm(join(folder, old));
  } catch (cause) {
    throw diskError("tensorboard", folder, cause);
  }
  await writeAtomically(path, eventBytes(rows, started));
  return {
    path,
    async append(more) {
      try {
        await appendFile(path, Buffer.concat(more.flatMap(eventsOf)));
      } catch (cause) {
        throw diskError("tensorboard", path, cause);
      }
    },
  };
}

/** A whole event file. @param started - seconds since 1970 of its first event */
export function eventBytes(rows: readonly MetricsRow[], started: number): Uint8Array {
  const version = new BinaryWriter()
    .tag(EVENT.wallTime, 1)
    .double(started)
    .tag(EVENT.fileVersion, 2)
    .string("brain.Event:2")
    .finish();
  return Buffer.concat([frameRecord(version), ...rows.flatMap(eventsOf)]);
}

/** The events of one row: one with all its scalars, one with its sample. */
function eventsOf({ step, time, ...metrics }: MetricsRow): readonly Uint8Array[] {
  const seconds = Date.parse(time) / 1000 || 0;
  const values = Object.entries(metrics).flatMap(([tag, value]) => {
    if (typeof value === "number") return [scalarValue(tag, value)];
    // JSON has no NaN, so metrics write it as null.
    if (value === null) return [scalarValue(tag, Number.NaN)];
    return typeof value === "string" ? [textValue(tag, value)] : [];
  });
  if (values.length === 0) return [];
  const summary = new BinaryWriter();
  for (const value of values) summary.tag(1, 2).bytes(value);
  const event = new BinaryWriter()
    .tag(EVENT.wallTime, 1)
    .double(seconds)
    .tag(EVENT.step, 0)
    .int64(step)
    .tag(EVENT.summary, 2)
    .bytes(summary.finish());
  return [frameRecord(event.finish())];
}

function scalarValue(tag: string, value: number): Uint8Array {
  return new BinaryWriter()
    .tag(VALUE.tag, 2)
    .string(tag)
    .tag(VALUE.simpleValue, 5)
    .float(clampToFloat(value))
    .finish();
}

/** A list of one string, which the text plug-in shows. */
function textValue(tag: string, text: string): Uint8Array {
  const one = new BinaryWriter().tag(1, 0).int64(1).finish();
  const shape = new BinaryWriter().tag(2, 2).bytes(one).finish();
  const tensor = new BinaryWriter()
    .tag(1, 0)
    .int32(DT_STRING)
    .tag(2, 2)
    .bytes(shape)
    .tag(8, 2)
    .bytes(new TextEncoder().encode(text));
  const plugin = new BinaryWriter().tag(1, 2).string("text").finish();
  const metadata = new BinaryWriter().tag(1, 2).bytes(plugin).finish();
  return new BinaryWriter()
    .tag(VALUE.tag, 2)
    .string(tag)
    .tag(VALUE.tensor, 2)
    .bytes(tensor.finish())
    .tag(VALUE.metadata, 2)
    .bytes(metadata)
    .finish();
}

/** The wire's float refuses what float32 cannot hold. */
function clampToFloat(value: number): number {
  return Number.isNaN(value) ? value : Math.max(-3.4028234e38, Math.min(3.4028234e38, value));
}
