/** @file Where in the user's code an equation was written. */

import { dirname, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** One place in a source file. */
export interface SourceLine {
  readonly file: string;
  readonly line: number;
  /** Name of the function that holds the line; empty at top level. */
  readonly scope: string;
}

/** The equation was made by the system itself, for no line of the user. */
export const NO_SOURCE: SourceLine = { file: "", line: 0, scope: "" };

const HOME = dirname(dirname(fileURLToPath(import.meta.url)));
/** Folders whose lines explain nothing to a user: the machinery below the layers. */
const MACHINERY = ["core", "ops", "transforms", "numpy", "engines"].map(
  (folder) => HOME + sep + folder + sep,
);

interface Frame {
  readonly file: string;
  readonly line: number;
  readonly scope: string;
}

/**
 * The innermost line outside Meshloom, else the innermost line of its layers and models.
 *
 * Captures through V8's structured stack, which costs about 10 µs; the text form costs five times that.
 */
export function captureSource(): SourceLine {
  return chooseFrame(stackFrames(captureSource));
}

/** The line of the user that led to a thrown error, read from its stack. */
export function sourceOfError(error: Error): SourceLine {
  const frames = (error.stack ?? "").split("\n").flatMap((text): Frame[] => {
    const match = /^\s+at (?:(.*?) \()?((?:file:|\/|[A-Z]:\\).*?):(\d+):\d+\)?$/.exec(text);
    const file = filePath(match?.[2]);
    if (match === null || file === undefined || file.includes(`${sep}node_modules${sep}`))
      return [];
    return [{ file, line: Number(match[3]), scope: match[1] ?? "" }];
  });
  return chooseFrame(frames);
}

function chooseFrame(frames: readonly Frame[]): SourceLine {
  let own: Frame | undefined;
  for (const frame of frames) {
    if (!frame.file.startsWith(HOME + sep) || frame.file.endsWith(".test.ts")) return frame;
    if (own === undefined && !MACHINERY.some((folder) => frame.file.startsWith(folder)))
      own = frame;
  }
  return own ?? NO_SOURCE;
}

function stackFrames(below: (...args: never[]) => unknown): Frame[] {
  const { prepareStackTrace, stackTraceLimit } = Error;
  const holder: { stack?: unknown } = {};
  try {
    Error.stackTraceLimit = 40;
    Error.prepareStackTrace = (_error, sites) => sites;
    Error.captureStackTrace(holder, below);
    const sites = holder.stack as NodeJS.CallSite[];
    return sites.flatMap((site) => {
      const file = filePath(site.getFileName());
      if (file === undefined || file.includes(`${sep}node_modules${sep}`)) return [];
      return [{ file, line: site.getLineNumber() ?? 0, scope: site.getFunctionName() ?? "" }];
    });
  } finally {
    Error.prepareStackTrace = prepareStackTrace;
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function filePath(name: string | null | undefined): string | undefined {
  if (name == null || name.startsWith("node:")) return undefined;
  return name.startsWith("file:") ? fileURLToPath(name.split("?")[0] ?? name) : name;
}

/** `model.ts:12 in feedForward`, relative to the working folder; empty for the system's own. */
export function showSource({ file, line, scope }: SourceLine): string {
  if (file === "") return "";
  const near = relative(process.cwd(), file);
  return `${near.startsWith("..") ? file : near}:${line}${scope === "" ? "" : ` in ${scope}`}`;
}
