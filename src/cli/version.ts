/** @file What `--version` says: the package's version and, in a checkout, the commit it stands at. */

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Version of the package; commit and date only in a checkout that has a commit. */
export interface VersionFacts {
  readonly version: string;
  /** Abbreviated hash. */
  readonly commit?: string;
  /** Day of the commit, `2026-11-24`. */
  readonly date?: string;
}

/** `meshloom 0.1.0 (abc1234, 2026-11-24)`, or the facts as one JSON line. */
export function versionText(json: boolean): string {
  const facts = versionFacts(fileURLToPath(new URL("../../", import.meta.url)));
  if (json) return JSON.stringify(facts);
  const commit = facts.commit === undefined ? "" : ` (${facts.commit}, ${facts.date})`;
  return `meshloom ${facts.version}${commit}`;
}

/**
 * Reads the version of the package in a folder.
 *
 * @param root - the folder with package.json, ending in a separator
 */
export function versionFacts(root: string): VersionFacts {
  const manifest = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as { version: string };
  const { version } = manifest;
  // Only a .git right here: inside another project's node_modules its commit would mislead.
  if (!existsSync(`${root}.git`)) return { version };
  try {
    const args = [`--git-dir=${root}.git`, "log", "-1", "--format=%h %cs"];
    const [commit, date] = execFileSync("git", args, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    })
      .trim()
      .split(" ");
    return commit === undefined || date === undefined ? { version } : { version, commit, date };
  } catch {
    // No git, or no commit yet.
    return { version };
  }
}
