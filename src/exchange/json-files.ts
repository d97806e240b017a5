/** @file The small JSON files of a Hub folder. */

import { ifPresent } from "../files/disk.ts";
import { readSmall } from "../files/read.ts";
import { doubledKey } from "../train/json-keys.ts";
import { COPY_AGAIN, hubError } from "./errors.ts";

/** A JSON object. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Vocabularies of some hundred thousand words take tens of megabytes. */
const LARGEST = 2 ** 28;

/** The text of a file; undefined when there is none. @throws CheckpointError when it cannot be read */
export async function readTextFile(path: string): Promise<string | undefined> {
  try {
    return await ifPresent(readSmall(path, LARGEST));
  } catch (cause) {
    throw hubError(`${path} cannot be read.`, [["cause", (cause as Error).message]], COPY_AGAIN);
  }
}

/** @throws CheckpointError when the text is no JSON object, or names one key twice */
export function parseObject(text: string, path: string): JsonObject {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw hubError(`${path} is not JSON.`, [["cause", (cause as Error).message]], COPY_AGAIN);
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw hubError(`${path} is not a JSON object.`, [], COPY_AGAIN);
  }
  const doubled = doubledKey(text);
  if (doubled !== undefined) {
    throw hubError(`${path} has the key "${doubled}" twice.`, [], COPY_AGAIN);
  }
  return parsed as JsonObject;
}

/** The object in a file; undefined when there is no file. */
export async function readObject(path: string): Promise<JsonObject | undefined> {
  const text = await readTextFile(path);
  return text === undefined ? undefined : parseObject(text, path);
}
