/** @file Plots of a singular spectrum: variances against red noise, and which triples hang together. */

import { cells, colourScale } from "../../plot/cells.ts";
import { type Line, lineChart } from "../../plot/line-chart.ts";
import { type Plot, pixel, svg } from "../../plot/svg.ts";
import type { MonteCarloTest } from "../ssa/monte-carlo.ts";
import type { Decomposition } from "../ssa/ssa.ts";
import type { Figure } from "./figure.ts";

/** Variance along each vector; the band is what red noise has there. */
export function singularFigure(
  { eigenvalues, series }: Decomposition,
  test: MonteCarloTest | undefined,
): Figure {
  const square = series.unit === "" ? "unit²" : `${series.unit}²`;
  const own: Line = {
    name: "record",
    points: Array.from(eigenvalues, (value, k) => ({
      x: k + 1,
      value: value > 0 ? value : Number.NaN,
    })),
    style: "marked",
  };
  const noise: Line[] =
    test === undefined
      ? []
      : [
          {
            name: "red noise, 95 %",
            points: test.rows.map(({ upper }, k) => ({ x: k + 1, value: upper })),
            style: "faint",
            band: test.rows.map(({ lower, upper }, k) => ({ x: k + 1, low: lower, high: upper })),
          },
        ];
  return {
    ...{ name: "singular-spectrum", title: "Variance of each triple", wide: true },
    draw: (width, height) =>
      lineChart({
        label: `Variance of each triple, ${square}`,
        ...{ width, height, log: true },
        range: [1, Math.max(2, eigenvalues.length)],
        xTitle: "triple, by falling variance",
        yTitle: `variance, ${square}`,
        lines: [own, ...noise],
      }),
  };
}

/** w-correlations in modulus, from 0 to 1. */
export function correlationFigure(rows: readonly Float64Array[]): Figure {
  return {
    ...{ name: "w-correlation", title: "w-correlation of triples", tall: 1.4 },
    draw: (width, height) => {
      const side = Math.min(width - 96, height - 62);
      const plot: Plot = { left: 28, top: 24, width: side, height: side };
      const edges = (from: number) =>
        Array.from({ length: rows.length + 1 }, (_, k) => from + (k * side) / rows.length);
      const every = Math.max(1, Math.ceil(rows.length / 10));
      const numbers = rows.flatMap((_, k) => {
        if (k % every !== 0) return [];
        const at = ((k + 0.5) * side) / rows.length;
        return [
          `<text x="${plot.left - 6}" y="${pixel(plot.top + at + 4)}" text-anchor="end">${k + 1}</text>`,
          `<text x="${pixel(plot.left + at)}" y="${plot.top + side + 16}" text-anchor="middle">${k + 1}</text>`,
        ];
      });
      const body = [
        cells(
          rows.map((row) => Array.from(row, Math.abs)),
          { x: edges(plot.left), y: edges(plot.top) },
          1,
        ),
        ...numbers,
        `<text x="0" y="11">triple</text>`,
        `<text x="${plot.left + side}" y="${plot.top + side + 32}" text-anchor="end">triple</text>`,
        colourScale(plot, {
          title: "correlation, 0 to 1",
          brightest: 1,
          labels: [0, 0.5, 1].map((value) => [value, String(value)]),
        }),
      ];
      return svg(width, height, "w-correlation of triples, 0 to 1", body.join(""));
    },
  };
}
