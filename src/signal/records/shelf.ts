/** @file Where fetched records are kept, and found again. */

import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { DataError } from "../../core/errors.ts";
import { dataFolder } from "../../data/corpora/named.ts";
import { RECORD_SOURCES } from "./sources.ts";

/** `iers` in the folder of `MESHLOOM_DATA` where it is set, else in the user's cache. */
export function fetchFolder(
  env: Readonly<Record<string, string | undefined>> = process.env,
): string {
  const data = env["MESHLOOM_DATA"];
  if (data !== undefined && data !== "") return join(data, "iers");
  const cache = env["MESHLOOM_CACHE"];
  if (cache !== undefined && cache !== "" && cache !== "off") return join(cache, "iers");
  return join(env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "meshloom", "iers");
}

/** Other names under which a record may lie in a folder of data. */
const COMPACT: Readonly<Record<string, string>> = { c04: "c04-daily.csv.gz" };

/**
 * The path of a record of `RECORD_SOURCES` (`c04`, `finals2000a`, `aam` …): in the folder of data, packed or
 * not, or fetched.
 *
 * @throws DataError where it is not, with the command that gets it
 */
export function recordPath(name: string): string {
  const found = findRecord(name);
  if (found !== undefined) return found;
  throw new DataError("DATA-01", `record ${name}: not here.`, [
    ["looked in", `${join(dataFolder(), "iers")}, ${fetchFolder()}`],
    ["fix", `meshloom data fetch iers --only ${name}, or set MESHLOOM_DATA`],
  ]);
}

/** As `recordPath`; undefined where it is not. */
export function findRecord(name: string): string | undefined {
  const source = RECORD_SOURCES.find((each) => each.name === name);
  if (source === undefined) throw new TypeError(`no record "${name}"`);
  const compact = COMPACT[name];
  const names = [source.file, `${source.file}.gz`, ...(compact === undefined ? [] : [compact])];
  return [join(dataFolder(), "iers"), fetchFolder()]
    .flatMap((folder) => names.map((file) => join(folder, file)))
    .find((path) => existsSync(path));
}
