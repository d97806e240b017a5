/** @file A folder appears whole or not at all, and only an export is ever replaced. */

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { DiskError } from "../core/errors.ts";
import { writeFolder } from "./export-folder.ts";

const root = mkdtempSync(join(tmpdir(), "meshloom-export-folder-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A fresh place in a folder of its own. */
function place(): { readonly parent: string; readonly out: string } {
  const parent = mkdtempSync(join(root, "case-"));
  return { parent, out: join(parent, "out") };
}

/** Fills a folder as an export does. */
const filling = (word: string) => async (folder: string) => {
  for (const name of ["config.json", "README.md"]) writeFileSync(join(folder, name), word);
};

/** The id of a process that is gone. */
const dead = () => spawnSync(process.execPath, ["-e", ""]).pid;

test("an export appears under its name, with nothing beside it", async () => {
  const { parent, out } = place();
  await writeFolder(out, { force: false }, filling("one"));
  expect(readdirSync(parent)).toEqual(["out"]);
  expect(readdirSync(out).sort()).toEqual(["README.md", "config.json"]);
});

test("an export that is there is refused, replaced by force, and kept when the new one fails", async () => {
  const { parent, out } = place();
  await writeFolder(out, { force: false }, filling("one"));
  await expect(writeFolder(out, { force: false }, filling("two"))).rejects.toThrow(
    /has an export already/,
  );
  const failing = async (folder: string) => {
    await filling("three")(folder);
    throw new Error("stop");
  };
  await expect(writeFolder(out, { force: true }, failing)).rejects.toThrow("stop");
  expect(readFileSync(join(out, "config.json"), "utf8")).toBe("one");
  await writeFolder(out, { force: true }, filling("four"));
  expect(readFileSync(join(out, "config.json"), "utf8")).toBe("four");
  expect(readdirSync(parent)).toEqual(["out"]);
});

test("a folder of something else is never replaced, nor is a file; an empty folder is", async () => {
  const { parent, out } = place();
  mkdirSync(out);
  writeFileSync(join(out, "thesis.tex"), "years of work");
  const force = { force: true };
  await expect(writeFolder(out, force, filling("x"))).rejects.toThrow(/something else/);
  await expect(writeFolder(join(out, "thesis.tex"), force, filling("x"))).rejects.toThrow(/a file/);
  expect(readFileSync(join(out, "thesis.tex"), "utf8")).toBe("years of work");
  const empty = join(parent, "empty");
  mkdirSync(empty);
  await writeFolder(empty, { force: false }, filling("x"));
  expect(readdirSync(empty).length).toBe(2);
});

test("leftovers of dead processes are swept, those of living ones and of others are not", async () => {
  const { parent, out } = place();
  const leftovers = [`.tmp-out-${dead()}-0123abcd`, `.old-out-${dead()}-0123abcd`];
  const others = [`.tmp-out-${process.pid}-0123abcd`, `.tmp-other-${dead()}-0123abcd`];
  for (const name of [...leftovers, ...others]) mkdirSync(join(parent, name));
  await writeFolder(out, { force: false }, filling("one"));
  expect(readdirSync(parent).sort()).toEqual([...others, "out"].sort());
});

test("an old export whose replacement was cut short comes back", async () => {
  const { parent, out } = place();
  const aside = join(parent, `.old-out-${dead()}-0123abcd`);
  mkdirSync(aside);
  await filling("old")(aside);
  const failing = async () => {
    throw new Error("stop");
  };
  await expect(writeFolder(out, { force: false }, failing)).rejects.toThrow("stop");
  expect(readdirSync(parent)).toEqual(["out"]);
  expect(readFileSync(join(out, "config.json"), "utf8")).toBe("old");
});

test("a place that cannot be written is a DiskError that names it", async () => {
  const { out } = place();
  writeFileSync(out, "");
  await expect(writeFolder(join(out, "below"), { force: false }, filling("x"))).rejects.toThrow(
    DiskError,
  );
});
