/** @file Progress of a long loop: one redrawn line on a terminal, sparse plain lines in a log. */

import { styleText } from "node:util";
import { formatCount, formatSeconds } from "../core/text.ts";
import { createRate } from "./rate.ts";

/** What {@link createProgress} needs to know. */
export interface ProgressOptions {
  /** How many there are in all. */
  readonly total: number;
  /** What is counted, in the plural: `steps`. */
  readonly unit: string;
  /** Whether the output is a terminal on which a line can be redrawn. */
  readonly interactive: boolean;
  /** Takes raw text, control sequences included when interactive. */
  readonly write: (text: string) => void;
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number;
  /** Width of the terminal, asked at each redraw since windows are resized. */
  readonly columns?: () => number;
  /** Whether to colour the bar; by default on a terminal, unless `NO_COLOR` is set. */
  readonly color?: boolean;
}

/** A progress display. */
export interface Progress {
  /**
   * Says how many are done.
   *
   * @param facts - shown after the numbers, in their order: `{ loss: "4.21" }`
   */
  update(done: number, facts?: Readonly<Record<string, string>>): void;
  /** Prints a line above the bar. */
  note(line: string): void;
  /** Ends the display with a line; later calls show nothing. */
  finish(line: string): void;
}

/** Back to the first column, and clear to the end of the line. */
export const CLEAR_LINE = "\r\u001b[K";

const REDRAW_MS = 100;
const FIRST_LINES = 3;
const LONGEST_PAUSE_MS = 30_000;
/** The widest that fits is drawn: few sizes, so that it does not jump about with the facts. */
const BAR_WIDTHS = [24, 12] as const;

/** Starts a display; nothing is written before the first update. */
export function createProgress(options: ProgressOptions): Progress {
  const { interactive, write, now, total } = options;
  const rate = createRate(now);
  const isDue = interactive ? everySoOften(now, total) : sparserAndSparser(now, total);
  let shown = "";
  let finished = false;

  return {
    update(done, facts = {}) {
      if (finished) return;
      rate.add(done);
      if (!isDue(done)) return;
      const status: Status = { done, perSecond: rate.perSecond(done), facts };
      shown = interactive ? barLine(options, status) : plainLine(options, status);
      write(interactive ? `\r${shown}\u001b[K` : `${shown}\n`);
    },
    note(line) {
      const redraw = interactive && !finished ? shown : "";
      write(interactive ? `${CLEAR_LINE}${line}\n${redraw}` : `${line}\n`);
    },
    finish(line) {
      if (finished) return;
      finished = true;
      write(interactive ? `${CLEAR_LINE}${line}\n` : `${line}\n`);
    },
  };
}

interface Status {
  readonly done: number;
  readonly perSecond: number | undefined;
  readonly facts: Readonly<Record<string, string>>;
}

/** At most ten redraws a second, the last one in any case. */
function everySoOften(now: () => number, total: number): (done: number) => boolean {
  let last = Number.NEGATIVE_INFINITY;
  return (done) => {
    if (done < total && now() - last < REDRAW_MS) return false;
    last = now();
    return true;
  };
}

/** The first few, then with pauses of 1 s, 2 s, 4 s … 30 s, and the last one in any case. */
function sparserAndSparser(now: () => number, total: number): (done: number) => boolean {
  let lines = 0;
  let last = 0;
  let pause = 1000;
  return (done) => {
    const first = lines < FIRST_LINES;
    if (!first && done < total && now() - last < pause) return false;
    if (!first) pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
    lines++;
    last = now();
    return true;
  };
}

function barLine(options: ProgressOptions, status: Status): string {
  // The last column stays free: some terminals wrap as soon as it is written. Terminals that do not
  // know their width say 0.
  const columns = (options.columns?.() || process.stderr.columns || 80) - 1;
  const text = plainLine(options, status);
  const width = BAR_WIDTHS.find((bar) => bar + "[] ".length + text.length <= columns);
  if (width === undefined) return text.slice(0, Math.max(0, columns));
  const share = options.total > 0 ? Math.min(1, Math.max(0, status.done / options.total)) : 1;
  const filled = "#".repeat(Math.floor(share * width));
  return `[${paint(options, filled)}${".".repeat(width - filled.length)}] ${text}`;
}

function paint({ color = !process.env["NO_COLOR"] }: ProgressOptions, text: string): string {
  return color && text !== "" ? styleText("green", text, { validateStream: false }) : text;
}

function plainLine(options: ProgressOptions, status: Status): string {
  return numbers(options, status).join("  ");
}

function numbers({ total, unit }: ProgressOptions, { done, perSecond, facts }: Status): string[] {
  const parts = [`${String(done).padStart(String(total).length)}/${total} ${unit}`];
  if (perSecond !== undefined && perSecond > 0) {
    parts.push(`${formatRate(perSecond)} ${unit}/s`);
    if (done < total) parts.push(`${formatSeconds((total - done) / perSecond)} left`);
  }
  return [...parts, ...Object.entries(facts).map(([name, value]) => `${name} ${value}`)];
}

function formatRate(perSecond: number): string {
  return perSecond < 1000 ? String(Number(perSecond.toPrecision(3))) : formatCount(perSecond);
}
