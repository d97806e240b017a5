/** @file Monte Carlo in a command: how many draws, and their progress. */

import type { CommandContext } from "../command.ts";
import { createProgress } from "../progress.ts";

export interface DrawsOption {
  readonly type: "int";
  readonly default: number;
  readonly min: number;
  readonly help: string;
}

export function drawsOption(help: string): DrawsOption {
  return { type: "int", default: 200, min: 0, help };
}

/** What the library's Monte Carlos are given. */
export interface Drawing {
  readonly draws: number;
  readonly seed: number;
  readonly onProgress: (done: number, total: number) => void;
}

/**
 * Runs draws with a line of progress.
 *
 * @param what - is drawn, in the plural, with no space: `surrogates`
 */
export function drawn<T>(
  context: CommandContext,
  { draws, seed }: { readonly draws: number; readonly seed: number },
  what: string,
  run: (drawing: Drawing) => T,
): T {
  const progress = createProgress({
    total: draws,
    unit: what,
    interactive: context.interactive,
    write: context.write,
    now: () => performance.now(),
  });
  return run({ draws, seed, onProgress: (done) => progress.update(done) });
}
