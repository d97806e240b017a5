/** @file From a command line to an exit code: finds the command, loads it, runs it, reports what failed. */

import { ConfigError, MeshloomError, suggestion, UsageError } from "../core/errors.ts";
import { onCompile, showCompileNote } from "../engines/announce.ts";
import { type Command, type CommandContext, helpText, runCommand } from "./command.ts";
import { entryLines } from "./help.ts";
import type { Host } from "./host.ts";
import { createInterruption, type Interruption } from "./interruption.ts";
import { hasFlag } from "./parse.ts";
import { CLEAR_LINE } from "./progress.ts";

/** One command in the list; its module is loaded only when it is called. */
export interface CommandEntry {
  /** The same words as in the command, here so that the list needs no loading. */
  readonly summary: string;
  readonly load: () => Promise<{ readonly command: Command }>;
  /** Left out of the list: a process that another command starts. */
  readonly hidden?: boolean;
}

/** Commands under one word, such as `bench step` and `bench ops`. */
export interface CommandGroup {
  readonly summary: string;
  readonly commands: CommandList;
  /** What the word does where none of its commands follows: `data books` beside `data fetch`. */
  readonly load?: CommandEntry["load"];
}

/** Commands by the word after `meshloom`. */
export type CommandList = { readonly [word: string]: CommandEntry | CommandGroup };

/** Everything that {@link dispatch} acts on. */
export interface Program {
  readonly commands: CommandList;
  readonly host: Host;
  /** The line for `--version`, or facts for `--version --json`; made only when asked for. */
  readonly version: (json: boolean) => string;
}

const FAILED = 1;
const MISUSED = 2;
/** Seconds of compiling from which a person wonders what is going on. */
const WORTH_SAYING = 0.2;

/**
 * Runs one command line.
 *
 * @param argv - the words after `meshloom`
 * @returns exit code: 0, 1 failed, 2 usage, 130 interrupted, or the command's own
 */
export async function dispatch(argv: readonly string[], program: Program): Promise<number> {
  const { host } = program;
  const json = hasFlag(argv, "--json");
  const interruption = createInterruption(host, (line) => writeLog(host, `meshloom: ${line}`));
  const silence = onCompile((note) => {
    if (note.seconds >= WORTH_SAYING) writeLog(host, showCompileNote(note));
  });
  try {
    if (argv[0] === "--version") return print(host, program.version(json));
    const { path, list, entry, rest } = find(program.commands, argv, "meshloom");
    if (entry === undefined) {
      const text = overview(path, list ?? {}, host.columns);
      if (hasFlag(rest, "--help", "-h")) return print(host, text);
      host.err(`${text}\n`);
      return MISUSED;
    }
    const { command } = await entry.load();
    if (hasFlag(rest, "--help", "-h")) {
      const text = helpText(command, host.columns);
      return print(
        host,
        list === undefined ? text : `${text}\n\n${below(path, list, host.columns)}`,
      );
    }
    return await runCommand(command, rest, contextOf(host, json, interruption));
  } catch (error) {
    if (!interruption.caused(error)) return report(error, json, host);
    return interruption.exitCode();
  } finally {
    silence();
    interruption.end();
  }
}

/** A command, or the list of a group that was named without one of its commands. */
interface Found {
  /** The words so far. */
  readonly path: string;
  /** Of the group; undefined where a command has none below it. */
  readonly list: CommandList | undefined;
  readonly entry: Pick<CommandEntry, "load"> | undefined;
  readonly rest: readonly string[];
}

function find(list: CommandList, words: readonly string[], path: string): Found {
  const [word, ...rest] = words;
  if (word === undefined || word === "" || word === "--help" || word === "-h")
    return { path, list, entry: undefined, rest: words };
  const entry = Object.hasOwn(list, word) ? list[word] : undefined;
  if (entry !== undefined && "commands" in entry) {
    const { commands, load } = entry;
    const named = rest[0] !== undefined && Object.hasOwn(commands, rest[0]);
    if (load === undefined || named) return find(commands, rest, `${path} ${word}`);
    return { path: `${path} ${word}`, list: commands, entry: { load }, rest };
  }
  if (entry !== undefined) return { path: `${path} ${word}`, list: undefined, entry, rest };
  if (word.startsWith("-")) {
    throw new UsageError("USAGE-01", `${path}: unknown option "${word}" before the command.`, [
      ["fix", `options come after the command: ${path} <command> [options]`],
      ["known here", path === "meshloom" ? "--help, --version" : "--help"],
    ]);
  }
  throw new UsageError("USAGE-01", `${path}: unknown command "${word}".`, [
    ["fix", suggestion(word, Object.keys(shown(list)))],
    ["all", `${path} --help`],
  ]);
}

function shown(list: CommandList): CommandList {
  return Object.fromEntries(
    Object.entries(list).filter(([, entry]) => !("hidden" in entry && entry.hidden === true)),
  );
}

/** The commands of a word that is one itself. */
function below(path: string, list: CommandList, columns: number): string {
  const entries = Object.entries(shown(list)).map(
    ([name, { summary }]) => [`${path} ${name}`, summary] as const,
  );
  const width = Math.max(...entries.map(([term]) => term.length));
  return ["Commands:", ...entryLines(entries, columns, width)].join("\n");
}

function overview(path: string, list: CommandList, columns: number): string {
  const entries = Object.entries(shown(list)).map(
    ([name, { summary }]) => [name, summary] as const,
  );
  const version =
    path === "meshloom"
      ? ([["--version", "show the version, and the commit in a checkout"]] as const)
      : [];
  const options = [
    ["--help", "show this text; after a command, that command's options"] as const,
    ...version,
  ];
  const width = Math.max(...[...entries, ...options].map(([term]) => term.length));
  return [
    `Usage: ${path} <command> [options]`,
    "",
    "Commands:",
    ...entryLines(entries, columns, width),
    "",
    "Options:",
    ...entryLines(options, columns, width),
  ].join("\n");
}

function contextOf(host: Host, json: boolean, interruption: Interruption): CommandContext {
  return {
    out: (line) => {
      // Only on a shared screen can a result land on the progress line.
      if (host.interactive && host.outIsTerminal) host.err(CLEAR_LINE);
      host.out(`${line}\n`);
    },
    stream: host.out,
    log: (line) => writeLog(host, line),
    write: host.err,
    json,
    interactive: host.interactive,
    env: host.env,
    get signal() {
      return interruption.takeSignal();
    },
  };
}

function print(host: Host, text: string): number {
  host.out(`${text}\n`);
  return 0;
}

function writeLog(host: Host, line: string): void {
  host.err(`${host.interactive ? CLEAR_LINE : ""}${line}\n`);
}

function report(error: unknown, json: boolean, host: Host): number {
  const known = error instanceof MeshloomError;
  const message = error instanceof Error ? error.message : String(error);
  const stack = (error instanceof Error ? error.stack : undefined) ?? message;
  if (json) {
    const code = known ? error.code : "INTERNAL";
    host.out(`${JSON.stringify({ error: { code, message } })}\n`);
  }
  if (known) {
    writeLog(host, host.env["MESHLOOM_DEBUG"] === "1" ? stack : message);
  } else {
    writeLog(host, `meshloom: unexpected error, a bug in meshloom.\n${stack}`);
    writeLog(host, "Please report it with the lines above and the output of: meshloom --version");
  }
  // A config that does not parse is the user's to fix, as a wrong option is.
  return error instanceof UsageError || error instanceof ConfigError ? MISUSED : FAILED;
}
