/**
 * @file From the mesh axes on dimensions to the mesh axes on factors, and back.
 *
 * A dimension of one factor gives it all its axes. One of several, as reshapes have them, gives its major factor axes
 * until that is cut into single elements, then the next; an axis that is longer than what is left of a factor is cut
 * in two parts.
 */

import { type AxisPart, joinParts } from "../core/mesh.ts";
import type { AxisFactors, Factor } from "../core/sharding-rule.ts";
import { factorsOfAxis } from "../core/sharding-rule.ts";

export type FactorAxes = ReadonlyMap<Factor, readonly AxisPart[]>;

/**
 * Axes of the factors of one tensor.
 *
 * @param dims - axes on each dimension
 * @param lengths - of factors that share a dimension
 */
export function factorAxes(
  dims: readonly (readonly AxisPart[])[],
  axes: readonly AxisFactors[],
  lengths: Readonly<Record<Factor, number>>,
): FactorAxes {
  const found = new Map<Factor, readonly AxisPart[]>();
  axes.forEach((axis, dim) => {
    const parts = dims[dim] ?? [];
    if (axis === null) return;
    if (typeof axis === "string") {
      found.set(axis, parts);
      return;
    }
    let left = [...parts];
    for (const factor of axis) {
      const { taken, rest, full } = takeAxes(left, lengths[factor] ?? 1);
      found.set(factor, taken);
      // What a factor does not take cannot reach the next one, which is minor.
      left = full ? rest : [];
    }
  });
  return found;
}

/** The axes from the front that cut a factor evenly, the last one in two if need be. */
function takeAxes(
  parts: readonly AxisPart[],
  length: number,
): { taken: readonly AxisPart[]; rest: AxisPart[]; full: boolean } {
  const taken: AxisPart[] = [];
  const rest = [...parts];
  let left = length;
  while (left > 1) {
    const [part] = rest;
    if (part === undefined) break;
    if (left % part.size === 0) {
      taken.push(part);
      rest.shift();
      left /= part.size;
    } else if (part.size % left === 0) {
      taken.push({ ...part, size: left });
      rest[0] = { name: part.name, before: part.before * left, size: part.size / left };
      left = 1;
    } else break;
  }
  return { taken, rest, full: left === 1 };
}

/**
 * The axes on the dimensions of a tensor when its factors have these: a minor factor's only behind a major one that is
 * cut into single elements.
 */
export function dimAxes(
  axes: readonly AxisFactors[],
  lengths: Readonly<Record<Factor, number>>,
  found: FactorAxes,
): AxisPart[][] {
  return axes.map((axis) => {
    const parts: AxisPart[] = [];
    for (const factor of factorsOfAxis(axis)) {
      const own = found.get(factor) ?? [];
      parts.push(...own);
      const length = lengths[factor];
      if (length !== undefined && own.reduce((left, { size }) => left / size, length) !== 1) break;
    }
    return joinParts(parts);
  });
}
