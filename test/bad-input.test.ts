/** @file What the commands say to input that they cannot use, with its exit code; nothing is left behind. */

import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { filesOf, meshloom } from "./command-line.ts";

let base = "";
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), "meshloom-bad-"));
  await writeFile(join(base, "empty.txt"), "");
  await writeFile(join(base, "short.txt"), "Call me Ishmael.");
  await writeFile(join(base, "too-short.txt"), "Call me Ishmael. ".repeat(10));
  await writeFile(join(base, "binary.txt"), new Uint8Array(1000));
  await writeFile(join(base, "latin.txt"), Buffer.from("Caf\xe9. ".repeat(100), "latin1"));
  await writeFile(join(base, "torn.jsonl"), '{"text": "a"}\n{"text": "b\n');
  await writeFile(join(base, "records.jsonl"), '{"body": "a"}\n');
  await writeFile(join(base, "cut.txt.gz"), gzipSync("Call me Ishmael.").subarray(0, 20));
  await mkdir(join(base, "folder"));
  await mkdir(join(base, "torn-run"));
  await writeFile(join(base, "torn-run/config.json"), '{"preset": "glam');
});
afterAll(() => rm(base, { recursive: true, force: true }));

/** Exit code and stderr of a command line that must fail; `$` stands for the folder of the test. */
async function failure(line: string): Promise<string> {
  const words = line.split(" ").map((word) => word.replace("$", base));
  const { code, out, err } = await meshloom(...words);
  expect(out).toBe("");
  return `exit ${code}\n${err.replaceAll(base, "$").trimEnd()}`;
}

const TRAIN = "train glam-pico --steps 2 --out $/new";

