/** @file Finds the models: every folder of `models/` with an index. Nothing else lists them. */

import { existsSync, readdirSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ConfigError, suggestion } from "../core/errors.ts";
import type { LanguageModel, ModelFamily, Overrides } from "./model.ts";
import type { TaskFamily, TaskModel } from "./task.ts";

const HERE = fileURLToPath(import.meta.url);
const MODELS = join(dirname(dirname(HERE)), "models");

interface ModelModule {
  readonly family?: ModelFamily;
  readonly taskFamily?: TaskFamily;
}

async function modelModules(): Promise<readonly ModelModule[]> {
  const index = `index${extname(HERE)}`; // .ts in a checkout, .js in the package
  const files = readdirSync(MODELS)
    .sort()
    .map((folder) => join(MODELS, folder, index))
    .filter((file) => existsSync(file));
  return Promise.all(files.map((file) => import(pathToFileURL(file).href) as Promise<ModelModule>));
}

/** All families of language models, by folder name. */
export async function modelFamilies(): Promise<readonly ModelFamily[]> {
  return (await modelModules()).flatMap(({ family }) => family ?? []);
}

/** All families of other models, by folder name. */
export async function taskFamilies(): Promise<readonly TaskFamily[]> {
  return (await modelModules()).flatMap(({ taskFamily }) => taskFamily ?? []);
}

/** @throws ConfigError when no family of language models has such a preset, with the nearest name */
export async function openPreset(name: string, overrides: Overrides = {}): Promise<LanguageModel> {
  return (await familyWith(name)).open(name, overrides);
}

/** Any model that a step can be traced of. @throws ConfigError as `openPreset` */
export async function openTraceable(
  name: string,
  overrides: Overrides = {},
): Promise<LanguageModel | TaskModel> {
  const task = (await taskFamilies()).find(({ presets }) => presets.some((p) => p.name === name));
  return task === undefined ? openPreset(name, overrides) : task.open(name, overrides);
}

/** Name of the family that has a preset. @throws ConfigError as `openPreset` */
export async function familyOf(preset: string): Promise<string> {
  return (await familyWith(preset)).name;
}

async function familyWith(name: string): Promise<ModelFamily> {
  const families = await modelFamilies();
  const family = families.find(({ presets }) => presets.some((preset) => preset.name === name));
  if (family !== undefined) return family;
  const tasks = (await taskFamilies()).flatMap(({ presets }) => presets);
  if (tasks.some((preset) => preset.name === name))
    throw new ConfigError("CONFIG-01", `preset: "${name}" is no language model.`, [
      ["fix", "partition takes it; its folder in src/models says how it trains"],
    ]);
  const known = families.flatMap(({ presets }) => presets.map((preset) => preset.name));
  throw new ConfigError(
    "CONFIG-01",
    `preset: "${name}" is not a preset; ${suggestion(name, known)}`,
  );
}

/** The model of a saved run. @throws ConfigError when its family is gone */
export async function restoreModel(config: {
  readonly preset: string;
  readonly family: string;
  readonly model: unknown;
  readonly training: unknown;
}): Promise<LanguageModel> {
  const families = await modelFamilies();
  const family = families.find(({ name }) => name === config.family);
  if (family !== undefined) return family.restore(config.preset, config.model, config.training);
  throw new ConfigError(
    "CONFIG-01",
    `run: its model family "${config.family}" is not here; ${suggestion(
      config.family,
      families.map(({ name }) => name),
    )}`,
  );
}
