/** @file Settings read by a schema: every wrong key by name, and what it was probably meant to be. */

import { z } from "zod";
import { ConfigError, type Fact, suggestion } from "../core/errors.ts";

/** Far above any model; a damaged file must not ask for all memory before it is seen to be one. */
export const count: z.ZodInt = z
  .int()
  .positive()
  .max(2 ** 24);

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/**
 * The value, when it is what the schema says.
 *
 * @param section - the part of a configuration that the value is, `training`
 * @param of - whose it is, `a GLaM`
 * @throws ConfigError naming every key that is wrong, with the nearest known one
 */
export function readStrict<T>(
  schema: z.ZodType<T>,
  value: unknown,
  section: string,
  of: string,
): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new ConfigError(
    "CONFIG-01",
    `config: the section "${section}" is not one of ${of}.`,
    result.error.issues
      .flatMap((issue) => innermost(issue, value))
      .flatMap((issue) => factsOf(issue, schema, value, section)),
  );
}

/** Issues inside the one alternative of a union that the value was meant to be. */
function innermost(issue: Issue, value: unknown, prefix: Path = []): Issue[] {
  const path = [...prefix, ...issue.path];
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    const otherKind = ({ code, path: at }: Issue) =>
      at.length === 0 && (code === "invalid_type" || code === "invalid_value");
    const meant = issue.errors.find((errors) => !errors.some(otherKind));
    // A word that is none of the words is more telling than that it is no record.
    const words = issue.errors.find((errors) =>
      errors.some(({ code }) => code === "invalid_value"),
    );
    const [first] = issue.errors;
    const chosen = meant ?? (typeof valueAt(value, path) === "string" ? words : undefined) ?? first;
    return (chosen ?? []).flatMap((inner) => innermost(inner, value, path));
  }
  return [{ ...issue, path }];
}

function factsOf(issue: Issue, schema: z.core.$ZodType, value: unknown, section: string): Fact[] {
  const where = issue.path.join(".") || section;
  const given = valueAt(value, issue.path);
  if (issue.code === "unrecognized_keys") {
    const known = keysAt(schema, issue.path, value);
    return issue.keys.map((key) => {
      const name = [...issue.path, key].join(".");
      return [name, `is not a key here; ${suggestion(key, known)}`] as const;
    });
  }
  if (given === undefined) return [[where, "is missing"]];
  const choices = choicesOf(issue);
  if (choices !== undefined) {
    const text = typeof given === "string" ? `"${given}"` : JSON.stringify(given);
    return [[where, `${text} is not a choice; ${suggestion(String(given), choices)}`]];
  }
  return [[where, issue.message]];
}

function choicesOf(issue: Issue): readonly string[] | undefined {
  if (issue.code === "invalid_value") return issue.values.map(String);
  if (issue.code !== "invalid_union" || !("options" in issue)) return undefined;
  return Array.isArray(issue.options) ? issue.options.map(String) : undefined;
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (node, key) => (typeof node === "object" && node !== null ? Reflect.get(node, key) : undefined),
    value,
  );
}

/** The keys that the schema knows where the path leads, following the value through unions. */
function keysAt(schema: z.core.$ZodType, path: Path, value: unknown): readonly string[] {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  if ("innerType" in def) return keysAt(def.innerType, path, value);
  if (def.type === "union") {
    const lists = def.options
      .filter((option) => !contradicts(option, path, value))
      .map((option) => keysAt(option, path, value));
    return lists.find((list) => list.length > 0) ?? [];
  }
  if (def.type !== "object") return [];
  const [key, ...rest] = path;
  if (key === undefined) return Object.keys(def.shape);
  const inner = def.shape[String(key)];
  return inner === undefined ? [] : keysAt(inner, rest, valueAt(value, [key]));
}

/** Whether a record's fixed words, such as its `name`, are not those of the value. */
function contradicts(schema: z.core.$ZodType, path: Path, value: unknown): boolean {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  if (path.length > 0 || def.type !== "object") return false;
  return Object.entries(def.shape).some(([key, field]) => {
    const { def: own } = (field as z.core.$ZodTypes)._zod;
    return own.type === "literal" && !own.values.includes(valueAt(value, [key]) as never);
  });
}
