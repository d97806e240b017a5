/** @file Ctrl-C: the first asks a command to save and return, the second ends it at once. */

import type { Host, StopCause } from "./host.ts";

/** What a command and its dispatcher know of requests to stop. */
export interface Interruption {
  /** The signal for the command; getting it promises to heed it. */
  takeSignal(): AbortSignal;
  /** Exit code if the command was cut short: 130, or 0 when only the reader went away. */
  exitCode(): number;
  /** Whether `error` only says that the command was asked to stop. */
  caused(error: unknown): boolean;
  /** Stops listening. */
  end(): void;
}

/** Under `npm start` one Ctrl-C can come twice, milliseconds apart: from the terminal and from npm. */
const SAME_PRESS_MS = 500;

const EXIT_INTERRUPTED = 130;

/** Starts to listen for requests to stop. */
export function createInterruption(host: Host, notice: (line: string) => void): Interruption {
  const controller = new AbortController();
  let heeded = false;
  let first: { readonly cause: StopCause; readonly time: number } | undefined;
  const codeOf = (cause: StopCause): number => (cause === "closed" ? 0 : EXIT_INTERRUPTED);

  const end = host.onStop((cause) => {
    if (!heeded) return host.exit(codeOf(cause));
    if (first === undefined) {
      first = { cause, time: host.now() };
      if (cause === "signal") notice("stopping; press Ctrl-C again to quit at once");
      controller.abort();
    } else if (cause === "signal" && host.now() - first.time > SAME_PRESS_MS) {
      host.exit(EXIT_INTERRUPTED);
    }
  });

  return {
    takeSignal() {
      heeded = true;
      return controller.signal;
    },
    exitCode: () => codeOf(first?.cause ?? "signal"),
    caused(error) {
      if (!controller.signal.aborted) return false;
      if (error === controller.signal.reason) return true;
      return error instanceof Error && error.name === "AbortError";
    },
    end,
  };
}
