/** @file What `meshloom signal … --json` prints, as far as tests look at it; each command has a part of it. */

interface Value {
  readonly value: number;
  readonly sd: number;
}

export interface LineResult {
  readonly period: Value;
  readonly amplitude: Value;
  readonly damping: Value;
  readonly phase: Value;
  readonly power: { readonly damped: string; readonly leastDamping: number };
}

export interface SignalResult {
  readonly source: { readonly sha256: string };
  readonly units: { readonly value: string; readonly time: string };
  readonly samples: { readonly missing: number };
  readonly steps: readonly string[];
  readonly notes: readonly string[];
  readonly noise: { readonly sd: number };
  readonly files: readonly string[];
  readonly peaks: readonly { readonly period: number; readonly amplitude: number }[];
  readonly oscillations: readonly LineResult[];
  readonly lines: readonly LineResult[];
  readonly arLines: readonly { readonly period: number }[];
  readonly groups: readonly {
    readonly share: number;
    readonly lines: readonly { readonly period: number }[];
  }[];
}

/** The first of a list that has one. */
export function first<T>(list: readonly T[] | undefined): T {
  const [one] = list ?? [];
  if (one === undefined) throw new Error("the list is empty");
  return one;
}
