import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { crc32c, maskedCrc32c } from "../files/crc32c.ts";
import { createEventWriter, eventBytes } from "./tensorboard.ts";

describe("crc32c", () => {
  test.each([
    // RFC 3720, B.4
    ["zeros", new Uint8Array(32), 0x8a9136aa],
    ["ones", new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ["rising", Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    ["falling", Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
    ["123456789", new TextEncoder().encode("123456789"), 0xe3069283],
  ])("of %s is the known answer", (_, bytes, answer) => {
    expect(crc32c(bytes)).toBe(answer);
  });
});

interface ReadEvent {
  wall: number;
  step: number;
  version: string;
  values: { tag: string; value?: number; text?: string; plugin?: string }[];
}

/** A reader of its own: frames with their checksums, then the messages. */
function readEvents(file: Uint8Array): ReadEvent[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const events: ReadEvent[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(view.getBigUint64(at, true));
    expect(view.getUint32(at + 8, true)).toBe(maskedCrc32c(file.subarray(at, at + 8)));
    const data = file.subarray(at + 12, at + 12 + length);
    expect(view.getUint32(at + 12 + length, true)).toBe(maskedCrc32c(data));
    at += length + 16;
    const event: ReadEvent = { wall: 0, step: 0, version: "", values: [] };
    fields(data, {
      1: (r) => (event.wall = r.double()),
      2: (r) => (event.step = Number(r.int64())),
      3: (r) => (event.version = r.string()),
      5: (r) =>
        fields(r.bytes(), {
          1: (s) => {
            const value: ReadEvent["values"][number] = { tag: "" };
            fields(s.bytes(), {
              1: (v) => (value.tag = v.string()),
              2: (v) => (value.value = v.float()),
              8: (v) => fields(v.bytes(), { 8: (t) => (value.text = t.string()) }),
              9: (v) =>
                fields(v.bytes(), {
                  1: (m) => fields(m.bytes(), { 1: (p) => (value.plugin = p.string()) }),
                }),
            });
            event.values.push(value);
          },
        }),
    });
    events.push(event);
  }
  return events;
}

function fields(bytes: Uint8Array, take: Record<number, (reader: BinaryReader) => unknown>): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    const taker = take[field];
    if (taker === undefined) reader.skip(wire);
    else taker(reader);
  }
}

const time = (second: number) => new Date(1_700_000_000_000 + second * 1000).toISOString();
const rows = [
  { step: 1, time: time(1), "train/loss": 5.25, "train/skipped": 0 },
  { step: 2, time: time(2), "train/loss": null, "train/skipped": 1 },
  { step: 2, time: time(3), "eval/loss": 4.5, sample: "Call me\nIshmaël" },
];

describe("event files", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "meshloom-events-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test("hold every number as a scalar, every sample as text, and begin with the version", () => {
    const events = readEvents(eventBytes(rows, 1_700_000_000.5));
    expect(events[0]).toEqual({
      wall: 1_700_000_000.5,
      step: 0,
      version: "brain.Event:2",
      values: [],
    });
    expect(events.slice(1).map(({ step, wall }) => [step, wall])).toEqual([
      [1, 1_700_000_001],
      [2, 1_700_000_002],
      [2, 1_700_000_003],
    ]);
    expect(events[1]?.values).toEqual([
      { tag: "train/loss", value: 5.25 },
      { tag: "train/skipped", value: 0 },
    ]);
    expect(events[2]?.values[0]).toEqual({ tag: "train/loss", value: Number.NaN });
    expect(events[3]?.values).toEqual([
      { tag: "eval/loss", value: 4.5 },
      { tag: "sample", text: "Call me\nIshmaël", plugin: "text" },
    ]);
  });

  test("grow as a run does, and a resumed run's file replaces the one before", async () => {
    await writeFile(join(folder, "events.out.tfevents.1.elsewhere"), "old");
    const writer = await createEventWriter(folder, rows.slice(0, 1));
    await writer.append(rows.slice(1));
    expect((await readdir(folder)).length).toBe(1);
    const grown = readEvents(await readFile(writer.path));
    expect(grown.slice(1)).toEqual(readEvents(eventBytes(rows, 0)).slice(1));
  });
});
