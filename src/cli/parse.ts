/** @file From the words of a command line to checked values, or an error that says what to write instead. */

import { type Fact, suggestion, UsageError } from "../core/errors.ts";
import {
  COMMON_OPTIONS,
  type CommandTables,
  expectation,
  kebabCase,
  type NumberOption,
  type Option,
  type OptionValue,
  type Positional,
  rangeOf,
  synopsis,
} from "./options.ts";

/** Checked values by key, defaults filled in. */
export interface ParsedArguments {
  readonly values: Readonly<Record<string, OptionValue>>;
  readonly json: boolean;
}

/**
 * Parses the words after a command's name.
 *
 * Takes `--name value`, `--name=value`, `--flag`, `--no-flag`; after a lone `--` every word is a
 * positional. An option given twice has the last value, so that a script's options can be overridden; a list has all.
 *
 * @throws UsageError on the first word that does not fit, or the first value that is missing
 */
export function parseArguments(command: CommandTables, words: readonly string[]): ParsedArguments {
  const values: Record<string, OptionValue> = {};
  const places: string[] = [];
  let index = 0;
  while (index < words.length) {
    const word = words[index++] ?? "";
    if (word === "--") {
      places.push(...words.slice(index));
      break;
    }
    if (!isOption(word)) {
      places.push(word);
      continue;
    }
    const match = matchOption(command, word);
    if (match.takesNext) {
      // A word that begins with "--" is far more often a forgotten value than meant as one.
      const next = words[index]?.startsWith("--") === true ? undefined : words[index];
      keep(values, match.key, readValue(command, match.key, match.option, next));
      index++;
    } else {
      keep(values, match.key, match.value);
    }
  }
  assignPositionals(command, places, values);
  fillDefaults(command, values);
  const { json, help: _, ...own } = values;
  return { values: own, json: json === true };
}

/** The last value wins, but lists grow. */
function keep(values: Record<string, OptionValue>, key: string, value: OptionValue): void {
  const before = values[key];
  values[key] = Array.isArray(value) && Array.isArray(before) ? [...before, ...value] : value;
}

/** Whether `--name` stands among the words, before a lone `--`. */
export function hasFlag(words: readonly string[], ...names: readonly string[]): boolean {
  const end = words.indexOf("--");
  return (end < 0 ? words : words.slice(0, end)).some((word) => names.includes(word));
}

function isOption(word: string): boolean {
  return word.startsWith("-") && word !== "-" && !/^-[\d.]/.test(word);
}

type Match =
  | { readonly key: string; readonly option: Option; readonly takesNext: true }
  | { readonly key: string; readonly value: OptionValue; readonly takesNext: false };

function matchOption(command: CommandTables, word: string): Match {
  const equals = word.indexOf("=");
  const name = equals < 0 ? word : word.slice(0, equals);
  const attached = equals < 0 ? undefined : word.slice(equals + 1);
  for (const [key, option] of Object.entries({ ...command.options, ...COMMON_OPTIONS })) {
    const on = name === `--${kebabCase(key)}`;
    const off = option.type === "flag" && name === `--no-${kebabCase(key)}`;
    if (!on && !off) continue;
    if (option.type === "flag") {
      if (attached !== undefined) throw flagWithValue(command, key, name, attached);
      return { key, value: on, takesNext: false };
    }
    if (attached === undefined) return { key, option, takesNext: true };
    return { key, value: readValue(command, key, option, attached), takesNext: false };
  }
  throw unknownOption(command, name);
}

function readValue(
  command: CommandTables,
  key: string,
  option: Option,
  text: string | undefined,
): OptionValue {
  const name = `--${kebabCase(key)}`;
  if (text === undefined || text === "") {
    throw usage(command, `${name} needs a value.`, [["expected", expectation(option)]]);
  }
  if (option.type === "choice") return readChoice(command, name, option.choices, text);
  if (option.type === "int" || option.type === "float") {
    return readNumber(command, name, option, text);
  }
  return option.type === "list" ? [text] : text;
}

