/** @file Numbers in sentences. */

/** Four digits, the zeros behind them left out: `0.08333`, `1962`. */
export function shown(value: number): string {
  return String(Number(value.toPrecision(Math.abs(value) >= 1000 ? 6 : 4)));
}

/** `1 row`, `777 rows`. */
export function several(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** `1, 0.5 and 0.25` */
export function listed(values: readonly number[]): string {
  const words = values.map(shown);
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/** `0.0600 ± 0.0270`, with the digits that the deviation allows. */
export function within(value: number, sd: number): string {
  if (!Number.isFinite(sd) || sd <= 0) return shown(value);
  const digits = Math.min(12, Math.max(0, 1 - Math.floor(Math.log10(sd))));
  return `${value.toFixed(digits)} ± ${sd.toFixed(digits)}`;
}
