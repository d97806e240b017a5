/** @file One of a list by its name: presets, routers. */

import { ConfigError, suggestion } from "./errors.ts";

/** @throws ConfigError when there is none of this kind with that name, with the nearest name */
export function namedOne<T extends { readonly name: string }>(
  kind: string,
  list: readonly T[],
  name: string,
): T {
  const found = list.find((known) => known.name === name);
  if (found !== undefined) return found;
  const nearest = suggestion(
    name,
    list.map((known) => known.name),
  );
  throw new ConfigError("CONFIG-01", `${kind}: "${name}" is not a ${kind}; ${nearest}`);
}
