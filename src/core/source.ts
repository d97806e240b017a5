/**
 * @file Where in the user's code an equation was written.
 *
 * Known in Node only: in a browser all code comes from one bundle, whose lines say nothing. There the browser's own
 * stack, mapped by its developer tools, leads to the line.
 */

import { builtin } from "./host.ts";

/** One place in a source file. */
export interface SourceLine {
  readonly file: string;
  readonly line: number;
  /** Column of the compiled code, by which a source map is asked; 0 when the line is the source's own. */
  readonly column: number;
  /** Name of the function that holds the line; empty at top level. */
  readonly scope: string;
}

/** The equation was made by the system itself, for no line of the user; or in a browser. */
export const NO_SOURCE: SourceLine = { file: "", line: 0, column: 0, scope: "" };

/** What is needed of Node; undefined in a browser. */
const node = builtin && {
  ...builtin("node:path"),
  ...builtin("node:url"),
  ...builtin("node:module"),
};
const sep = node?.sep ?? "/";

const HOME =
  node === undefined ? "" : node.dirname(node.dirname(node.fileURLToPath(import.meta.url)));
const LAUNCHER = node?.join(node.dirname(HOME), "bin", "meshloom.js");
/** Folders whose lines explain nothing to a user: the machinery below the layers. */
const MACHINERY = ["core", "ops", "transforms", "numpy", "engines"].map(
  (folder) => HOME + sep + folder + sep,
);

/**
 * The innermost line outside Meshloom, else the innermost line of its layers and models.
 *
 * Captures through V8's structured stack, which costs about 10 µs; the text form costs five times that.
 */
export function captureSource(): SourceLine {
  if (node === undefined) return NO_SOURCE;
  const { prepareStackTrace, stackTraceLimit } = Error;
  const holder: { stack?: unknown } = {};
  try {
    Error.stackTraceLimit = 40;
    Error.prepareStackTrace = (_error, sites) => sites;
    Error.captureStackTrace(holder, captureSource);
    return chooseSite(holder.stack as NodeJS.CallSite[]);
  } finally {
    Error.prepareStackTrace = prepareStackTrace;
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function chooseSite(sites: readonly NodeJS.CallSite[]): SourceLine {
  let own: NodeJS.CallSite | undefined;
  for (const site of sites) {
    const place = placeOf(filePath(site.getFileName()));
    if (place === "user") return lineOf(site);
    if (place === "layer") own ??= site;
  }
  return own === undefined ? NO_SOURCE : lineOf(own);
}

function lineOf(site: NodeJS.CallSite): SourceLine {
  const file = filePath(site.getFileName()) ?? "";
  return {
    file,
    line: site.getLineNumber() ?? 0,
    column: site.getColumnNumber() ?? 0,
    scope: site.getFunctionName() ?? "",
  };
}

const places = new Map<string, "user" | "layer" | "machinery">();

/** Whose file it is: the user's, one of our layers and models, or the machinery below them. */
function placeOf(file: string | undefined): "user" | "layer" | "machinery" {
  if (file === undefined) return "machinery";
  const known = places.get(file);
  if (known !== undefined) return known;
  const ours = file.startsWith(HOME + sep) && !file.endsWith(".test.ts");
  const low = MACHINERY.some((folder) => file.startsWith(folder));
  if (file === LAUNCHER) return "machinery";
  const place = !ours ? "user" : low ? "machinery" : "layer";
  places.set(file, place);
  return place;
}

/** The line of the user that led to a thrown error, read from its stack. */
export function sourceOfError(error: Error): SourceLine {
  if (node === undefined) return NO_SOURCE;
  const frames = (error.stack ?? "").split("\n").flatMap((text): SourceLine[] => {
    const match = /^\s+at (?:(.*?) \()?((?:file:|\/|[A-Z]:\\).*?):(\d+):\d+\)?$/.exec(text);
    const file = filePath(match?.[2]);
    if (match === null || file === undefined || file.includes(`${sep}node_modules${sep}`))
      return [];
    return [{ file, line: Number(match[3]), column: 0, scope: match[1] ?? "" }]; // mapped by Node already
  });
  return chooseFrame(frames);
}

function chooseFrame(frames: readonly SourceLine[]): SourceLine {
  const user = frames.find(({ file }) => placeOf(file) === "user");
  return user ?? frames.find(({ file }) => placeOf(file) === "layer") ?? NO_SOURCE;
}

const paths = new Map<string, string | undefined>();

/** Path of a file of the project or its user; undefined for Node's own and for packages. */
function filePath(name: string | null | undefined): string | undefined {
  if (name == null) return undefined;
  const known = paths.get(name);
  if (known !== undefined || paths.has(name)) return known;
  const path =
    name.startsWith("file:") && node ? node.fileURLToPath(name.split("?")[0] ?? name) : name;
  const foreign = name.startsWith("node:") || path.includes(`${sep}node_modules${sep}`);
  paths.set(name, foreign ? undefined : path);
  return foreign ? undefined : path;
}

/** `model.ts:12 in feedForward`, relative to the working folder; empty for the system's own. */
export function showSource(source: SourceLine): string {
  const { file, scope } = source;
  if (file === "" || node === undefined) return "";
  const line = lineInSource(source);
  const near = node.relative(process.cwd(), file);
  return `${near.startsWith("..") ? file : near}:${line}${scope === "" ? "" : ` in ${scope}`}`;
}

/** The line in the TypeScript source where a loader such as tsx compiled it on the fly. */
function lineInSource({ file, line, column }: SourceLine): number {
  if (column === 0) return line;
  const entry = node?.findSourceMap(file)?.findEntry(line - 1, column - 1);
  return entry !== undefined && "originalLine" in entry ? entry.originalLine + 1 : line;
}