test.each<[line: string, code: number, headline: string, mark: string]>([
  [
    "train glam-pcio --out $/new",
    2,
    'preset: "glam-pcio" is not a preset; did you mean "glam-pico"?',
    "CONFIG-01",
  ],
  ["train --out $/new", 2, "train: <preset> is missing.", "USAGE-01"],
  ["train glam-pico extra --out $/new", 2, 'train: unexpected argument "extra".', "USAGE-01"],
  [`${TRAIN} --learning-rat 1`, 2, 'train: unknown option "--learning-rat".', "USAGE-01"],
  [`${TRAIN} --learning-rate 0`, 2, "train: --learning-rate must be above 0, got 0.", "USAGE-01"],
  [`${TRAIN} --batch 0`, 2, "train: --batch must be at least 1, got 0.", "USAGE-01"],
  [`${TRAIN} --batch x`, 2, 'train: --batch must be an integer, got "x".', "USAGE-01"],
  [
    `${TRAIN} --router expert`,
    2,
    'router: "expert" is not a router; one of: expert-choice, expert-choice-capped, gshard-top2, switch-top1, top-k, sigmoid-bias, hash, experts-softmax',
    "CONFIG-01",
  ],
  [
    `${TRAIN} --grouping leaky`,
    2,
    'grouping: "leaky" is not a grouping; one of: position, leaky-batch',
    "CONFIG-01",
  ],
  [
    `${TRAIN} --batch 2 --capacity-factor 1`,
    2,
    "router: a capacity factor of 1 gives each of 4 experts 0 slots.",
    "CONFIG-01",
  ],
  [
    "train glam-nano --batch 2 --out $/new",
    2,
    "router: a capacity factor of 2 gives each of 8 experts 0 slots.",
    "CONFIG-01",
  ],
  [
    `${TRAIN} --capacity-factor 0`,
    2,
    "train: --capacity-factor must be above 0, got 0.",
    "USAGE-01",
  ],
  [`${TRAIN} --data mobydick`, 1, 'corpus: "mobydick" is not a known corpus.', "DATA-01"],
  [`${TRAIN} --data $/none.txt`, 1, "corpus: there is no file or folder $/none.txt.", "DATA-01"],
  [`${TRAIN} --data $/folder`, 1, "corpus: the folder $/folder has no text file.", "DATA-01"],
  [`${TRAIN} --data $/empty.txt`, 1, "corpus: $/empty.txt has no text for train.", "DATA-01"],
  [
    `${TRAIN} --data $/short.txt`,
    1,
    "batches: $/short.txt has 17 tokens; it needs 257.",
    "DATA-01",
  ],
  [
    `${TRAIN} --data $/too-short.txt`,
    1,
    "batches: $/too-short.txt has 163 tokens; it needs 257.",
    "DATA-01",
  ],
  [`${TRAIN} --data books/moby`, 1, 'corpus: books has no part "moby".', "DATA-01"],
  [`${TRAIN} --data $/*.json`, 1, "corpus: no file matches $/*.json.", "DATA-01"],
  [`${TRAIN} --data $/torn.jsonl`, 1, "corpus: $/torn.jsonl line 2 is not JSON.", "DATA-01"],
  [
    `${TRAIN} --data $/records.jsonl`,
    1,
    'corpus: $/records.jsonl line 1 has no field "text".',
    "DATA-01",
  ],
  [`${TRAIN} --data $/cut.txt.gz`, 1, "corpus: $/cut.txt.gz is a damaged gzip file.", "DATA-01"],
  [
    `${TRAIN} --data moby-dick:0.5,books:0.6`,
    1,
    "data: the weights of moby-dick:0.5,books:0.6 add up to 1.1, not 1.",
    "DATA-01",
  ],
  [
    `${TRAIN} --data moby-dick:0.5,books`,
    1,
    'data: "moby-dick:0.5,books": books has no weight, others have one.',
    "DATA-01",
  ],
  [
    `${TRAIN} --data $/binary.txt`,
    1,
    "corpus: $/binary.txt is not text: byte 0 is zero.",
    "DATA-01",
  ],
  [`${TRAIN} --data $/latin.txt`, 1, "corpus: $/latin.txt is not UTF-8 at byte 3.", "DATA-01"],
  [`${TRAIN} --resume`, 1, "run: $/new has no run to resume.", "RUN-01"],
  [
    "train glam-pico --out $/empty.txt",
    1,
    "run: cannot write $/empty.txt: a file or folder of another kind is in the way.",
    "DISK-01",
  ],
  [
    "sample $/folder",
    1,
    'model: "$/folder" is neither a run folder nor a folder of the Hub; it has no config.json.',
    "RUN-01",
  ],
  [
    "sample $/none",
    1,
    'model: "$/none" is neither a run folder nor a folder of the Hub; it has no config.json.',
    "RUN-01",
  ],
  ["sample $/torn-run", 1, "hub: $/torn-run/config.json is not JSON.", "CHECKPOINT-01"],
  [
    "sample $/folder --temperature -1",
    2,
    "sample: --temperature must be at least 0, got -1.",
    "USAGE-01",
  ],
  [
    "sample $/folder --top-p 0",
    2,
    "sample: --top-p must be above 0 and at most 1, got 0.",
    "USAGE-01",
  ],
  [
    "sample $/folder --top-p 1.5",
    2,
    "sample: --top-p must be above 0 and at most 1, got 1.5.",
    "USAGE-01",
  ],
  ["sample $/folder --top-k -1", 2, "sample: --top-k must be at least 0, got -1.", "USAGE-01"],
  ["sample $/folder --tokens 0", 2, "sample: --tokens must be at least 1, got 0.", "USAGE-01"],
  [
    "describe glam-64b-64",
    2,
    'preset: "glam-64b-64" is not a preset; did you mean "glam-64b-64e"?',
    "CONFIG-01",
  ],
  ["trian glam-pico", 2, 'meshloom: unknown command "trian".', "USAGE-01"],
])("%s", async (line, code, headline, mark) => {
  const before = filesOf(base);
  const said = await failure(line);
  expect(said.split("\n")[0]).toBe(`exit ${code}`);
  expect(said.split("\n")[1]?.replace(` [${mark}]`, "")).toBe(headline);
  expect(said.endsWith(`[${mark}]`), said).toBe(true);
  expect(filesOf(base)).toEqual(before);
  expect(existsSync(join(base, "new"))).toBe(false);
});

test("the whole text says what to do", async () => {
  expect(await failure(`${TRAIN} --batch 2 --capacity-factor 1`)).toMatchInlineSnapshot(`
    "exit 2
    router: a capacity factor of 1 gives each of 4 experts 0 slots.
      group    2 tokens
      fix      choose capacityFactor from 2 to 4, or a larger batch (a causal group holds one token per sequence)    [CONFIG-01]"
  `);
  expect(await failure(`${TRAIN} --data $/too-short.txt`)).toMatchInlineSnapshot(`
    "exit 1
    batches: $/too-short.txt has 163 tokens; it needs 257.
      needs    8 rows of 32 positions, and 1 token more for the last target
      fix      give a longer text, a smaller batch or length, or pack short documents    [DATA-01]"
  `);
});

test("--json puts the error on stdout too", async () => {
  const { code, out } = await meshloom("sample", join(base, "none"), "--json");
  expect([code, JSON.parse(out)]).toEqual([
    1,
    { error: { code: "RUN-01", message: expect.stringContaining("is neither a run folder nor") } },
  ]);
});
