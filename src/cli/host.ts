/** @file The process as the command line uses it: streams, terminal, signals. Tests bring their own. */

/** The process, as far as the command line touches it. */
export interface Host {
  /** Writes raw text to stdout. */
  readonly out: (text: string) => void;
  /** Writes raw text to stderr. */
  readonly err: (text: string) => void;
  /** Whether stderr is a terminal on which lines can be redrawn. */
  readonly interactive: boolean;
  /** Whether stdout is a terminal: then its lines land on the same screen as the progress line. */
  readonly outIsTerminal: boolean;
  readonly columns: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number;
  /** Ends the process now. */
  readonly exit: (code: number) => void;
  /**
   * Calls the listener whenever a person or the system asks to stop; the function returned ends that. As long as
   * nobody listens, the system ends the process, which no loop can keep from it.
   */
  readonly onSignal: (listener: () => void) => () => void;
  /** Calls the listener when nobody reads stdout any more; the function returned ends that. */
  readonly onClosed: (listener: () => void) => () => void;
}

// A closed terminal (SIGHUP) is no reason to lose what was trained since the last checkpoint.
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The host of the real program. Call once: it listens to errors of stdout and stderr for good. */
export function processHost(): Host {
  const { stdout, stderr, env } = process;
  const closed = watchStreams();
  return {
    out: (text) => {
      if (!closed.aborted) stdout.write(text);
    },
    err: (text) => {
      stderr.write(text);
    },
    interactive: stderr.isTTY === true && env["TERM"] !== "dumb",
    outIsTerminal: stdout.isTTY === true,
    columns: stdout.columns || stderr.columns || 80,
    env,
    now: () => performance.now(),
    exit: (code) => process.exit(code),
    onSignal: (listener) => {
      for (const name of SIGNALS) process.on(name, listener);
      return () => {
        for (const name of SIGNALS) process.off(name, listener);
      };
    },
    onClosed: (listener) => {
      closed.addEventListener("abort", listener);
      return () => closed.removeEventListener("abort", listener);
    },
  };
}

/** Aborts when the reader of stdout has gone, as `head` does after its last line. */
function watchStreams(): AbortSignal {
  const closed = new AbortController();
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") return closed.abort();
    process.stderr.write(`meshloom: cannot write to stdout (${error.message}).\n`);
    process.exit(1);
  });
  // Nobody reads the notices: no reason to stop, and no place to say so.
  process.stderr.on("error", () => {});
  return closed.signal;
}
