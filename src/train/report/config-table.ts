/** @file Configurations as tables: all of one, what it changes of its preset, what differs between runs. */

import { isDeepStrictEqual } from "node:util";
import { card, grid, table } from "../../plot/page.ts";

/** What a run's configuration says of its preset follows from the rest, and has a table of its own. */
const DERIVED = "differences";

type Leaf = readonly [key: string, value: unknown];

/** One table per section; loose values come first. */
export function configTables(config: unknown): string {
  if (!isRecord(config)) return "";
  const loose = Object.entries(config).filter(([, part]) => !isRecord(part));
  const parts = Object.entries(config).filter(([name, part]) => isRecord(part) && name !== DERIVED);
  const drawn = [["general", Object.fromEntries(loose)] as const, ...parts].map(([name, part]) => {
    const rows = leavesOf(part).map(([key, leaf]) => [key, show(leaf)] as const);
    return rows.length === 0 ? "" : card(name, table(rows));
  });
  return drawn.join("") === "" ? "" : `<div class="config">${drawn.join("\n")}</div>`;
}

/** What a run's configuration has otherwise than its preset, in the sections that the preset has. */
export function presetDifferences(config: unknown, preset: unknown): string {
  if (!isRecord(config) || !isRecord(preset)) return "";
  const before = new Map(leavesOf(preset));
  const now = leavesOf(
    Object.fromEntries(Object.entries(config).filter(([name]) => Object.hasOwn(preset, name))),
  );
  const rows = now.flatMap(([key, value]) =>
    isDeepStrictEqual(value, before.get(key)) ? [] : [[key, show(before.get(key)), show(value)]],
  );
  if (rows.length === 0) return "<p>Nothing differs from the preset.</p>";
  return card("", grid(["setting", "preset", "this run"], rows));
}

/** Settings in which runs differ. */
export function differencesBetween(
  runs: readonly { readonly name: string; readonly config: unknown }[],
): string {
  const leaves = runs.map(
    ({ config }) => new Map(leavesOf(config).filter(([key]) => !key.startsWith(`${DERIVED}.`))),
  );
  const keys = [...new Set(leaves.flatMap((map) => [...map.keys()]))];
  const rows = keys.flatMap((key) => {
    const values = leaves.map((map) => map.get(key));
    const same = values.every((value) => isDeepStrictEqual(value, values[0]));
    return same ? [] : [[key, ...values.map(show)]];
  });
  if (rows.length === 0) return "<p>All have the same configuration.</p>";
  return card("", grid(["setting", ...runs.map(({ name }) => name)], rows));
}

function leavesOf(value: unknown, key = ""): readonly Leaf[] {
  if (!isRecord(value)) return key === "" ? [] : [[key, value]];
  return Object.entries(value).flatMap(([name, part]) =>
    leavesOf(part, key === "" ? name : `${key}.${name}`),
  );
}

function show(value: unknown): string {
  if (value === undefined) return "not set";
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
