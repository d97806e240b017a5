/** @file Settings from a file: JSON with some keys of a run's configuration. */

import { readFile } from "node:fs/promises";
import { z } from "zod";
import { ConfigError } from "../core/errors.ts";
import type { ConfigFile } from "./model.ts";
import { readStrict } from "./strict.ts";

const section = z.record(z.string(), z.unknown()).exactOptional();
const form: z.ZodType<ConfigFile> = z.strictObject({ model: section, training: section });

/**
 * The sections `model` and `training` of a file; whether their keys are right is for the model to say.
 *
 * @throws ConfigError when there is no such file, it is not JSON, or it has another section
 */
export async function readConfigFile(path: string): Promise<ConfigFile> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch {
    throw new ConfigError("CONFIG-01", `config: there is no file "${path}" to read.`, [
      ["fix", 'write one, such as { "training": { "steps": 1000 } }'],
    ]);
  }
  return readStrict(form, parsed(text, path), path, "a configuration file");
}

function parsed(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ConfigError("CONFIG-01", `config: "${path}" is not JSON.`, [
      ["it says", error instanceof Error ? error.message : String(error)],
    ]);
  }
}
