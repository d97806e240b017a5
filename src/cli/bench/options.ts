/** @file Options that every timing against peers has. */

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { writeAtomically } from "../../files/atomic.ts";

interface Text<D> {
  readonly type: "string";
  readonly default: D;
  readonly valueName?: string;
  readonly help: string;
}

interface Count {
  readonly type: "int";
  readonly default: number;
  readonly min: number;
  readonly unit?: string;
  readonly help: string;
}

export const BENCH_OPTIONS: {
  readonly python: Text<undefined>;
  readonly rounds: Count;
  readonly threads: Count;
  readonly out: Text<string>;
} = {
  python: {
    type: "string",
    default: undefined,
    valueName: "path",
    help: "a Python with bench/peers/requirements.txt installed",
  },
  rounds: { type: "int", default: 7, min: 1, unit: "turns", help: "turns that each side takes" },
  threads: { type: "int", default: 2, min: 1, help: "threads of every side" },
  out: { type: "string", default: "bench/results", help: "folder for the results, JSON" },
};

/** Keeps a timing's result as `<folder>/<name>.json`. @throws DiskError when the disk refuses */
export async function keepResult(folder: string, name: string, result: object): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeAtomically(join(folder, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`);
}

/** The words of a list with commas; none when it is empty. */
export function wordsOf(list: string): readonly string[] {
  return list === "" ? [] : list.split(",");
}
