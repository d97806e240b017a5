/** @file Coloured cells and the scale that says what their colours mean. */

import { escapeText, type Plot, pixel } from "./svg.ts";

/** Viridis, which rises in brightness throughout and so survives colour blindness and grey print. */
const VIRIDIS = ["440154", "46327e", "365c8d", "277f8e", "1fa187", "4ac16d", "a0da39", "fde725"];
const LEVELS = 40;
/** Labels that are nearer than this would lie over one another. */
const LABEL_HEIGHT = 13;

/** The colour of a share, as `#rrggbb`. */
export function colourOf(share: number, brightest: number): string {
  const place = part(share, brightest) * (VIRIDIS.length - 1);
  const index = Math.min(VIRIDIS.length - 2, Math.floor(place));
  const [from, to] = [channels(VIRIDIS[index]), channels(VIRIDIS[index + 1])];
  const mixed = from.map((value, i) => value + ((to[i] ?? 0) - value) * (place - index));
  return `#${mixed.map((value) => Math.round(value).toString(16).padStart(2, "0")).join("")}`;
}

function part(share: number, brightest: number): number {
  return Math.min(1, Math.max(0, share / (brightest || 1)));
}

function channels(hex = "000000"): number[] {
  return [0, 2, 4].map((i) => Number.parseInt(hex.slice(i, i + 2), 16));
}

/** Where cells lie: pixels of their edges, one more than there are columns or rows. */
export interface CellEdges {
  readonly x: readonly number[];
  readonly y: readonly number[];
}

/**
 * One path per colour level, neighbours of one colour in one piece: a rectangle per cell would make the file
 * ten times as large.
 *
 * @param rows - `[row, column]`, from the top; a value that is not finite has no colour
 */
export function cells(
  rows: readonly (readonly number[])[],
  { x, y }: CellEdges,
  brightest: number,
): string {
  const paths = Array.from({ length: LEVELS + 1 }, () => "");
  const level = (value: number | undefined) =>
    value === undefined || !Number.isFinite(value)
      ? -1
      : Math.round(part(value, brightest) * LEVELS);
  rows.forEach((row, r) => {
    const [top, bottom] = [Math.min(y[r] ?? 0, y[r + 1] ?? 0), Math.max(y[r] ?? 0, y[r + 1] ?? 0)];
    for (let from = 0; from < row.length; ) {
      const colour = level(row[from]);
      let to = from + 1;
      while (to < row.length && level(row[to]) === colour) to++;
      // A little wider than it is, so that no ground shines through.
      const [left, right] = [x[from] ?? 0, (x[to] ?? 0) + 0.3];
      const [w, h] = [pixel(right - left), pixel(bottom - top + 0.3)];
      if (colour >= 0) paths[colour] += `M${pixel(left)} ${pixel(top)}h${w}v${h}h-${w}z`;
      from = to;
    }
  });
  return paths.map((d, i) => (d === "" ? "" : fillPath(d, i / LEVELS))).join("");
}

function fillPath(d: string, share: number): string {
  return `<path fill="${colourOf(share, 1)}" shape-rendering="crispEdges" d="${d}"/>`;
}

export interface ColourScale {
  readonly title: string;
  readonly brightest: number;
  /** Values to write beside it; those of the first are never left out where two would overlap. */
  readonly labels: readonly (readonly [value: number, text: string])[];
}

/** Beside a plot, at its right. */
export function colourScale(plot: Plot, { title, brightest, labels }: ColourScale): string {
  const height = Math.max(plot.height, 90);
  const left = plot.left + plot.width + 14;
  const place = (share: number) => plot.top + height * (1 - share / (brightest || 1));
  const steps = Array.from({ length: LEVELS }, (_, i) => {
    const y = pixel(plot.top + height * (1 - (i + 1) / LEVELS));
    const fill = colourOf((i + 0.5) / LEVELS, 1);
    return `<path fill="${fill}" d="M${left} ${y}h9v${pixel(height / LEVELS + 0.4)}h-9z"/>`;
  });
  const first = labels[0]?.[0] ?? 0;
  const far = ([share]: readonly [number, string], i: number) =>
    i === 0 || Math.abs(place(share) - place(first)) > LABEL_HEIGHT;
  const texts = labels.filter(far).map(([share, text]) => {
    const y = place(share);
    const mark = `<path class="base" d="M${left - 2} ${pixel(y)}h13"/>`;
    return `${mark}<text x="${left + 14}" y="${pixel(y + 4)}">${escapeText(text)}</text>`;
  });
  const heading = `<text x="${plot.left + plot.width}" y="11" text-anchor="end">${escapeText(title)}</text>`;
  return steps.join("") + texts.join("") + heading;
}
