/** @file Columns for results that people read, plain or Markdown; programs read `--json`. */

/** On which side a column's cells stand. */
export type Align = "left" | "right";

/** How {@link formatTable} lays out. */
export interface TableLayout {
  /** One entry a column; left where absent. Numbers read best on the right. */
  readonly align?: readonly Align[];
}

/**
 * Headers and rows in columns two spaces apart, without trailing spaces.
 *
 * A row may be shorter than the headers; cells beyond the headers make columns of their own.
 */
export function formatTable(
  headers: readonly string[],
  rows: readonly (readonly string[])[],
  { align = [] }: TableLayout = {},
): string {
  const lines = [headers, ...rows];
  const columns = Math.max(...lines.map((line) => line.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  );
  const pad = (cell: string, column: number): string =>
    align[column] === "right"
      ? cell.padStart(widths[column] ?? 0)
      : cell.padEnd(widths[column] ?? 0);
  return lines.map((line) => line.map(pad).join("  ").trimEnd()).join("\n");
}

/** A Markdown table with its columns in line, as the formatter of this repository has it. */
export function formatMarkdown(
  headers: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  // A bar ends a cell even within code.
  const lines = [headers, ...rows].map((line) => line.map((cell) => cell.replaceAll("|", "\\|")));
  const widths = headers.map((_, column) =>
    Math.max(3, ...lines.map((line) => line[column]?.length ?? 0)),
  );
  const [head = [], ...body] = lines;
  const rule = widths.map((width) => "-".repeat(width));
  return [head, rule, ...body]
    .map((line) => `| ${line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`)
    .join("\n");
}
