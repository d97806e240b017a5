import { spawn } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect, it } from "vitest";
import { openCorpus } from "../corpora/table.ts";
import { byteTokenizer } from "../tokenizer.ts";
import { openTokenStore } from "./open.ts";

/** Encodes Moby-Dick into small shards, slowly, so that a kill falls anywhere. */
const WRITER = `
import { openCorpus } from ${JSON.stringify(new URL("../corpora/table.ts", import.meta.url))};
import { byteTokenizer } from ${JSON.stringify(new URL("../tokenizer.ts", import.meta.url))};
import { openTokenStore } from ${JSON.stringify(new URL("./open.ts", import.meta.url))};
const encode = (text) => {
  const until = performance.now() + 5;
  while (performance.now() < until);
  process.stdout.write(".");
  return byteTokenizer.encode(text);
};
await openTokenStore({
  corpus: await openCorpus("moby-dick"),
  tokenizer: { ...byteTokenizer, fingerprint: () => "slow", encode },
  folder: process.argv[1],
  shardTokens: 20_000,
});`;

it("a kill at any moment costs at most a shard of work, and never a wrong token", async () => {
  const folder = await mkdtemp(join(tmpdir(), "meshloom-store-kill-"));
  let kills = 0;
  for (let round = 0; round < 12; round++) {
    const args = ["--import", "tsx", "--input-type=module", "-e", WRITER, folder];
    const writer = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const gone = new Promise<number | null>((done) => writer.on("exit", (code) => done(code)));
    await Promise.race([new Promise((done) => writer.stdout.once("data", done)), gone]);
    await setTimeout(40 + round * 23);
    writer.kill("SIGKILL");
    if ((await gone) === null) kills++;
  }
  expect(kills).toBeGreaterThan(0);
  const corpus = await openCorpus("moby-dick");
  const tokenizer = { ...byteTokenizer, fingerprint: () => "slow" };
  const store = await openTokenStore({ corpus, tokenizer, folder, shardTokens: 20_000 });
  const whole = await openTokenStore({ corpus, tokenizer, folder: join(folder, "other") });
  expect(store.facts.sha256).toBe(whole.facts.sha256);
  expect(
    Buffer.compare(bytesOf(store.read(0, store.length)), bytesOf(whole.read(0, whole.length))),
  ).toBe(0);
  expect(store.ends(0, store.documents)).toEqual(whole.ends(0, whole.documents));
  const left = (await readdir(folder)).filter((name) => name.startsWith("."));
  expect(left).toEqual([]);
  await rm(folder, { recursive: true });
});

function bytesOf(tokens: Int32Array): Uint8Array {
  return new Uint8Array(tokens.buffer);
}
