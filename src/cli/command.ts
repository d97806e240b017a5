/** @file A command: its name, its tables of arguments, and the function that does the work. */

import type { CommandContext } from "./context.ts";
import {
  COMMON_OPTIONS,
  type CommandTables,
  kebabCase,
  type OptionTable,
  type OptionValue,
  type OptionValues,
  type Positional,
} from "./options.ts";
import { parseArguments } from "./parse.ts";

export type { CommandContext } from "./context.ts";
export { helpText } from "./help.ts";

/** What a command resolves to: nothing when all went well, or the exit code. */
export type CommandResult = Promise<number | undefined>;

/** A command as the dispatcher sees it, the types of its own options forgotten. */
export interface Command extends CommandTables {
  /** Expects values that `parseArguments` has checked; `runCommand` does both. */
  readonly run: (
    options: Readonly<Record<string, OptionValue>>,
    context: CommandContext,
  ) => CommandResult;
}

/** What {@link defineCommand} takes. */
export interface CommandDefinition<
  Options extends OptionTable,
  Positionals extends readonly Positional[],
> {
  /** The word after `meshloom`. */
  readonly name: string;
  /** One line without a full stop, as `meshloom --help` shows it. */
  readonly summary: string;
  /** Arguments known by place; required ones first. */
  readonly positionals: Positionals;
  /** Options by camelCase key; `--help` and `--json` come by themselves. */
  readonly options: Options;
  /** Whole command lines; the first is shown in the help. */
  readonly examples: readonly string[];
  /**
   * Does the work.
   *
   * @returns nothing, or an exit code other than 0
   */
  run(options: OptionValues<Options, Positionals>, context: CommandContext): CommandResult;
}

/**
 * Makes a command out of its tables, and infers the type of `options` from them.
 *
 * @throws TypeError when the tables contradict themselves: a mistake in the program, not of its user
 * @example
 * export const command: Command = defineCommand({
 *   name: "bench",
 *   summary: "Time one thing many times",
 *   positionals: [{ name: "subject", help: "what to time", required: true }],
 *   options: { repeat: { type: "int", default: 10, min: 1, help: "timed runs" } },
 *   examples: ["meshloom bench step --repeat 50"],
 *   async run({ subject, repeat }, { out }) {
 *     out(`${subject} ${repeat}`);
 *   },
 * });
 */
export function defineCommand<
  const Options extends OptionTable,
  const Positionals extends readonly Positional[],
>(definition: CommandDefinition<Options, Positionals>): Command {
  checkDefinition(definition);
  const { name, summary, positionals, options, examples } = definition;
  return {
    name,
    summary,
    positionals,
    options,
    examples,
    run: (values, context) =>
      // The parser has built `values` from these very tables.
      definition.run(values as OptionValues<Options, Positionals>, context),
  };
}

/**
 * Parses the words after the command's name and runs it.
 *
 * @returns the exit code, 0 when the command returned nothing
 * @throws UsageError when the words do not fit the tables
 */
export async function runCommand(
  command: Command,
  words: readonly string[],
  context: CommandContext,
): Promise<number> {
  const { values, json } = parseArguments(command, words);
  const own: CommandContext = {
    out: context.out,
    stream: context.stream,
    log: context.log,
    write: context.write,
    json: json || context.json,
    interactive: context.interactive,
    env: context.env,
    // Not copied: reading it is how a command says that it handles interruption.
    get signal() {
      return context.signal;
    },
  };
  return (await command.run(values, own)) ?? 0;
}

function checkDefinition(
  definition: Pick<CommandTables, "name" | "positionals" | "options">,
): void {
  const taken = new Set(Object.keys(COMMON_OPTIONS));
  const claim = (word: string): void => {
    if (taken.has(word)) throw new TypeError(`command ${definition.name}: "${word}" is taken.`);
    taken.add(word);
  };
  for (const { name } of definition.positionals) claim(name);
  for (const [key, option] of Object.entries(definition.options)) {
    claim(key);
    if (option.type !== "choice" || option.default === undefined) continue;
    if (!option.choices.includes(option.default)) {
      throw new TypeError(
        `command ${definition.name}: the default of --${kebabCase(key)} is not one of its choices.`,
      );
    }
  }
}
