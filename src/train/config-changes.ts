/** @file How two configurations differ, key by key. */

import { isDeepStrictEqual } from "node:util";

/** A value that is otherwise than it was. */
export interface ConfigChange {
  /** With dots, for example `optimizer.learningRate`. */
  readonly key: string;
  readonly before: unknown;
  readonly now: unknown;
}

/** Leaves that differ, as dotted keys; lists are compared whole. */
export function changesBetween(before: unknown, now: unknown, key = ""): ConfigChange[] {
  if (!isRecord(before) || !isRecord(now)) {
    return isDeepStrictEqual(before, now) ? [] : [{ key, before, now }];
  }
  const keys = new Set([...Object.keys(before), ...Object.keys(now)]);
  return [...keys].flatMap((name) =>
    changesBetween(before[name], now[name], key === "" ? name : `${key}.${name}`),
  );
}

/** A value for people: JSON, or `not set`. */
export function showValue(value: unknown): string {
  return value === undefined ? "not set" : JSON.stringify(value);
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
