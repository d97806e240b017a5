/**
 * @file Ctrl-C: the first asks a command that heeds it to save and return, the second ends it at once. A command that
 * does not is ended by the system: it may be in a long loop, where no listener of ours would be called.
 */

import type { Host } from "./host.ts";

/** Why the program should stop: a person or the system asks, or nobody reads stdout any more. */
type StopCause = "signal" | "closed";

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

  const stop = (cause: StopCause): void => {
    first ??= { cause, time: host.now() };
    controller.abort();
  };
  const ends = [host.onClosed(() => (heeded ? stop("closed") : host.exit(0)))];
  const onSignal = (): void => {
    if (first === undefined) {
      notice("stopping; press Ctrl-C again to quit at once");
      stop("signal");
    } else if (host.now() - first.time > SAME_PRESS_MS) host.exit(EXIT_INTERRUPTED);
  };

  return {
    takeSignal() {
      if (!heeded) ends.push(host.onSignal(onSignal));
      heeded = true;
      return controller.signal;
    },
    exitCode: () => (first?.cause === "closed" ? 0 : EXIT_INTERRUPTED),
    caused(error) {
      if (!controller.signal.aborted) return false;
      if (error === controller.signal.reason) return true;
      return error instanceof Error && error.name === "AbortError";
    },
    end: () => {
      for (const end of ends) end();
    },
  };
}
