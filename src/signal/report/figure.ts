/** @file A plot that stands in a page and in a file of its own. */

import { card } from "../../plot/page.ts";
import { alone } from "../../plot/svg.ts";
import type { Series, TimeUnit } from "../series.ts";

export interface Figure {
  /** Of its file, without the ending: `ridges`. */
  readonly name: string;
  readonly title: string;
  /** The picture at a size in pixels. */
  readonly draw: (width: number, height: number) => string;
  /** Across the page, when it needs the width. */
  readonly wide?: boolean;
  /** Height over that of a usual plot; 1 when absent. */
  readonly tall?: number;
}

/** A wide plot is drawn a second time for phones, where its text would shrink below reading. */
export function figureCard({ title, draw, wide = false, tall = 1 }: Figure): string {
  if (!wide) return card(title, draw(380, Math.round(250 * tall)));
  const both =
    `<div class="wide-only">${draw(1100, Math.round(320 * tall))}</div>` +
    `<div class="narrow-only">${draw(380, Math.round(290 * tall))}</div>`;
  return card(title, both, "wide");
}

/** An SVG file that opens alone. */
export function figureFile({ draw, tall = 1 }: Figure): string {
  return alone(draw(900, Math.round(340 * tall)));
}

/** Title of a time axis. */
export function timeTitle(unit: TimeUnit): string {
  return unit === "years" ? "year" : `time, ${unit}`;
}

/** Title of a value axis: what it is and its unit. */
export function valueTitle(name: string, unit: string): string {
  return `${name}, ${unit === "" ? "in the file's unit" : unit}`;
}

/** A part of a series that is a line in a plot. */
export interface Part {
  readonly name: string;
  readonly values: Float64Array;
}

/** A real series itself; of polar motion x − iy, x and y. */
export function partsOf({ name, re, im }: Series): readonly Part[] {
  if (im === undefined) return [{ name, values: re }];
  return [
    { name: "x", values: re },
    { name: "y", values: im.map((value) => 0 - value) },
  ];
}
