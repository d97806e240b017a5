/** @file Options of routers: what they are called, what they may be, what they are when nobody says. */

import { ConfigError, suggestion } from "../../core/errors.ts";

/** One option. */
export interface RouterOption<T> {
  readonly otherwise: T;
  /** What it decides, for docs. */
  readonly about: string;
  /** What it may be, in words: "a number from 0 to 1". */
  readonly wants: string;
  accepts(value: unknown): boolean;
}

export type OptionTable = Readonly<Record<string, RouterOption<unknown>>>;
export type OptionValues<T> = {
  readonly [K in keyof T]: T[K] extends RouterOption<infer V> ? V : never;
};

/** A whole number, `least` or more. */
export function count(otherwise: number, about: string, least = 1): RouterOption<number> {
  return {
    otherwise,
    about,
    wants: `a whole number from ${least}`,
    accepts: (value) => Number.isInteger(value) && Number(value) >= least,
  };
}

/** A finite number in a range, ends included. */
export function quantity(
  otherwise: number,
  [low, high]: readonly [low: number, high: number],
  about: string,
): RouterOption<number> {
  return {
    otherwise,
    about,
    wants: high === Infinity ? `a number from ${low}` : `a number from ${low} to ${high}`,
    accepts: (value) => Number.isFinite(value) && Number(value) >= low && Number(value) <= high,
  };
}

export function flag(otherwise: boolean, about: string): RouterOption<boolean> {
  return { otherwise, about, wants: "true or false", accepts: (x) => typeof x === "boolean" };
}

export function oneOf<const T extends string>(
  otherwise: NoInfer<T>,
  words: readonly T[],
  about: string,
): RouterOption<T> {
  const wants = `one of: ${words.join(", ")}`;
  return { otherwise, about, wants, accepts: (value) => words.some((word) => word === value) };
}

/**
 * All options of a router with their values.
 *
 * @throws ConfigError for an option that it has not, with the nearest name, or a value that is none of its
 */
export function readOptions<T extends OptionTable>(
  router: string,
  table: T,
  given: Readonly<Record<string, unknown>>,
): OptionValues<T> {
  for (const [name, value] of Object.entries(given)) {
    const option = Object.hasOwn(table, name) ? table[name] : undefined;
    if (option === undefined) {
      const known = Object.keys(table);
      const fix = known.length === 0 ? "it has none" : suggestion(name, known);
      throw new ConfigError("CONFIG-01", `router: ${router} has no option "${name}"; ${fix}`);
    }
    if (!option.accepts(value)) {
      throw new ConfigError(
        "CONFIG-01",
        `router: ${router} cannot have ${name} = ${JSON.stringify(value)}.`,
        [
          ["wants", option.wants],
          ["meaning", option.about],
        ],
      );
    }
  }
  const values = Object.entries(table).map(([name, { otherwise }]) => [
    name,
    given[name] ?? otherwise,
  ]);
  return Object.fromEntries(values) as OptionValues<T>;
}
