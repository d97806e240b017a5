/** @file Finds the models that have a form on the Hub: every folder of `models/` with a `hub` file. */

import { existsSync, readdirSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { CheckpointError, ConfigError, suggestion } from "../core/errors.ts";
import type { HubForm } from "./hub-form.ts";

const HERE = fileURLToPath(import.meta.url);
const MODELS = join(dirname(dirname(HERE)), "models");

/** A form, and the model family whose it is. */
export interface FamilyForm {
  readonly family: string;
  readonly form: HubForm;
}

/** All forms, by folder name. */
export async function hubForms(): Promise<readonly FamilyForm[]> {
  const name = `hub${extname(HERE)}`; // .ts in a checkout, .js in the package
  const families = readdirSync(MODELS)
    .sort()
    .filter((folder) => existsSync(join(MODELS, folder, name)));
  return Promise.all(
    families.map(async (family) => {
      const url = pathToFileURL(join(MODELS, family, name)).href;
      const { hub } = (await import(url)) as { readonly hub: HubForm };
      return { family, form: hub };
    }),
  );
}

/**
 * The form that reads a `model_type`.
 *
 * @param where - path of the `config.json`, for errors
 * @throws CheckpointError when none does, with the known ones
 */
export async function formOfType(modelType: unknown, where: string): Promise<FamilyForm> {
  const forms = await hubForms();
  const found = forms.find(({ form }) => form.modelTypes.some((type) => type === modelType));
  if (found !== undefined) return found;
  const known = forms.flatMap(({ form }) => form.modelTypes);
  const given = typeof modelType === "string" ? modelType : JSON.stringify(modelType);
  throw new CheckpointError(
    "CHECKPOINT-01",
    `hub: ${where}: model_type ${modelType === undefined ? "is missing" : `"${given}" is not read here`}; ${suggestion(given ?? "", known)}`,
    [
      ["known", known.join(", ")],
      ["fix", "name a checkpoint of one of these types"],
    ],
  );
}

/** @throws ConfigError when models of the family have no form on the Hub */
export async function formOfFamily(family: string): Promise<HubForm> {
  const forms = await hubForms();
  const found = forms.find((each) => each.family === family);
  if (found !== undefined) return found.form;
  throw new ConfigError(
    "CONFIG-01",
    `export: models of the family "${family}" have no form on the Hub.`,
    [
      ["have one", forms.map((each) => each.family).join(", ")],
      ["fix", "export it with --to onnx, or add src/models/<family>/hub.ts"],
    ],
  );
}
