/** @file Options of commands that look for lines at wanted periods. */

import type { FitVariant } from "../../signal/combined.ts";
import { parseNumber } from "./numbers.ts";

type LinesTable = {
  /** Must be given. */
  readonly periods: { readonly type: "string"; readonly valueName: string; readonly help: string };
  readonly damping: {
    readonly type: "string";
    readonly default: string;
    readonly valueName: string;
    readonly help: string;
  };
  readonly degree: {
    readonly type: "int";
    readonly default: number;
    readonly min: number;
    readonly max: number;
    readonly help: string;
  };
  readonly confidence: {
    readonly type: "float";
    readonly default: number;
    readonly above: number;
    readonly max: number;
    readonly help: string;
  };
};

export function linesOptions(periods: string): LinesTable {
  return {
    periods: { type: "string", valueName: "list", help: periods },
    damping: {
      type: "string",
      default: "free",
      valueName: "free|number",
      help: "fitted, or held at this value per time unit: 0 for harmonics",
    },
    degree: {
      type: "int",
      default: 0,
      min: 0,
      max: 2,
      help: "of the polynomial in time that the amplitude is",
    },
    confidence: {
      type: "float",
      default: 0.95,
      above: 0,
      max: 0.9999,
      help: "of intervals and bands",
    },
  };
}

/** @throws UsageError for a damping that is neither */
export function variantOf(
  { damping, degree }: { readonly damping: string; readonly degree: number },
  command: string,
): Pick<Required<FitVariant>, "damping" | "degree"> {
  const asked = { command, option: "--damping" };
  return {
    damping:
      damping === "free"
        ? "free"
        : parseNumber(damping, asked, damping, "free, or a number per time unit"),
    degree: degree === 2 ? 2 : degree === 1 ? 1 : 0,
  };
}
