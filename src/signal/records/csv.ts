/** @file Lines of a table cut into cells. */

/** What stands between cells; a blank means any white space. */
export type Separator = ";" | "," | "\t" | " ";

/** The separator of a header. */
export function separatorOf(line: string): Separator {
  for (const each of [";", "\t", ","] as const) if (line.includes(each)) return each;
  return " ";
}

/** The cells of a line, quotes taken off; a separator within quotes is none. */
export function cellsOf(line: string, separator: Separator): string[] {
  if (separator === " ") return line.trim().split(/\s+/);
  if (!line.includes('"')) return line.split(separator);
  const cells: string[] = [];
  let [cell, quoted] = ["", false];
  for (let at = 0; at < line.length; at++) {
    const letter = line[at] ?? "";
    if (letter === '"' && quoted && line[at + 1] === '"') {
      cell += '"';
      at++;
    } else if (letter === '"') quoted = !quoted;
    else if (letter === separator && !quoted) {
      cells.push(cell);
      cell = "";
    } else cell += letter;
  }
  return [...cells, cell];
}
