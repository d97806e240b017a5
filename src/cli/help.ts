/** @file The text of `--help`: a usage line, what each argument means, its unit, range and default. */

import {
  COMMON_OPTIONS,
  type CommandTables,
  kebabCase,
  type Option,
  type Positional,
  rangeOf,
  synopsis,
  usageOf,
} from "./options.ts";

/** One entry of a definition list: the term on the left, its meaning wrapped on the right. */
export type Entry = readonly [term: string, meaning: string];

const INDENT = "  ";
const WIDEST_TERM = 30;

/**
 * The help of one command.
 *
 * @param columns - width of the terminal; at most 100 and at least 40 are used
 */
export function helpText(command: CommandTables, columns = 80): string {
  const places = command.positionals.map(positionalEntry);
  const options = Object.entries({ ...command.options, ...COMMON_OPTIONS }).map(optionEntry);
  // One width for both lists, so that the meanings stand in one column.
  const width = termWidth([...places, ...options]);
  const lines = [`Usage: ${synopsis(command)}`, "", ...wrap(`${command.summary}.`, clamp(columns))];
  if (places.length > 0) lines.push("", "Arguments:", ...entryLines(places, columns, width));
  lines.push("", "Options:", ...entryLines(options, columns, width));
  const example = command.examples[0];
  if (example !== undefined) lines.push("", "Example:", INDENT + example);
  return lines.join("\n");
}

/** Terms and meanings in two columns; a term that is too wide stands on its own line. */
export function entryLines(
  entries: readonly Entry[],
  columns: number,
  width: number = termWidth(entries),
): readonly string[] {
  const margin = INDENT.length + width + 2;
  return entries.flatMap(([term, meaning]) => {
    const [first = "", ...rest] = wrap(meaning, clamp(columns) - margin);
    const left = INDENT + term;
    const head =
      term.length > width ? [left, " ".repeat(margin) + first] : [left.padEnd(margin) + first];
    return [...head, ...rest.map((line) => " ".repeat(margin) + line)];
  });
}

function termWidth(entries: readonly Entry[]): number {
  const widths = entries.map(([term]) => term.length).filter((width) => width <= WIDEST_TERM);
  return Math.max(0, ...widths);
}

function positionalEntry(positional: Positional): Entry {
  const choices = positional.choices === undefined ? "" : `: ${positional.choices.join(", ")}`;
  const note = positional.required ? "" : " (may be left out)";
  return [`<${kebabCase(positional.name)}>`, `${positional.help}${choices}${note}`];
}

function optionEntry([key, option]: readonly [string, Option]): Entry {
  const term = usageOf(key, option);
  if (key in COMMON_OPTIONS) return [term, option.help];
  const notes = [option.unit ?? "", rangeOf(option), defaultNote(option)];
  const note = notes.filter((part) => part !== "").join(", ");
  return [term, note === "" ? option.help : `${option.help} (${note})`];
}

function defaultNote(option: Option): string {
  if (!("default" in option)) return "required";
  if (option.type === "list") return "may be given several times";
  if (option.type === "flag" && option.default !== undefined)
    return `default ${option.default ? "on" : "off"}`;
  return option.default === undefined ? "" : `default ${option.default}`;
}

function clamp(columns: number): number {
  return Math.min(100, Math.max(40, columns));
}

function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