function readChoice(
  command: CommandTables,
  name: string,
  choices: readonly string[],
  text: string,
): string {
  if (choices.includes(text)) return text;
  throw usage(command, `${name} cannot be "${text}".`, [
    ["choices", choices.join(", ")],
    ...nearest(text, choices),
  ]);
}

function readNumber(
  command: CommandTables,
  name: string,
  option: NumberOption,
  text: string,
): number {
  const isNumber = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text);
  const value = isNumber ? Number(text) : Number.NaN;
  const fits = option.type === "int" ? Number.isSafeInteger(value) : Number.isFinite(value);
  if (!fits) {
    const kind = option.type === "int" ? "an integer" : "a number";
    throw usage(command, `${name} must be ${kind}, got "${text}".`, [
      ["expected", expectation(option)],
    ]);
  }
  const { min = -Infinity, max = Infinity, above = -Infinity } = option;
  if (value < min || value > max || value <= above) {
    throw usage(command, `${name} must be ${rangeOf(option)}, got ${text}.`);
  }
  return value;
}

function assignPositionals(
  command: CommandTables,
  places: readonly string[],
  values: Record<string, OptionValue>,
): void {
  command.positionals.forEach((positional: Positional, place) => {
    const text = places[place];
    if (text === undefined) {
      if (positional.required) throw missingPositional(command, positional);
      values[positional.name] = positional.many === true ? [] : undefined;
    } else if (positional.many === true) {
      values[positional.name] = places.slice(place);
    } else if (positional.choices === undefined) {
      values[positional.name] = text;
    } else {
      const name = `<${kebabCase(positional.name)}>`;
      values[positional.name] = readChoice(command, name, positional.choices, text);
    }
  });
  const takesRest = command.positionals.at(-1)?.many === true;
  const extra = takesRest ? undefined : places[command.positionals.length];
  if (extra !== undefined) {
    throw usage(command, `unexpected argument "${extra}".`, [["usage", synopsis(command)]]);
  }
}

function fillDefaults(command: CommandTables, values: Record<string, OptionValue>): void {
  for (const [key, option] of Object.entries(command.options)) {
    if (key in values) continue;
    if (!("default" in option)) {
      throw usage(command, `--${kebabCase(key)} is missing.`, [
        [kebabCase(key), option.help],
        ["expected", expectation(option)],
        ["usage", synopsis(command)],
      ]);
    }
    values[key] = option.default;
  }
}

function missingPositional(command: CommandTables, positional: Positional): UsageError {
  const name = kebabCase(positional.name);
  const choices: Fact[] =
    positional.choices === undefined ? [] : [["choices", positional.choices.join(", ")]];
  return usage(command, `<${name}> is missing.`, [
    [name, positional.help],
    ...choices,
    ["usage", synopsis(command)],
  ]);
}

function flagWithValue(
  command: CommandTables,
  key: string,
  name: string,
  value: string,
): UsageError {
  return usage(command, `${name} takes no value, got "${value}".`, [
    ["fix", `--${kebabCase(key)} or --no-${kebabCase(key)}`],
  ]);
}

function unknownOption(command: CommandTables, name: string): UsageError {
  const table = Object.entries({ ...command.options, ...COMMON_OPTIONS });
  const known = table.flatMap(([key, option]) => {
    const kebab = kebabCase(key);
    const negatable = option.type === "flag" && name.startsWith("--no-");
    return negatable ? [`--${kebab}`, `--no-${kebab}`] : [`--${kebab}`];
  });
  return usage(command, `unknown option "${name}".`, [
    ["fix", suggestion(name, known)],
    ["all", `meshloom ${command.name} --help`],
  ]);
}

function nearest(text: string, choices: readonly string[]): readonly Fact[] {
  const words = suggestion(text, choices);
  return words.startsWith("did you mean") ? [["fix", words]] : [];
}

function usage(command: CommandTables, headline: string, facts: readonly Fact[] = []): UsageError {
  return new UsageError("USAGE-01", `${command.name}: ${headline}`, facts);
}
