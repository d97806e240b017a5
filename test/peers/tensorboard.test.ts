/** @file TensorBoard's own reader on our event files. Python is `MESHLOOM_PYTHON`; without tensorboard it is skipped. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createEventWriter } from "../../src/train/tensorboard.ts";

const PYTHON = process.env["MESHLOOM_PYTHON"] ?? "python3";
const SCRIPT = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1]); events.Reload()
tags = events.Tags()
print(json.dumps({
  "scalars": {tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in tags["scalars"]},
  "text": {tag: [[e.step, e.tensor_proto.string_val[0].decode()] for e in events.Tensors(tag)] for tag in tags["tensors"]},
}))`;

function hasTensorBoard(): boolean {
  try {
    execFileSync(PYTHON, ["-c", "import tensorboard"], { stdio: "ignore" });
    return true;
  } catch {
    process.stdout.write("tensorboard: skipped, no Python with tensorboard\n");
    return false;
  }
}

test.skipIf(!hasTensorBoard())("TensorBoard reads the scalars and the text back", async () => {
  const folder = mkdtempSync(join(tmpdir(), "meshloom-events-"));
  try {
    const time = "2026-01-01T00:00:00.000Z";
    const losses = Array.from({ length: 50 }, (_, i) => 5 - i / 16);
    const rows = losses.map((loss, i) => ({ step: i + 1, time, "train/loss": loss }));
    const writer = await createEventWriter(folder, rows.slice(0, 20));
    await writer.append([...rows.slice(20), { step: 50, time, sample: "Call me Ishmaël" }]);
    const found = JSON.parse(execFileSync(PYTHON, ["-c", SCRIPT, folder], { encoding: "utf8" }));
    expect(found.scalars["train/loss"]).toEqual(losses.map((loss, i) => [i + 1, loss]));
    expect(found.text["sample"]).toEqual([[50, "Call me Ishmaël"]]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
