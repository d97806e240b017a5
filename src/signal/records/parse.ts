/** @file The reader for a text, found by looking at it. */

import { isAngularMomentum, parseAngularMomentum } from "./angular-momentum.ts";
import { isC04, parseC04 } from "./c04.ts";
import { isFinals, parseFinals } from "./finals.ts";
import { isGravimeter, parseGravimeter } from "./gravimeter.ts";
import type { TimeRecord } from "./record.ts";
import { parseTable, type TableOptions } from "./table.ts";

export type RecordFormat = "c04" | "finals2000A" | "angular-momentum" | "gravimeter" | "table";

export interface ParseOptions extends TableOptions {
  /** Told by the lines themselves when absent. */
  readonly format?: RecordFormat;
}

/** Lines among which the first row is looked for: heads are long. */
const HEAD = 300;

/**
 * A record from the text of a file.
 *
 * @param source - its name, for errors
 * @throws DataError that names line and column
 */
export function parseRecord(text: string, source: string, options: ParseOptions = {}): TimeRecord {
  switch (options.format ?? formatOf(text)) {
    case "c04":
      return parseC04(text, source);
    case "finals2000A":
      return parseFinals(text, source, options);
    case "angular-momentum":
      return parseAngularMomentum(text, source);
    case "gravimeter":
      return parseGravimeter(text, source);
    case "table":
      return parseTable(text, source, options);
  }
}

/** What a text is, by its first row; a table where nothing else fits. */
export function formatOf(text: string): RecordFormat {
  const head = text.split("\n", HEAD);
  for (const line of head) {
    if (isFinals(line)) return "finals2000A";
    if (isC04(line)) return "c04";
    if (isAngularMomentum(line)) return "angular-momentum";
    if (isGravimeter(line)) return "gravimeter";
  }
  // Damaged rows of a file that says what it is are named by its own reader.
  return head.slice(0, 20).some((line) => /EOP.*C04/.test(line)) ? "c04" : "table";
}
