/** @file What is wrong with a section of a configuration, in the user's words: the key, its section, the nearest name. */

import type { z } from "zod";
import { ConfigError, type Fact, suggestion } from "../core/errors.ts";

/** Keys that each section of a configuration has. */
export type SectionKeys = Readonly<Record<string, readonly string[]>>;

/**
 * An error with a row for each thing that is wrong.
 *
 * @param section - its name in the file, for example `training`
 * @param issues - what the strict schema of the section found
 * @param known - keys by section; an unknown key that another section has is sent there
 */
export function configError(
  section: string,
  issues: readonly z.core.$ZodIssue[],
  known: SectionKeys,
): ConfigError {
  const rows = issues.flatMap((issue): Fact[] => {
    const path = [section, ...issue.path.map(String)].join(".");
    if (issue.code !== "unrecognized_keys") return [[path, issue.message]];
    return issue.keys.map(
      (key): Fact => [
        `${path}.${key}`,
        issue.path.length === 0 ? explainKey(section, key, known) : "is no key there",
      ],
    );
  });
  const [[first = section] = []] = rows;
  const only = rows.length === 1 ? ` "${first}"` : "";
  return new ConfigError(
    "CONFIG-01",
    `config:${only === "" ? ` ${rows.length} keys of "${section}"` : only} cannot be used.`,
    rows,
  );
}

function explainKey(section: string, key: string, known: SectionKeys): string {
  const home = Object.keys(known).find((name) => known[name]?.includes(key));
  if (home !== undefined && home !== section) return `belongs to "${home}": write ${home}.${key}`;
  return `is no key of "${section}"; ${suggestion(key, known[section] ?? [])}`;
}
