/** @file Presets by name. */

import { ConfigError, suggestion } from "../core/errors.ts";

/** @throws ConfigError when there is no such preset, with the nearest name */
export function presetNamed<T extends { readonly name: string }>(
  presets: readonly T[],
  name: string,
): T {
  const preset = presets.find((known) => known.name === name);
  if (preset !== undefined) return preset;
  throw new ConfigError(
    "CONFIG-01",
    `preset: "${name}" is not a preset; ${suggestion(
      name,
      presets.map((known) => known.name),
    )}`,
  );
}
