/** @file `docs/earth-rotation.md`: its program is the example, which runs; its options are the commands'. */

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { kebabCase } from "../src/cli/options.ts";
import { command as fit } from "../src/cli/signal/fit.ts";
import { command as ntft } from "../src/cli/signal/ntft.ts";
import { command as restore } from "../src/cli/signal/restore.ts";
import { command as ssa } from "../src/cli/signal/ssa.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const EXAMPLE = join(ROOT, "examples", "oscillation.ts");
const TSX = pathToFileURL(join(ROOT, "node_modules/tsx/dist/esm/index.mjs")).href;
const page = readFileSync(join(ROOT, "docs/earth-rotation.md"), "utf8");

test("the program is the example, and finds what its record holds", () => {
  const [, block = ""] = /```ts\n([\s\S]*?)```/.exec(page) ?? [];
  const source = readFileSync(EXAMPLE, "utf8").replace("../src/signal/index.ts", "meshloom/signal");
  expect(block.trim()).toBe(source.trim());
  const printed = execFileSync(process.execPath, ["--import", TSX, EXAMPLE], { encoding: "utf8" });
  const estimate = (name: string) => {
    const [, value = "", sd = ""] = new RegExp(`${name} (\\S+) ± (\\S+)`).exec(printed) ?? [];
    return { value: Number(value), sd: Number(sd) };
  };
  for (const [name, truth] of [
    ["period", 5.9],
    ["amplitude", 0.12],
    ["damping", 0],
  ] as const) {
    const { value, sd } = estimate(name);
    expect(Math.abs(value - truth), name).toBeLessThan(3 * sd);
    expect(sd).toBeGreaterThan(0);
  }
});

test("every option that the page names is one of the commands'", () => {
  const known = new Set(
    [ntft, ssa, fit, restore].flatMap(({ options }) => Object.keys(options).map(kebabCase)),
  );
  const own = page.split("## Use it on a series of your own")[1]?.split(/\n## /)[0] ?? "";
  const named = [...own.matchAll(/--([a-z][a-z-]*)/g)].map(([, name = ""]) => name);
  expect(named.length).toBeGreaterThan(25);
  expect(named.filter((name) => !known.has(name) && name !== "json" && name !== "help")).toEqual(
    [],
  );
});
