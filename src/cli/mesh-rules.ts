/** @file Rules from axis words to mesh axes, as commands take them. */

import { z } from "zod";
import { ConfigError } from "../core/errors.ts";
import type { Mesh } from "../core/mesh.ts";
import { readSmall } from "../files/read.ts";
import {
  type AxisRules,
  checkRules,
  defaultRules,
  finalisedRules,
  parseRules,
} from "../spmd/annotations.ts";

export const RULES_HELP =
  "mesh axes by axis word: batch=data,embed=data, a JSON file of such, or finalised, GSPMD's for dense Transformers on x and y; the usual ones when absent";

const LARGEST = 2 ** 20;
const file = z.record(z.string(), z.union([z.string(), z.array(z.string())]));

/**
 * @param asked - words, a path, `finalised`, or nothing for the usual rules
 * @throws ConfigError for a file that holds something else; ShardingError for an axis that the mesh lacks
 */
export async function readRules(mesh: Mesh, asked: string): Promise<AxisRules> {
  if (asked === "") return defaultRules(mesh);
  if (asked === "finalised") return finalisedRules(mesh);
  if (!asked.endsWith(".json")) return parseRules(mesh, asked);
  const text = await readSmall(asked, LARGEST).catch((error: Error) => {
    throw new ConfigError("CONFIG-01", `rules: ${asked} cannot be read.`, [
      ["cause", error.message],
      ["fix", "name a JSON file, or give words: batch=data,mlp=model"],
    ]);
  });
  const rules = file.safeParse(parsed(text));
  if (!rules.success)
    throw new ConfigError("CONFIG-01", `rules: ${asked} is no list of axis words.`, [
      ["fix", 'write {"batch": "data", "mlp": "model", "embed": ["data", "model"]}'],
    ]);
  checkRules(mesh, rules.data);
  return rules.data;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
