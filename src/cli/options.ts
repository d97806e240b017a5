/** @file The option table: one row per option, from which flags, help and the types of `options` all come. */

interface OptionCommon {
  /** One line that answers what a user would ask. */
  readonly help: string;
  /** What a number counts or measures: `steps`, `seconds`, `bytes`. */
  readonly unit?: string;
  /** What stands for the value in the help: `path` gives `--out <path>`. */
  readonly valueName?: string;
}

interface StringOption extends OptionCommon {
  readonly type: "string";
  readonly default?: string | undefined;
}

/** A row whose value is a number. */
export interface NumberOption extends OptionCommon {
  readonly type: "int" | "float";
  readonly default?: number | undefined;
  /** Smallest value allowed, itself included. */
  readonly min?: number;
  /** Largest value allowed, itself included. */
  readonly max?: number;
  /** Instead of `min`: the value must be larger than this. */
  readonly above?: number;
}

interface ChoiceOption extends OptionCommon {
  readonly type: "choice";
  readonly choices: readonly string[];
  readonly default?: string | undefined;
}

interface FlagOption extends OptionCommon {
  readonly type: "flag";
  /** Undefined tells "not given" from "off", for a setting that a file may hold too. */
  readonly default: boolean | undefined;
}

/** May be given several times; its value is the list of all texts, in their order. */
interface ListOption extends OptionCommon {
  readonly type: "list";
  readonly default: readonly string[];
}

/**
 * One row of the table.
 *
 * Without a `default` key the user must give the option; `default: undefined` says that it may be
 * left out, and then its value is `undefined`. A flag always has a default.
 */
export type Option = StringOption | NumberOption | ChoiceOption | FlagOption | ListOption;

/** Options by camelCase key: `learningRate` is `--learning-rate` on the command line. */
export type OptionTable = Readonly<Record<string, Option>>;

/** An argument known by its place; `options` holds it under `name`. */
export interface Positional {
  readonly name: string;
  readonly help: string;
  readonly required: boolean;
  /** The words allowed; any text when absent. */
  readonly choices?: readonly string[];
  /** Takes all words that are left, at least one when required; only the last positional can. */
  readonly many?: boolean;
}

/** All of a command but the work: what parsing and help are made from. */
export interface CommandTables {
  readonly name: string;
  readonly summary: string;
  readonly positionals: readonly Positional[];
  readonly options: OptionTable;
  readonly examples: readonly string[];
}

/** The options that every command has besides its own. */
export const COMMON_OPTIONS: OptionTable = {
  json: { type: "flag", default: false, help: "print results as JSON, one value a line" },
  help: { type: "flag", default: false, help: "show this text" },
};

/** What one option or positional can hold. */
export type OptionValue = string | number | boolean | readonly string[] | undefined;

type Present<O> = O extends { many: true } | { type: "list" }
  ? readonly string[]
  : O extends { type: "int" | "float" }
    ? number
    : O extends { type: "flag" }
      ? boolean
      : O extends { choices: readonly (infer Choice)[] }
        ? Choice
        : string;

type Optional<O> = O extends { default: undefined } | { required: false } ? undefined : never;

/** The object that `run` gets, read off the two tables. */
export type OptionValues<
  Options extends OptionTable,
  Positionals extends readonly Positional[],
> = Readonly<
  { [Key in keyof Options]: Present<Options[Key]> | Optional<Options[Key]> } & {
    [P in Positionals[number] as P["name"]]: Present<P> | Optional<P>;
  }
>;

/** `learningRate` → `learning-rate`. */
export function kebabCase(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `--steps <int>`, or `--[no-]resume` for a flag. */
export function usageOf(key: string, option: Option): string {
  const name = kebabCase(key);
  if (option.type !== "flag") return `--${name} <${valueName(option)}>`;
  // A flag that is itself a no needs no second one.
  return key in COMMON_OPTIONS || name.startsWith("no-") ? `--${name}` : `--[no-]${name}`;
}

/** What may be given, in words: `an integer, at least 1, in steps`. */
export function expectation(option: Option): string {
  if (option.type === "flag") return "no value";
  if (option.type === "choice") return `one of ${option.choices.join(", ")}`;
  const kind = { string: "text", list: "text", int: "an integer", float: "a number" }[option.type];
  const unit = option.unit === undefined ? "" : `in ${option.unit}`;
  return [kind, rangeOf(option), unit].filter((part) => part !== "").join(", ");
}

/** `from 0 to 1`, `above 0 and at most 1`, `above 0`, `at least 1`, `at most 8`, or nothing. */
export function rangeOf(option: Option): string {
  if (option.type !== "int" && option.type !== "float") return "";
  const { min, max, above } = option;
  if (above !== undefined)
    return max === undefined ? `above ${above}` : `above ${above} and at most ${max}`;
  if (min !== undefined && max !== undefined) return `from ${min} to ${max}`;
  if (min !== undefined) return `at least ${min}`;
  return max === undefined ? "" : `at most ${max}`;
}

/** `meshloom train <preset> [options]`. */
export function synopsis({ name, positionals }: CommandTables): string {
  const places = positionals.map((positional) => {
    const place = `<${kebabCase(positional.name)}>${positional.many === true ? "…" : ""}`;
    return positional.required ? place : `[${place}]`;
  });
  return ["meshloom", name, ...places, "[options]"].join(" ");
}

function valueName(option: Option): string {
  if (option.valueName !== undefined) return option.valueName;
  if (option.type === "choice") return option.choices.join("|");
  if (option.type === "int") return "int";
  return option.type === "float" ? "number" : "text";
}
