/**
 * @file Exported runs in the hands of others: transformers, tokenizers and ONNX Runtime in Python.
 *
 * Python is `MESHLOOM_PYTHON`, else `python3`; without transformers there the tests are skipped.
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCommand } from "../../src/cli/command.ts";
import { captureContext } from "../../src/cli/context.ts";
import { command as exporting } from "../../src/cli/export.ts";
import { command as training } from "../../src/cli/train.ts";
import { fromData, type Tensor } from "../../src/core/tensor.ts";
import { jit } from "../../src/engines/jit.ts";
import { openModel } from "../../src/exchange/open-model.ts";
import type { DecoderState } from "../../src/generate/model.ts";
import type { Weights } from "../../src/train/model.ts";

const PYTHON = process.env["MESHLOOM_PYTHON"] ?? "python3";
const SCRIPT = fileURLToPath(new URL("read_export.py", import.meta.url));

function ask(...words: readonly string[]): Record<string, unknown> {
  const { status, stdout, stderr, error } = spawnSync(PYTHON, [SCRIPT, ...words], {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(error?.message ?? stderr);
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
}

function peerVersions(): string | undefined {
  try {
    return Object.entries(ask("versions"))
      .map(([name, version]) => `${name} ${version}`)
      .join(", ");
  } catch {
    return undefined;
  }
}

const versions = peerVersions();
if (versions === undefined) {
  process.stderr.write(`exchange: ${PYTHON} has no transformers; set MESHLOOM_PYTHON\n`);
}

const root = mkdtempSync(join(tmpdir(), "meshloom-exchange-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const [BATCH, LENGTH] = [2, 12];
const IDS = Array.from({ length: BATCH }, (_, b) =>
  Array.from({ length: LENGTH }, (_, i) => (i * 37 + b * 101 + 11) % 256),
);
const TEXTS = [
  "Call me Ishmael.",
  "  two spaces,\n\ta tab, and a\r\nline",
  "Größe, 東京, 😀, \u0000 and \u00a0",
  "",
];

async function logitsOf(path: string): Promise<readonly number[]> {
  const { model, weights } = await openModel(path);
  const cache = await jit(() => model.startDecoding(BATCH, LENGTH))();
  const ids = fromData("int32", [BATCH, LENGTH], Int32Array.from(IDS.flat()), "batch pos");
  const start = fromData("int32", [BATCH], new Int32Array(BATCH), "batch");
  const decode = jit((w: Weights, c: DecoderState, x: Tensor, at: Tensor) =>
    model.decode(w, c, x, at),
  );
  const [logits] = await decode(weights, cache, ids, start);
  return logits.numbers();
}

function largestError(a: unknown, b: readonly number[]): number {
  const list = a as readonly number[];
  expect(list.length).toBe(b.length);
  return list.reduce((most, x, i) => Math.max(most, Math.abs(x - (b[i] ?? Number.NaN))), 0);
}

describe.skipIf(versions === undefined).each([
  ["llama-pico", "LlamaForCausalLM"],
  ["mixtral-pico", "MixtralForCausalLM"],
] as const)(`%s in ${versions ?? "transformers"}`, (preset, architecture) => {
  const [run, hub, onnx] = ["run", "hub", "onnx"].map((kind) =>
    join(root, `${preset}-${kind}`),
  ) as [string, string, string];

  beforeAll(async () => {
    const { context } = captureContext();
    await runCommand(training, [preset, "--steps", "20", "--out", run], context);
    await runCommand(
      exporting,
      [run, "--to", "hub", "--out", hub, "--shard-size", "40KB"],
      context,
    );
    const sizes = ["--batch", String(BATCH), "--length", String(LENGTH)];
    await runCommand(exporting, [run, "--to", "onnx", "--out", onnx, ...sizes], context);
  });

  test("transformers loads model and tokenizer, and computes our logits", async () => {
    const ours = await logitsOf(run);
    const theirs = ask("hub", hub, JSON.stringify({ ids: IDS, texts: TEXTS }));
    expect(theirs).toMatchObject({
      model: architecture,
      dtype: "torch.float32",
      loading: {},
      eos: null,
      decoded: TEXTS,
      encoded: TEXTS.map((text) => [...new TextEncoder().encode(text)]),
    });
    // Float32 in another order of sums; measured 1e-6 to 3e-6.
    expect(largestError(theirs["logits"], ours)).toBeLessThan(1e-4);
    expect((theirs["generated"] as readonly number[]).slice(0, LENGTH)).toEqual(IDS[0]);
  });

  test("ONNX Runtime computes our logits, whole and token by token", async () => {
    const ours = await logitsOf(run);
    const theirs = ask("onnx", onnx, JSON.stringify({ ids: IDS }));
    // Stock ONNX Runtime fuses what our session is told not to.
    expect(largestError(theirs["logits"], ours)).toBeLessThan(1e-5);
    expect(largestError(theirs["steps"], ours)).toBeLessThan(1e-5);
  });
});
