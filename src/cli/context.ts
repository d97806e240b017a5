/** @file What a command may touch of the world outside, handed in so that tests can look at it. */

/** The world as a command sees it. Results go to `out`; everything for a watching person to `log`. */
export interface CommandContext {
  /** Writes one line of results to stdout. */
  readonly out: (line: string) => void;
  /** Writes raw text to stdout: for results that grow, such as a sample. */
  readonly stream: (text: string) => void;
  /** Writes one notice to stderr, above the progress line if there is one. */
  readonly log: (line: string) => void;
  /** Writes raw text to stderr: for the progress line, which is redrawn in place. */
  readonly write: (text: string) => void;
  /** Whether results are JSON, one value a line. */
  readonly json: boolean;
  /**
   * Aborted by Ctrl-C, SIGTERM, a closed terminal, or a reader of stdout that went away.
   *
   * A command that reads this property is trusted to save and return soon after; one that never
   * does is ended by the first Ctrl-C.
   */
  readonly signal: AbortSignal;
  /** Whether stderr is a terminal on which lines can be redrawn. */
  readonly interactive: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A context for tests, and what was written to it. */
export interface CapturedContext {
  readonly context: CommandContext;
  /** Lines of stdout. */
  readonly outLines: readonly string[];
  /** Raw text that went to stdout, piece by piece. */
  readonly streamed: readonly string[];
  /** Lines of stderr; raw writes are not among them. */
  readonly logLines: readonly string[];
}

/** A context that keeps what is written, for running a command inside a test. */
export function captureContext(changes: Partial<CommandContext> = {}): CapturedContext {
  const outLines: string[] = [];
  const logLines: string[] = [];
  const streamed: string[] = [];
  const context: CommandContext = {
    out: (line) => outLines.push(line),
    stream: (text) => streamed.push(text),
    log: (line) => logLines.push(line),
    write: () => {},
    json: false,
    signal: new AbortController().signal,
    interactive: false,
    env: {},
    ...changes,
  };
  return { context, outLines, logLines, streamed };
}
